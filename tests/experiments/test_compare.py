import dataclasses
import math
import re

import numpy as np
import pytest

from keras_initkit.experiments.compare import compare, run_name
from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.settings import Settings

LN_10 = math.log(10)
TINY = Settings(
    initializers=("zeros", "he_normal"),
    depth=2,
    width=16,
    epochs=2,
    learning_rate=0.1,
)
STEPS_PER_EPOCH = 23  # 1437 training digits in batches of 64


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def progress():
    return []


@pytest.fixture(scope="module")
def results(digits, log_dir, progress):
    return compare(digits, TINY, log_dir, lambda *step: progress.append(step))


@pytest.fixture
def zeros(results):
    return results[0]


@pytest.fixture
def he_normal(results):
    return results[1]


def test_one_result_for_each_initializer_in_order(results):
    assert [result.initializer for result in results] == ["zeros", "he_normal"]


def test_zeros_stay_at_chance(zeros):
    assert zeros.initial_loss == pytest.approx(LN_10, abs=1e-5)
    assert zeros.final_loss == pytest.approx(LN_10, abs=1e-3)
    assert zeros.train_accuracy <= 0.12
    assert zeros.test_accuracy <= 0.12


def test_zeros_carry_neither_signal_nor_gradient(zeros):
    assert math.isnan(zeros.forward_variance_ratio)
    assert math.isnan(zeros.gradient_variance_ratio)
    assert not zeros.gradient_variance_start.any()
    assert not zeros.gradient_variance_end.any()


def test_he_normal_learns(he_normal):
    assert he_normal.final_loss < he_normal.initial_loss
    assert he_normal.final_loss < LN_10 - 0.5
    assert he_normal.test_accuracy > 0.5
    assert 0.1 < he_normal.forward_variance_ratio < 10
    assert (he_normal.gradient_variance_start > 0).all()


def test_gradient_ratio_is_first_kernel_over_head(he_normal):
    first, _, head = he_normal.gradient_variance_start
    assert he_normal.gradient_variance_ratio == pytest.approx(first / head)


def test_losses_are_those_before_training_and_after_each_epoch(results):
    for result in results:
        assert result.losses.shape == result.loss_steps.shape == (TINY.epochs + 1,)
        assert result.losses[0] == result.initial_loss
        assert result.losses[-1] == result.final_loss
        np.testing.assert_array_equal(
            result.loss_steps, [0, STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH]
        )


def test_every_kernel_is_recorded(results):
    for result in results:
        assert result.layers == ["hidden_000", "hidden_001", "head"]
        assert result.gradient_variance_start.shape == (3,)
        assert result.gradient_variance_end.shape == (3,)
        assert 0 < result.end_step < 2 * STEPS_PER_EPOCH


def test_log_dir_on_another_machine(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Received: log_dir='gs://bucket'"):
        compare(digits, TINY, "gs://bucket")
    assert not list(tmp_path.iterdir())


def test_event_files_are_where_tensorboard_is_pointed(results, log_dir):
    for result in results:
        run = log_dir / result.initializer / "layer_stats"
        assert list(run.glob("events.out.tfevents.*"))


def test_progress_counts_every_step(results, progress):
    steps = 2 * STEPS_PER_EPOCH
    for name in TINY.initializers:
        told = [(done, of) for run, done, of in progress if run == name]
        assert told == [(done, steps) for done in range(1, steps + 1)]


def test_same_settings_same_results(results, digits, tmp_path):
    for first, again in zip(results, compare(digits, TINY, tmp_path), strict=True):
        np.testing.assert_array_equal(first.losses, again.losses)
        np.testing.assert_array_equal(
            first.gradient_variance_end, again.gradient_variance_end
        )
        assert first.test_accuracy == again.test_accuracy


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_optimizer_and_learning_rate_are_used(digits, tmp_path, optimizer):
    # Such a small rate moves nothing, so the loss stays where it began.
    settings = Settings(
        ("he_normal",), 1, 8, epochs=1, optimizer=optimizer, learning_rate=1e-12
    )
    [result] = compare(digits, settings, tmp_path)
    assert result.final_loss == pytest.approx(result.initial_loss, rel=1e-5)


def test_a_run_that_does_not_learn_says_why(zeros, he_normal):
    assert zeros.outcome == "did not learn: symmetric_units"
    assert [finding.problem for finding in zeros.findings] == ["symmetric_units"]
    assert he_normal.outcome == ""


def test_a_run_that_diverges_says_when(digits, tmp_path):
    settings = Settings(("he_normal",), 2, 16, epochs=1, learning_rate=1e6)
    [result] = compare(digits, settings, tmp_path)
    assert not math.isfinite(result.final_loss)
    assert re.match(r"diverged at step ([1-9]|1[0-9]): ", result.outcome)


def test_the_callback_brings_a_wrong_scale_home(digits, tmp_path):
    names = ("he_normal*3", "he_normal*3+rescaling")
    settings = Settings(names, depth=6, width=32, epochs=2)
    raw, rescaled = compare(digits, settings, tmp_path)
    # Both have the same draw; the callback acts at the first step.
    assert raw.initial_loss == rescaled.initial_loss > 100
    assert rescaled.final_loss < 1
    assert raw.final_loss > 2
    assert list((tmp_path / "he_normal_3_rescaling" / "rescaling").iterdir())


def test_lsuv_starts_with_unit_variance(digits, tmp_path):
    [result] = compare(digits, Settings(("lsuv",), 8, 32, epochs=1), tmp_path)
    assert result.forward_variance_ratio == pytest.approx(1, abs=0.3)


def test_runs_do_not_depend_on_those_before(results, digits, tmp_path):
    alone = dataclasses.replace(TINY, initializers=("he_normal",))
    [result] = compare(digits, alone, tmp_path)
    np.testing.assert_array_equal(result.losses, results[1].losses)


def test_run_names_are_for_a_shell():
    assert run_name("my.module:Init*0.5") == "my.module_Init_0.5"
