"""The kinds of network, from an input to the layer before the output.

Each is a function of a program and the input. The program gives width, depth, and
initializers and activation for the name of a layer.
"""

from collections.abc import Callable
from typing import Any

from data import VOCABULARY
from keras import layers

DROPOUT_RATE = 0.2


def plain(program: Any, x: Any) -> Any:
    for name in numbered("hidden", program):
        x = dense(program, name)(x)
    return x


def dropout(program: Any, x: Any) -> Any:
    for name in numbered("hidden", program):
        x = layers.Dropout(DROPOUT_RATE)(dense(program, name)(x))
    return x


def batch_normalized(program: Any, x: Any) -> Any:
    return _normalized(program, x, layers.BatchNormalization)


def layer_normalized(program: Any, x: Any) -> Any:
    return _normalized(program, x, layers.LayerNormalization)


def _normalized(program: Any, x: Any, normalization: Callable[[], Any]) -> Any:
    for name in numbered("hidden", program):
        z = dense(program, name, activation=None)(x)
        x = layers.Activation(program.activation_of(name))(normalization()(z))
    return x


def residual(program: Any, x: Any) -> Any:
    return _residual(program, x, lambda h: h)


def residual_normalized(program: Any, x: Any) -> Any:
    return _residual(program, x, lambda h: layers.LayerNormalization()(h))


def _residual(program: Any, x: Any, normalized: Callable[[Any], Any]) -> Any:
    x = dense(program, "stem", activation=None)(x)
    for name in numbered("block", program):
        h = dense(program, f"{name}_a")(normalized(x))
        x = layers.Add()([x, dense(program, f"{name}_b", activation=None)(h)])
    return normalized(x)


def autoencoder(program: Any, x: Any) -> Any:
    """A network with half the width in the middle layer."""
    for number, name in enumerate(numbered("hidden", program), start=1):
        is_middle = 2 * number == program.depth + 1
        x = dense(program, name, program.width // (2 if is_middle else 1))(x)
    return x


def conv(program: Any, x: Any) -> Any:
    x = _convolutions(program, x)
    return layers.Flatten()(layers.MaxPooling2D()(x))


def conv_averaged(program: Any, x: Any) -> Any:
    return layers.GlobalAveragePooling2D()(_convolutions(program, x))


def conv_normalized(program: Any, x: Any) -> Any:
    for name in numbered("conv", program):
        z = _convolution(program, name, None)(x)
        f = layers.Activation(program.activation_of(name))
        x = f(layers.BatchNormalization()(z))
    return layers.Flatten()(layers.MaxPooling2D()(x))


def _convolutions(program: Any, x: Any) -> Any:
    for name in numbered("conv", program):
        x = _convolution(program, name, program.activation_of(name))(x)
    return x


def _convolution(program: Any, name: str, activation: Any) -> layers.Layer:
    return layers.Conv2D(
        program.width,
        3,
        padding="same",
        activation=activation,
        name=name,
        **program.initializers_of(name),
    )


def lstm(program: Any, x: Any) -> Any:
    return _recurrent(program, x, layers.LSTM)


def gru(program: Any, x: Any) -> Any:
    return _recurrent(program, x, layers.GRU)


def simple_rnn(program: Any, x: Any) -> Any:
    return _recurrent(program, x, layers.SimpleRNN)


def _recurrent(program: Any, x: Any, layer: Any) -> Any:
    *inner, last = numbered("recurrent", program)
    for name in (*inner, last):
        x = layer(
            program.width,
            activation=program.activation_of(name),
            recurrent_initializer=program.initializers_of(f"{name}/recurrent_kernel")[
                "kernel_initializer"
            ],
            return_sequences=name != last,
            name=name,
            **program.initializers_of(name),
        )(x)
    return x


def embedding(program: Any, x: Any) -> Any:
    vectors = layers.Embedding(
        VOCABULARY,
        program.width,
        embeddings_initializer=program.initializers_of("embedding")[
            "kernel_initializer"
        ],
        name="embedding",
    )
    return plain(program, layers.GlobalAveragePooling1D()(vectors(x)))


def dense(program: Any, name: str, units: int | None = None, **kwargs: Any) -> Any:
    """A Dense layer with the program's settings."""
    kwargs.setdefault("activation", program.activation_of(name))
    return layers.Dense(
        units or program.width, name=name, **program.initializers_of(name), **kwargs
    )


def numbered(kind: str, program: Any) -> list[str]:
    """A name for each layer of the program's depth.

    >>> numbered("hidden", Program(depth=2))
    ['hidden_1', 'hidden_2']
    """
    return [f"{kind}_{number}" for number in range(1, program.depth + 1)]


FAMILIES = {
    family.__name__: family
    for family in (
        plain,
        dropout,
        batch_normalized,
        layer_normalized,
        residual,
        residual_normalized,
        autoencoder,
        conv,
        conv_averaged,
        conv_normalized,
        lstm,
        gru,
        simple_rnn,
        embedding,
    )
}
