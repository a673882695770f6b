import importlib.util

import pytest

from keras_initkit.experiments.extras import EXTRA_MODULES, require_extras
from keras_initkit.experiments.user_error import UserError


@pytest.fixture
def without(monkeypatch):
    """A function that hides modules."""
    find_spec = importlib.util.find_spec

    def hide(*names):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *rest: None if name in names else find_spec(name, *rest),
        )

    return hide


def test_nothing_is_said_where_all_are_there():
    assert require_extras() is None


@pytest.mark.parametrize("name", EXTRA_MODULES)
def test_a_missing_module_is_named_with_the_way_to_install_it(without, name):
    without(name)
    with pytest.raises(
        UserError, match=f"^{name} not installed: pip install "
    ) as error:
        require_extras()
    assert '"keras_initkit[experiments]"' in str(error.value)


def test_all_that_are_missing_are_named(without):
    without(*EXTRA_MODULES)
    with pytest.raises(UserError, match=r"^sklearn, matplotlib, rich not installed"):
        require_extras()
