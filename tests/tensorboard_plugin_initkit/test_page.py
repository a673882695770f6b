"""The page in a real browser, with data from a real TensorBoard."""

import contextlib
import csv
import io
import itertools
import json
import os
import re
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from selenium.common.exceptions import (
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from keras_initkit import LayerStatsCallback
from keras_initkit.diagnosis.finding import CRITICAL, WARNING, Finding
from keras_initkit.experiments.datasets import load_dataset
from tensorboard_plugin_initkit import metadata

PATIENCE = 20  # seconds
VIEWS = ("profile", "heatmap", "compare", "weights_gradients", "overview")
HOSTILE = "<img src=x onerror=window.pwned=1>"
ODD = "odd, 100%2C"  # in a list of names, a comma might end one
STEPS = [0, 1, 2, 10, 50, 100]
# Names the directory of the pictures in the documentation, to take them anew.
PICTURES = "KERAS_INITKIT_PICTURES"
LAYERS = ["net/a", "net/b", "net/c", "net/d"]
RNG = np.random.default_rng(0)
ONE, TWO = (
    {
        key: np.exp(RNG.normal(-3, 1, size=(len(STEPS), len(LAYERS)))).astype("float32")
        for key in ("weight_variance", "gradient_variance", "update_ratio")
    }
    for _ in range(2)
)
INTENDED = np.array([0.1, 0.2, np.nan, 0.05], "float32")
STRANGE = np.full((3, 4), 0.01, "float32")
STRANGE[0, 1], STRANGE[1, 2], STRANGE[2, 3] = np.nan, np.inf, 0
# An exploding run among healthy ones.
CALM = np.geomspace(1e-8, 4e-8, 12).reshape(3, 4).astype("float32")
EXTREMES = {
    "calm": CALM,
    "calmer": CALM / 2,
    "exploding": np.float32([[1e-8, 1e18, 1e20, 1e24]] * 3),
    "vanishing": np.full((3, 4), 1e-17, "float32"),
    "zero": np.zeros((3, 4), "float32"),
    # Healthy at first; then the gradient vanishes on its way to the first layers.
    "breaking": np.float32(
        [[1e-6] * 4, [1e-12, 1e-9, 1e-6, 1e-4], [0, 1e-9, np.nan, 1e-4]]
    ),
}
VANISHING = Finding(
    *("vanishing_gradient", ("net/a", "net/b"), 1, WARNING),
    *("10^-8 (normal: 10^-3)", "it shrinks", 'activation="tanh"  # in net/a', "us"),
)
EXPLODING = Finding(
    *("weights_too_large", ("net/b",), 0, CRITICAL),
    *("9 times what keeps it", "it grows", 'kernel_initializer="he_normal"', "us"),
    consequences=("exploding_gradient", "non_finite"),
)
FOUND = {"calm": [], "calmer": [], "breaking": [VANISHING], "exploding": [EXPLODING]}
LOSSES = {
    "calm": [2.0, 1.0, 0.5],
    "calmer": [3.0, 2.0, 0.25],
    "exploding": [20.0, 1e9, np.nan],
    "breaking": [2.5, 2.5, 2.5],
}
RATES = {"calm": [0.01, 0.01, 0.001]}
ACCURACIES = {"calm": [0.1, 0.5, 0.875], "calmer": [0.2, 0.5, 0.75]}
NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SHORT = "of another network"  # it has values for fewer layers than names
INTERACTIVE = {
    *("application", "button", "checkbox", "combobox", "link", "listbox", "menuitem"),
    *("option", "radio", "searchbox", "slider", "spinbutton", "switch", "tab"),
    *("textbox", "treeitem"),
}
# The color of the canvas under a point of the window.
PIXEL = """
const [canvas, x, y] = arguments;
const box = canvas.getBoundingClientRect();
const at = [(x - box.left) * canvas.width / box.width,
  (y - box.top) * canvas.height / box.height].map(Math.floor);
const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
copy.drawImage(canvas, ...at, 1, 1, 0, 0, 1, 1);
return [...copy.getImageData(0, 0, 1, 1).data];
"""
# As in TensorBoard; without it, the page cannot follow the reload button.
LISTEN = """
window.addEventListener("message", ({ data, ports }) => {
  if (data === "experimental.bootstrap") window.hostPort = ports[0];
});
"""
RELOAD = """
window.hostPort.postMessage(JSON.stringify({ type: "experimental.DataReloaded",
  id: 0, payload: undefined, error: null, isReply: false }));
"""
# TensorBoard's answer if a run was removed meanwhile.
REFUSE = """
const fetched = window.fetch;
window.fetch = (url, ...rest) => String(url).includes("PATTERN") && !window.repaired
  ? Promise.resolve(new Response("There is no run 'gone'.", { status: 404 }))
  : fetched(url, ...rest);
"""


class Page:
    """The browser, with questions to the page in it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url, **link):
        """Opens the page alone; `link` is the view in its address."""
        parts = [f"p.initkit.{key}={quote(value)}" for key, value in link.items()]
        fragment = f"#{'&'.join(['initkit', *parts])}" if parts else ""
        self.driver.get("about:blank")  # another fragment alone loads nothing
        self.driver.get(f"{url}data/plugin_entry.html?name=initkit{fragment}")
        self.wait(lambda: self.state() not in (None, "loading"))

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def command(self, name, **arguments):
        """A command of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def wait(self, condition):
        """The value of the condition once it is true."""

        def holds(_):
            with contextlib.suppress(StaleElementReferenceException):
                return condition()

        try:
            return WebDriverWait(self.driver, PATIENCE, 0.05).until(holds)
        except TimeoutException:
            raise AssertionError(
                f"never: state {self.state()}: {self.text()}"
            ) from None

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        return self.wait(lambda: next(iter(self.all(css)), None))

    def state(self):
        return self.run("return document.querySelector('main')?.dataset.state ?? null")

    def text(self):
        return self.run("return document.body.innerText")

    def data(self, css, *names):
        """The data-attributes of these names, or the attributes, of every element."""
        script = (
            "const [css, names] = arguments;"
            "return [...document.querySelectorAll(css)].map((one) =>"
            "names.map((name) => one.dataset[name] ?? one.getAttribute(name)));"
        )
        return [tuple(row) for row in self.run(script, css, names)]

    def show(self, view):
        self.one(f"button[role=tab][data-view={view}]").click()
        self.wait(lambda: self.selected_view() == view and self.state() == "ready")

    def selected_view(self):
        return self.data("[role=tab][aria-selected=true]", "view")[0][0]

    def runs(self):
        return [name for (name,) in self.data("input[type=checkbox][data-run]", "run")]

    def values(self, run):
        """The value at each layer of a run, from its points."""
        points = self.data("circle.point", "run", "layer", "value")
        return {layer: float(value) for name, layer, value in points if name == run}

    def path(self, kind, run):
        found = dict(self.data(f"path.{kind}", "run", "d"))
        return found.get(run)

    def heatmap(self, name):
        names = [found for (found,) in self.data("[data-heatmap]", "heatmap")]
        return self.all("[data-heatmap]")[names.index(name)]

    def readout(self):
        """The layer, the step and the value under the pointer, or None."""
        ((layer, step, value),) = self.data("#readout", "layer", "step", "value")
        return None if layer is None else (layer, int(float(step)), float(value))

    def cells(self, name, across=16, down=8):
        """The reading, the place and the color as the pointer moves over a heatmap."""
        canvas = self.heatmap(name).find_element(By.TAG_NAME, "canvas")
        self.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
        box = self.run("return arguments[0].getBoundingClientRect().toJSON()", canvas)
        for i, j in itertools.product(range(across), range(down)):
            x = int(box["left"] + (i + 0.5) / across * box["width"])
            y = int(box["top"] + (j + 0.5) / down * box["height"])
            self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
            if cell := self.readout():
                yield cell, (x, y), tuple(self.run(PIXEL, canvas, x, y))

    def press(self, *keys):
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def focus(self, element):
        self.run("arguments[0].focus()", element)

    def reach(self, css):
        """Tells whether the Tab key leads from the top of the page to the element."""
        self.run("document.activeElement.blur(); window.scrollTo(0, 0);")
        for _ in range(60):
            self.press(Keys.TAB)
            if self.run("return document.activeElement.matches(arguments[0])", css):
                return True
        return False

    def resize(self, width, height=800):
        self.command(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1},
            mobile=False,
        )

    def prefer(self, theme):
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def log(self):
        """The browser's complaints since the last call."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
            and "/favicon.ico" not in entry["message"]
        ]


def network():
    hidden = [keras.layers.Dense(8, "relu", name=f"hidden_{i}") for i in range(3)]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory, write_run):
    log_dir = tmp_path_factory.mktemp("logs")
    intended = {"weight_variance": INTENDED}
    write_run(log_dir / "steps/one", STEPS, LAYERS, ONE, start=True, intended=intended)
    write_run(log_dir / "steps/two", STEPS, LAYERS, TWO, start=True)
    strange = {"gradient_variance": STRANGE, "update_ratio": STRANGE}
    write_run(log_dir / ODD, range(3), LAYERS, strange)
    hostile = {"gradient_variance": STRANGE[:, :2]}
    finding = Finding(HOSTILE, (HOSTILE,), 0, CRITICAL, *[HOSTILE] * 4, (HOSTILE,))
    write_run(
        *(log_dir / HOSTILE, range(3), [HOSTILE, f'"{HOSTILE}'], hostile),
        findings=[finding],
    )
    newer = b'{"version": 2, "layers": []}'
    write_run(log_dir / "newer", range(3), LAYERS, strange, content=newer)
    return log_dir


@pytest.fixture(scope="module")
def history(log_dir):
    """A recorded training, beside runs written by hand."""
    callback = LayerStatsCallback(log_dir / "trained", 1)
    x = np.random.default_rng(0).normal(size=(48, 4))
    network().fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[callback])
    return callback.history


@pytest.fixture(scope="module")
def url(log_dir, history, tensorboard_server):
    with tensorboard_server(log_dir) as url:
        wait_for_runs(url, 6)
        yield url


def wait_for_runs(url, number):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}data/plugin/initkit/runs") as answer:
            runs = json.load(answer)["runs"]
        is_written = ["No step" not in run.get("error", "") for run in runs]
        if len(runs) == number and all(is_written):
            return
        time.sleep(0.1)
    raise AssertionError(f"TensorBoard does not have {number} runs: {runs}")


@pytest.fixture
def page(driver):
    """The browser in its first state; nothing may have gone wrong in it."""
    page = Page(driver)
    page.resize(1280)
    page.prefer("light")
    page.log()
    yield page
    assert page.log() == []


def test_ready(page, url):
    page.open(url)
    assert page.state() == "ready"
    assert page.selected_view() == "profile"
    known = {"steps/one", "steps/two", ODD, "trained/layer_stats", HOSTILE}
    assert set(page.runs()) == {*known, "newer"}
    views = [view for (view,) in page.data("button[role=tab]", "view")]
    assert views == list(VIEWS)
    assert page.one("#findings").text


def test_the_slider_moves_the_lines(page, url):
    page.open(url, statistic="weight_variance", runs="steps/one")
    page.focus(page.one("input#step"))
    page.press(Keys.HOME)
    paths = []
    for i, step in enumerate(STEPS):
        expected = dict(zip(LAYERS, ONE["weight_variance"][i].tolist(), strict=True))
        page.wait(lambda expected=expected: page.values("steps/one") == expected)
        assert str(step) in page.one("output#step-label").text
        paths.append(page.path("profile", "steps/one"))
        page.press(Keys.ARROW_RIGHT)
    assert len(set(paths)) == len(STEPS)
    # The start does not move, and is where the line was at first.
    assert page.path("start", "steps/one") == paths[0]


def test_what_was_intended(page, url):
    page.open(url, statistic="weight_variance", runs="steps/one,steps/two")
    assert page.path("intended", "steps/one")
    assert not page.path("intended", "steps/two")


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_point_says_what_it_is_and_opens_its_time_series(page, url, by):
    page.open(url, statistic="weight_variance", runs="steps/two", step="10")
    values = TWO["weight_variance"][STEPS.index(10)].tolist()
    if by == "mouse":
        ActionChains(page.driver).move_to_element(page.all("circle.point")[2]).perform()
    else:
        assert page.reach("circle.point")
        page.press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.wait(lambda: page.readout() == ("net/c", 10, values[2]))
    if by == "mouse":
        ActionChains(page.driver).click().perform()
    else:
        page.press(Keys.ENTER)
    page.wait(lambda: page.data("section#time-series", "layer") == [("net/c",)])
    assert page.path("series", "steps/two")


def test_play(page, url):
    page.open(url, statistic="weight_variance", runs="steps/one")
    page.focus(page.one("input#step"))
    page.press(Keys.END, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    seen = [page.values("steps/one")]
    button = page.one("button#play")
    button.click()
    name = button.get_attribute("aria-label")
    for values in ONE["weight_variance"][-2:].tolist():
        expected = dict(zip(LAYERS, values, strict=True))
        page.wait(lambda expected=expected: page.values("steps/one") == expected)
        seen.append(expected)
    assert len(seen) == 3
    page.wait(lambda: button.get_attribute("aria-label") != name)  # it has stopped


def test_a_checkbox_takes_a_run_away_and_brings_it_back(page, url):
    page.open(url, statistic="weight_variance", runs="steps/one,steps/two")
    box = page.all("input[type=checkbox]")[page.runs().index("steps/two")]
    box.click()
    page.wait(lambda: not page.values("steps/two"))
    assert page.values("steps/one")
    box = page.all("input[type=checkbox]")[page.runs().index("steps/two")]
    box.click()
    page.wait(lambda: page.values("steps/two"))


def assert_is_recorded(cell, history, key):
    layer, step, value = cell
    record = history.steps.tolist().index(step)
    expected = history[key][record, list(history.layers).index(layer)]
    assert value == np.float32(expected)


def test_heatmap_by_mouse(page, url, history):
    key = "gradient_variance"
    run = "trained/layer_stats"
    page.open(url, view="heatmap", run=run, statistic=key)
    seen = set()
    for cell, _, _ in page.cells(run):
        assert_is_recorded(cell, history, key)
        seen.add(cell[:2])
    assert {layer for layer, _ in seen} == set(history.layers)
    assert len({step for _, step in seen}) > 6


def test_heatmap_by_keyboard(page, url, history):
    key, run = "weight_l2_norm", "trained/layer_stats"
    page.open(url, view="heatmap", run=run, statistic=key)
    page.focus(page.heatmap(run))
    page.press(Keys.HOME, Keys.ARROW_DOWN)
    cells = [page.wait(page.readout)]
    for pressed in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_UP):
        page.press(pressed)
        page.wait(lambda: page.readout() != cells[-1])
        cells.append(page.readout())
    for cell in cells:
        assert_is_recorded(cell, history, key)
    assert cells[-1] == cells[0]
    assert len(set(cells)) == 4
    layers, steps = list(history.layers), history.steps.tolist()
    places = [(steps.index(step), layers.index(layer)) for layer, step, _ in cells]
    moves = np.diff(places, axis=0).tolist()
    assert moves == [[1, 0], [0, 1], [-1, 0], [0, -1]]


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_cell_opens_the_time_series_of_its_layer(page, url, history, by):
    run = "trained/layer_stats"
    page.open(url, view="heatmap", run=run, statistic="gradient_variance")
    if by == "keyboard":
        page.focus(page.heatmap(run))
        page.press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
        layer = page.wait(page.readout)[0]
        page.press(Keys.ENTER)
    else:
        *_, ((layer, _, _), (x, y), _) = itertools.islice(page.cells(run), 40)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            page.command("Input.dispatchMouseEvent", **event)
    page.wait(lambda: page.data("section#time-series", "layer") == [(layer,)])
    assert page.one("section#time-series").is_displayed()
    assert page.wait(lambda: page.path("series", run))


def test_what_is_no_number_has_colours_of_its_own(page, url):
    key = "update_ratio"
    page.open(url, view="heatmap", run=ODD, statistic=key)
    colours = {}
    for (layer, step, value), _, colour in page.cells(ODD):
        expected = STRANGE[step, LAYERS.index(layer)]
        np.testing.assert_equal(np.float32(value), expected)
        colours.setdefault(str(value), set()).add(colour)
    assert len(colours) == 4  # NaN, infinite, 0 and 0.01
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == 4


def test_two_runs(page, url):
    key = "gradient_variance"
    page.open(url, view="compare", statistic=key, a="steps/one", b="steps/two")
    names = {name for (name,) in page.data("[data-heatmap]", "heatmap")}
    assert names == {"steps/one", "steps/two", "difference"}
    for run, values in (("steps/one", ONE), ("steps/two", TWO)):
        for (layer, step, value), _, _ in page.cells(run, 6, 5):
            assert value == values[key][STEPS.index(step), LAYERS.index(layer)]
    # On a logarithmic scale, the powers of ten by which one is above two.
    difference = np.log10(ONE[key].astype(float)) - np.log10(TWO[key].astype(float))
    seen = set()
    for (layer, step, value), _, _ in page.cells("difference"):
        expected = difference[STEPS.index(step), LAYERS.index(layer)]
        assert value == pytest.approx(expected, rel=1e-5)
        seen.add((layer, step))
    assert len(seen) == len(LAYERS) * len(STEPS)


def test_two_runs_that_are_chosen(page, url):
    page.open(url, view="compare", statistic="gradient_variance")
    Select(page.one("select#run-a")).select_by_value("steps/two")
    Select(page.one("select#run-b")).select_by_value("steps/one")
    names = {"steps/one", "steps/two", "difference"}
    page.wait(lambda: {n for (n,) in page.data("[data-heatmap]", "heatmap")} == names)


def test_weights_and_gradients(page, url):
    page.open(url, view="weights_gradients", runs="steps/one")
    expected = {
        (layer, value)
        for key in ("weight_variance", "gradient_variance")
        for layer, value in zip(LAYERS, ONE[key][-1].tolist(), strict=True)
    }
    points = page.data("circle.point[data-run='steps/one']", "layer", "value")
    assert {(layer, float(value)) for layer, value in points} == expected
    paths = [d for run, d in page.data("path.profile", "run", "d")]
    assert len(paths) == 2
    assert all(paths)


def test_another_statistic(page, url):
    page.open(url, runs="steps/two")
    for key in ("update_ratio", "weight_variance"):
        Select(page.one("select#statistic")).select_by_value(key)
        expected = dict(zip(LAYERS, TWO[key][-1].tolist(), strict=True))
        page.wait(lambda expected=expected: page.values("steps/two") == expected)


def test_a_link_brings_back_what_was_seen(page, url):
    link = {"statistic": "update_ratio", "runs": "steps/two", "step": "10"}
    page.open(url, **link)
    expected = dict(zip(LAYERS, TWO["update_ratio"][3].tolist(), strict=True))
    assert page.values("steps/two") == expected
    assert not page.values("steps/one")
    page.open(url, view="heatmap", run=ODD, statistic="update_ratio")
    assert page.selected_view() == "heatmap"
    page.heatmap(ODD)
    page.open(url, view="compare", a="steps/two", b=ODD)
    shown = [Select(page.one(f"select#run-{x}")).first_selected_option for x in "ab"]
    assert [option.get_attribute("value") for option in shown] == [
        "steps/two",
        ODD,
    ]
    page.open(url, layer="net/b", runs="steps/one", statistic="weight_variance")
    page.wait(lambda: page.data("section#time-series", "layer") == [("net/b",)])


def test_the_address_follows_what_is_seen(page, url):
    page.open(url)
    page.show("heatmap")
    Select(page.one("select#statistic")).select_by_value("update_ratio")
    Select(page.one("select#run")).select_by_value("steps/two")
    page.wait(
        lambda: "steps/two" in [n for (n,) in page.data("[data-heatmap]", "heatmap")]
    )
    address = page.wait(
        lambda: (found := page.driver.current_url).count("p.initkit.") >= 3 and found
    )
    page.driver.get("about:blank")
    page.driver.get(address)
    page.wait(lambda: page.state() == "ready")
    assert page.selected_view() == "heatmap"
    assert page.one("select#statistic").get_attribute("value") == "update_ratio"
    page.heatmap("steps/two")


def test_the_address_has_every_name(page, url):
    page.open(url, statistic="update_ratio")
    for name, box in zip(page.runs(), page.all("input[type=checkbox]"), strict=True):
        if name != ODD and box.is_selected():
            box.click()
    page.wait(lambda: not page.values("steps/one") and page.values(ODD))
    address = page.wait(
        lambda: "p.initkit.runs=" in (found := page.driver.current_url) and found
    )
    page.driver.get("about:blank")
    page.driver.get(address)
    page.wait(lambda: page.state() == "ready")
    assert page.values(ODD)
    assert {name for (name,) in page.data("circle.point", "run")} == {ODD}


def test_a_link_to_what_does_not_exist(page, url):
    page.open(
        *(url,),
        **{"view": "none", "statistic": "none", "runs": "none", "step": "x"},
        **{"layer": HOSTILE, "run": "%", "a": "", "b": "&"},
    )
    assert page.state() == "ready"


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_names_are_text(page, url, view):
    link = {"runs": HOSTILE, "run": HOSTILE, "a": HOSTILE, "b": ODD}
    page.open(url, view=view, statistic="gradient_variance", **link)
    assert page.state() == "ready"
    assert HOSTILE in page.runs()
    assert HOSTILE in page.text()
    assert page.run("return [window.pwned, document.images.length]") == [None, 0]


def test_a_hostile_layer_is_text(page, url):
    page.open(url, runs=HOSTILE, statistic="gradient_variance", layer=HOSTILE)
    page.wait(lambda: page.data("section#time-series", "layer") == [(HOSTILE,)])
    assert HOSTILE in page.one("section#time-series").text
    assert page.run("return [window.pwned, document.images.length]") == [None, 0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes(page, url, theme, contrasts, weak_text):
    page.prefer(theme)
    link = {"layer": "net/b", "runs": "steps/one,steps/two", "run": "steps/one"}
    page.open(url, statistic="weight_variance", **link)
    for view in VIEWS:
        page.show(view)
        assert weak_text() == []
    page.open(url)
    texts = contrasts()
    behind, front = zip(*(found[2:] for found in texts), strict=True)
    page.prefer({"light": "dark", "dark": "light"}[theme])
    page.wait(lambda: contrasts()[0][2:] != texts[0][2:])
    others = contrasts()
    assert {found[2] for found in others}.isdisjoint(behind[:1])
    assert {found[3] for found in others}.isdisjoint(front[:1])


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_the_window(page, url, view, width):
    page.resize(width)
    page.open(url, view=view, layer="net/b", run="steps/one", a="steps/one")
    assert page.state() == "ready"
    widths = (
        "const e = document.scrollingElement; return [e.scrollWidth, e.clientWidth]"
    )
    needed, there = page.run(widths)
    assert needed <= there <= width


def test_tab_key_leads_everywhere(page, url):
    page.open(url, runs="steps/one")
    for css in (
        "[role=tab]",
        "select#statistic",
        "input[type=checkbox][data-run]",
        "button#play",
        "input#step",
        "circle.point",
    ):
        assert page.reach(css), css
    page.show("heatmap")
    assert page.reach("select#run")
    assert page.reach("[data-heatmap]")


def test_tabs_by_keyboard(page, url):
    page.open(url)
    assert page.reach("[role=tab][aria-selected=true]")
    for view in VIEWS[1:]:
        page.press(Keys.ARROW_RIGHT)
        page.press(Keys.ENTER)  # if the arrow alone does not select
        page.wait(lambda view=view: page.selected_view() == view)
        page.wait(lambda: page.state() == "ready")


@pytest.mark.parametrize("view", VIEWS)
def test_everything_that_can_be_used_has_a_name(page, url, view):
    page.open(url, view=view, layer="net/b", runs="steps/one", run="steps/one")
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in page.command("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"]
    ]
    used = [(role, name) for role, name in found if role in INTERACTIVE]
    fields = {"combobox"} if view != "overview" else set()
    assert {"tab", "button", *fields} <= {role for role, _ in used}
    assert [role for role, name in used if not name] == []


@contextlib.contextmanager
def blocked(page, *patterns):
    page.command("Network.enable")
    page.command("Network.setBlockedURLs", urls=patterns)
    try:
        yield
    finally:
        page.command("Network.setBlockedURLs", urls=[])
        page.command("Network.disable")


def try_again(page):
    (button,) = (b for b in page.all("button") if "Try again" in b.text)
    button.click()
    page.wait(lambda: page.state() == "ready")
    page.log()  # a failed request is no fault


@pytest.mark.parametrize("route", ["runs", "profiles"])
def test_no_answer_is_said_and_can_be_tried_again(page, url, route):
    with blocked(page, f"*/data/plugin/initkit/{route}*"):
        page.open(url, runs="steps/one")
        assert page.state() == "failed"
        assert "TensorBoard" in page.text()
    try_again(page)
    assert page.values("steps/one")


@contextlib.contextmanager
def before_the_page(page, script):
    """The script runs in every page before the page's own."""
    added = page.command("Page.addScriptToEvaluateOnNewDocument", source=script)
    yield
    page.command("Page.removeScriptToEvaluateOnNewDocument", **added)


