"""Checks that a batch can build, run and measure a model."""

from typing import Any

import keras
import numpy as np

from keras_initkit import arguments
from keras_initkit.backends import keras_private

# NumPy's kinds of dtypes: text; and complex numbers, dates and Python objects.
_TEXT, _NO_REAL_NUMBERS = "SU", "cmMO"


def check_batch(model: keras.Model, x: Any, y: Any = None) -> None:
    """Checks one batch of inputs, and of targets if there are any.

    Args:
        model: a `keras.Model`, built or not.
        x: an array, or a list or dict of arrays.
        y: the same, or None.

    Raises:
        ValueError: if `model` is not a model or has no `call`; if `x` is not an array,
            is empty, holds NaN or infinities, or does not have the shape that the model
            takes; if `y` is not an array, holds NaN or infinities, or has another
            number of samples; if the model has no loss for `y`, or if the loss takes
            class numbers and `y` is one-hot or holds numbers of no class.
    """
    arguments.instance("model", model, keras.Model, "a `keras.Model`")
    if not has_call(model):
        raise ValueError(
            "Argument `model` must have a `call`: a model that only trains others "
            f"cannot be run. Pass a submodel{_submodels(model)}. "
            f"Received: model {model.name!r} of class {type(model).__name__}"
        )
    arrays = _arrays("x", x, "inputs")
    shapes = [tuple(array.shape) for array in arrays]
    if any(0 in shape for shape in shapes):
        raise ValueError(
            f"Argument `x` must not be empty. Received: x of shape {_listed(shapes)}"
        )
    _check_shapes(model, x, shapes)
    if len({shape[0] for shape in shapes}) > 1:
        raise ValueError(
            "Argument `x` must have the same number of samples in all inputs. "
            f"Received: x of shape {_listed(shapes)}"
        )
    takes_text = _takes_text(model)
    for array in arrays:
        _check_finite("x", array, takes_text)
    if y is not None:
        _check_targets(model, shapes[0][0], y)


def _submodels(model: keras.Model) -> str:
    """The names of the models inside a model: `: model.encoder, model.decoder`."""
    names = [
        f"model.{name}"
        for name, part in keras_private.attributes_of(model).items()
        if isinstance(part, keras.Model)
    ]
    return f": {', '.join(names)}" if names else ""


def has_call(model: keras.Model) -> bool:
    """Tells whether the model can run: one that only trains others has no `call`."""
    return type(model).call is not keras.Model.call


def is_built(model: keras.Model) -> bool:
    """Tells whether the model and all of its layers have their weights."""
    return all(layer.built for layer in keras_private.layers_of(model))


def build_on(model: keras.Model, x: Any) -> None:
    """Builds a model, if it is not built, by a run on one batch of inputs.

    Raises:
        ValueError: if it cannot run on them.
    """
    if is_built(model):
        return
    try:
        model(x, training=False)
    except Exception as error:  # the user's layers may raise anything
        shapes = [tuple(array.shape) for array in keras.tree.flatten(x)]
        raise ValueError(
            f"The model {model.name!r} cannot be built on argument `x`. "
            f"Received: x of shape {', '.join(map(str, shapes))}"
        ) from error


def _arrays(name: str, batch: Any, content: str) -> list[Any]:
    arrays = keras.tree.flatten(batch)
    others = [array for array in arrays if not getattr(array, "shape", ())]
    if others or not arrays:
        # Without its values: a list of lists has as many as an array.
        kinds = dict.fromkeys(type(value).__name__ for value in others)
        raise ValueError(
            f"Argument `{name}` must be one batch of {content}: an array with an axis "
            "of samples, or a list or dict of such arrays. "
            f"Received: {name} of type {type(batch).__name__}"
            + (f" with values of type {', '.join(kinds)}" if others else "")
        )
    return arrays


def _check_shapes(model: keras.Model, x: Any, shapes: list[tuple[int, ...]]) -> None:
    # A model that its first call builds has no input shapes, and takes a dict by name.
    expected = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or []]
    if not expected or isinstance(x, dict):
        return
    fits = len(shapes) == len(expected) and all(map(_fits, shapes, expected))
    if not fits:
        raise ValueError(
            f"Argument `x` does not fit the model {model.name!r}, which takes inputs "
            f"of shape {_listed(expected)}. Received: x of shape {_listed(shapes)}"
        )


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    # Keras adds a last axis of size 1, or drops it.
    if len(shape) == len(expected) - 1 and expected[-1] == 1:
        shape = (*shape, 1)
    if len(shape) == len(expected) + 1 and shape[-1] == 1:
        shape = shape[:-1]
    return len(shape) == len(expected) and all(
        size is None or size == own for own, size in zip(shape, expected, strict=True)
    )


