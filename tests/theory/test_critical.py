import math

import keras
import numpy as np
import pytest

from keras_initkit.theory.critical import critical_variances, variances_for_depth
from keras_initkit.theory.mean_field import chi, fixed_correlation, fixed_variance


@pytest.mark.parametrize(
    ("bias_variance", "variance", "weight_variance"),
    [(0.05, 0.57005, 1.76095), (2.01e-5, 0.02592, 1.05)],
)
def test_tanh_is_critical_where_published(bias_variance, variance, weight_variance):
    point = critical_variances("tanh", bias_variance=bias_variance)
    expected = (variance, weight_variance, bias_variance)
    assert point == pytest.approx(expected, abs=1e-5)
    again = critical_variances("tanh", variance=point.variance)
    assert again == pytest.approx(point)


@pytest.mark.parametrize("q", [1e-6, 0.01, 1.0, 100.0, 1e6])
def test_relu_is_critical_at_every_variance(q):
    assert critical_variances("relu", variance=q) == pytest.approx((q, 2, 0))


def test_without_bias_a_critical_network_is_linear_or_relu():
    assert critical_variances("relu", bias_variance=0) == pytest.approx((1, 2, 0))
    assert critical_variances(None, bias_variance=0) == pytest.approx((1, 1, 0))
    for name, slope in [("tanh", 1), ("gelu", 1 / 2), ("sin", 1)]:
        activation = np.sin if name == "sin" else name
        point = critical_variances(activation, bias_variance=0)
        assert point == pytest.approx((0, slope**-2, 0), abs=1e-6)


@pytest.mark.parametrize("q", [1e-4, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("activation", [np.sin, keras.ops.erf])
def test_closed_forms(activation, q):
    if activation is np.sin:
        mean_square, slope = -math.expm1(-2 * q) / 2, (1 + math.exp(-2 * q)) / 2
    else:
        mean_square = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
        slope = 4 / math.pi / math.sqrt(1 + 4 * q)
    point = critical_variances(activation, variance=q)
    assert point.weight_variance == pytest.approx(1 / slope, rel=1e-6)
    bias_variance = q - mean_square / slope
    assert point.bias_variance == pytest.approx(bias_variance, abs=1e-6 * q)


@pytest.mark.parametrize("activation", ["tanh", "softsign", "hard_tanh"])
def test_the_critical_network_stays_where_it_is(activation):
    q, weight_variance, bias_variance = critical_variances(activation, variance=0.5)
    assert fixed_variance(activation, weight_variance, bias_variance) == pytest.approx(
        q, rel=1e-5
    )
    assert chi(activation, weight_variance, bias_variance) == pytest.approx(1, abs=1e-5)
    assert fixed_correlation(activation, weight_variance, bias_variance) == 1


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "hard_shrink"])
def test_where_a_bias_variance_would_be_negative_nothing_is_critical(activation):
    with pytest.raises(ValueError, match=rf"no critical.*activation={activation}$"):
        critical_variances(activation, variance=1.0)


def test_relu_with_bias_is_never_critical():
    with pytest.raises(ValueError, match=r"no critical point with.*bias_variance=0.1$"):
        critical_variances("relu", bias_variance=0.1)


def test_what_is_flat_at_zero_is_never_critical_without_bias():
    message = r"no critical point with.*activation=tanh_shrink, bias_variance=0.0$"
    with pytest.raises(ValueError, match=message):
        critical_variances("tanh_shrink", bias_variance=0.0)
    point = critical_variances("tanh_shrink", bias_variance=0.1)
    assert point.bias_variance == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["variance", "bias_variance"])
def test_variances_are_numbers(name):
    with pytest.raises(ValueError, match=rf"Argument `{name}`.*Received: {name}='a'$"):
        critical_variances("tanh", **{name: "a"})


