import math

import pytest

from keras_initkit.theory.root import bracketed_root, root_near_one


@pytest.mark.parametrize(
    ("function", "root"),
    [
        (lambda x: x**3 - 0.2, 0.2 ** (1 / 3)),
        (lambda x: math.exp(20 * x) - 2, math.log(2) / 20),
        (lambda x: -1.0 if x < 0.3 else 1.0, 0.3),
        (lambda x: x, 0.0),
        (lambda x: 1 - x, 1.0),
    ],
)
def test_the_root_is_found_from_either_side(function, root):
    assert bracketed_root(function, 0.0, 1.0, 1e-12) == pytest.approx(root, abs=1e-9)
    assert bracketed_root(function, 1.0, 0.0, 1e-12) == pytest.approx(root, abs=1e-9)


@pytest.mark.parametrize("root", [1e-9, 0.03, 1.0, 17.0, 9e5])
def test_the_search_goes_up_and_down(root):
    assert root_near_one(lambda q: root - q) == pytest.approx(root)


def test_what_has_no_root_runs_to_an_end():
    assert root_near_one(lambda q: q) == math.inf
    assert root_near_one(lambda q: -q) == 0
    assert root_near_one(lambda q: 0.0) == 1
