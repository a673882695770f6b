"""A deep residual network without normalization on MNIST, to watch in TensorBoard.

python examples/mnist.py              MNIST from Keras's cache or download
python examples/mnist.py mnist.npz    MNIST from a file, offline
"""

import sys

import keras
import numpy as np
from keras import layers

from keras_initkit import LayerStatsCallback, ScaledDepth

DEPTH = 12
WIDTH = 128

if len(sys.argv) > 1:
    with np.load(sys.argv[1]) as mnist:
        x_train, y_train = mnist["x_train"], mnist["y_train"]
        x_test, y_test = mnist["x_test"], mnist["y_test"]
else:
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()

keras.utils.set_random_seed(0)
mean, variance = x_train.mean(), x_train.var()
inputs = keras.Input((28, 28))
x = layers.Normalization(axis=None, mean=mean, variance=variance)(inputs)
x = layers.Dense(WIDTH, kernel_initializer="lecun_normal")(layers.Flatten()(x))
for _ in range(DEPTH):
    branch = layers.Dense(WIDTH, "relu", kernel_initializer="he_normal")(x)
    # Each branch adds 1 / DEPTH of the stream's variance. All of them together make it
    # (1 + 1 / DEPTH) ** DEPTH < e times as large, at any depth.
    close = ScaledDepth(depth=DEPTH, base="lecun_normal")
    branch = layers.Dense(WIDTH, kernel_initializer=close)(branch)
    x = layers.Add()([x, branch])
model = keras.Model(inputs, layers.Dense(10)(x))

model.compile(
    optimizer=keras.optimizers.Adam(),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    x_train,
    y_train,
    batch_size=128,
    epochs=3,
    validation_data=(x_test, y_test),
    callbacks=[LayerStatsCallback("logs")],
    verbose=2,
)
print("tensorboard --logdir logs")
