"""A plain network of 10,000 Dense layers learns MNIST.

    python examples/ten_thousand_layers.py [--mnist-path mnist.npz] [--layers 10000]

No normalization, no residual connections. `Critical` draws orthogonal kernels at the
point where signal and gradient keep their variance, close enough to linear for this
depth. Xiao et al. (2018, https://arxiv.org/abs/1806.05393) did the same with
convolutions. `LayerStatsCallback` records every layer.

PyTorch runs a model without compiling it. TensorFlow and JAX would first compile a
graph of 10,000 layers, so this example uses PyTorch unless you set KERAS_BACKEND.
"""

import argparse
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from keras import layers

from keras_initkit import Critical, LayerStatsCallback, ScaledOrthogonal
from keras_initkit.experiments.mnist_files import load_mnist

WIDTH = 64
BATCH_SIZE = 128
EPOCHS = 4  # Keras shows the mean loss of each
# The output moves by the sum over all layers, each in proportion to its signal.
RATE_OF_ALL_LAYERS = 0.005

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--mnist-path", help="mnist.npz (default: Keras's own copy)")
parser.add_argument("--layers", type=int, default=10_000, help="(default: 10000)")
parser.add_argument("--steps", type=int, default=200, help="(default: 200)")
options = parser.parse_args()

# Keras walks through the layers of a model by recursion.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 20 * options.layers))
(x_train, y_train), (x_test, y_test) = load_mnist(options.mnist_path)
x_train, x_test = (
    x.reshape(-1, 784).astype("float32") / 255 - 0.5 for x in (x_train, x_test)
)
samples = options.steps * BATCH_SIZE

keras.utils.set_random_seed(0)
critical = Critical("tanh", depth=options.layers)
# The first kernel brings the images to the variance that the network keeps.
to_keep = critical.q_star - critical.bias_variance
kernels = [ScaledOrthogonal((to_keep / (x_train**2).mean()) ** 0.5)]
kernels += [critical] * (options.layers - 1)
hidden = [
    layers.Dense(
        WIDTH,
        "tanh",
        kernel_initializer=kernel,
        bias_initializer=critical.bias_initializer,
    )
    for kernel in kernels
]
learning_rate = RATE_OF_ALL_LAYERS / (options.layers * critical.q_star)
head = layers.Dense(10, kernel_initializer=critical)
model = keras.Sequential([keras.Input((784,)), *hidden, head])
model.compile(
    keras.optimizers.SGD(learning_rate, momentum=0.9),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    x_train[:samples],
    y_train[:samples],
    batch_size=BATCH_SIZE,
    epochs=EPOCHS,
    steps_per_epoch=options.steps // EPOCHS,
    callbacks=[LayerStatsCallback("logs")],
)
_, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)
print(f"{options.layers} layers: test accuracy {accuracy:.1%}")
print("tensorboard --logdir logs")
