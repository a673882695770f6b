"""Fixtures of all tests: seeds, gradients, a real TensorBoard, a browser."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import keras
import numpy as np
import pytest

LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
# The contrast of every visible text to its background.
CONTRASTS = """
const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
const over = ([r, g, b, a = 1], below) =>
  [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
const luminance = (rgb) => rgb
  .map((c) => c / 255)
  .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const text = [...element.childNodes]
    .filter((node) => node.nodeType === Node.TEXT_NODE)
    .map((node) => node.data.trim()).join("");
  const style = getComputedStyle(element);
  const shown = element.checkVisibility({ opacityProperty: true,
    visibilityProperty: true });
  if (!text || !shown || element.closest("script, style, option, :disabled")) continue;
  const ancestors = [];
  for (let at = element; at; at = at.parentElement) ancestors.unshift(at);
  let behind = [255, 255, 255];
  let opacity = 1;
  for (const one of ancestors) {
    const its = getComputedStyle(one);
    if (!one.closest("svg")) behind = over(parse(its.backgroundColor), behind);
    opacity *= Number(its.opacity);
  }
  const colour = parse(element.closest("svg") ? style.fill : style.color);
  const front = over([...colour.slice(0, 3), (colour[3] ?? 1) * opacity], behind);
  const [low, high] = [luminance(front), luminance(behind)].sort((a, b) => a - b);
  found.push([text, (high + 0.05) / (low + 0.05), `rgb(${behind})`, `rgb(${front})`]);
}
return found;
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(autouse=True)
def _seeded():
    """The same weights and data in every run, so results repeat."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def loss_gradients():
    """The gradients of a loss, by the framework's own differentiation.

    A function that takes a model, `x`, `y`, the sample weights and the factor of the
    loss. It returns a float64 array for each of `model.trainable_variables`; NaN for
    a variable without a gradient.
    """
    return {"tensorflow": _by_tape, "jax": _by_jax, "torch": _by_autograd}[
        keras.backend.backend()
    ]


@pytest.fixture(scope="session")
def apply_gradients():
    """A function with which an optimizer takes gradients, without a trainer."""
    is_jax = keras.backend.backend() == "jax"
    return _apply_stateless if is_jax else lambda o, g, v: o.apply(g, v)


def _apply_stateless(optimizer, gradients, variables):
    # With JAX, Keras's own `apply` cannot have a LossScaleOptimizer.
    if not optimizer.built:
        optimizer.build(variables)
    new_values, new_slots = optimizer.stateless_apply(
        [v.value for v in optimizer.variables], gradients, [v.value for v in variables]
    )
    for variable, value in zip(variables, new_values, strict=True):
        variable.assign(value)
    for variable, value in zip(optimizer.variables, new_slots, strict=True):
        variable.assign(value)


def _by_tape(model, x, y, weight=None, scale=1.0, jit_compile=False):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def gradients_of(x, y, weight, scale):
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=True), weight)
            scaled = loss * tf.cast(scale, loss.dtype)
        return tape.gradient(scaled, model.trainable_variables)

    def entries(tensor):
        if tensor is None:
            return np.array([np.nan])
        if isinstance(tensor, tf.IndexedSlices):  # rows may be given several times
            total = np.zeros(tensor.dense_shape)
            values = tensor.values.numpy().astype("float64")
            np.add.at(total, tensor.indices.numpy(), values)
            return total
        return tensor.numpy().astype("float64")

    return [entries(tensor) for tensor in gradients_of(x, y, weight, scale)]


def _by_jax(model, x, y, weight=None, scale=1.0, jit_compile=True):
    import jax

    @jax.jit
    def gradients_of(trainable, others, x, y, weight, scale):
        def loss_of(trainable):
            mode = {"training": True} if model._call_has_training_arg else {}
            y_pred, new = model.stateless_call(trainable, others, x, **mode)
            loss = model.loss(y, y_pred, weight)
            return loss * scale.astype(loss.dtype), new

        return jax.grad(loss_of, has_aux=True)(trainable)

    gradients, others = gradients_of(
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
        x,
        y,
        weight,
        np.float32(scale),
    )
    # Averages and random seeds advance, as in a training.
    for variable, value in zip(model.non_trainable_variables, others, strict=True):
        variable.assign(value)
    return [np.asarray(tensor).astype("float64") for tensor in gradients]


def _by_autograd(model, x, y, weight=None, scale=1.0, jit_compile=False):
    import torch

    variables = [variable.value for variable in model.trainable_variables]
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    loss = model.loss(y, model(x, training=True), weight) * float(scale)
    gradients = torch.autograd.grad(loss, variables, allow_unused=True)
    return [
        np.array([np.nan]) if g is None else g.detach().to(torch.float64).numpy()
        for g in gradients
    ]


@pytest.fixture(scope="session")
def tensorboard_server():
    """A context manager that serves a directory in TensorBoard; gives its URL."""

    @contextlib.contextmanager
    def serve(log_dir, *flags):
        command = [
            *(sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)),
            *("--port", "0", "--host", "127.0.0.1", *flags),
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            lines = iter(process.stderr.readline, "")
            yield next(m[0] for line in lines if (m := re.search(r"http://\S+", line)))
        finally:
            process.terminate()
            process.communicate(timeout=30)

    return serve


@pytest.fixture(scope="session")
def plugin_data():
    """A function that asks the TensorBoard at a URL for a plugin's route.

    It returns JSON as Python objects, and any other answer as bytes.
    """

    def ask(url, route, **query):
        path = f"{url}data/plugin/{route}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(path, timeout=10) as response:
            answer = response.read()
            is_json = response.headers.get_content_type() == "application/json"
        return json.loads(answer) if is_json else answer

    return ask


@pytest.fixture(scope="session")
def wait_until():
    """A function that waits until a condition holds, at most half a minute."""

    def wait(condition):
        deadline = time.monotonic() + 30
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.2)

    return wait


@pytest.fixture(scope="module")
def driver():
    """A browser without a window; its tests are skipped if there is none."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    if not (browser and chromedriver):
        pytest.skip(f"needs chromedriver and one of {', '.join(BROWSERS)}")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"),
        *("--disable-gpu", "--window-size=1280,900", "--lang=en"),
        *("--disable-background-networking", "--no-first-run"),
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With both paths, selenium does not search or download anything.
    service = webdriver.ChromeService(executable_path=chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def contrasts(driver):
    """A function: each text on the page, its contrast, background and color."""
    return lambda: driver.execute_script(CONTRASTS)


@pytest.fixture
def weak_text(contrasts):
    """A function: the texts on the page without enough contrast."""

    def find():
        found = contrasts()
        assert found
        return [text for text in found if text[1] < LEAST_CONTRAST]

    return find
