import csv
import io
import math

import pytest
from rich.console import Console

from keras_initkit.experiments.table import compact, rich_table, write_csv

NAN, INF = math.nan, math.inf


def printed(results):
    console = Console(file=io.StringIO(), width=80)
    console.print(rich_table(results, "digits: plain network"))
    return console.file.getvalue()


def cells(result):
    [row] = [line for line in printed([result]).splitlines() if "he_normal" in line]
    return row.split()[1:]


def test_healthy_run(make_result):
    assert cells(make_result()) == [
        *["2.500", "0.100"],
        *["99.0%", "95.0%"],
        *["1.1e+00", "5.0e-01"],
        "1.5",
    ]


def test_ratio_of_nothing_to_nothing_is_a_dash(make_result):
    result = make_result(forward_variance_ratio=NAN, gradient_variance_ratio=NAN)
    assert cells(result)[4:6] == ["-", "-"]


@pytest.mark.parametrize(("loss", "text"), [(NAN, "nan"), (INF, "inf")])
def test_loss_of_an_exploded_run_is_shown(make_result, loss, text):
    assert cells(make_result(initial_loss=loss, final_loss=loss))[:2] == [text, text]


def test_widest_table_fits_80_columns(make_result):
    widest = make_result(
        "dynamic_rescaling",
        initial_loss=1e30,
        final_loss=1e-30,
        train_accuracy=1.0,
        forward_variance_ratio=1e30,
        gradient_variance_ratio=1e-30,
        seconds=1234.5,
    )
    lines = printed([widest]).splitlines()
    assert all("…" not in line for line in lines)
    assert any("dynamic_rescaling" in line and "1234.5" in line for line in lines)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.01, "0.010"),
        (0.0099, "9.9e-03"),
        (999.9, "999.900"),
        (1000.0, "1.0e+03"),
        (0.0, "0.0e+00"),
    ],
)
def test_three_decimals_or_an_exponent(number, text):
    assert compact(number) == text


def test_csv_keeps_names_and_full_precision(make_result, tmp_path):
    healthy = make_result(final_loss=1 / 3, gradient_variance_ratio=1e-300)
    exploded = make_result(
        "large_normal", final_loss=INF, gradient_variance_ratio=NAN, train_accuracy=0.1
    )
    write_csv([healthy, exploded], tmp_path / "compare.csv")
    with (tmp_path / "compare.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "initializer",
        "initial_loss",
        "final_loss",
        "train_accuracy",
        "test_accuracy",
        "forward_variance_ratio",
        "gradient_variance_ratio",
        "seconds",
    ]
    assert [row["initializer"] for row in rows] == ["he_normal", "large_normal"]
    assert float(rows[0]["final_loss"]) == 1 / 3
    assert float(rows[0]["gradient_variance_ratio"]) == 1e-300
    assert float(rows[1]["final_loss"]) == INF
    assert math.isnan(float(rows[1]["gradient_variance_ratio"]))
