"""The modules of the extra `experiments`, which are imported only where needed."""

import importlib.util

from keras_initkit.experiments.user_error import UserError

EXTRA_MODULES = ("sklearn", "matplotlib", "rich")


def require_extras() -> None:
    """Checks that the extra is installed.

    Raises:
        UserError: a module of the extra is missing.
    """
    missing = [name for name in EXTRA_MODULES if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(
            f"{', '.join(missing)} not installed: "
            'pip install "keras_initkit[experiments]"'
        )