def _takes_text(model: keras.Model) -> bool:
    # A model that its first call builds does not say what it takes.
    inputs = getattr(model, "inputs", None)
    return not inputs or any(str(tensor.dtype) == "string" for tensor in inputs)


def _check_finite(name: str, array: Any, may_be_text: bool = False) -> None:
    kind = getattr(array.dtype, "kind", "")
    if kind in _TEXT and may_be_text:
        return
    if kind in (*_TEXT, *_NO_REAL_NUMBERS):
        raise ValueError(
            f"Argument `{name}` must hold real numbers. Received: {name} of dtype "
            f"{array.dtype}"
        )
    # A value that is too large for the model's precision becomes infinite.
    values = keras.ops.cast(array, keras.config.floatx())
    bad = int(keras.ops.sum(keras.ops.cast(~keras.ops.isfinite(values), "int32")))
    if bad:
        raise ValueError(
            f"Argument `{name}` must be finite. Received: {name} of shape "
            f"{tuple(array.shape)} with {bad} values that are NaN or infinite in "
            f"{keras.config.floatx()}"
        )


def _check_targets(model: keras.Model, samples: int, y: Any) -> None:
    if not getattr(model, "compiled", False):
        raise ValueError(
            "Argument `y` needs a model that is compiled with a loss. Without `y`, the "
            "gradient is that of a random sum of the outputs. Received: model "
            f"{model.name!r}, which is not compiled"
        )
    shapes = [tuple(array.shape) for array in _arrays("y", y, "targets")]
    if any(shape[0] != samples for shape in shapes):
        raise ValueError(
            f"Argument `y` must have a target for each of the {samples} samples of "
            f"`x`. Received: y of shape {_listed(shapes)}"
        )
    for array in keras.tree.flatten(y):
        _check_finite("y", array)
    _check_sparse(model, keras.tree.flatten(y))


def _check_sparse(model: keras.Model, targets: list[Any]) -> None:
    losses = keras.tree.flatten(model.loss)
    outputs = getattr(model, "outputs", None) or [None] * len(targets)
    if not len(losses) == len(targets) == len(outputs):
        return
    for target, loss, output in zip(targets, losses, outputs, strict=True):
        if not _takes_class_numbers(loss):
            continue
        if _is_one_hot(target, output):
            raise ValueError(
                "Argument `y` must hold class numbers for the sparse loss that the "
                "model is compiled with. Pass `np.argmax(y, axis=-1)`, or compile with "
                "`categorical_crossentropy`. Received: one-hot y of shape "
                f"{tuple(target.shape)}"
            )
        _check_class_numbers(target, loss, output)


def _takes_class_numbers(loss: Any) -> bool:
    loss = keras.losses.get(loss)
    return loss is keras.losses.sparse_categorical_crossentropy or isinstance(
        loss, keras.losses.SparseCategoricalCrossentropy
    )


def _is_one_hot(target: Any, output: Any) -> bool:
    if len(target.shape) < 2 or target.shape[-1] == 1:
        return False
    # Class numbers have no axis of classes.
    if output is not None and len(target.shape) != len(output.shape):
        return False
    values = np.asarray(keras.ops.convert_to_numpy(target))
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=-1) == 1).all())


def _check_class_numbers(target: Any, loss: Any, output: Any) -> None:
    values = np.asarray(keras.ops.convert_to_numpy(target))
    values = values[values != getattr(loss, "ignore_class", None)]
    # An upper bound: the axis of the classes is usually the last, but need not be.
    sizes = [size or np.inf for size in output.shape[1:]] if output is not None else []
    classes = max(sizes, default=np.inf)
    wrong = values[(values < 0) | (values >= classes) | (values % 1 != 0)]
    if len(wrong):
        raise ValueError(
            "Argument `y` must hold class numbers for the sparse loss that the model "
            f"is compiled with: integers from 0, below the {classes} classes. "
            f"Received: y with {', '.join(map(str, np.unique(wrong)[:5]))}"
        )


def _listed(shapes: list[Any]) -> str:
    return str(shapes[0]) if len(shapes) == 1 else str(shapes)