def test_depth_may_be_an_integer_of_numpy():
    point = variances_for_depth("tanh", np.int64(30))
    assert point == variances_for_depth("tanh", 30)


def test_exactly_one_variance_in_range_is_asked_for():
    with pytest.raises(ValueError, match="Exactly one"):
        critical_variances("tanh")
    with pytest.raises(ValueError, match="Exactly one"):
        critical_variances("tanh", variance=1.0, bias_variance=0.1)
    with pytest.raises(ValueError, match=r"Received: variance=0$"):
        critical_variances("tanh", variance=0)
    with pytest.raises(ValueError, match=r"Received: bias_variance=-1$"):
        critical_variances("tanh", bias_variance=-1)


def squared_singular_value_variance(activation, derivative, point, depth):
    """The Jacobian's variance in an orthogonal network, over the squared mean."""
    width = 150
    rng = np.random.default_rng(0)
    signal = rng.normal(size=width) * math.sqrt(point.variance)
    jacobian = np.eye(width)
    for _ in range(depth):
        jacobian = derivative(signal)[:, None] * jacobian
        orthogonal, triangle = np.linalg.qr(rng.normal(size=(width, width)))
        orthogonal *= np.sign(np.diag(triangle))
        kernel = math.sqrt(point.weight_variance) * orthogonal
        bias = rng.normal(size=width) * math.sqrt(point.bias_variance)
        signal, jacobian = kernel @ activation(signal) + bias, kernel @ jacobian
    squared = np.linalg.svd(jacobian, compute_uv=False) ** 2
    return np.var(squared) / np.mean(squared) ** 2


def test_an_orthogonal_network_has_the_singular_values_asked_for():
    point = variances_for_depth("tanh", depth=30)
    variance = squared_singular_value_variance(
        np.tanh, lambda u: 1 - np.tanh(u) ** 2, point, depth=30
    )
    assert variance == pytest.approx(4, rel=0.25)


def test_the_linear_limit_of_tanh_and_gelu():
    # tanh' = 1 - u^2: mu_2 / mu_1^2 - 1 = 8 q^2; gelu' = 1/2 + sqrt(2 / pi) u: 32 q/pi.
    tanh = variances_for_depth("tanh", depth=10**7)
    assert tanh.variance == pytest.approx(math.sqrt(4 / 8e7), rel=1e-2)
    gelu = variances_for_depth("gelu", depth=10**5)
    assert gelu.variance == pytest.approx(4e-5 * math.pi / 32, rel=1e-2)


@pytest.mark.parametrize(
    "activation",
    [
        "tanh",
        "gelu",
        "silu",
        "softsign",
        "elu",
        "mish",
        "hard_tanh",
        np.sin,
        keras.ops.erf,
        keras.layers.ELU(),  # Computes in float32.
    ],
)
def test_deeper_networks_are_more_linear(activation):
    points = [variances_for_depth(activation, depth) for depth in (1, 30, 1000)]
    variances = [point.variance for point in points]
    assert 1 >= variances[0] > variances[1] > variances[2] > 1e-6
    assert all(point.bias_variance >= 0 for point in points)


def test_linear_reaches_any_depth():
    assert variances_for_depth(None, 10**6) == pytest.approx((1, 1, 0))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "selu", "relu6"])
def test_what_bends_at_zero_is_referred_to_looks_linear(activation):
    message = rf"`LooksLinear` for.*Received: activation={activation}$"
    with pytest.raises(ValueError, match=message):
        variances_for_depth(activation, depth=100)


def test_a_sigmoid_network_cannot_be_deep():
    with pytest.raises(ValueError, match=r"no critical.*activation=sigmoid$"):
        variances_for_depth("sigmoid", depth=100)


@pytest.mark.parametrize("depth", [0, -1, 2.5, True])
def test_depth_is_a_positive_integer(depth):
    with pytest.raises(ValueError, match=f"Received: depth={depth}$"):
        variances_for_depth("tanh", depth)