def test_a_refusal_is_said_and_can_be_tried_again(page, url):
    with before_the_page(page, REFUSE.replace("PATTERN", "/profiles")):
        page.open(url, runs="steps/one")
    assert page.state() == "failed"
    assert "There is no run 'gone'." in page.text()
    page.run("window.repaired = true")
    try_again(page)
    assert page.values("steps/one")


def test_of_what_is_refused_the_rest_is_shown(page, url):
    with before_the_page(page, REFUSE.replace("PATTERN", "run=steps%2Ftwo")):
        page.open(url, runs="steps/one,steps/two", statistic="update_ratio")
    assert page.state() == "ready"
    assert "There is no run 'gone'." in page.text()
    assert page.values("steps/one")
    assert not page.values("steps/two")


def test_a_run_that_cannot_be_read_says_why(page, url, weak_text):
    page.open(url)
    box = page.all("input[type=checkbox]")[page.runs().index("newer")]
    assert not box.is_enabled()
    assert "newer keras_initkit" in page.text()


@pytest.mark.slow
def test_from_an_empty_directory_to_a_live_run(
    page, tmp_path, write_run, tensorboard_server, contrasts, weak_text
):
    """With a path prefix, alone and inside TensorBoard."""
    flags = ("--path_prefix", "/some/prefix", "--reload_interval", "1")
    with tensorboard_server(tmp_path, *flags) as url:
        with before_the_page(page, LISTEN):
            page.open(url)
        assert page.state() == "empty"
        assert "LayerStatsCallback" in page.text()
        assert weak_text() == []

        write_run(tmp_path / "first", STEPS, LAYERS, ONE, start=True)
        wait_for_runs(url, 1)
        page.run(RELOAD)
        page.wait(lambda: page.state() == "ready" and page.runs() == ["first"])

        page.driver.get(f"{url}#initkit")
        page.driver.switch_to.frame(page.one("iframe"))
        page.wait(lambda: page.state() == "ready" and page.runs() == ["first"])
        assert page.values("first")
        before = contrasts()[0]

        write_run(tmp_path / "second", STEPS, LAYERS, TWO, start=True)
        wait_for_runs(url, 2)
        page.driver.switch_to.default_content()
        page.one(".reload-button").click()
        page.driver.switch_to.frame(page.one("iframe"))
        page.wait(lambda: page.runs() == ["first", "second"])
        page.wait(lambda: page.state() == "ready" and page.values("second"))

        page.driver.switch_to.default_content()
        page.one("app-header-dark-mode-toggle button").click()
        items = page.wait(lambda: page.all("[role=menuitem]"))
        next(item for item in items if "Dark" in item.text).click()
        page.wait(lambda: "dark-mode" in page.run("return document.body.className"))
        page.driver.switch_to.frame(page.one("iframe"))
        page.wait(lambda: contrasts()[0][2:] != before[2:])
        assert weak_text() == []

        page.show("heatmap")
        page.driver.switch_to.default_content()
        page.wait(lambda: "p.initkit.view=heatmap" in page.driver.current_url)
        assert "#initkit" in page.driver.current_url
        # TensorBoard's own complaints are not our fault.
        page.driver.get("about:blank")
        assert [line for line in page.log() if "plugin/initkit" in line] == []


