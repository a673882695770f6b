"""What an optimizer remembers of a variable, when the variable is rescaled."""

from typing import Any

import keras

from keras_initkit.backends import keras_private

# For each slot the power p: when a weight is multiplied by s, the slot is by s^p.
# Gradients are divided by s, and so is what holds gradients, as the momenta of Adam;
# their squares, in velocities and accumulators, by s^2. What holds displacements, with
# which the next steps go on, is multiplied by s as the weight is: so do the momenta of
# SGD and RMSprop, which have the learning rate in them.
ADAM = {"_momentums": -1, "_velocities": -2, "_velocity_hats": -2}
POWERS: dict[str, dict[str, int]] = {
    "SGD": {"momentums": 1},
    "Adam": ADAM,
    "Adadelta": {"_accumulated_grads": -2, "_accumulated_delta_vars": 2},
    "Adafactor": {"_r": -2, "_c": -2, "_v": -2},
    "Adagrad": {"_accumulators": -2},
    "Adamax": {"_m": -1, "_u": -1},
    "Lamb": ADAM,
    "Lion": {"_momentums": -1},
    "Nadam": ADAM,
    "RMSprop": {"_velocities": -2, "_momentums": 1, "_average_gradients": -1},
}
OF_ALL = {"_model_variables_moving_average": 1, "_accumulated_gradients": -1}


def check_optimizer(optimizer: Any) -> None:
    """Raises an error if it is not known what the optimizer remembers.

    Raises:
        ValueError: which names the known optimizers.
    """
    _powers(optimizer)


def transport_slots(optimizer: Any, variable: Any, factor: float) -> None:
    """Makes an optimizer's slots those of a variable that was multiplied by a factor.

    Slots of gradients become what they would be if the variable had been larger by that
    factor, and the rest of the network smaller, all along; slots of displacements go on
    to move the variable by the same share of it. Where the network's output is the same
    before and after, this is exact, except that the optimizer's `epsilon` and weight
    decay do not scale.

    Args:
        optimizer: a Keras optimizer. One that is not built yet has no slots.
        variable: one of its trainable variables.
        factor: positive float.

    Raises:
        ValueError: as `check_optimizer`.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    powers = _powers(optimizer)
    if not optimizer.built:
        return
    index = keras_private.index_in(optimizer, variable)
    for name, power in powers.items():
        slots = getattr(optimizer, name, None)
        if slots and slots[index] is not None:
            slots[index].assign(slots[index] * factor**power)


def _powers(optimizer: Any) -> dict[str, int]:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    for name, powers in POWERS.items():
        known = getattr(keras.optimizers, name, ())
        if known and _computes_as(type(optimizer), known):
            return {**powers, **OF_ALL}
    raise ValueError(
        "The model must be compiled with one of Keras's optimizers "
        f"{', '.join(POWERS)}, or a subclass: how the state of any other one scales "
        f"with the weights is unknown. Received: optimizer={optimizer}"
    )


def _computes_as(kind: Any, known: Any) -> bool:
    """Whether it is the known class, or one as AdamW, that adds nothing of its own."""
    return kind.build is known.build and kind.update_step is known.update_step
