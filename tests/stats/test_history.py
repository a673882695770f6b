import csv

import matplotlib as mpl
import numpy as np
import pytest

from keras_initkit.stats.history import History, Records

mpl.use("agg")


@pytest.fixture
def history():
    history = History(["first", "last"], ["weight_mean", "gradient_variance"])
    history.append(
        Records(
            steps=np.array([0, 1]),
            values=np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8.0]]]),
            skipped=np.array([False, False]),
            losses=np.array([2.0, 1.5]),
            learning_rates=np.array([0.5, 0.25]),
        )
    )
    history.append(
        Records(
            steps=np.array([50]),
            values=np.array([[[-1, 0], [np.nan, np.inf]]]),
            skipped=np.array([True]),
            losses=np.array([np.nan]),
            learning_rates=np.array([0.125]),
        )
    )
    return history


def test_arrays_of_steps_by_layers(history):
    assert history.steps.tolist() == [0, 1, 50]
    assert history["weight_mean"].tolist() == [[1, 2], [5, 6], [-1, 0]]
    np.testing.assert_array_equal(
        history["gradient_variance"], [[3, 4], [7, 8], [np.nan, np.inf]]
    )
    assert history.skipped.tolist() == [False, False, True]
    np.testing.assert_array_equal(history.losses, [2, 1.5, np.nan])
    assert history.learning_rates.tolist() == [0.5, 0.25, 0.125]
    assert list(history) == ["weight_mean", "gradient_variance"]
    assert dict(history).keys() == history.keys()


def test_unknown_statistic_names_those_there_are(history):
    with pytest.raises(KeyError, match=r"'gradient_median'.*'gradient_variance'"):
        history["gradient_median"]


def test_empty():
    history = History(["a"], ["weight_mean"])
    assert history["weight_mean"].shape == (0, 1)
    with pytest.raises(ValueError, match="Nothing was recorded"):
        history.plot("weight_mean")


def test_csv(history, tmp_path):
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.reader(file))
    of_layer = ["number", "layer", "weight_mean", "gradient_variance"]
    assert rows[0] == ["step", "skipped", "loss", "learning_rate", *of_layer]
    assert rows[3] == ["1", "0", "1.5", "0.25", "0", "first", "5.0", "7.0"]
    assert rows[6] == ["50", "1", "nan", "0.125", "1", "last", "0.0", "inf"]


def test_the_last_records_one_by_one(history):
    before, last = history.last(2)
    assert (before.step, before.skipped, before.loss) == (1, False, 1.5)
    assert (before.learning_rate, last.learning_rate) == (0.25, 0.125)
    assert (last.step, last.skipped, last.layers) == (50, True, ["first", "last"])
    assert last.statistics["weight_mean"].tolist() == [-1, 0]


def test_plot_shows_a_line_for_each_step_over_the_layers(history):
    axes = history.plot("gradient_variance")
    assert [line.get_label() for line in axes.lines] == ["step 0", "step 1", "step 50"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [7, 8])
    assert axes.get_yscale() == "log"
    assert history.plot("weight_mean", ax=axes) is axes