@pytest.fixture(scope="module")
def extremes(tmp_path_factory, write_run, tensorboard_server):
    log_dir = tmp_path_factory.mktemp("extremes")
    for name, values in EXTREMES.items():
        statistics = {"gradient_variance": values}
        found = FOUND.get(name)
        scalars = {
            tag: numbers[name]
            for tag, numbers in (
                ("training/loss", LOSSES),
                ("training/learning_rate", RATES),
                ("epoch/val_accuracy", ACCURACIES),
                ("epoch/accuracy", {run: [1.0] * 3 for run in ACCURACIES}),
            )
            if name in numbers
        }
        write_run(
            *(log_dir / name, range(3), LAYERS, statistics),
            findings=found,
            scalars=scalars,
        )
    content = metadata.plugin_content([*LAYERS, "net/e"])
    short = {"gradient_variance": CALM}
    write_run(log_dir / SHORT, range(3), LAYERS, short, content=content)
    with tensorboard_server(log_dir) as url:
        wait_for_runs(url, len(EXTREMES) + 1)
        yield url


def top(page, css):
    script = "return arguments[0].getBoundingClientRect().top"
    return page.run(script, page.one(css))


def highest_power(page):
    """The highest power of ten on the value axis."""
    texts = [label.text for label in page.all(".profile-chart .grid text")]
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return max(int(t[2:].translate(digits)) for t in texts if t[:2] == "10" and t[2:])


