"""Gradients with respect to intermediate tensors, on each backend."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initkit import backends

X = np.array([[1.0, -2.0], [3.0, 0.5]], "float32")


def gradients(forward):
    found = backends.current().gradients(forward)
    return [None if g is None else ops.convert_to_numpy(g) for g in found]


def test_of_a_chain():
    def forward(watch):
        x = watch(ops.convert_to_tensor(X))
        y = watch(ops.square(x))
        return ops.sum(3 * y), lambda: [x, y]

    of_x, of_y = gradients(forward)
    np.testing.assert_allclose(of_x, 6 * X)
    np.testing.assert_allclose(of_y, np.full_like(X, 3))


def test_each_reader_has_its_own_and_the_source_has_the_sum():
    def forward(watch):
        source = watch(ops.convert_to_tensor(X))
        first, second = watch(source), watch(source)
        return ops.sum(2 * first) + ops.sum(5 * second), lambda: [source, first, second]

    for found, expected in zip(gradients(forward), (7, 2, 5), strict=True):
        np.testing.assert_allclose(found, np.full_like(X, expected))


def test_what_nothing_depends_on_has_none():
    def forward(watch):
        x, other = (watch(ops.convert_to_tensor(X)) for _ in range(2))
        whole = watch(ops.convert_to_tensor([1, 2], "int32"))
        return ops.sum(x), lambda: [x, other, whole]

    of_x, of_other, of_whole = gradients(forward)
    np.testing.assert_allclose(of_x, np.ones_like(X))
    assert of_other is None or not of_other.any()
    assert of_whole is None


def test_a_scalar_that_depends_on_nothing():
    def forward(watch):
        x = watch(ops.convert_to_tensor(X))
        return ops.convert_to_tensor(1.0), lambda: [x]

    [found] = gradients(forward)
    assert found is None or not found.any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    def forward(watch):
        x = watch(ops.cast(X, dtype))
        return ops.sum(ops.cast(x, "float32") ** 2), lambda: [x]

    [found] = gradients(forward)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    np.testing.assert_allclose(found.astype("float32"), 2 * X)


def test_what_is_taken_outside_can_be_used_afterwards():
    kept = []
    backend = backends.current()

    def forward(watch):
        x = watch(ops.convert_to_tensor(X))
        y = ops.exp(x)
        kept.append(backend.outside(y))
        assert backend.trace_of(kept[0]) is None
        return ops.sum(y), lambda: [x]

    gradients(forward)
    np.testing.assert_allclose(ops.convert_to_numpy(kept[0] * 1), np.exp(X), rtol=1e-6)


def test_layers_that_keep_state_may_be_called():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=1),
            layers.Dense(3, activity_regularizer="l2"),
        ]
    )

    def forward(watch):
        y = watch(model(X, training=True))
        return ops.sum(y), lambda: [y]

    [found] = gradients(forward)
    np.testing.assert_allclose(found, np.ones((2, 3)))
    # The differentiation leaves nothing in the model.
    assert np.isfinite(ops.convert_to_numpy(model(X, training=True))).all()
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


def test_an_error_leaves_nothing_behind():
    def forward(watch):
        watch(ops.convert_to_tensor(X))
        raise RuntimeError("as asked")

    with pytest.raises(RuntimeError, match="as asked"):
        gradients(forward)
    assert keras.ops.convert_to_numpy(ops.convert_to_tensor(X) + 0).shape == X.shape


@pytest.mark.parametrize(
    ("function", "is_pure"),
    [
        (ops.tanh, True),
        (lambda x: x + keras.random.normal(x.shape, seed=GENERATOR), False),
        (lambda x: x * ops.convert_to_tensor(SCALE), True),
    ],
)
def test_functions_that_draw_are_not_pure(function, is_pure):
    assert backends.current().is_pure(function, (3, 2)) is is_pure


GENERATOR = keras.random.SeedGenerator(1)
SCALE = keras.Variable(2.0)
