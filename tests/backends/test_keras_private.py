"""Each test fails when a release of Keras changes a private name."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initkit.backends import keras_private

only_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="only its trainer keeps a state"
)
X, Y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


def compiled(optimizer="adam", **options):
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "relu"), layers.Dense(1)]
    )
    model.compile(optimizer, "mse", **options)
    return model


class Inner(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def build(self, shape):
        self.own = self.add_weight(shape=(4,), name="own")
        self.fixed = self.add_weight(shape=(4,), name="fixed", trainable=False)
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x) * self.own


# -- saving ----------------------------------------------------------------------------


def test_safe_mode_is_that_of_the_innermost_scope():
    assert keras_private.in_safe_mode() is None
    with keras_private.SafeModeScope(False):
        with keras_private.SafeModeScope(True):
            assert keras_private.in_safe_mode() is True
        assert keras_private.in_safe_mode() is False


# -- variables and layers --------------------------------------------------------------


def test_autocast_scope_of_none_reads_and_writes_in_full():
    variable = keras.Variable(np.full(3, 1.0 + 2**-20, "float32"))
    full = ops.convert_to_numpy(variable)
    with keras_private.AutocastScope("float16"):
        assert keras.backend.standardize_dtype(variable.value.dtype) == "float16"
        with keras_private.AutocastScope(None):
            np.testing.assert_array_equal(ops.convert_to_numpy(variable), full)
            variable.assign(full)
    np.testing.assert_array_equal(ops.convert_to_numpy(variable), full)


def test_compute_fans_of_a_convolution():
    fan_in, fan_out = keras_private.compute_fans((3, 3, 5, 7))
    assert (fan_in, fan_out) == (45, 63)


def test_the_generator_of_draws_without_a_seed_is_a_global_attribute():
    keras.random.normal((1,))
    name = "global_seed_generator"
    generator = keras_private.global_state.get_global_attribute(name)
    before = ops.convert_to_numpy(generator.state)
    keras.random.normal((1,))
    assert np.any(ops.convert_to_numpy(generator.state) != before)
    keras_private.global_state.set_global_attribute(name, None)
    keras.random.normal((1,))
    assert keras_private.global_state.get_global_attribute(name) is not generator


def test_layers_of_a_model_are_all_in_it():
    inner = Inner()
    model = keras.Sequential([keras.Input((4,)), inner, layers.ReLU()])
    found = keras_private.layers_of(model)
    assert {id(layer) for layer in (model, inner, inner.dense, model.layers[1])} <= {
        id(layer) for layer in found
    }
    within = list(keras_private.layers_of(model, include_self=False, recursive=False))
    assert inner in within
    assert model not in within
    assert inner.dense not in within


def test_attributes_of_a_layer_are_what_was_assigned():
    inner = Inner()
    inner.note = "a"
    attributes = keras_private.attributes_of(inner)
    assert attributes["dense"] is inner.dense
    assert attributes["note"] == "a"


def test_own_variables_are_not_those_of_layers_inside():
    inner = Inner()
    inner.build((None, 4))
    [own] = keras_private.own_trainable_variables(inner)
    assert own is inner.own
    inner.trainable = False
    assert keras_private.own_trainable_variables(inner)


def test_an_attention_layer_ends_in_a_projection():
    for kind in (layers.MultiHeadAttention, layers.GroupQueryAttention):
        attention = kind(2, 3, **({} if kind is layers.MultiHeadAttention else GROUPS))
        x = ops.ones((1, 5, 8))
        outputs = attention(x, x)
        projection = keras_private.output_projection(attention)
        assert isinstance(projection, layers.EinsumDense)
        assert projection.kernel.shape[-1] == outputs.shape[-1] == 8
    assert keras_private.output_projection(layers.Dense(2)) is None


GROUPS = {"num_key_value_heads": 1}


# -- the optimizer ---------------------------------------------------------------------


def wrapped():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())


@pytest.mark.parametrize("make", [keras.optimizers.Adam, wrapped])
def test_what_an_optimizer_trains(make):
    model = compiled(make())
    model.optimizer.build(model.trainable_variables)
    trained = keras_private.variables_of(model.optimizer)
    assert [id(v) for v in trained] == [id(v) for v in model.trainable_variables]


def test_raw_iterations_count_each_call():
    model = compiled(keras.optimizers.SGD(gradient_accumulation_steps=2))
    model.fit(X, Y, batch_size=2, verbose=0)
    assert int(keras_private.raw_iterations(model.optimizer)) == 4
    assert int(model.optimizer.iterations) == 2
    assert keras_private.accumulated_steps(model.optimizer) == 2
    assert keras_private.accumulated_steps(wrapped()) == 1


# -- the compiled loss -----------------------------------------------------------------


def test_compiled_loss_is_replaced_by_one_of_the_same_arguments():
    inputs = keras.Input((4,))
    outputs = [layers.Dense(1, name="a")(inputs), layers.Dense(1, name="b")(inputs)]
    model = keras.Model(inputs, outputs)
    assert keras_private.compiled_loss(model) is None
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 3.0])
    own = keras_private.compiled_loss(model)
    fresh = keras_private.fresh_compiled_loss(own)
    y = [2 * Y, 2 * Y]
    predicted = [ops.convert_to_tensor(Y), ops.convert_to_tensor(Y)]
    assert float(own(y, predicted)) == float(fresh(y, predicted)) == 1 + 3
    keras_private.put_compiled_loss(model, lambda *_, **__: ops.convert_to_tensor(7.0))
    assert float(model.compute_loss(X, y, predicted)) == 7


# -- calls of a graph ------------------------------------------------------------------


def test_calls_of_a_graph():
    model = compiled()
    assert model.layers[1] in [call.operation for call in keras_private.calls_in(model)]
    calls = keras_private.calls_in(model)
    [last] = [call for call in calls if call.operation is model.layers[-1]]
    assert last.outputs[0] is keras_private.graph_of(model).outputs[0]
    assert last.arguments.keras_tensors[0] is last.input_tensors[0]
    assert keras_private.calls_in(Subclassed()) == []


def test_the_call_that_made_a_tensor():
    inputs = keras.Input((4,))
    shared = layers.Dense(4)
    first = shared(inputs)
    second = shared(first)
    call, place = keras_private.call_that_made(second)
    assert call.operation is shared
    assert place == 0
    assert call.input_tensors[0] is first
    call, _ = keras_private.call_that_made(call.input_tensors[0])
    assert call.input_tensors[0] is inputs
    call, _ = keras_private.call_that_made(inputs)
    assert call.is_input


class Subclassed(keras.Model):
    def call(self, x):
        return x


# -- JAX: the place of the state -------------------------------------------------------


@only_jax
def test_the_state_is_elsewhere_while_fit_runs():
    model = compiled()
    model.make_train_function()
    function, seen = model.train_function, []

    def watched(*args):
        if seen:  # at the first step, only `args` has the state
            step = keras_private.held_by_jax(model, model.optimizer.iterations)
            seen.append((keras_private.jax_state_is_synced(model), int(step)))
        else:
            seen.append(None)
        return function(*args)

    model.train_function = watched
    model.fit(X, Y, batch_size=2, verbose=0)
    assert seen[1:] == [(False, 1), (False, 2), (False, 3)]
    assert keras_private.jax_state_is_synced(model)
    assert int(keras_private.held_by_jax(model, model.optimizer.iterations)) == 4


@only_jax
def test_the_state_is_taken_and_put_back():
    model = compiled()
    model.fit(X, Y, verbose=0)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [ops.convert_to_numpy(variable) for variable in variables]
    state = keras_private.take_jax_state(model)
    assert [len(part) for part in state] == [
        len(model.trainable_variables),
        len(model.non_trainable_variables),
        len(model.optimizer.variables),
        len(model.metrics_variables),
    ]
    keras_private.put_jax_state(model, state)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


# -- functions of tensors --------------------------------------------------------------


def test_the_spec_of_what_a_function_returns():
    tensor = keras.KerasTensor((3, 4))
    assert keras_private.compute_output_spec(ops.max, tensor).shape == ()
    with pytest.raises(ZeroDivisionError):
        keras_private.compute_output_spec(lambda tensor: tensor * (1 / 0), tensor)