def test_one_run_that_explodes_does_not_press_the_others_flat(page, extremes):
    page.open(extremes, runs="calm,calmer,exploding")
    points = page.data("circle.point", "run", "kind", "aria-label")
    kinds = [(run, kind) for run, kind, _ in points if kind]
    assert kinds == [("exploding", "above")] * 3
    assert [label for *_, label in points][-1].endswith("1e24")
    assert highest_power(page) < 0
    assert "above" in page.one(".profile-chart").text
    # The line continues to the edge, toward the first point above.
    assert page.path("profile", "exploding").count("L") == 1
    page.open(extremes, runs="exploding")
    assert not any(kind for (kind,) in page.data("circle.point", "kind"))
    assert highest_power(page) >= 20


def test_findings_are_listed_worst_first(page, extremes):
    page.open(extremes, runs="calm")
    found = page.data("#findings li", "run", "problem")
    assert found == [
        ("exploding", "weights_too_large"),
        ("breaking", "vanishing_gradient"),
    ]
    worst, other = page.all("#findings li")
    assert worst.text.splitlines()[:3] == [
        "exploding",
        "weights too large",
        "in net/b, since step 0",
    ]
    for text in (EXPLODING.cause, EXPLODING.evidence, EXPLODING.fix):
        assert text in worst.text
    assert "in net/a, net/b, since step 1" in other.text
    assert "exploding gradient" not in worst.text
    worst.find_element(By.TAG_NAME, "summary").click()
    assert "exploding gradient, non finite" in worst.text
    assert [line.text for line in page.all("#findings .rest p")] == [
        "calm, calmer: no problem was found.",
        f"{SHORT}, vanishing, zero: no findings are recorded.",
    ]


