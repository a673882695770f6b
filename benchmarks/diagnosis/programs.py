"""A training program as data: a user's program, and a fix applied to it.

An initializer, an activation, a loss or an optimizer is written as in a program: a
Keras name, such as `he_normal`, or an expression, such as `RandomNormal(stddev=3.0)`.
"""

import dataclasses
import fnmatch
import functools
from collections.abc import Mapping
from typing import Any

import backend  # noqa: F401
import keras
import numpy as np
from data import Data, load
from families import FAMILIES, dense
from fixes import PER_LAYER, Change, parsed

import keras_initkit

# (pattern of layer names, code); the last match for a layer counts.
Settings = tuple[tuple[str, str], ...]
OUTPUT = "output"
SCOPE = {
    **vars(keras.initializers),
    **{name: getattr(keras_initkit, name) for name in keras_initkit.__all__},
    "keras": keras,
    "keras_initkit": keras_initkit,
    "np": np,
}


@dataclasses.dataclass(frozen=True)
class Program:
    """A model and its training.

    Example:

    >>> program = Program(depth=2).but(kernel_initializer={"hidden_2": "zeros"})
    >>> model = program.build(seed=0)
    >>> [layer.name for layer in model.layers if layer.weights]
    ['hidden_1', 'hidden_2', 'output']

    Attributes:
        data: a key of `data.DATASETS`.
        family: a key of `families.FAMILIES`.
        depth: number of hidden layers, or of blocks.
        width: units in each of them.
        activation: for patterns of layer names. Patterns match hidden layers; only its
            own name matches the output.
        kernel_initializer: likewise.
        bias_initializer: likewise.
        loss: with its arguments.
        optimizer: with its arguments, except the learning rate.
        learning_rate: a constant.
        output_units: by default, as many as the data needs.
        x: expressions of the inputs `x`, applied in order.
        y: the same for the targets `y`.
        epochs: passes over all samples.
        batch_size: samples per step.
    """

    data: str = "digits"
    family: str = "plain"
    depth: int = 3
    width: int = 64
    activation: Settings = (("*", "relu"), (OUTPUT, "softmax"))
    kernel_initializer: Settings = (("*", "he_normal"), (OUTPUT, "glorot_uniform"))
    bias_initializer: Settings = (("*", "zeros"), (OUTPUT, "zeros"))
    loss: str = "sparse_categorical_crossentropy"
    optimizer: str = "Adam"
    learning_rate: float = 0.001
    output_units: int | None = None
    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()
    epochs: int = 8
    batch_size: int = 32

    def but(self, **changes: Any) -> "Program":
        """The same program with other values.

        Args:
            **changes: new values by attribute. For settings by layer, a mapping from
                patterns to code; for `x` and `y`, an expression to apply last.
        """
        values = dict(changes)
        for name in PER_LAYER:
            if name in changes:
                values[name] = _with(getattr(self, name), changes[name])
        for name in ("x", "y"):
            if name in changes:
                values[name] = (*getattr(self, name), changes[name])
        return dataclasses.replace(self, **values)

    def with_fix(self, text: str) -> "Program":
        """The same program with a finding's `fix` typed into it.

        Args:
            text: one change per line, see `fixes.parsed`.

        Raises:
            ValueError: the text is malformed, names an unknown layer, or leaves a
                program that cannot be built.
        """
        program = self
        for change in parsed(text):
            program = program.but(**{change.attribute: self._new_value(change)})
        try:
            program.build(seed=0)
            program.arrays()
            keras.losses.get(evaluated(program.loss))  # `compile` takes any name
        except Exception as error:
            raise ValueError(
                "Argument `text` must leave a program that can be built. Received: "
                f"{text!r}, which raises {error!r}"
            ) from error
        return program

    def _new_value(self, change: Change) -> Any:
        if change.attribute in ("learning_rate", "output_units"):
            return evaluated(change.code)
        if change.attribute not in PER_LAYER:
            return change.code
        names = change.layers or self.hidden
        unknown = sorted(set(names) - {*self.hidden, OUTPUT})
        if unknown:
            raise ValueError(
                "Argument `text` must name layers of the program, which are "
                f"{', '.join((*self.hidden, OUTPUT))}. Received: {', '.join(unknown)}"
            )
        return dict.fromkeys(names, change.code)

    @functools.cached_property
    def hidden(self) -> tuple[str, ...]:
        """The names of all kernels but the output's."""
        model = self.build(seed=0)
        names = [layer.name for layer in model.layers if _has_kernel(layer)]
        recurrent = [f"{n}/recurrent_kernel" for n in names if "recurrent" in n]
        return (*(name for name in names if name != OUTPUT), *recurrent)

    def build(self, seed: int) -> keras.Model:
        """The compiled model.

        Args:
            seed: draws its weights, and the order of the samples.
        """
        keras.utils.set_random_seed(seed)
        source = load(self.data)
        inputs = keras.Input(source.x.shape[1:], dtype=source.x.dtype.name)
        hidden = FAMILIES[self.family](self, inputs)
        units = self.output_units or source.outputs
        model = keras.Model(inputs, dense(self, OUTPUT, units)(hidden))
        optimizer = keras.optimizers.get(evaluated(self.optimizer))
        optimizer.learning_rate = self.learning_rate
        model.compile(optimizer, evaluated(self.loss))
        return model

    def arrays(self) -> Data:
        """The data, as the program changes it."""
        source = load(self.data)
        return source._replace(
            x=_changed("x", source.x, self.x), y=_changed("y", source.y, self.y)
        )

    def activation_of(self, name: str) -> Any:
        """The activation of a layer."""
        return evaluated(_setting(self.activation, name))

    def initializers_of(self, name: str) -> dict[str, Any]:
        """The initializers of a layer, as its arguments."""
        return {
            "kernel_initializer": evaluated(_setting(self.kernel_initializer, name)),
            "bias_initializer": evaluated(_setting(self.bias_initializer, name)),
        }


def evaluated(code: str) -> Any:
    """A name as it is, and the value of any other expression.

    >>> evaluated("he_normal"), evaluated("2 * 3")
    ('he_normal', 6)

    Raises:
        ValueError: it is not an expression of what the scope has.
    """
    if code.isidentifier():
        return code
    try:
        return eval(code, dict(SCOPE))
    except Exception as error:
        raise ValueError(f"Received: {code}, which raises {error!r}") from error


def _changed(name: str, values: np.ndarray, expressions: tuple[str, ...]) -> np.ndarray:
    for expression in expressions:
        values = np.asarray(eval(expression, {"np": np, name: values}))
        if values.dtype == np.float64:
            values = values.astype("float32")
    return values


def _with(settings: Settings, changes: Mapping[str, str]) -> Settings:
    kept = [(p, code) for p, code in settings if p not in changes]
    return (*kept, *changes.items())


def fits(pattern: str, name: str) -> bool:
    """Tells whether a pattern matches a layer."""
    return pattern == name or (name != OUTPUT and fnmatch.fnmatch(name, pattern))


def _setting(settings: Settings, name: str) -> str:
    for pattern, code in reversed(settings):
        if fits(pattern, name):
            return code
    raise ValueError(f"No pattern fits {name}. Received: {settings}")


def _has_kernel(layer: keras.layers.Layer) -> bool:
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)
