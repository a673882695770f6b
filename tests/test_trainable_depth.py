"""A small version of benchmarks/trainable_depth.py, and the basis of its table."""

import contextlib
import csv
import importlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MNIST = os.environ.get("KERAS_INITKIT_MNIST")
NETWORKS = ("plain-tanh", "plain-relu")
DEPTH, WIDTH, STEPS = 60, 64, 100
SMALL = (
    f"--networks {' '.join(NETWORKS)} --width {WIDTH} --steps {STEPS} --seeds 0 1 "
    "--initializers glorot_uniform critical looks_linear"
)

needs_mnist = pytest.mark.skipif(
    not MNIST, reason="KERAS_INITKIT_MNIST names no mnist.npz"
)


class Script(NamedTuple):
    """The modules, as in the script."""

    command: object
    networks: object
    results: object

    def output(self, results: Path, *arguments: str) -> str:
        """Its output on the terminal."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            files = ["--mnist-path", MNIST or "", "--results", str(results)]
            self.command.main([*SMALL.split(), *files, *arguments])
        return printed.getvalue()


class Small(NamedTuple):
    """The benchmark that all tests share."""

    results: Path
    printed: str
    traces: int

    def accuracies(self, network: str, initializer: str) -> tuple[float, float]:
        """The smallest and the largest over the seeds."""
        with self.results.with_suffix(".csv").open(newline="") as file:
            (row,) = (
                row
                for row in csv.DictReader(file)
                if (row["network"], row["initializer"]) == (network, initializer)
            )
        return float(row["train_accuracy_min"]), float(row["train_accuracy_max"])


@pytest.fixture(scope="module")
def script():
    names = ("trainable_depth", "deep_networks", "depth_results")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield Script(*map(importlib.import_module, names))


@pytest.fixture(scope="module")
def small(script, tmp_path_factory) -> Small:
    results = tmp_path_factory.mktemp("trainable_depth") / "results.jsonl"
    traces = []
    compute_loss = keras.Model.compute_loss

    def counted(self, *arguments, **keywords):
        traces.append(self)
        return compute_loss(self, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compute_loss", counted)
        printed = script.output(results, "--depths", str(DEPTH))
    return Small(results, printed, len(traces))


@needs_mnist
@pytest.mark.parametrize(
    ("network", "ours"), [("plain-tanh", "critical"), ("plain-relu", "looks_linear")]
)
def test_ours_trains_where_glorot_does_not(small, network, ours):
    lowest_of_ours, _ = small.accuracies(network, ours)
    _, highest_of_glorot = small.accuracies(network, "glorot_uniform")

    assert lowest_of_ours > 0.65
    assert highest_of_glorot < 0.5


@needs_mnist
def test_all_runs_of_a_network_share_one_trace(small):
    assert small.traces == len(NETWORKS)


@needs_mnist
def test_finished_runs_are_not_made_again(script, small, monkeypatch):
    monkeypatch.setattr(script.command, "train", lambda *_: pytest.fail("trained"))

    tables = script.output(small.results, "--depths", str(DEPTH))

    assert small.printed.endswith(tables)


@needs_mnist
def test_a_stopped_benchmark_goes_on_to_the_same_result(script, small, tmp_path):
    before, _ = small.results.read_text().rstrip().rsplit("\n", 1)
    stopped = tmp_path / "results.jsonl"
    stopped.write_text(before + "\n")

    script.output(stopped, "--depths", str(DEPTH))

    ends = [script.results.Results(path).outcomes for path in (small.results, stopped)]
    assert list(ends[0]) == list(ends[1])
    run = list(ends[0])[-1]
    first, again = (outcomes[run].train_accuracy for outcomes in ends)
    # Not exactly, because threads may add in another order.
    assert again == pytest.approx(first, abs=0.05)


@needs_mnist
def test_the_table_has_what_was_run_and_no_more(script, small, tmp_path):
    printed = script.output(
        small.results,
        *f"--table-only --depths {DEPTH} 100 --picture {tmp_path}/picture.png".split(),
    )

    heads, rows = [], []
    for line in printed.splitlines():
        if line.startswith("| "):
            cells = line.strip("| ").split(" | ")
            (heads if cells[0] == "initializer" else rows).append(cells)
    rows = [row for row in rows if row[0] != "---"]
    columns = [f"depth {DEPTH}, width {WIDTH}", f"depth 100, width {WIDTH}"]
    assert heads == [["initializer", *columns]] * 2 * len(NETWORKS)
    of_tanh, of_relu = (
        ["glorot_uniform", "critical"],
        ["glorot_uniform", "looks_linear"],
    )
    assert [row[0] for row in rows] == 2 * of_tanh + 2 * of_relu
    low, high = small.accuracies("plain-tanh", "critical")
    assert float(rows[1][1]) == pytest.approx((low + high) / 2, abs=0.006)
    assert all(row[2] == "-" for row in rows)
    assert (tmp_path / "picture.png").stat().st_size > 0


def test_the_learning_rate_is_chosen_on_the_held_out_images(script, tmp_path):
    study = script.results.Study(("plain-tanh",), (10,), None, (0, 1), STEPS, None)
    results = script.results.Results(tmp_path / "results.jsonl")
    cell = study.cells("plain-tanh", 10)[0]

    def add(run, held_out_accuracy, train_accuracy):
        accuracies = (train_accuracy, held_out_accuracy, train_accuracy)
        results.add(run, script.results.Outcome(*accuracies, STEPS, 1.0))

    for run, held_out in zip(study.selection(cell), (0.2, 0.8, 0.5), strict=True):
        assert study.chosen_rate(cell, results) is None
        add(run, held_out, train_accuracy=1 - held_out)
    assert study.chosen_rate(cell, results) == 0.01

    assert study.spread(cell, results, "train_accuracy") is None
    (repeat,) = study.repeats(cell, 0.01)
    assert (repeat.learning_rate, repeat.seed) == (0.01, 1)
    add(repeat, held_out_accuracy=0.9, train_accuracy=0.4)
    spread = study.spread(cell, results, "train_accuracy")
    assert spread == pytest.approx((0.3, 0.2, 0.4))


def test_a_training_ends_where_its_loss_is_not_finite(script):
    network = script.networks.DeepNetwork("plain-relu", depth=3, width=8)
    x = np.random.default_rng(0).normal(size=(10 * 256, 784)).astype("float32")
    y = np.arange(len(x)) % 10

    network.initialize("he_normal", 0, x[:256])
    assert network.train(x, y, learning_rate=1e20) < 10
    network.initialize("he_normal", 0, x[:256])
    assert network.train(x, y, learning_rate=1e-3) == 10


@pytest.mark.parametrize(
    ("network", "initializer"),
    [
        ("plain-tanh", "gaussian_critical"),
        ("plain-tanh", "critical"),
        ("plain-tanh", "lsuv"),
        ("plain-relu", "he_normal"),
        ("plain-relu", "scaled_orthogonal"),
        ("plain-relu", "looks_linear"),
        ("plain-gelu", "critical"),
        ("residual-relu", "scaled_depth"),
    ],
)
def test_each_layer_and_seed_has_kernels_of_its_own(script, network, initializer):
    activation = script.networks.ARCHITECTURES[network].activation

    def kernels(seed):
        pairs = script.networks.weight_initializers(
            initializer, 3, activation, input_variance=1.0, seed=seed
        )
        assert len(pairs) == 4
        return [np.array(kernel((8, 8))) for kernel, _ in pairs]

    first, again, other = kernels(0), kernels(0), kernels(1)
    np.testing.assert_array_equal(first, again)
    flat = np.reshape([*first, *other], (8, -1))
    assert np.abs(np.corrcoef(flat) - np.eye(8)).max() < 0.9