def test_the_fix_of_a_finding_is_copied(page, extremes):
    page.open(extremes, runs="calm")
    rights = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    page.command("Browser.grantPermissions", permissions=rights)
    page.one("#findings .copy").click()
    page.wait(lambda: page.one("#findings .copy").text == "Copied")
    assert page.run("return navigator.clipboard.readText()") == EXPLODING.fix


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_finding_leads_to_where_it_shows(page, extremes, by):
    page.open(extremes, view="heatmap", runs="calm")
    if by == "mouse":
        page.all("#findings .where")[1].click()
    else:
        assert page.reach("[data-problem=vanishing_gradient] .where")
        page.press(Keys.ENTER)
    page.wait(lambda: page.selected_view() == "profile" and page.values("breaking"))
    assert page.values("calm")
    assert page.one("select#statistic").get_attribute("value") == "gradient_variance"
    assert page.one("output#step-label").text == "step 1"
    assert page.data("section#time-series", "layer") == [("net/a",)]
    # The chart stays in sight.
    assert top(page, ".profile-chart") >= 0


def test_layers_at_fault_are_marked_from_the_step_on(page, extremes):
    def marked(step):
        page.open(extremes, runs="breaking,calm", step=step)
        points = page.data("circle.point", "run", "layer", "fault", "aria-label")
        at_fault = {(run, layer) for run, layer, fault, _ in points if fault == ""}
        said = {(run, layer) for run, layer, _, name in points if "at fault" in name}
        assert at_fault == said
        return at_fault

    assert marked("0") == set()
    assert marked("1") == marked("2") == {("breaking", n) for n in VANISHING.layers}


def test_all_runs_are_listed_with_their_losses(page, extremes):
    page.open(extremes, view="overview")
    rows = {row.get_attribute("data-run"): row for row in page.all("tbody tr")}
    assert set(rows) == {*EXTREMES, SHORT}
    cells = {
        run: [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "td")]
        for run, row in rows.items()
    }
    assert cells["calm"] == ["2", "0.5", "", "0.875", "0", NONE, NONE]
    assert cells["exploding"][:2] == ["20", "NaN"]
    assert cells["exploding"][4:] == ["1", "weights too large", "net/b"]
    assert cells["zero"] == [NONE, NONE, "", NONE, NONE, NONE, NONE]
    lines = {
        run: len(r.find_elements(By.CSS_SELECTOR, "path")) for run, r in rows.items()
    }
    assert lines == {run: int(run in LOSSES) for run in rows}
    # In a logarithm, each halving looks the same; NaN has no place.
    path = rows["calm"].find_element(By.TAG_NAME, "path").get_attribute("d")
    heights = [float(point.split(",")[1]) for point in path[1:].split("L")]
    assert np.diff(heights) == pytest.approx([10, 10])


def test_all_runs_can_be_sorted(page, extremes):
    def names():
        return [name for (name,) in page.data("tbody tr", "run")]

    page.open(extremes, view="overview")
    without = [SHORT, "vanishing", "zero"]
    page.one("[data-sort=last]").click()
    assert names() == ["calmer", "calm", "breaking", "exploding", *without]
    assert page.data("th[aria-sort]", "aria-sort") == [("ascending",)]
    page.one("[data-sort=last]").click()
    assert names() == ["breaking", "calm", "calmer", "exploding", *without]
    page.one("tbody tr[data-run=breaking] button").click()
    page.wait(lambda: page.selected_view() == "profile" and page.values("breaking"))
    assert not page.values("calm")


@pytest.mark.parametrize("width", [400, 1280])
def test_findings_slider_and_chart_are_on_the_first_screen(page, extremes, width):
    page.resize(width, 736)  # of 800, TensorBoard's own bar takes 64
    page.open(extremes, runs=",".join(EXTREMES))
    assert top(page, "#findings") < top(page, "#step") < top(page, ".profile-chart")
    box = page.one(".profile-chart .chart").rect
    end = box["height"] if width == 1280 else 160  # the start of a narrow one
    assert box["y"] + end <= 736
    assert len(page.all("details.run-picker[open]")) == (width == 1280)
    assert (
        page.one(".run-picker summary").text
        == f"Runs: {len(EXTREMES)} of {len(EXTREMES) + 1}"
    )


def test_values_of_fewer_layers_than_there_are_names(page, extremes):
    sentence = "two networks"
    page.open(extremes, runs=SHORT)
    assert page.state() == "failed"
    assert sentence in page.text()
    page.open(extremes, runs=f"calm,{SHORT}")
    assert page.state() == "ready"
    assert sentence in page.text()
    assert page.values("calm")
    assert not page.values(SHORT)
    page.log()  # a refused request is no fault


@pytest.mark.parametrize("run", ["calm", "zero"])
def test_a_run_and_itself(page, extremes, run):
    page.open(extremes, view="compare", a=run, b=run)
    cells = list(page.cells("difference"))
    assert {value for (_, _, value), _, _ in cells} == {0}
    assert len({colour for *_, colour in cells}) == 1


