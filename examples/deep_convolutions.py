"""A plain network of 100 convolutions on MNIST: He's kernels against DeltaOrthogonal.

    python examples/deep_convolutions.py [--mnist-path mnist.npz] [--layers 100]

No normalization, no residual connections. He's kernels put a deep tanh network into
the chaotic phase: after some layers, images that differ a little have nothing in
common, and the network learns little. `DeltaOrthogonal` starts each convolution as an
orthogonal map of the channels of a pixel, without its neighbors. Xiao et al. (2018,
https://arxiv.org/abs/1806.05393) trained 10,000 convolutions this way. After 100 steps
on MNIST, the network classifies 36 % of the test images correctly with He's kernels,
and 85 % with DeltaOrthogonal.
"""

import argparse

import keras
import numpy as np
from keras import layers

from keras_initkit import DeltaOrthogonal, LayerStatsCallback
from keras_initkit.experiments.mnist_files import load_mnist
from keras_initkit.theory import variances_for_depth

CHANNELS = 16
STEPS = 100
BATCH_SIZE = 128
LEARNING_RATE = 0.01

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--mnist-path", help="mnist.npz (default: Keras's own copy)")
parser.add_argument("--layers", type=int, default=100, help="(default: 100)")
options = parser.parse_args()

(x_train, y_train), (x_test, y_test) = load_mnist(options.mnist_path)
x_train, x_test = (
    x[..., np.newaxis].astype("float32") / 255 - 0.5 for x in (x_train, x_test)
)
samples = STEPS * BATCH_SIZE
# The gain at which a tanh network of this depth keeps signal and gradient.
gain = variances_for_depth("tanh", options.layers).weight_variance ** 0.5

for name in ("he_normal", "delta_orthogonal"):
    keras.utils.set_random_seed(0)
    kernels = DeltaOrthogonal(gain) if name == "delta_orthogonal" else name
    convolutions = [
        layers.Conv2D(
            CHANNELS,
            kernel_size=3,
            strides=2 if layer < 2 else 1,  # 7 x 7 pixels are left
            padding="same",
            activation="tanh",
            kernel_initializer=kernels,
        )
        for layer in range(options.layers)
    ]
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), *convolutions, layers.Flatten(), layers.Dense(10)]
    )
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # With TensorFlow, XLA takes longer than the training.
        jit_compile=keras.backend.backend() == "jax",
    )
    model.fit(
        x_train[:samples],
        y_train[:samples],
        batch_size=BATCH_SIZE,
        callbacks=[LayerStatsCallback(f"logs/{name}")],
        verbose=0,
    )
    _, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)
    print(f"{name}: test accuracy {accuracy:.1%} after {STEPS} steps")
print("tensorboard --logdir logs")
