"""Initial weights from an earlier training: an array, or one array of a file."""

import contextlib
import logging
import math
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit import arguments
from keras_initkit.backends import keras_private
from keras_initkit.theory.variance import variance

# Warnings go here, because a user may have turned `warnings` into errors.
log = logging.getLogger("keras_initkit")

_PATHS_SHOWN = 20
Opened = tuple[list[str], Callable[[int], Any]]
# Values that the user has read, by source and path. A clone takes them from here,
# because a config alone may not open the file.
_values_read: weakref.WeakValueDictionary[tuple[str, str | None], np.ndarray] = (
    weakref.WeakValueDictionary()
)


@keras.saving.register_keras_serializable(package="keras_initkit")
class Pretrained(keras.initializers.Initializer):
    """Initializer that returns the values of an array, or of a weight in a file.

    It reads the values when you construct it, and casts them to the requested dtype
    when it is called. Copies, clones and pickles keep the values.

    A saved model has its own weights, so loading it does not need the file. The model
    may come from anybody, so a file that it names is opened only with
    `keras.saving.load_model(..., safe_mode=False)`. Without that, or if the file is
    gone, the initializer of the loaded model returns zeros. It then logs a warning to
    `keras_initkit` when it is called after loading.

    Examples:

    >>> # Standalone usage:
    >>> initializer = Pretrained(np.eye(2))
    >>> values = initializer(shape=(2, 2))

    >>> # Usage in a Keras layer, with a layer of a saved model:
    >>> layers = [keras.Input((4,)), keras.layers.Dense(3, name="hidden")]
    >>> keras.Sequential(layers).save("model.keras")
    >>> initializer = Pretrained("model.keras", path="hidden/kernel")
    >>> layer = keras.layers.Dense(3, kernel_initializer=initializer)

    Args:
        source: An array or tensor, whose values go into the config of the model (as
            text, about 20 bytes per value), or the name of a file: `.keras`, `.h5`
            (also `.weights.h5`) or `.npz`. Register the custom layers of a `.keras`
            file, and name the layers inside a custom layer or a subclassed model: Keras
            numbers unnamed ones differently at each reading.
        path: Name of the array in the file: the path of a variable in a `.keras` file
            (`"hidden/kernel"`), of a dataset in an `.h5` file
            (`"layers/dense/vars/0"`), or the name of an array in an `.npz` file. The
            last parts are enough if no other name ends in them. Not needed if the file
            has a single array. `None` for an array.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument is not as above or the file cannot be read, and when
            a weight of another shape is asked for.
    """

    def __init__(self, source: Any, path: str | None = None) -> None:
        if isinstance(source, str | os.PathLike):
            self.source = os.fspath(source)
            values = _read(self.source, path)
            self._values: np.ndarray | None = values
            _values_read[self.source, path] = values
        elif path is None:
            self.source = self._values = _to_array(source)
        else:
            raise ValueError(
                f"Argument `path` must be `None` for an array. Received: path={path}"
            )
        self.path = path

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        shape = arguments.shape("shape", shape)
        dtype = keras.backend.standardize_dtype(dtype)
        if self._values is None:
            if keras_private.in_safe_mode() is None:  # no model is being loaded
                log.warning(
                    "`Pretrained` returns zeros: it came with a model, and its source "
                    "was not read. Construct it again, or load the model with "
                    "`safe_mode=False`. Its source: %r, path: %r",
                    self.source,
                    self.path,
                )
            return ops.zeros(shape, dtype=dtype)
        if shape != self._values.shape:
            source = self.source if isinstance(self.source, str) else "an array"
            raise ValueError(
                f"`Pretrained` has values of shape {self._values.shape} (from "
                f"source={source}, path={self.path}) and cannot initialize a weight of "
                f"another shape. Received: shape={shape}"
            )
        return ops.cast(self._values, dtype)

    @property
    def is_missing(self) -> bool:
        """Tells whether there are no values, because it came with a model."""
        return self._values is None

    def intended_variance(self, shape: Sequence[int]) -> float:
        """Returns the population variance of the values.

        Args:
            shape: Shape of the weight; it does not matter.

        Returns:
            A float, NaN if there are no values.
        """
        return math.nan if self._values is None else variance(self._values)

    def get_config(self) -> dict[str, Any]:
        source = keras.saving.serialize_keras_object(self.source)
        return {"source": source, "path": self.path}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Pretrained":
        source = keras.saving.deserialize_keras_object(config["source"])
        if not isinstance(source, str):
            return cls(source)
        path = config["path"]
        if keras_private.in_safe_mode() is False:
            with contextlib.suppress(OSError, ValueError):
                return cls(source, path)
        clone = cls.__new__(cls)
        clone.source, clone.path = source, path
        clone._values = _values_read.get((source, path))
        return clone