# Residual networks, whose other layers Keras numbered from model to model.
BLOCKS = [f"block_{i}_{part}" for i in range(12) for part in "ab"]
RESIDUAL = {
    "first": ["dense", *BLOCKS, "dense_1"],
    "second": ["dense_1", *BLOCKS, "dense_2"],
    "other": ["conv2d", *BLOCKS, "conv2d_1"],
}
DEEP = len(BLOCKS) + 2
DEEP_STEPS = [0, 10, 20, 30]
# A hundredth of the other kernels.
ZIGZAG = {
    run: np.geomspace(1, 1e-3, 4 * DEEP).reshape(4, DEEP).astype("float32")
    * np.where(np.arange(DEEP) % 2, 1e-2, 1).astype("float32")
    * factor
    for run, factor in (("first", 1), ("second", 2), ("other", 4))
}
# On both sides of 0, a hundred times smaller in one run.
SIGNED = {
    run: np.resize([size, -size], (4, DEEP)).astype("float32")
    for run, size in (("first", 1e-3), ("second", 1e-5), ("other", 1e-3))
}


@pytest.fixture(scope="module")
def residual(tmp_path_factory, write_run, tensorboard_server):
    log_dir = tmp_path_factory.mktemp("residual")
    for run, layers in RESIDUAL.items():
        statistics = {"gradient_variance": ZIGZAG[run], "gradient_mean": SIGNED[run]}
        write_run(log_dir / run, DEEP_STEPS, layers, statistics)
    with tensorboard_server(log_dir) as url:
        wait_for_runs(url, len(RESIDUAL))
        yield url


@pytest.mark.parametrize("place", [0, -1])
def test_runs_of_one_architecture_are_matched_by_position(page, residual, place):
    page.open(residual, runs="first,second,other")
    labels = [label.text for label in page.all(".profile-chart .grid text")]
    assert any(text.startswith("0 dense / conv") for text in labels)
    # In Keras, dense_1 is the last layer of one and the first of the other.
    points = page.all("circle.point[data-run=second]")
    ActionChains(page.driver).move_to_element(points[place]).perform()
    own = f"second, {RESIDUAL['second'][place]}, "
    page.wait(lambda: own in page.one("#readout").text)
    ActionChains(page.driver).click().perform()
    page.wait(lambda: page.all("path.series"))
    assert {run for (run,) in page.data("path.series", "run")} == set(RESIDUAL)
    page.focus(page.one(".time-series-chart"))
    page.press(Keys.HOME)
    reading = page.one("#time-series .reading").text
    values = (f"{run} {ZIGZAG[run][0, place]:.3g}" for run in sorted(RESIDUAL))
    assert reading == f"step 0: {'; '.join(values)}"


def test_a_layers_course_has_loss_and_learning_rate_above_it(page, extremes):
    page.open(extremes, runs="calm,zero", layer="net/c")
    courses = page.data("svg[data-course] path.series", "run")
    assert courses == [("calm",), ("calm",)]  # the other has recorded neither
    page.focus(page.one(".time-series-chart"))
    page.press(Keys.HOME, Keys.ARROW_RIGHT)
    assert page.one("#time-series .reading").text == (
        "step 1: calm 2.1e-8, loss 1, learning rate 0.01; zero 0"
    )
    # One axis of steps: the line of the step is at the same place in all charts.
    places = {x for (x,) in page.data("#time-series .guide", "x1")}
    assert len(page.all("#time-series .guide")) == 3
    assert len(places) == 1
    page.open(extremes, runs="zero", layer="net/c")
    assert len(page.all("#time-series svg.chart:not([hidden])")) == 1


class Kernels(keras.callbacks.Callback):
    """Keeps a kernel of each step, as it is before the update."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.values = []

    def on_train_batch_begin(self, batch, logs=None):
        self.values.append(keras.ops.convert_to_numpy(self.layer.kernel).copy())


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """Runs with histograms of every step, and the kernels that they are of."""
    log_dir = tmp_path_factory.mktemp("spread")
    x = np.random.default_rng(0).normal(size=(40, 64))
    kept = {}
    for name, rate in (("steady", 1e-9), ("moved", 3.0)):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, name="a")])
        model.compile(keras.optimizers.SGD(rate), "mse")
        kernels = Kernels(model.layers[0])
        stats = LayerStatsCallback(log_dir / name, 1, histogram_steps=1)
        model.fit(x, x[::-1], batch_size=8, verbose=0, callbacks=[stats, kernels])
        kept[f"{name}/layer_stats"] = kernels.values
    return log_dir, kept


@pytest.fixture(scope="module")
def spread(kernels, tensorboard_server):
    log_dir, kept = kernels
    with tensorboard_server(log_dir) as url:
        wait_for_runs(url, len(kept))
        yield url, kept


def test_a_layers_values_are_seen_over_the_steps(page, spread):
    url, kept = spread
    page.open(url, statistic="weight_variance", layer="a")
    drawn = page.data("svg[data-spread]", "spread", "steps")
    assert sorted(drawn) == sorted((run, "5") for run in kept)
    assert page.text().count("To see how the values are spread") == 0
    page.focus(page.one(".time-series-chart"))
    page.press(Keys.HOME)
    for step in range(5):
        words = page.one("#time-series .reading").text
        assert words.startswith(f"step {step}: ")
        for run, values in kept.items():
            label = run.partition("/")[0]
            low, high = map(
                float,
                re.search(
                    rf"{label} .*?half .*? from (\S+) to ([^;]+)", words
                ).groups(),
            )
            # A bin reaches no further than to 1.25 times its smaller edge.
            quartiles = np.percentile(values[step], [25, 75])
            np.testing.assert_allclose([low, high], quartiles, rtol=0.25)
        page.press(Keys.ARROW_RIGHT)


def test_the_picture_of_a_layers_values_shows_where_they_lie(
    page, tmp_path, write_run, tensorboard_server
):
    edges, counts = np.arange(-2.0, 3.0), np.zeros((2, 1, 4))
    counts[0, 0, 3], counts[1, 0, 0] = 9, 7  # all above 1, then all below -1
    write_run(
        *(tmp_path / "run", [0, 10], ["a"], {"gradient_variance": np.ones((2, 1))}),
        histograms={"gradient": (edges, counts)},
    )
    with tensorboard_server(tmp_path) as url:
        wait_for_runs(url, 1)
        page.open(url, layer="a")
        paths = [d for (d,) in page.data(".distribution path", "d")]
    assert paths[:-1] == [""] * 7  # each step has one bin, which is the darkest
    places = re.findall(r"M([\d.]+),([\d.]+)h[\d.]+v([\d.]+)", paths[-1])
    (x0, top0, tall0), (x1, top1, tall1) = np.array(places, float)
    assert x0 < x1
    assert top0 + tall0 < top1
    assert tall0 == pytest.approx(tall1, abs=0.2)


def test_how_to_record_histograms_is_said_where_there_are_none(page, url):
    page.open(url, statistic="weight_variance", layer="net/b")
    assert 'LayerStatsCallback(histogram_steps="epoch")' in page.text()
    page.open(url, statistic="update_ratio", layer="net/b")
    assert not page.one("#time-series .hint").is_displayed()


def test_layers_that_take_turns_have_a_line_for_each_kind(page, residual):
    page.open(residual, runs="first")
    # A line continues with L: through 12 layers of each kind; dense has two.
    assert page.path("profile", "first").count("M") == 3
    assert page.path("profile", "first").count("L") == 11 + 11 + 1
    names = {text.text for text in page.all("text.kind")}
    assert names == {"block_*_a", "block_*_b", "dense"}
    Select(page.one("select#lines")).select_by_value("network")
    page.wait(lambda: page.path("profile", "first").count("M") == 1)


def test_layers_are_found_by_name_or_pattern(page, residual):
    page.open(residual, runs="first", layers="block_*_b, DENSE")
    kept = [name for name in RESIDUAL["first"] if name[-1] == "b" or "dense" in name]
    places = [RESIDUAL["first"].index(name) for name in kept]
    values = ZIGZAG["first"][-1, places].tolist()
    assert page.values("first") == dict(zip(kept, values, strict=True))
    # The axis shows their places in the network.
    labels = [label.text.split()[0] for label in page.all(".profile-chart .grid text")]
    assert {str(place) for place in places} <= set(labels)
    page.show("heatmap")
    page.one("input#layers").clear()
    page.one("input#layers").send_keys("k_3")
    page.focus(page.one("[data-heatmap]"))
    page.press(Keys.HOME)
    for name in ("block_3_a", "block_3_b"):
        page.wait(lambda name=name: page.readout()[:2] == (name, 0))
        page.press(Keys.ARROW_DOWN)
    assert page.readout()[0] == "block_3_b"
    page.one("input#layers").send_keys("no such layer")
    page.wait(lambda: "in a matching layer" in page.text())


def test_colours_of_a_heatmap_are_fixed_or_those_of_the_values(page, extremes):
    page.open(extremes, view="heatmap", run="calm")
    assert "≤ 10⁻¹⁶" in page.one(".heatmap-legend").text
    ends = {(68, 1, 84, 255), (253, 231, 37, 255)}  # of viridis

    def colours():
        return {colour for *_, colour in page.cells("calm", 6, 6)}

    assert not ends & colours()
    Select(page.one("select#colours")).select_by_value("data")
    page.wait(lambda: "≤" not in page.one(".heatmap-legend").text)
    assert ends <= colours()


def test_a_heatmap_marks_the_layers_at_fault(page, extremes):
    trouble = [179, 38, 30, 255]
    for run, at_fault in (("breaking", [1, 1, 0, 0]), ("calm", [0] * 4)):
        page.open(extremes, view="heatmap", run=run)
        canvas = page.heatmap(run).find_element(By.TAG_NAME, "canvas")
        box = page.run("return arguments[0].getBoundingClientRect().toJSON()", canvas)
        left = next(x for _, (x, _), _ in page.cells(run, 400, 1)) - 6
        rows = [box["top"] + 7 + 22 * (row + 0.5) for row in range(4)]
        marks = [
            any(page.run(PIXEL, canvas, x, y) == trouble for x in range(left - 6, left))
            for y in rows
        ]
        assert marks == [bool(mark) for mark in at_fault]
    page.focus(page.heatmap("calm"))


def tick_texts(page):
    return {label.text for label in page.all(".profile-chart .grid text")}


def heights(page, run):
    """The places of a run's points, in pixels."""
    points = page.data(f"circle.point[data-run={run}]", "cy")
    return np.array([float(y) for (y,) in points])


