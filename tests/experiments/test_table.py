import csv
import io
import json
import math

import pytest
from rich.console import Console

from keras_initkit.diagnosis.finding import Finding
from keras_initkit.experiments.table import as_json, compact, rich_table, write_csv

NAN, INF = math.nan, math.inf


def printed(results):
    console = Console(file=io.StringIO(), width=80)
    console.print(rich_table(results, "digits: plain network"))
    return console.file.getvalue()


def cells(result):
    [row] = [line for line in printed([result]).splitlines() if "he_normal" in line]
    return row.split()[1:]


def test_healthy_run(make_result):
    assert cells(make_result()) == ["95.0%", "0.100", "5.0e-01"]


def test_what_went_wrong_is_said_in_words(make_result):
    result = make_result(outcome="did not learn: symmetric_units")
    assert cells(result)[3:] == ["did", "not", "learn:", "symmetric_units"]


def test_ratio_of_nothing_to_nothing_is_a_dash(make_result):
    assert cells(make_result(gradient_variance_ratio=NAN))[2] == "-"


@pytest.mark.parametrize(("loss", "text"), [(NAN, "nan"), (INF, "inf")])
def test_loss_of_an_exploded_run_is_shown(make_result, loss, text):
    assert cells(make_result(final_loss=loss))[1] == text


def test_widest_table_fits_80_columns(make_result):
    widest = make_result(
        "dynamic_rescaling*3+rescaling",
        final_loss=1e-30,
        test_accuracy=1.0,
        gradient_variance_ratio=1e-30,
        outcome="diverged at step 1000: learning_rate_too_high",
    )
    lines = printed([widest]).splitlines()
    assert all("…" not in line for line in lines)
    first = ["dynamic_rescaling*3+rescaling", "100.0%", "1.0e-30", "1.0e-30"]
    assert any(line.split()[:4] == first for line in lines)


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
    write_csv({"plain": [healthy], "deep": [exploded]}, tmp_path / "compare.csv")
    with (tmp_path / "compare.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "network",
        "initializer",
        "initial_loss",
        "final_loss",
        "train_accuracy",
        "test_accuracy",
        "forward_variance_ratio",
        "gradient_variance_ratio",
        "seconds",
        "outcome",
    ]
    assert [row["network"] for row in rows] == ["plain", "deep"]
    assert [row["initializer"] for row in rows] == ["he_normal", "large_normal"]
    assert float(rows[0]["final_loss"]) == 1 / 3
    assert float(rows[0]["gradient_variance_ratio"]) == 1e-300
    assert float(rows[1]["final_loss"]) == INF
    assert math.isnan(float(rows[1]["gradient_variance_ratio"]))


def test_json_is_json_where_numbers_are_not(make_result):
    finding = Finding.from_dict(
        {
            "problem": "non_finite",
            "layers": [],
            "since": 3,
            "severity": "critical",
            "evidence": "the loss is NaN",
            "cause": "",
            "fix": "",
            "source": "",
        }
    )
    result = make_result(final_loss=NAN, outcome="diverged", findings=[finding])
    [read] = json.loads(json.dumps(as_json([result]), allow_nan=False))
    assert read["final_loss"] is None
    assert read["test_accuracy"] == 0.95
    assert read["outcome"] == "diverged"
    assert read["findings"][0]["problem"] == "non_finite"
