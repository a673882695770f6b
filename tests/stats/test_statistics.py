import functools
import re
from pathlib import Path

import pytest
from keras import ops

from keras_initkit import LayerStatsCallback
from keras_initkit.stats import measures
from keras_initkit.stats.statistics import FORWARD, TENSOR_MEASURES, Statistics

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()


def median(tensor):
    return ops.median(tensor)


def test_without_a_choice_mean_variance_and_norm():
    assert Statistics().keys == (
        "weight_mean",
        "weight_variance",
        "weight_l2_norm",
        "gradient_mean",
        "gradient_variance",
        "gradient_l2_norm",
    )


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        ("mean", ["weight_mean", "gradient_mean"]),
        (["weight_mean"], ["weight_mean"]),
        ("gradient_zero_fraction", ["gradient_zero_fraction"]),
        (["gradient_mean", "max_abs"], "weight_max_abs gradient_mean gradient_max_abs"),
        (["update_ratio", "dead_fraction"], ["dead_fraction", "update_ratio"]),
        (
            ("activation_mean", "duplicate_fraction"),
            "duplicate_fraction activation_mean",
        ),
        (median, ["weight_median", "gradient_median"]),
        (["l2_norm", median], None),
        ([measures.variance], ["weight_variance", "gradient_variance"]),
    ],
)
def test_keys(chosen, keys):
    if keys is None:
        keys = [
            f"{s}_{n}" for s in ("weight", "gradient") for n in ("l2_norm", "median")
        ]
    expected = keys.split() if isinstance(keys, str) else keys
    assert list(Statistics(chosen).keys) == expected


def test_all_is_the_documented_table():
    table = re.findall(r"^\| `(\w+)` \|", DOCUMENTED, re.MULTILINE)
    assert len(table) == 20
    keys = Statistics("all").keys
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(table)


def test_the_callback_s_docstring_names_each_and_shows_its_arguments_at_once():
    first_screen, _, arguments = LayerStatsCallback.__doc__.partition("Args:")
    assert len(first_screen.splitlines()) < 25
    names = {key.removeprefix("weight_") for key in Statistics("all").keys}
    names -= {key for key in names if key.startswith("gradient_")}
    assert names <= set(re.findall(r'`"(\w+)"`', arguments))


def test_default_is_what_the_table_says():
    lines = DOCUMENTED.splitlines()
    default = {line.split("`")[1] for line in lines if line.endswith("| yes |")}
    assert set(Statistics().keys) == default


def test_order_is_weights_gradients_units_forward_pass_update():
    keys = Statistics("all").keys
    number = len(TENSOR_MEASURES)
    assert all(key.startswith("weight_") for key in keys[:number])
    assert all(key.startswith("gradient_") for key in keys[number : 2 * number])
    assert keys[2 * number :] == ("duplicate_fraction", *FORWARD, "update_ratio")


def test_a_function_is_applied_to_weights_and_gradients():
    statistics = Statistics([median])
    for source in ("weight", "gradient"):
        assert statistics.names(source) == ("median",)
        function = statistics.measures[source]["median"]
        assert float(function(ops.array([1.0, 5.0, 2.0]))) == 2


@pytest.mark.parametrize("chosen", [[], (), ""])
def test_none_at_all(chosen):
    with pytest.raises(ValueError, match=f"Received: .*{re.escape(repr(chosen))}"):
        Statistics(chosen)


@pytest.mark.parametrize(
    "unknown", ["varianz", "weights_mean", "weight_dead_fraction", "weight_", 3, None]
)
def test_unknown_names(unknown):
    with pytest.raises(ValueError, match=r"variance.*dead_fraction") as error:
        Statistics(["mean", unknown])
    assert str(error.value).endswith(f"Received: statistics={unknown!r}")


@pytest.mark.parametrize("chosen", [None, 5])
def test_no_sequence(chosen):
    with pytest.raises(ValueError, match=f"Received: .*{chosen}"):
        Statistics(chosen)


@pytest.mark.parametrize(
    "chosen", [["mean", "mean"], ["mean", "weight_mean"], ["weight_mean", "mean"]]
)
def test_there_twice_is_there_once(chosen):
    assert sorted(Statistics(chosen).keys) == ["gradient_mean", "weight_mean"]


def variance(tensor):
    return ops.max(tensor)


def another(name):
    def function(tensor):
        return ops.min(tensor)

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    "chosen",
    [
        [lambda tensor: ops.max(tensor)],
        [functools.partial(ops.max, axis=None)],
        [variance],
        ["variance", variance],
        [median, another("median")],
    ],
)
def test_functions_without_a_name_of_their_own(chosen):
    with pytest.raises(
        ValueError, match=r"unique `__name__`.*Received: statistics=<?func"
    ):
        Statistics(chosen)


def test_the_functions_of_the_users_own_are_known():
    statistics = Statistics(["mean", median, measures.variance])
    assert statistics.functions == {"median": median}