def test_values_of_both_signs_are_readable_decades_apart(page, residual):
    page.open(residual, runs="first,second", statistic="gradient_mean")
    assert {"0", "10⁻³", f"{MINUS}10⁻³"} <= tick_texts(page)
    assert np.ptp(heights(page, "second")) > 20
    Select(page.one("select#axis")).select_by_value("linear")
    page.wait(lambda: "0.001" in tick_texts(page))
    assert np.ptp(heights(page, "second")) < 5
    assert f"{MINUS}10⁻³" not in tick_texts(page)


def test_the_axis_is_the_readers_choice(page, extremes):
    page.open(extremes, runs="calm", axis="linear")
    assert not any(text.startswith("10") for text in tick_texts(page))
    places = heights(page, "calm")
    # On a linear axis, pixels are proportional to values.
    assert np.diff(places) / np.diff(CALM[-1]) == pytest.approx(
        (places[-1] - places[0]) / (CALM[-1, -1] - CALM[-1, 0])
    )
    Select(page.one("select#axis")).select_by_value("log")
    page.wait(lambda: any(text.startswith("10") for text in tick_texts(page)))
    assert np.diff(heights(page, "calm"), 2) == pytest.approx([0, 0], abs=0.01)


def seen(page):
    """The layers with visible points."""
    script = (
        "return [...document.querySelectorAll('circle.point')]"
        ".filter((c) => c.getAttribute('visibility') !== 'hidden')"
        ".map((c) => c.dataset.layer)"
    )
    return page.run(script)


def drag(page, start, end, shift=False):
    """Drags between two places, as shares of the chart's width and height."""
    box = page.one(".profile-chart .chart").rect
    for kind, (x, y) in (
        *(("mouseMoved", start), ("mousePressed", start), ("mouseMoved", end)),
        ("mouseReleased", end),
    ):
        page.command(
            "Input.dispatchMouseEvent",
            **{"type": kind, "button": "left", "buttons": int(kind != "mouseReleased")},
            **{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]},
            **{"clickCount": 1, "modifiers": 8 * shift},
        )


def test_a_chart_is_zoomed_moved_and_shown_whole(page, residual):
    page.open(residual, runs="first", statistic="gradient_mean")
    layers = RESIDUAL["first"]
    assert seen(page) == layers
    # The right half, above 0.
    drag(page, (0.53, 0.02), (0.97, 0.35))
    right = page.wait(lambda: len(found := seen(page)) < len(layers) and found)
    values = dict(zip(layers, SIGNED["first"][0], strict=True))
    assert len(right) in (6, 7)
    assert all(values[name] > 0 and layers.index(name) >= 12 for name in right)
    assert not page.all("path.series")  # it was no click
    drag(page, (0.3, 0.2), (0.9, 0.2), shift=True)
    page.wait(lambda: layers.index(seen(page)[0]) < layers.index(right[0]))
    page.one("button.whole").click()
    page.wait(lambda: seen(page) == layers)
    assert page.reach("circle.point")
    page.press(Keys.END, "+", "+")
    page.wait(lambda: 0 < len(seen(page)) < len(layers))
    assert layers[-1] in seen(page)
    page.press("0")
    page.wait(lambda: seen(page) == layers)


def test_all_runs_are_named_at_the_layer_under_the_pointer(page, residual):
    page.open(residual, runs="first,second,other")
    point = page.all("circle.point[data-run=first]")[3]
    ActionChains(page.driver).move_to_element(point).perform()
    lines = page.wait(lambda: [line.text for line in page.all(".tip text > tspan")])
    assert lines[0] == BLOCKS[2]
    assert [line.split()[1] for line in lines[1:]] == ["other:", "second:", "first:"]
    numbers = [float(line.split()[-1]) for line in lines[1:]]
    expected = [ZIGZAG[run][-1, 3] for run in ("other", "second", "first")]
    assert numbers == pytest.approx(expected, rel=0.05)
    assert "first" in page.one(".tip .strong").text


# The files that the browser would save: name and content.
SAVED = """
window.saved = [];
const texts = {};
URL.createObjectURL = (blob) => {
  const address = `blob:${Object.keys(texts).length}`;
  texts[address] = blob.text();
  return address;
};
HTMLAnchorElement.prototype.click = function () {
  texts[this.getAttribute("href")].then((text) =>
    window.saved.push([this.download, text]));
};
"""


