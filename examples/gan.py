"""Two networks at once: a GAN on a ring of eight Gaussians, with two losses.

    python examples/gan.py [--steps 2000]

The discriminator soon tells every fake. Goodfellow et al. (2014,
https://arxiv.org/abs/1406.2661) begin with the loss log(1 - D(G(z))), which is flat
there, so that the gradient of the generator vanishes.
Their remedy, -log D(G(z)), is steepest there.
"""

import argparse

import keras
import numpy as np
from keras import layers, ops

from keras_initkit import layer_stats

MODES = 8
SPREAD = 0.1  # of a Gaussian, on a ring of radius 1
NOISE = 8
WIDTH = 64
BATCH_SIZE = 128
LEARNING_RATE = 1e-3

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=2000, help="(default: 2000)")
options = parser.parse_args()


def network(inputs, outputs):
    hidden = [
        layers.Dense(WIDTH, "relu", kernel_initializer="he_normal") for _ in range(3)
    ]
    return [keras.Input((inputs,)), *hidden, layers.Dense(outputs)]


def log_of_not_real(_, logits):
    """log(1 - D(G(z)))."""
    return -ops.softplus(logits)


def minus_log_of_real(_, logits):
    """-log D(G(z))."""
    return ops.softplus(-logits)


def ring(random):
    angles = 2 * np.pi * random.integers(MODES, size=BATCH_SIZE) / MODES
    centers = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return centers + SPREAD * random.normal(size=centers.shape)


for name, loss in {
    "saturating": log_of_not_real,
    "non_saturating": minus_log_of_real,
}.items():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    discriminator = keras.Sequential(network(2, 1), name="discriminator")
    discriminator.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    judge = keras.models.clone_model(discriminator)
    judge.trainable = False  # the generator learns through a copy
    make = keras.Sequential(network(NOISE, 2))
    generator = keras.Sequential(
        [keras.Input((NOISE,)), *make.layers, judge], name="generator"
    )
    generator.compile(keras.optimizers.Adam(LEARNING_RATE), loss)
    is_real = np.repeat([1.0, 0.0], BATCH_SIZE)[:, np.newaxis]
    with (
        layer_stats(generator, f"logs/{name}", update_freq=10) as stats,
        layer_stats(discriminator, f"logs/{name}", update_freq=10),
    ):
        for _ in range(options.steps):
            noise = random.normal(size=(BATCH_SIZE, NOISE))
            points = np.concatenate([ring(random), make.predict_on_batch(noise)])
            discriminator.train_on_batch(points, is_real)
            judge.set_weights(discriminator.get_weights())
            generator.train_on_batch(noise, is_real[:BATCH_SIZE])
    norms = stats.history["gradient_l2_norm"][:, -1]
    fakes = make.predict(random.normal(size=(1000, NOISE)), verbose=0)
    radii = np.hypot(*fakes.T)
    print(name, np.round(np.log10(norms[::20]),1), np.mean(np.abs(radii - 1) < 3 * SPREAD))
print("tensorboard --logdir logs")
