"""The page in a real browser, on real trainings."""

import faulthandler
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

PATIENCE = 90  # seconds, enough for a busy machine
WIDE, NARROW = (1280, 1000), (400, 800)
PIXELS = """
const canvas = arguments[0];
const { data } = canvas.getContext("2d")
  .getImageData(0, 0, canvas.width, canvas.height);
const colours = new Set();
for (let i = 0; i < data.length; i += 4) colours.add(data.slice(i, i + 3).join());
return [...colours];
"""
READ_DIGITS = """
const { right } = document.querySelector("canvas.digits").dataset;
return [right, document.querySelector(".digits-panel .reading").textContent];
"""


class Page:
    """The browser, with questions to the page in it."""

    def __init__(self, driver, client):
        self.driver = driver
        self.client = client

    def open(self, link="", host=None):
        """Opens the page; `link` is its address after the #."""
        self.driver.get("about:blank")  # another fragment alone loads nothing
        self.driver.get(f"http://{host or self.client.host}/#{link}")
        self.wait(lambda: self.data("main", "step") == "0")

    def wait(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            if time.monotonic() > deadline:
                faulthandler.dump_traceback()  # where the server's threads stand
                pytest.fail(self.text("body"))
            time.sleep(0.03)
        return found

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        return self.wait(lambda: next(iter(self.all(css)), None))

    def text(self, css):
        return self.one(css).text

    def data(self, css, name, index=0):
        script = "return document.querySelectorAll(arguments[0])[arguments[1]]"
        return self.run(f"{script}?.dataset[arguments[2]]", css, index, name)

    def steps(self):
        return int(self.data("main", "step"))

    def lesson(self, index=0):
        return self.all(".lesson")[index].text

    def play_to(self, step):
        """Plays until a step shows, and pauses."""
        self.one("#play").click()
        self.wait(lambda: self.steps() >= step)
        self.one("#play").click()
        self.wait(lambda: self.one("#play").get_attribute("aria-label") == "Play")

    def slide(self, name, *keys):
        slider = self.one(f"form:not([hidden]) [name={name}]")
        slider.send_keys(*keys)

    def select(self, name, value):
        control = self.one(f"form:not([hidden]) [name={name}]")
        Select(control).select_by_value(value)

    def overflow(self):
        """The pixels by which the page is wider than the window."""
        root = "document.documentElement"
        return self.run(f"return {root}.scrollWidth - {root}.clientWidth")

    def complaints(self):
        """The browser's log since the last call, such as a broken policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def page(driver, client):
    driver.set_window_size(*WIDE)
    page = Page(driver, client)
    yield page
    complaints = page.complaints()
    driver.get("about:blank")  # its training ends
    assert complaints == []


def test_zeros_and_he_side_by_side_show_what_the_lesson_says(page, tmp_path):
    link = "scene=plane&dataset=circles&starts=two&initializer=zeros&pace=5"
    page.open(link)
    page.play_to(150)
    zeros, he = page.lesson(0), page.lesson(1)
    assert "stay equal and do the work of one" in zeros
    assert "close to that of guessing: it went from 0.693 to 0.693" in zeros
    assert "The cost falls" in he
    assert float(page.data(".trial", "cost", 1)) < 0.2
    assert [page.data(".network", "equal", i) for i in range(2)] == ["2", "0"]
    assert len(page.all(".trial:first-child .equal path")) == 10  # 5 per layer
    (found,) = page.all(".trial:first-child .found li")
    assert "symmetric units since step 0" in found.text
    strokes = """return [...arguments[0].querySelectorAll(".edge")]
      .map((edge) => getComputedStyle(edge).stroke)"""
    grey, coloured = (page.run(strokes, network) for network in page.all(".network"))
    assert len(set(grey[12:48])) == 1  # between the two layers of zeros
    assert len(set(coloured)) > 10
    # One color from the network of zeros, which knows no classes; many from the other.
    one, many = (page.run(PIXELS, canvas) for canvas in page.all("canvas.plane"))
    assert len(many) > 3 * len(one) / 2
    page.driver.save_screenshot(str(tmp_path / "play.png"))


def test_each_control_does_what_it_says(page):
    page.open()
    weights = page.one(".network .edge").get_attribute("stroke-width")
    page.one("[data-do=step]").click()
    page.wait(lambda: page.steps() == 1)
    page.one("[data-do=step]").click()
    page.wait(lambda: page.steps() == 2)
    page.one(".segments button:last-child").click()
    assert page.data(".network", "by") == "gradients"
    page.one("#play").click()
    page.wait(lambda: page.steps() > 5)
    page.one("[name=pace]").send_keys(Keys.END)
    before = page.steps()
    page.wait(lambda: page.steps() >= before + 50)
    page.one("[data-do=reset]").click()
    page.wait(lambda: page.steps() == 0)
    page.one(".segments button:first-child").click()
    page.wait(
        lambda: page.one(".network .edge").get_attribute("stroke-width") == weights
    )

    page.slide("layers", Keys.END)
    page.slide("units", Keys.HOME, Keys.ARROW_RIGHT)
    page.wait(lambda: len(page.all(".units circle")) == 2 + 4 * 2 + 2)
    page.select("dataset", "blobs")
    page.wait(lambda: len(page.all(".units circle")) == 2 + 4 * 2 + 5)
    page.select("initializer", "constant")
    page.wait(lambda: page.data(".network", "equal") == "4")
    for name, value in (
        *(("activation", "tanh"), ("optimizer", "sgd"), ("starts", "two")),
        ("initializer_b", "orthogonal"),
    ):
        page.select(name, value)
    for name in ("rate", "seed", "scale", "scale_b"):
        page.slide(name, Keys.ARROW_RIGHT)
    page.wait(lambda: len(page.all(".trial")) == 2)
    link = page.driver.current_url.partition("#")[2]
    for part in ("layers=4", "units=2", "dataset=blobs", "seed=1", "optimizer=sgd"):
        assert part in link.split("&")
    assert page.all(".notice:not([hidden])") == []


def test_a_link_shows_the_same_and_a_wrong_one_is_said(page):
    link = "scene=plane&layers=1&units=3&scale=1.2345&seed=17&pace=7"
    page.open(link)
    assert len(page.all(".units circle")) == 2 + 3 + 2
    shown = page.driver.current_url.partition("#")[2].split("&")
    assert set(link.split("&")) < set(shown)
    page.one(".copy-code").click()
    program = page.wait(lambda: page.text(".program"))
    assert '"he_normal*1.2345", depth=1' in program
    assert "seed=17" in program
    page.open(f"{link}&starts=two&initializer_b=orthogonal")
    page.all(".copy-code")[1].click()
    program = page.wait(lambda: page.all(".program")[1].text)
    assert '"orthogonal*1", depth=1' in program
    page.run("location.hash = 'scene=plane&layers=9'")
    page.wait(lambda: "must be an integer from 1 to 4" in page.text(".notice"))
    page.run("location.hash = 'scene=<b>x</b>'")
    page.wait(lambda: "must be one of plane, depth" in page.text(".notice"))
    assert page.all(".notice b") == []
    complaints = page.complaints()
    assert len(complaints) == 2
    assert all("400 (BAD REQUEST)" in one for one in complaints)


def test_depth_follows_the_slider_and_theory(page):
    page.open("scene=depth&layers=10")
    assert "The signal arrives" in page.lesson()
    page.slide("variance", Keys.END)
    page.wait(lambda: "The signal explodes" in page.lesson())
    assert "The gradient explodes" in page.lesson()
    page.slide("variance", Keys.HOME)
    page.wait(lambda: "The signal vanishes" in page.lesson())
    for of in ("signal", "gradient"):
        chart = f"[data-of={of}]"
        measured, theory = (
            [float(number) for number in page.data(chart, kind).split()]
            for kind in ("measured", "theory")
        )
        assert len(measured) == 10
        # n Var(W) is 0.05, so nine layers are twelve decades.
        ratio = theory[-1] / theory[0]
        assert ratio == pytest.approx(0.05 ** (9 if of == "signal" else -9), rel=0.01)
        assert measured[-1] / measured[0] == pytest.approx(ratio, rel=0.9)
        assert len(page.all(f"{chart} .theory .series")) == 1
    page.play_to(2)
    assert page.data(".trial", "cost") is not None


def test_digits_turn_blue_as_they_are_read(page):
    page.open("scene=digits&pace=5")
    assert len(page.all(".histogram path")) == 5
    before = int(page.data("canvas.digits", "right"))
    page.play_to(40)
    # One more frame may be on its way: both are read at once.
    after, reading = page.run(READ_DIGITS)
    assert before < 40 < 70 < int(after)
    assert reading.startswith(f"{after} of 100 right")
    blue, red = "0,114,178", "213,94,0"
    assert {blue, red} < set(page.run(PIXELS, page.one("canvas.digits")))


def test_a_training_that_turns_nan_is_drawn(page):
    page.open("scene=digits&initializer=too_large&scale=10&rate=10&pace=5")
    page.play_to(10)
    assert "no longer a number" in page.lesson()
    assert "NaN" in page.text(".line-chart")
    assert page.data("canvas.digits", "right") == "0"


def test_dark_and_narrow(page, weak_text):
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    for features, background in ((dark, "rgb(48, 48, 48)"), ([], "rgb(255, 255, 255)")):
        page.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": features}
        )
        for scene in ("plane", "depth", "digits"):
            page.driver.set_window_size(*WIDE)
            page.open(f"scene={scene}&starts=two")
            script = "return getComputedStyle(document.body).backgroundColor"
            assert page.run(script) == background
            assert weak_text() == []
            page.driver.set_window_size(*NARROW)
            page.wait(lambda: page.overflow() <= 0)
            lefts = {trial.rect["x"] for trial in page.all(".trial")}
            assert len(lefts) == 1  # one below the other


def test_the_keyboard_and_a_reader_of_the_screen_are_served(page):
    page.open()
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    interactive = {"button", "combobox", "slider", "tab"}
    nameless = [
        node
        for node in tree
        if node.get("role", {}).get("value") in interactive
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    names = [node.get("name", {}).get("value", "") for node in tree]
    assert any("Groups of equal units: 0" in name for name in names)
    page.run("document.activeElement.blur()")
    ActionChains(page.driver).send_keys(" ").perform()
    page.wait(lambda: page.steps() > 3)
    ActionChains(page.driver).send_keys(" ").perform()
    page.wait(lambda: page.one("#play").get_attribute("aria-label") == "Play")
    page.one("[role=tab][data-scene=plane]").send_keys(Keys.ARROW_RIGHT)
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: page.data("main", "scene") == "depth")


def test_two_pages_train_at_a_time(page):
    page.open("scene=plane&initializer=zeros")
    page.one("#play").click()
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.open("scene=plane&initializer=he_normal")
        page.play_to(60)
        assert page.data(".network", "equal") == "0"
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)
    before = page.steps()
    page.wait(lambda: page.steps() > before)
    assert page.data(".network", "equal") == "2"


def test_a_server_that_is_killed_is_said(page):
    code = "from keras_initkit.experiments.command_line import main; main()"
    command = [sys.executable, "-c", code, "play"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        (host,) = re.findall(r"127\.0\.0\.1:\d+", process.stdout.readline())
        page.open(host=host)
        os.kill(process.pid, signal.SIGKILL)
        page.wait(lambda: "The training has stopped" in page.text(".notice"))
        assert page.data("main", "state") == "gone"
    finally:
        process.kill()
        process.communicate()
    page.complaints()
