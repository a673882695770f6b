import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_initkit.stats.forward_pass import ForwardPass
from keras_initkit.stats.tap_tensorflow import current_graph

X = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")


class Watched:
    """A `ForwardPass` that is attached within `with`, and leaves as it came."""

    def __init__(self, model):
        self.layers = [model, *model._flatten_layers(include_self=False)]
        self.forward_pass = ForwardPass(model, current_graph)

    def __enter__(self):
        self.attributes = [dict(vars(layer)) for layer in self.layers]
        self.forward_pass.attach()
        return self.forward_pass

    def __exit__(self, *_):
        self.forward_pass.detach()
        for layer, attributes in zip(self.layers, self.attributes, strict=True):
            now = vars(layer)
            assert now.keys() == attributes.keys()
            assert all(now[name] is value for name, value in attributes.items())


def signals_of(model, x=X):
    model(x)
    with Watched(model) as forward_pass:
        outputs = model(x)
        return forward_pass.take(), np.asarray(outputs)


def affine(layer, x):
    return x @ layer.kernel.numpy() + layer.bias.numpy()


def test_z_and_a_of_dense_layers_with_an_activation():
    first, last = layers.Dense(4, "relu"), layers.Dense(3, "tanh")
    signals, outputs = signals_of(keras.Sequential([keras.Input((5,)), first, last]))
    assert [signal.layer for signal in signals] == [first, last]
    z = affine(first, X)
    np.testing.assert_allclose(signals[0].pre_activation(), z, rtol=1e-5, atol=1e-6)
    a = np.maximum(z, 0)
    np.testing.assert_allclose(signals[0].activation, a, rtol=1e-5, atol=1e-6)
    z = affine(last, a)
    np.testing.assert_allclose(signals[1].pre_activation(), z, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(signals[1].activation, np.tanh(z), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(signals[1].activation, outputs)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (layers.ReLU, lambda z: np.maximum(z, 0)),
        (lambda: layers.Activation("tanh"), np.tanh),
        (lambda: layers.LeakyReLU(0.1), lambda z: np.where(z > 0, z, 0.1 * z)),
        (lambda: layers.ELU(), lambda z: np.where(z > 0, z, np.expm1(z))),
    ],
)
def test_an_activation_layer_behind_a_linear_one_is_its_activation(layer, function):
    dense = layers.Dense(4)
    (signal,), _ = signals_of(keras.Sequential([keras.Input((5,)), dense, layer()]))
    z = affine(dense, X)
    np.testing.assert_allclose(signal.pre_activation(), z, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(signal.activation, function(z), rtol=1e-5, atol=1e-6)
    points = np.array([[-2, -0.5, 0.5, 2]], "float32")
    np.testing.assert_allclose(signal.function(points), function(points), rtol=1e-5)


def test_an_activation_layer_elsewhere_is_not():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.ReLU(),
            layers.Dense(4, "tanh"),
            layers.ReLU(),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    )
    signals, _ = signals_of(model)
    for signal, function in zip(signals, (np.tanh, np.asarray), strict=True):
        expected = function(signal.pre_activation())
        np.testing.assert_allclose(signal.activation, expected, rtol=1e-5, atol=1e-6)


def test_a_shared_layer_has_a_signal_for_each_call():
    shared, relu = layers.Dense(5), layers.ReLU()
    inputs = keras.Input((5,))
    outputs = relu(shared(relu(shared(inputs))))
    signals, _ = signals_of(keras.Model(inputs, outputs))
    assert [signal.layer for signal in signals] == [shared, shared]
    z = affine(shared, X)
    np.testing.assert_allclose(signals[0].pre_activation(), z, rtol=1e-5, atol=1e-6)
    z = affine(shared, np.maximum(z, 0))
    np.testing.assert_allclose(signals[1].pre_activation(), z, rtol=1e-5, atol=1e-5)
    a = np.maximum(z, 0)
    np.testing.assert_allclose(signals[1].activation, a, rtol=1e-5, atol=1e-5)


def test_nested_models():
    inside, outside = layers.Dense(4, "relu"), layers.Dense(2)
    inner = keras.Sequential([keras.Input((5,)), inside])
    inputs = keras.Input((5,))
    outputs = layers.ReLU()(outside(inner(inputs)))
    signals, _ = signals_of(keras.Model(inputs, outputs))
    assert [signal.layer for signal in signals] == [inside, outside]
    assert (np.asarray(signals[1].activation) >= 0).all()


