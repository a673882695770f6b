"""The code of the README and the docs runs as it is, on the plain install."""

import os
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_initkit
from keras_initkit.tensorboard.findings import read_findings

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
MNIST = os.environ.get("KERAS_INITKIT_MNIST")
EXTRAS = ("matplotlib", "sklearn", "rich", "pandas")


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


def random_digits():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2560, 28, 28), dtype="uint8")
    return images, rng.integers(0, 10, 2560, dtype="uint8")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs code in an empty directory, without extras; returns its variables."""
    monkeypatch.chdir(tmp_path)
    for extra in EXTRAS:
        monkeypatch.setitem(sys.modules, extra, None)

    def run_code(code, train=None):
        train = train or random_digits()
        monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: (train, train))
        variables = given()
        for block in code:
            exec(block, variables)
        return variables

    return run_code


def given():
    """A model and its data, which most pages assume."""
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, "relu")])
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    x_train, y_train = rng.normal(size=(320, 8)), rng.normal(size=(320, 1))
    return {"model": model, "x_train": x_train, "y_train": y_train}


# One page has its own test, below.
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page) and page.stem != "get-started"],
    ids=lambda page: page.stem,
)
def test_every_block_runs(page, run):
    run(blocks(page))


def test_no_page_has_python_that_does_not_run():
    for page in PAGES:
        fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
        assert not [code for kind, code in fences if kind not in ("", "python")]


def test_the_readme_fits_on_a_screen_and_a_half():
    assert len((ROOT / "README.md").read_text().split()) <= 700


def test_every_block_of_get_started_runs_and_records_what_it_says(
    run, tmp_path, capsys
):
    variables = run(blocks(ROOT / "docs" / "get-started.md"))
    history, stats = variables["callback"].history, variables["stats"]
    assert history["gradient_variance"].shape == (10, 31)
    assert f"{stats.history['dead_fraction'].shape}\n" in capsys.readouterr().out
    for log_dir in ("logs", "logs_of_a_loop"):
        assert list((tmp_path / log_dir / "layer_stats").glob("*tfevents*"))


def test_the_first_kernel_brings_the_images_to_the_variance_that_is_kept(run):
    code, *_ = blocks(ROOT / "docs" / "get-started.md")
    variables = run([code.partition("loss = ")[0]])
    report = keras_initkit.signal_report(variables["model"], variables["x_train"][:512])
    hidden = report["measured_variance"][:-1]
    np.testing.assert_allclose(hidden, variables["critical"].q_star, rtol=0.2)


@pytest.fixture(scope="module")
def mnist():
    with np.load(MNIST) as arrays:
        return arrays["x_train"], arrays["y_train"]


needs_mnist = pytest.mark.skipif(not MNIST, reason="KERAS_INITKIT_MNIST has no file")


@pytest.mark.slow
@needs_mnist
def test_get_started_learns_what_it_says(run, mnist):
    variables = run(blocks(ROOT / "docs" / "get-started.md")[:1], mnist)
    x, y = variables["x_train"][:5000], variables["y_train"][:5000]
    _, accuracy = variables["model"].evaluate(x, y, verbose=0)
    # Three seeds of the table's benchmark reached 0.914, 0.918 and 0.927.
    assert accuracy == pytest.approx(0.92, abs=0.03)


@needs_mnist
def test_the_readme_shows_what_is_found_and_a_fix_that_works(run, mnist, tmp_path):
    page = ROOT / "README.md"
    (code,) = blocks(page)
    ((problem, fix),) = re.findall(
        r"^(\w+) in dense.*?fix: (.*?)$", page.read_text(), re.M | re.S
    )
    run([code], mnist)
    (finding,) = read_findings(tmp_path / "logs" / "layer_stats")
    assert (finding.problem, finding.fix) == (problem, fix)
    mended = code.replace('"relu")', f'"relu", {fix.partition("#")[0].strip()})')
    variables = run(["import keras_initkit", mended], mnist)
    _, accuracy = variables["model"].evaluate(mnist[0] / 255, mnist[1], verbose=0)
    assert accuracy > 0.8
    assert len(read_findings(tmp_path / "logs" / "layer_stats_2")) == 0
