import math

import keras
import numpy as np
import pytest

from keras_initkit.initializers.bias_draws import NormalBias
from keras_initkit.initializers.critical import Critical
from keras_initkit.theory import critical as signal_critical

# sigma_b^2 = 0.05: q*, sigma_w^2.
TANH_Q_STAR, TANH_WEIGHT_VARIANCE = 0.57005, 1.76095


def draw(initializer, shape=(400, 300), dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def network(initializer, width, depth):
    """Activation first: its input is a pre-activation, as is its output."""
    model = keras.Sequential([keras.Input((width,))])
    for _ in range(depth):
        model.add(keras.layers.Activation(initializer.activation))
        model.add(
            keras.layers.Dense(
                width,
                kernel_initializer=initializer,
                bias_initializer=initializer.bias_initializer,
            )
        )
    return model


def test_variances_are_the_published_ones_of_tanh():
    initializer = Critical("tanh", q_star=TANH_Q_STAR)
    assert initializer.q_star == TANH_Q_STAR
    assert initializer.weight_variance == pytest.approx(TANH_WEIGHT_VARIANCE, rel=1e-4)
    assert initializer.bias_variance == pytest.approx(0.05, rel=1e-3)


def test_relu_is_critical_where_he_puts_it():
    initializer = Critical("relu", q_star=1.0)
    assert initializer.weight_variance == pytest.approx(2, rel=1e-6)
    assert initializer.bias_variance == 0


def test_deeper_networks_start_closer_to_linear():
    q_stars = [Critical("tanh", depth=depth).q_star for depth in (10, 30, 100, 1000)]
    assert q_stars == sorted(q_stars, reverse=True)
    # tanh'(h)^2 = 1 - 2 h^2 + ...: its spread over `depth` layers is 8 q^2 depth = 4.
    deep = Critical("tanh", depth=100_000)
    assert deep.q_star == pytest.approx(1 / math.sqrt(200_000), rel=0.02)
    assert deep.weight_variance == pytest.approx(1 + 2 * deep.q_star, abs=1e-4)


@pytest.mark.parametrize("shape", [(300, 300), (200, 400), (400, 200), (3, 3, 40, 50)])
def test_orthogonal_weights(shape):
    initializer = Critical("tanh", q_star=TANH_Q_STAR)
    matrix = draw(initializer, shape).reshape(-1, shape[-1])
    num_inputs, num_units = matrix.shape
    expected = initializer.weight_variance * max(1, num_units / num_inputs)
    squares = np.linalg.svd(matrix)[1] ** 2
    np.testing.assert_allclose(squares, expected, rtol=1e-4)


def test_normal_weights():
    initializer = Critical("tanh", q_star=TANH_Q_STAR, orthogonal=False)
    kernel = draw(initializer)
    assert np.var(kernel) * 400 == pytest.approx(
        initializer.weight_variance, rel=5 * math.sqrt(2 / kernel.size)
    )
    assert np.abs(kernel).max() > 3.5 * np.std(kernel)


@pytest.mark.parametrize(
    "initializer",
    [
        Critical("tanh", q_star=TANH_Q_STAR),
        Critical("tanh", q_star=TANH_Q_STAR, orthogonal=False),
        Critical("tanh", depth=30),
        Critical("gelu", depth=30),
    ],
    ids=["orthogonal", "normal", "depth", "gelu"],
)
def test_a_deep_network_keeps_its_variance_and_its_gradient(initializer):
    tf = pytest.importorskip("tensorflow")
    width, depth = 400, 30
    model = network(initializer, width, depth)
    rng = np.random.default_rng(0)
    x = tf.constant(
        math.sqrt(initializer.q_star) * rng.normal(size=(64, width)), "float32"
    )
    outward = tf.constant(rng.normal(size=(64, width)), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x)
        projection = tf.reduce_sum(outputs * outward)
    gradient = tape.gradient(projection, x)
    assert np.var(outputs) == pytest.approx(initializer.q_star, rel=0.4)
    assert np.var(gradient) == pytest.approx(1, rel=0.5)


class TestBias:
    def test_it_has_the_bias_variance(self):
        initializer = Critical("tanh", q_star=TANH_Q_STAR)
        bias = draw(initializer.bias_initializer, (50_000,))
        assert np.var(bias) == pytest.approx(0.05, rel=0.05)

    def test_unseeded_draws_differ(self):
        initializer = Critical("tanh", q_star=1.0)
        one = initializer.bias_initializer
        draws = [draw(bias, (9,)) for bias in (one, one, initializer.bias_initializer)]
        assert len({bias.tobytes() for bias in draws}) == 3

    def test_an_integer_seed_is_another_one_than_the_kernels(self):
        initializer = Critical("tanh", q_star=1.0, orthogonal=False, seed=3)
        bias = draw(initializer.bias_initializer, (300,))
        np.testing.assert_array_equal(bias, draw(initializer.bias_initializer, (300,)))
        kernel = draw(initializer, (300, 1)).ravel()
        assert abs(np.corrcoef(bias, kernel)[0, 1]) < 5 / math.sqrt(300)
        other = Critical("tanh", q_star=1.0, seed=4).bias_initializer
        assert not np.array_equal(bias, draw(other, (300,)))

    def test_a_seed_generator_is_shared(self):
        generator = keras.random.SeedGenerator(3)
        initializer = Critical("tanh", q_star=1.0, seed=generator)
        biases = [draw(initializer.bias_initializer, (9,)) for _ in range(2)]
        assert not np.array_equal(*biases)

    def test_it_survives_a_round_trip(self, round_trip):
        bias = Critical("tanh", q_star=1.0, seed=3).bias_initializer
        returned = round_trip(bias)
        assert isinstance(returned, NormalBias)
        np.testing.assert_array_equal(draw(returned, (9,)), draw(bias, (9,)))


@keras.saving.register_keras_serializable(package="test_critical")
def soft(z):
    return keras.ops.tanh(z) + 0.1 * z


@pytest.mark.parametrize("activation", ["tanh", soft])
def test_all_layers_of_a_network_share_one_search(activation, monkeypatch):
    config = Critical(activation, depth=77).get_config()
    # A search of 0.1 s for each of a thousand layers would take minutes.
    monkeypatch.setattr(signal_critical, "bracketed_root", None)
    returned = Critical.from_config(config)
    assert returned.get_config() == config
    assert config["depth"] == 77
    assert config["q_star"] is None


def test_an_activation_that_cannot_be_hashed():
    class Steep:
        def __init__(self, slope):
            self.slope = slope

        def __eq__(self, other):
            return isinstance(other, Steep) and other.slope == self.slope

        def __call__(self, z):
            return keras.ops.tanh(self.slope * z)

    ours, plain = Critical(Steep(1.0), depth=50), Critical("tanh", depth=50)
    assert ours.q_star == pytest.approx(plain.q_star)
    assert Critical(Steep(2.0), depth=50).q_star == pytest.approx(plain.q_star / 4)


@pytest.mark.parametrize("arguments", [{}, {"depth": 10, "q_star": 1.0}])
def test_exactly_one_of_depth_and_q_star(arguments):
    with pytest.raises(ValueError, match=r"Received: depth=\w+, q_star=[\w.]+$"):
        Critical("tanh", **arguments)


@pytest.mark.parametrize("activation", ["softmax", "no_such_activation"])
def test_activation_must_be_elementwise(activation):
    with pytest.raises(ValueError, match=f"Received: activation={activation}$"):
        Critical(activation, q_star=1.0)


def test_sigmoid_has_no_critical_point():
    with pytest.raises(ValueError, match="no critical point"):
        Critical("sigmoid", q_star=1.0)
    with pytest.raises(ValueError, match="no critical point"):
        Critical("sigmoid", depth=10)


def test_relu_has_none_for_a_depth():
    with pytest.raises(ValueError, match="`LooksLinear`"):
        Critical("relu", depth=10)


def test_errors_name_the_activation_as_it_was_given():
    with pytest.raises(ValueError, match=r"Received: activation='?relu'?$"):
        Critical("relu", depth=10)
    with pytest.raises(ValueError, match=r"Received: activation='?sigmoid'?$"):
        Critical("sigmoid", q_star=1)
