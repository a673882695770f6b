"""The user's own names in TensorBoard's Text tab."""

import html
import re

import keras
import numpy as np
import pytest
from tensorboard.plugin_util import markdown_to_safe_html

from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.diagnosis.finding import CRITICAL, Finding
from keras_initkit.kernels.selection import layer_table
from keras_initkit.markdown import escaped

NAMES = [
    *("a|b", "a\nb", "<img src=http://evil/x.png>", "![x](http://evil/x.png)"),
    *("[x](http://evil)", "`a`", "&lt;img&gt;", "**a**", "a\\|b", "a | | b\r\n1 | c"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_has_one_row_for_each_layer_and_shows_its_name(name):
    variables = [keras.Variable(np.ones((2, 3)), name="kernel") for _ in range(2)]
    page = markdown_to_safe_html(layer_table([name, "next"], variables))
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
    assert [len(re.findall("<td", row)) for row in rows] == [6, 6]
    assert not re.search("<img|<a ", page)
    shown = re.findall(r"<td[^>]*>(.*?)</td>", rows[0], re.DOTALL)[1]
    assert html.unescape(shown) == " ".join(name.split())


@pytest.mark.parametrize("name", NAMES)
def test_findings_load_nothing(name):
    finding = Finding("dead_units", (name,), 2, CRITICAL, name, name, name, "us")
    page = markdown_to_safe_html(Diagnosis([finding]).to_markdown())
    assert not re.search("<img|<a ", page)


def test_usual_names_stay_as_they_are():
    assert escaped("net/dense_1:0 (kernel)") == "net/dense_1:0 (kernel)"
