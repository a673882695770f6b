"""The same training as a program of a few lines, to be copied."""

import math

from keras_initkit.experiments.compare import MOMENTUM
from keras_initkit.experiments.kernel_initializers import LSUV, Start
from keras_initkit.experiments.play.fields import Values
from keras_initkit.experiments.play.scene import Scene

OPTIMIZERS = {
    "momentum": f"SGD({{rate!r}}, momentum={MOMENTUM})",
    "sgd": "SGD({rate!r})",
    "adam": "Adam({rate!r})",
    "rmsprop": "RMSprop({rate!r})",
}

PROGRAM = """\
import keras

from keras_initkit import {names}
from keras_initkit.experiments.datasets import load_dataset
from keras_initkit.experiments.kernel_initializers import kernel_initializers

data = load_dataset({dataset})
*hidden, head = kernel_initializers(
    "{start}", depth={depth}, activation="{activation}", seed={seed}
)
model = keras.Sequential([keras.Input((data.num_features,))])
for number, kernel in enumerate(hidden):
    name = f"hidden_{{number:03d}}"
    model.add(keras.layers.Dense({width}, kernel_initializer=kernel, name=name))
    model.add(keras.layers.Activation("{activation}"))
model.add(keras.layers.Dense(data.num_classes, kernel_initializer=head, name="head"))
model.compile(
    keras.optimizers.{optimizer},
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
reinitialize(model, seed={seed})  # the weights of the page
{lsuv}\
model.fit(
    data.x_train,
    data.y_train,
    batch_size={batch_size},
    epochs={epochs},
    shuffle=False,  # as the page does it
    callbacks=[LayerStatsCallback("logs")],
)
"""
LSUV_LINE = "lsuv(model, data.x_train[:{batch_size}], orthogonal=False)\n"


def keras_code(scene: Scene, values: Values, step: int) -> str:
    """A program that trains what a page trains, to the same numbers.

    Args:
        scene: of the page.
        values: of the start.
        step: how far the page is. The program ends with that epoch.
    """
    settings, dataset = scene.settings(values), scene.dataset(values)
    (start,) = settings.initializers
    steps_per_epoch = math.ceil(len(dataset.x_train) / settings.batch_size)
    names = ["LayerStatsCallback", "reinitialize"]
    after = ""
    if Start.of(start).name == LSUV:
        names.insert(1, "lsuv")
        after = LSUV_LINE.format(batch_size=settings.batch_size)
    return PROGRAM.format(
        dataset=scene.dataset_arguments(values),
        start=start,
        depth=settings.depth,
        width=settings.width,
        activation=settings.activation,
        seed=settings.seed,
        optimizer=OPTIMIZERS[settings.optimizer].format(rate=settings.learning_rate),
        batch_size=settings.batch_size,
        epochs=max(1, math.ceil(step / steps_per_epoch)),
        names=", ".join(names),
        lsuv=after,
    )
