from typing import ClassVar

import numpy as np
import pytest

from keras_initkit.report.layer_report import LayerReport

COLUMNS = {
    "fan_in": [3, 400],
    "variance": [0.123456, float("nan")],
    "is_good": [True, False],
    "as_intended": [None, True],
    "initializer": ["Zeros", "<lambda>"],
}


@pytest.fixture
def report():
    return LayerReport(["first", "second/inner"], COLUMNS)


def test_text_is_a_table(report):
    assert repr(report).splitlines() == [
        "layer         fan in  variance  is good  as intended  initializer",
        "first              3     0.123      yes            -        Zeros",
        "second/inner     400         -       no          yes     <lambda>",
    ]


def test_name_of_the_model_is_not_printed_on_every_line():
    report = LayerReport(["net/a", "net/b/c"], {"n": [1, 2]})
    assert repr(report).splitlines() == ["layer  n", "a      1", "b/c    2"]
    assert report.layers == ["net/a", "net/b/c"]


def test_headings_choose_columns_and_may_have_two_lines():
    class Short(LayerReport):
        headings: ClassVar = {"variance": "vari-\nance", "fan_in": "fan"}

    report = Short(["first", "second"], COLUMNS)
    assert repr(report).splitlines() == [
        "        vari-",
        "layer    ance  fan",
        "first   0.123    3",
        "second      -  400",
    ]
    assert "vari-<br>ance" in report._repr_html_()
    assert set(report) == set(COLUMNS)


def test_columns_that_do_not_fit_are_in_tables_below(report):
    assert report.to_text(36).splitlines() == [
        "layer         fan in  variance",
        "first              3     0.123",
        "second/inner     400         -",
        "",
        "layer         is good  as intended",
        "first             yes            -",
        "second/inner       no          yes",
        "",
        "layer         initializer",
        "first               Zeros",
        "second/inner     <lambda>",
    ]
    # At least one column, however narrow the terminal.
    assert report.to_text(1).count("layer") == len(COLUMNS)
    assert report.to_text(80) == repr(report)


def test_notebook_shows_what_is_in_the_text_and_nothing_is_markup(report):
    html = report._repr_html_()
    assert "&lt;lambda&gt;" in html
    assert "<lambda>" not in html
    assert html.count("<tr>") == 3


def test_columns_are_arrays_and_the_dict_is_plain(report):
    assert list(report) == list(COLUMNS)
    assert len(report) == len(COLUMNS)
    np.testing.assert_array_equal(report["fan_in"], [3, 400])
    plain = report.to_dict()
    assert plain["layer"] == ["first", "second/inner"]
    assert plain["as_intended"] == [None, True]
    assert type(plain["fan_in"][0]) is int


def test_unknown_column_is_told_with_those_there_are(report):
    with pytest.raises(KeyError, match=r"varianc'.*fan_in"):
        report["varianc"]
    assert "varianc" not in report