def saved(page, button, number=1):
    page.run(SAVED)
    page.one(button).click()
    page.wait(lambda: len(page.run("return window.saved")) == number)
    return page.run("return window.saved")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_numbers_that_are_shown_are_downloaded(page, url):
    page.open(url, runs=f"steps/two,{HOSTILE}", statistic="gradient_variance", step="1")
    ((name, text),) = saved(page, "#download-csv")
    assert name == "gradient_variance_step_1.csv"
    rows = rows_of(text)
    own = [row for row in rows if row["run"] == "steps/two"]
    assert [row["layer"] for row in own] == LAYERS
    values = np.float32([row["value"] for row in own])
    np.testing.assert_array_equal(values, TWO["gradient_variance"][1])
    others = [row["layer"] for row in rows if row["run"] == HOSTILE]
    assert others == [HOSTILE, f'"{HOSTILE}']
    page.open(url, view="heatmap", run=ODD, statistic="update_ratio", layers="net/d")
    ((name, text),) = saved(page, "#download-csv")
    assert name == "update_ratio.csv"
    rows = rows_of(text)
    assert [(row["step"], row["number"]) for row in rows] == [(s, "3") for s in "012"]
    assert [np.float32(row["value"]) for row in rows] == STRANGE[:, 3].tolist()


def test_charts_are_downloaded_as_pictures(page, url):
    page.open(url, view="weights_gradients", runs="steps/one")
    pictures = saved(page, "#download-picture", 2)
    assert {name for name, _ in pictures} == {
        f"weight_variance_gradient_variance_step_100_{i}.svg" for i in (1, 2)
    }
    tree = ElementTree.fromstring(pictures[0][1])
    lines = [e for e in tree.iter() if e.get("class") == "profile"]
    # It has its own colors.
    assert len(lines) == 1
    assert "stroke: rgb(" in lines[0].get("style")
    page.open(url, view="heatmap", run="steps/one")
    ((name, content),) = saved(page, "#download-picture")
    assert name == "gradient_variance.png"
    assert "PNG" in content[:8]


def test_the_same_cell_is_outlined_in_all_heatmaps(page, url):
    link = {"a": "steps/one", "b": "steps/two", "statistic": "gradient_variance"}
    page.open(url, view="compare", **link)
    page.focus(page.heatmap("steps/one"))
    page.press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    readings = page.wait(
        lambda: (
            (found := [one.text for one in page.all(".heatmap-reading")])[2] and found
        )
    )
    places = {reading.rpartition(":")[0] for reading in readings}
    assert len(places) == 1
    assert places <= {f"{layer}, step 1" for layer in LAYERS}
    assert all(cell.is_displayed() for cell in page.all(".heatmap-cell"))
    page.press(Keys.ESCAPE)
    page.wait(lambda: not any(c.is_displayed() for c in page.all(".heatmap-cell")))


def test_time_series_by_keyboard(page, url):
    page.open(url, statistic="weight_variance", runs="steps/two")
    assert page.reach("circle.point")
    page.press(Keys.HOME, Keys.ENTER)
    focused = "return document.activeElement.id"
    page.wait(lambda: page.run(focused) == "time-series-title")
    page.press(Keys.TAB, Keys.TAB, Keys.HOME)
    reading = page.one("#time-series .reading")
    assert reading.get_attribute("aria-live") == "polite"
    for step in STEPS:
        assert reading.text.startswith(f"step {step}:")
        page.press(Keys.ARROW_RIGHT)
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.one("#time-series").is_displayed())
    assert page.run("return document.activeElement.matches('circle.point')")


@pytest.mark.slow
def test_a_run_keeps_its_colour(page, tmp_path, write_run, tensorboard_server):
    colours = (
        "return Object.fromEntries([...document.querySelectorAll('.runs li')]"
        ".map((row) => [row.dataset.name, row.querySelector('.swatch')"
        ".style.getPropertyValue('--colour')]))"
    )
    with tensorboard_server(tmp_path, "--reload_interval", "1") as url:
        for name in ("b", "c"):
            write_run(tmp_path / name, STEPS, LAYERS, ONE)
        wait_for_runs(url, 2)
        with before_the_page(page, LISTEN):
            page.open(url)
        before = page.run(colours)
        write_run(tmp_path / "a", STEPS, LAYERS, ONE)
        wait_for_runs(url, 3)
        page.run(RELOAD)
        page.wait(lambda: page.runs() == ["a", "b", "c"])
        after = page.run(colours)
        assert {name: after[name] for name in before} == before
        assert len(set(after.values())) == 3


@pytest.fixture(scope="module")
def digits(tmp_path_factory, tensorboard_server):
    """Five starts of a deep network, on the digits."""
    log_dir = tmp_path_factory.mktemp("digits")
    data = load_dataset("digits")
    starts = {
        **{name: name for name in ("glorot_uniform", "he_normal", "lecun_normal")},
        "normal_0.02": keras.initializers.RandomNormal(stddev=0.02, seed=0),
        "normal_0.3": keras.initializers.RandomNormal(stddev=0.3, seed=0),
    }
    for name, start in starts.items():
        keras.utils.set_random_seed(0)
        hidden = [
            keras.layers.Dense(64, "relu", kernel_initializer=start, name=f"hidden_{i}")
            for i in range(16)
        ]
        head = keras.layers.Dense(10, name="head")
        model = keras.Sequential([keras.Input((64,)), *hidden, head])
        model.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,  # compiling takes longer than the training
        )
        stats = LayerStatsCallback(log_dir / name, 5, histogram_steps=10)
        x, y = data.x_train, data.y_train
        model.fit(x, y, batch_size=64, epochs=10, verbose=0, callbacks=[stats])
    with tensorboard_server(log_dir) as url:
        wait_for_runs(url, len(starts))
        yield url


@pytest.fixture
def save(page, tmp_path):
    """A function that saves a picture of an element; into `docs/` if that is wanted."""
    directory = Path(os.environ.get(PICTURES, tmp_path))

    def save(name, css="main"):
        (directory / name).write_bytes(page.one(css).screenshot_as_png)

    return save


@pytest.mark.slow
def test_the_picture_of_findings_and_a_depth_profile(page, digits, save):
    page.resize(1425, 835)
    page.open(digits, step="100")
    text = " ".join(page.text().split())
    assert "normal_0.02 weights too small in hidden_0 … hidden_15" in text
    assert "normal_0.3 weights too large in hidden_0 … hidden_15" in text
    assert "glorot_uniform, he_normal, lecun_normal: no problem was found." in text
    css = "circle.point[data-run^=he_normal][data-layer=hidden_7]"
    ActionChains(page.driver).move_to_element(page.one(css)).perform()
    page.wait(lambda: "he_normal, hidden_7, step 100" in page.text())
    save("tab.png")


@pytest.mark.slow
def test_the_picture_of_two_runs(page, digits, save):
    page.resize(1425, 1100)
    a, b = "he_normal/layer_stats", "normal_0.02/layer_stats"
    page.open(digits, view="compare", a=a, b=b)
    assert len(page.all("[data-heatmap] canvas")) == 3
    save("two_runs.png")


@pytest.mark.slow
def test_the_picture_of_a_layer_over_the_steps(page, digits, save):
    page.resize(1425, 1700)
    runs = ["glorot_uniform/layer_stats", "he_normal/layer_stats"]
    page.open(digits, runs=",".join(runs), layer="hidden_8")
    assert page.data("[data-spread]", "spread") == [(run,) for run in runs]
    save("layer.png", "#time-series")