def _to_array(values: Any) -> np.ndarray:
    try:
        array = ops.convert_to_numpy(values)
        if array.dtype.kind in "Oc":  # NumPy turns None into NaN, and drops i.
            raise TypeError(f"dtype {array.dtype} has no floats")
        return np.array(array, "float64" if array.dtype == "float64" else "float32")
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            "Argument `source` must be an array of numbers, or the name of a file. "
            f"Received: source={values}"
        ) from error


def _read(source: str, path: str | None) -> np.ndarray:
    openers = {".keras": _open_keras, ".h5": _open_h5, ".npz": _open_npz}
    open_source = openers.get(os.path.splitext(source)[1])
    if open_source is None:
        raise ValueError(
            "Argument `source` must be an array, or name a `.keras`, `.h5` or `.npz` "
            f"file. Received: source={source}"
        )
    if not os.path.isfile(source):
        raise FileNotFoundError(
            f"Argument `source` must name an existing file. Received: source={source}"
        )
    with contextlib.ExitStack() as stack:
        with _readable(source):
            paths, read = open_source(source, stack)
        index = _index(paths, path, source)
        with _readable(source):
            values = read(index)
    return _to_array(values)


@contextlib.contextmanager
def _readable(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ValueError(
            "Argument `source` must name a file that can be read. If it is a model "
            "with custom objects, register them, or load it yourself and pass the "
            f"array of a weight instead. {error} Received: source={source}"
        ) from error


# Each function opens a file until the stack closes. It returns the names of the arrays
# and a function that reads one of them, because all may not fit into memory.


def _open_keras(source: str, stack: contextlib.ExitStack) -> Opened:
    # Its own `Pretrained` layers may name any file, even this one. None is opened.
    with keras_private.SafeModeScope(True):
        weights = keras.saving.load_model(source, compile=False).weights
    return [weight.path for weight in weights], weights.__getitem__


def _open_h5(source: str, stack: contextlib.ExitStack) -> Opened:
    # Loaded here, because most initializers need neither.
    import h5py
    import ml_dtypes

    file = stack.enter_context(h5py.File(source))
    paths: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            paths.append(name)

    def read(index: int) -> np.ndarray:
        item = file[paths[index]]
        if item.external or item.is_virtual:
            raise ValueError(f"The values of {paths[index]} lie in other files.")
        # HDF5 has no bfloat16. Keras stores the dtype beside the bytes.
        is_bfloat16 = item.attrs.get("dtype") == "bfloat16"
        return np.array(item, dtype=ml_dtypes.bfloat16 if is_bfloat16 else None)

    file.visititems(note)
    return paths, read


def _open_npz(source: str, stack: contextlib.ExitStack) -> Opened:
    arrays = stack.enter_context(np.load(source, allow_pickle=False))
    return arrays.files, lambda index: arrays[arrays.files[index]]


def _index(paths: list[str], path: str | None, source: str) -> int:
    """Returns the position of the array that `path` names in full or by its end."""
    matches = [i for i, name in enumerate(paths) if path in (name, None)]
    if not matches:
        matches = [i for i, name in enumerate(paths) if name.endswith(f"/{path}")]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(paths[:_PATHS_SHOWN])
    if len(paths) > _PATHS_SHOWN:
        shown += f" and {len(paths) - _PATHS_SHOWN} more"
    raise ValueError(
        f"Argument `path` must name one array of {source}, but {len(matches)} match. "
        f"It has: {shown}. Received: path={path}"
    )
