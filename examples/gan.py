"""A GAN on a ring of eight Gaussians: what reaches a generator that comes late.

    python examples/gan.py [--steps 1000]

Each network has its own `layer_stats`, and its own run in one directory. The
discriminator has a head start, and soon tells every fake. There, the loss
log(1 - D(G(z))), with which Goodfellow et al. (2014, https://arxiv.org/abs/1406.2661)
begin, is flat, and -log D(G(z)), with which they go on, is steepest.
"""

import argparse

import keras
import numpy as np
from keras import layers, ops

from keras_initkit import layer_stats

CENTERS = 4 * np.stack([np.cos(a := np.pi * np.arange(8) / 4), np.sin(a)], axis=1)
SPREAD = 0.2  # of each Gaussian
NOISE = 8
WIDTH = 64
BATCH_SIZE = 128

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument(
    "--steps", type=int, default=1000, help="alone, then together (default: 1000)"
)
options = parser.parse_args()


def network(inputs, outputs, name):
    hidden = [
        layers.Dense(WIDTH, "relu", kernel_initializer="he_normal") for _ in range(3)
    ]
    stack = [keras.Input((inputs,)), *hidden, layers.Dense(outputs)]
    return keras.Sequential(stack, name=name)


def real_points(rng):
    centers = CENTERS[rng.integers(len(CENTERS), size=BATCH_SIZE)]
    return centers + SPREAD * rng.normal(size=centers.shape)


def share_on_ring(points):
    distances = np.linalg.norm(points[:, np.newaxis] - CENTERS, axis=2)
    return np.mean(distances.min(axis=1) < 3 * SPREAD)


LOSSES = {
    "log(1 - D(G(z)))": lambda y, logits: -ops.softplus(logits),
    "-log D(G(z))": lambda y, logits: ops.softplus(-logits),
}
for name, (formula, loss) in zip(("flat", "steep"), LOSSES.items(), strict=True):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    discriminator = network(2, 1, "discriminator")
    discriminator.compile(
        keras.optimizers.Adam(), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    make = network(NOISE, 2, "make")
    # The generator learns through a copy of the discriminator that is not trained.
    judge = keras.models.clone_model(discriminator)
    judge.trainable = False
    stack = [keras.Input((NOISE,)), *make.layers, judge]
    generator = keras.Sequential(stack, name="generator")
    generator.compile(keras.optimizers.Adam(), loss)
    is_real = np.repeat([1.0, 0.0], BATCH_SIZE)[:, np.newaxis]
    with (
        layer_stats(generator, f"logs/{name}", update_freq=10) as stats,
        layer_stats(discriminator, f"logs/{name}", update_freq=10),
    ):
        for step in range(2 * options.steps):
            noise = rng.normal(size=(BATCH_SIZE, NOISE))
            points = np.concatenate([real_points(rng), make.predict_on_batch(noise)])
            discriminator.train_on_batch(points, is_real)
            if step >= options.steps:
                judge.set_weights(discriminator.get_weights())
                generator.train_on_batch(noise, is_real[:BATCH_SIZE])
    gradients = np.linalg.norm(stats.history["gradient_l2_norm"], axis=1)
    fakes = make.predict(rng.normal(size=(1000, NOISE)), verbose=0)
    print(
        f"{formula}: gradient of the generator {gradients[0]:.2g} in its first step, "
        f"{np.median(gradients):.2g} in the median; {share_on_ring(fakes):.0%} of its "
        "points on the ring"
    )
print("tensorboard --logdir logs")
