"""A weight W' = s W has gradients g / s and moves s times as far: so do its slots."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import optimizers

from keras_initkit.rescale.optimizer_slots import check_optimizer, transport_slots

FACTOR = 3.0
RATE = 0.01
RNG = np.random.default_rng(0)
GRADIENTS = [
    [RNG.normal(size=shape).astype("float32") for shape in ((4, 3), (3,))]
    for _ in range(7)
]
TINY = {"epsilon": 1e-30}

OPTIMIZERS = {
    "SGD": partial(optimizers.SGD, RATE),
    "momentum": partial(optimizers.SGD, RATE, momentum=0.9),
    "Nesterov": partial(optimizers.SGD, RATE, momentum=0.9, nesterov=True),
    "Adam": partial(optimizers.Adam, RATE, **TINY),
    "AMSGrad": partial(optimizers.Adam, RATE, amsgrad=True, **TINY),
    "AdamW": partial(optimizers.AdamW, RATE, weight_decay=0.0, **TINY),
    "Adagrad": partial(optimizers.Adagrad, RATE, initial_accumulator_value=0.0, **TINY),
    "RMSprop": partial(optimizers.RMSprop, RATE, **TINY),
    "RMSprop, momentum": partial(optimizers.RMSprop, RATE, momentum=0.9, **TINY),
    "RMSprop, centered": partial(
        optimizers.RMSprop, RATE, momentum=0.9, centered=True, **TINY
    ),
    "Adamax": partial(optimizers.Adamax, RATE, **TINY),
    "Nadam": partial(optimizers.Nadam, RATE, **TINY),
    "Lion": partial(optimizers.Lion, RATE),
    "Lamb": partial(optimizers.Lamb, RATE, **TINY),
    "Adadelta": partial(optimizers.Adadelta, 1.0, epsilon=1e-12),
    "Adafactor": partial(optimizers.Adafactor, RATE),
    "EMA": partial(optimizers.Adam, RATE, use_ema=True, ema_momentum=0.5, **TINY),
    "accumulated": partial(
        optimizers.SGD, RATE, momentum=0.9, gradient_accumulation_steps=2
    ),
    "LossScaleOptimizer": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adam(RATE, **TINY), initial_scale=8.0
    ),
    "LossScaleOptimizer, accumulated": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(RATE, momentum=0.9, gradient_accumulation_steps=2),
        initial_scale=8.0,
    ),
}
# Whose update does not depend on the scale of the gradients, or on that of the weight.
SCALE_FREE = (
    "Adam",
    "AMSGrad",
    "AdamW",
    "Adagrad",
    "RMSprop",
    "Adamax",
    "Nadam",
    "Lion",
    "EMA",
    "LossScaleOptimizer",
)
# Which go on with displacements of the weight, that have the learning rate in them.
WITH_DISPLACEMENTS = (
    "momentum",
    "Nesterov",
    "RMSprop, momentum",
    "RMSprop, centered",
    "accumulated",
    "LossScaleOptimizer, accumulated",
)


class Run:
    """Steps of an optimizer by hand, on a matrix and a vector."""

    def __init__(self, make_optimizer, scale=1.0):
        self.optimizer = make_optimizer()
        self.variables = [keras.Variable(np.ones(s, "float32")) for s in ((4, 3), (3,))]
        for variable in self.variables:
            variable.assign(variable * scale)
        self.optimizer.build(self.variables)

    def step(self, gradients, scale=1.0):
        """Gradients of a weight that is so many times larger."""
        loss_scale = float(self.optimizer.scale_loss(1.0))
        factor = loss_scale / scale
        scaled = [keras.ops.convert_to_tensor(g * factor) for g in gradients]
        if keras.backend.backend() != "jax":
            self.optimizer.apply(scaled, self.variables)
            return
        # As its trainer does: LossScaleOptimizer cannot be called otherwise.
        variables = [*self.variables, *self.optimizer.variables]
        count = len(self.variables)
        values = [variable.value for variable in variables]
        trained, slots = self.optimizer.stateless_apply(
            values[count:], scaled, values[:count]
        )
        for variable, value in zip(variables, [*trained, *slots], strict=True):
            variable.assign(value)

    def rescale(self, factor):
        for variable in self.variables:
            variable.assign(variable * factor)
            transport_slots(self.optimizer, variable, factor)

    def slots(self):
        return {
            variable.path: keras.ops.convert_to_numpy(variable)
            for variable in self.optimizer.variables
            if not variable.path.endswith("_average")
        }

    def values(self):
        return [keras.ops.convert_to_numpy(v) for v in self.variables]


def assert_same_slots(run, other):
    for (path, slot), expected in zip(
        run.slots().items(), other.slots().values(), strict=True
    ):
        np.testing.assert_allclose(slot, expected, rtol=2e-5, atol=0, err_msg=path)


@pytest.mark.parametrize(
    "name", [n for n in OPTIMIZERS if n not in (*WITH_DISPLACEMENTS, "Adadelta")]
)
def test_slots_are_those_of_gradients_of_the_new_scale_all_along(name):
    rescaled = Run(OPTIMIZERS[name])
    all_along = Run(OPTIMIZERS[name])
    for gradients in GRADIENTS[:-2]:
        rescaled.step(gradients)
        all_along.step(gradients, FACTOR)
    rescaled.rescale(FACTOR)
    assert_same_slots(rescaled, all_along)
    for gradients in GRADIENTS[-2:]:
        before = rescaled.values(), all_along.values()
        rescaled.step(gradients, FACTOR)
        all_along.step(gradients, FACTOR)
        assert_same_slots(rescaled, all_along)
        if name not in ("Lamb", "Adafactor"):  # whose steps are shares of the weight
            for i, value in enumerate(rescaled.values()):
                np.testing.assert_allclose(
                    value - before[0][i],
                    all_along.values()[i] - before[1][i],
                    rtol=1e-3,
                    atol=1e-6,
                )


@pytest.mark.parametrize("name", SCALE_FREE)
def test_the_steps_of_scale_free_optimizers_stay_as_large_as_they_were(name):
    rescaled, plain = Run(OPTIMIZERS[name]), Run(OPTIMIZERS[name])
    for run in (rescaled, plain):
        for gradients in GRADIENTS[:-2]:
            run.step(gradients)
    rescaled.rescale(FACTOR)
    start = rescaled.values(), plain.values()
    for gradients in GRADIENTS[-2:]:
        rescaled.step(gradients, FACTOR)
        plain.step(gradients)
    for i, value in enumerate(rescaled.values()):
        np.testing.assert_allclose(
            value - start[0][i], plain.values()[i] - start[1][i], rtol=2e-3, atol=2e-6
        )


@pytest.mark.parametrize("name", WITH_DISPLACEMENTS)
def test_what_was_set_in_motion_moves_on_by_the_same_share_of_the_weight(name):
    rescaled, plain = Run(OPTIMIZERS[name]), Run(OPTIMIZERS[name])
    for run in (rescaled, plain):
        for gradients in GRADIENTS[:-3]:
            run.step(gradients)
    rescaled.rescale(FACTOR)
    for _ in range(2):
        for run in (rescaled, plain):
            run.step([np.zeros_like(gradient) for gradient in GRADIENTS[0]])
    for value, expected in zip(rescaled.values(), plain.values(), strict=True):
        np.testing.assert_allclose(value, FACTOR * expected, rtol=1e-5)


def test_the_displacements_of_adadelta_scale_with_the_weight():
    rescaled, plain = Run(OPTIMIZERS["Adadelta"]), Run(OPTIMIZERS["Adadelta"])
    for run in (rescaled, plain):
        for gradients in GRADIENTS[:-1]:
            run.step(gradients)
    rescaled.rescale(FACTOR)
    rescaled.step(GRADIENTS[-1], FACTOR)
    plain.step(GRADIENTS[-1])
    for value, expected in zip(rescaled.values(), plain.values(), strict=True):
        np.testing.assert_allclose(value, FACTOR * expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["Lamb", "Adafactor"])
def test_steps_that_are_shares_of_the_weight_scale_with_it(name):
    rescaled, plain = Run(OPTIMIZERS[name]), Run(OPTIMIZERS[name])
    for gradients in GRADIENTS[:-2]:
        rescaled.step(gradients)
        plain.step(gradients)
    rescaled.rescale(FACTOR)
    for gradients in GRADIENTS[-2:]:
        rescaled.step(gradients, FACTOR)
        plain.step(gradients)
    for value, expected in zip(rescaled.values(), plain.values(), strict=True):
        np.testing.assert_allclose(value, FACTOR * expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["EMA"])
def test_the_average_of_the_weights_is_that_of_the_new_scale(name):
    run = Run(OPTIMIZERS[name])
    for gradients in GRADIENTS:
        run.step(gradients)
    before = [
        keras.ops.convert_to_numpy(v)
        for v in run.optimizer._model_variables_moving_average
    ]
    run.rescale(FACTOR)
    after = run.optimizer._model_variables_moving_average
    for variable, value in zip(after, before, strict=True):
        np.testing.assert_allclose(variable.numpy(), FACTOR * value, rtol=1e-6)


def test_nothing_of_other_variables_and_of_the_optimizer_itself_is_changed():
    run = Run(OPTIMIZERS["Adam"])
    for gradients in GRADIENTS:
        run.step(gradients)
    before = run.slots()
    transport_slots(run.optimizer, run.variables[0], FACTOR)
    _, slots = run.variables[0], run.slots()
    changed = [path for path in slots if not np.array_equal(slots[path], before[path])]
    assert len(changed) == 2
    assert all(slots[path].shape == (4, 3) for path in changed)


def test_an_optimizer_that_is_not_built_has_nothing_to_change():
    transport_slots(optimizers.Adam(), keras.Variable([1.0]), FACTOR)


class Inherited(optimizers.Adam):
    """It computes as Adam does."""


class Own(optimizers.Adam):
    def build(self, variables):
        super().build(variables)
        self.curvatures = self.add_optimizer_variables(variables, "curvature")


class Bare(optimizers.Optimizer):
    def build(self, variables):
        super().build(variables)


class OwnStep(optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * keras.ops.sign(gradient))


@pytest.mark.parametrize(
    "optimizer",
    [
        Inherited(),
        optimizers.AdamW(),
        optimizers.LossScaleOptimizer(optimizers.Lion()),
    ],
)
def test_known_optimizers_and_their_subclasses(optimizer):
    check_optimizer(optimizer)


@pytest.mark.parametrize(
    "optimizer",
    [
        Own(),
        OwnStep(),
        Bare(0.1),
        optimizers.Ftrl(),
        optimizers.LossScaleOptimizer(Own()),
    ],
)
def test_an_optimizer_whose_slots_are_not_known_is_an_error(optimizer):
    with pytest.raises(ValueError, match="how the state of any other one scales"):
        check_optimizer(optimizer)