def test_subclassed_models():
    class Residual(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.relu = layers.Dense(5), layers.ReLU()

        def call(self, x):
            return x + self.relu(self.dense(x))

    model = Residual()
    (signal,), outputs = signals_of(model)
    np.testing.assert_allclose(signal.activation, outputs - X, rtol=1e-4, atol=1e-5)


def test_projections_of_attention():
    attention = layers.MultiHeadAttention(2, 3)
    inputs = keras.Input((6, 5))
    model = keras.Model(inputs, attention(inputs, inputs))
    signals, outputs = signals_of(model, np.stack([X[:6]] * 4))
    shapes = {signal.layer.name: tuple(signal.activation.shape) for signal in signals}
    assert shapes == {
        "query": (4, 6, 2, 3),
        "key": (4, 6, 2, 3),
        "value": (4, 6, 2, 3),
        "attention_output": (4, 6, 5),
    }
    np.testing.assert_array_equal(signals[-1].activation, outputs)


def test_z_can_be_asked_for_again_and_leaves_the_layer_as_it_was():
    dense = layers.Dense(4, "relu")
    model = keras.Sequential([keras.Input((5,)), dense])
    (signal,), outputs = signals_of(model)
    attributes = dict(vars(dense))
    z = np.asarray(signal.pre_activation())
    assert (z < 0).any()
    np.testing.assert_array_equal(signal.pre_activation(), z)
    assert vars(dense) == attributes
    np.testing.assert_array_equal(model(X), outputs)


def test_the_last_forward_pass_once():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4)])
    model(X)
    with Watched(model) as forward_pass:
        model(X)
        model(2 * X)
        (signal,) = forward_pass.take()
        z = affine(model.layers[0], 2 * X)
        np.testing.assert_allclose(signal.pre_activation(), z, rtol=1e-5, atol=1e-6)
        assert forward_pass.take() == []
    model(X)
    assert forward_pass.take() == []


def test_signals_of_another_graph_are_not_handed_out():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4)])
    model(X)
    taken = []
    with Watched(model) as forward_pass:

        @tf.function
        def step(x):
            model(x)
            taken.append(len(forward_pass.take()))

        step(tf.constant(X))
        model(X)
        tf.function(lambda: taken.append(len(forward_pass.take())))()
        model(X)
        taken.append(len(forward_pass.take()))
    assert taken == [1, 0, 1]


def test_nothing_changes_in_what_the_model_computes():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, "gelu"), layers.Dense(3), layers.Softmax()]
    )
    before = np.asarray(model(X))
    np.testing.assert_array_equal(signals_of(model)[1], before)


def test_a_call_that_the_user_has_replaced_is_called_and_stays():
    dense = layers.Dense(4, "relu")
    model = keras.Sequential([keras.Input((5,)), dense])
    original = dense.call

    def doubled(x):
        return 2 * original(x)

    dense.call = doubled
    # `Watched` asserts that `dense.call` is the same afterwards.
    (signal,), outputs = signals_of(model)
    a = 2 * np.maximum(affine(dense, X), 0)
    np.testing.assert_allclose(outputs, a, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(signal.activation, outputs)
    assert dense.call is doubled
    np.testing.assert_array_equal(model(X), outputs)


def test_an_activation_that_raises_is_put_back():
    def broken(x):
        raise RuntimeError("stop")

    dense = layers.Dense(4)
    model = keras.Sequential([keras.Input((5,)), dense])
    model(X)
    dense.activation = broken
    with Watched(model), pytest.raises(RuntimeError, match="stop"):
        model(X)
    assert dense.activation is broken


def test_a_model_saved_while_it_is_watched_is_the_plain_model(tmp_path):
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, "relu"), layers.Dense(3), layers.ReLU()]
    )
    outputs = model(X)
    model.save(tmp_path / "before.keras")
    with Watched(model):
        np.testing.assert_array_equal(model(X), outputs)
        model.save(tmp_path / "model.keras")
        clone = keras.models.clone_model(model)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X), outputs)
    for copy in (loaded, clone):
        assert copy.layers[0].activation is keras.activations.relu
        assert not any("call" in vars(layer) for layer in (copy, *copy.layers))
    before = keras.models.load_model(tmp_path / "before.keras")
    assert loaded.get_config() == before.get_config()
