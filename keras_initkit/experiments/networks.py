"""The Dense network that every run trains, and the signal in it."""

import keras
import numpy as np
from keras import layers


def dense_network(
    num_features: int,
    num_classes: int,
    width: int,
    activation: str,
    kernel_initializers: list[keras.initializers.Initializer],
    residual: bool = False,
) -> keras.Model:
    """A stack of hidden Dense layers and a Dense head.

    The pre-activations z of the hidden layers are

        z[0] = W[0] x,    z[l] = W[l] f(z[l - 1])                  plain
        z[0] = W[0] x,    z[l] = z[l - 1] + W[l] f(z[l - 1])       residual

    and the head is W f(z[-1]). Biases start at zero. A residual branch ends in its
    linear kernel, so its mean is zero and branches do not add up coherently.

    Args:
        num_features: size of an input vector.
        num_classes: size of the output.
        width: units per hidden layer.
        activation: the identifier of f.
        kernel_initializers: one for each hidden layer, and one for the head.
        residual: whether to build the residual network.

    Returns:
        A model from inputs `(batch, num_features)` to logits `(batch, num_classes)`.
    """
    *hidden, head = kernel_initializers
    inputs = keras.Input((num_features,))
    z = _dense(0, width, hidden[0])(inputs)
    for number, initializer in enumerate(hidden[1:], start=1):
        branch = _dense(number, width, initializer)(layers.Activation(activation)(z))
        z = layers.Add()([z, branch]) if residual else branch
    logits = layers.Dense(num_classes, kernel_initializer=head, name="head")
    return keras.Model(inputs, logits(layers.Activation(activation)(z)))


def _dense(
    number: int, width: int, initializer: keras.initializers.Initializer
) -> layers.Dense:
    name = f"hidden_{number:03d}"
    return layers.Dense(width, kernel_initializer=initializer, name=name)


def pre_activation_variances(network: keras.Model, x: np.ndarray) -> np.ndarray:
    """The variance of each hidden layer's z over one batch.

    Args:
        network: from `dense_network`.
        x: `(batch, num_features)`.

    Returns:
        float64, `(depth,)`.
    """
    pre_activations = [
        layer.input for layer in network.layers if isinstance(layer, layers.Activation)
    ]
    # Flattened, because Keras returns a list of one output without the list.
    signals = keras.tree.flatten(keras.Model(network.input, pre_activations)(x))
    # float64, because the square of an exploding float32 signal overflows.
    return np.array(
        [np.var(keras.ops.convert_to_numpy(z), dtype="float64") for z in signals]
    )
