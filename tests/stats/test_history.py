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
    assert [label.get_text() for label in axes.get_xticklabels()] == ["first", "last"]
    assert history.plot("weight_mean", ax=axes) is axes


def test_plot_shows_a_line_for_each_layer_over_the_steps(history):
    axes = history.plot("gradient_variance", over="steps")
    assert [line.get_label() for line in axes.lines] == ["first", "last"]
    assert axes.lines[0].get_xdata().tolist() == [0, 1, 50]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [3, 7, np.nan])
    assert axes.get_yscale() == "log"


def test_plot_shows_a_row_for_each_layer_over_both(history):
    axes = history.plot("weight_mean", over="both", layers="l*")
    np.testing.assert_array_equal(axes.images[0].get_array(), [[2, 6, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["last"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "50"]


@pytest.mark.parametrize(("argument", "value"), [("over", "time"), ("layers", "none*")])
def test_plot_refuses_what_it_does_not_know(history, argument, value):
    with pytest.raises(ValueError, match=rf"`{argument}`.*Received: {argument}='"):
        history.plot("weight_mean", **{argument: value})


def test_a_notebook_shows_the_layers_at_both_ends():
    history = History(["net/<a>", "net/b", "net/c"], ["weight_mean"])
    values = np.array([[[1.0, 2, 6]], [[5, 4, np.nan]]])
    history.append(
        Records(np.array([0, 9]), values, np.zeros(2, bool), *np.ones((2, 2)))
    )
    shown = history._repr_html_()
    assert "2 recorded steps, from 0 to 9; 3 layers" in shown
    cells = ["2", "4.5", "4 (b)", "5 (&lt;a&gt;)", "1"]
    assert "".join(f"<td>{cell}</td>" for cell in cells) in shown
    assert "0 recorded steps; 1 layers" in History(["a"], ["x"])._repr_html_()


def test_names_without_what_all_lie_in(history):
    assert history.short_names() == ["first", "last"]
    names = ["net/block/a", "net/block/b", "net/head"]
    assert History(names).short_names() == ["block/a", "block/b", "head"]
    assert History(["net/a", "net/a/b"]).short_names() == ["a", "a/b"]
    assert History(["net/a"]).short_names() == ["net/a"]


def test_pandas(history):
    pytest.importorskip("pandas")
    long = history.to_pandas()
    assert list(long)[:6] == [
        *("step", "skipped", "loss", "learning_rate", "number", "layer"),
    ]
    assert long.loc[3, "gradient_variance"] == 8
    assert (
        long.set_index(["step", "layer"])["weight_mean"].unstack().loc[50, "last"] == 0
    )
    wide = history.to_pandas("wide")
    assert wide.loc[1, ("weight_mean", "last")] == 6
    for key in history:
        np.testing.assert_array_equal(wide[key], history[key])
    with pytest.raises(ValueError, match="Received: shape='square'"):
        history.to_pandas("square")


def lived(*chunks, skipped=(), accumulates=False):
    """A history of such steps, whose values are the numbers that they came as."""
    history = History(["a"], ["weight_mean"], accumulates)
    number = 0
    for steps in chunks:
        numbers = np.arange(number, number + len(steps))
        number += len(steps)
        history.append(
            Records(
                np.array(steps, "int64"),
                numbers.reshape(-1, 1, 1).astype(float),
                np.isin(numbers, skipped),
                numbers.astype(float),
                np.full(len(steps), 0.5),
            )
        )
    return history


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([[0, 1, 2], [3, 4]], [0, 1, 2, 3, 4]),
        ([[0, 1, 2, 3], [2, 3, 4]], [0, 1, 4, 5, 6]),
        ([[0, 50, 100, 150], [150, 200]], [0, 1, 2, 4, 5]),
        ([[0, 5, 9, 3, 4, 7, 4, 8]], [0, 3, 6, 7]),
        ([[5, 6], [0]], [2]),
        ([[0, 1], [], [1]], [0, 2]),
    ],
)
def test_of_steps_that_are_lived_again_the_newer_records_stay(chunks, expected):
    history = lived(*chunks)
    steps = [step for chunk in chunks for step in chunk]
    assert history["weight_mean"][:, 0].tolist() == expected
    assert history.losses.tolist() == expected
    assert history.steps.tolist() == [steps[number] for number in expected]
    # What is written or handed on goes by what has come.
    assert history.num_records == len(steps)
    assert history.since(1).steps.tolist() == steps[1:]
    assert [record.step for record in history.last(1)] == steps[-1:]


def test_a_history_that_was_read_before_the_training_went_back():
    history = lived([0, 1, 2])
    assert history.steps.tolist() == [0, 1, 2]
    history.append(history.since(1))
    assert history.steps.tolist() == [0, 1, 2]
    history.append(lived([1])._records())
    assert history.steps.tolist() == [0, 1]
    assert history["weight_mean"][:, 0].tolist() == [0, 0]
    assert history.num_records == 6


def test_steps_at_which_the_counter_stands_still_stay():
    assert lived([0, 1, 1, 1, 2], skipped=[1, 2]).steps.tolist() == [0, 1, 1, 1, 2]
    assert lived([0, 0, 1, 1], accumulates=True).steps.tolist() == [0, 0, 1, 1]
    again = lived([0, 1, 1, 2, 1, 2], skipped=[1])
    assert again["weight_mean"][:, 0].tolist() == [0, 4, 5]
