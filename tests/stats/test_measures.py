import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit import LayerStatsCallback, backends
from keras_initkit.stats import measures

BACKEND = keras.backend.backend()
numbers = keras.ops.convert_to_numpy

NAMES = ("mean", "variance", "l2_norm", "nonfinite_count")


def in_numpy(array):
    """Mean, variance, L2 norm and number of non-finite entries, in float64."""
    array = np.asarray(array, "float64").ravel()
    return array.mean(), array.var(), np.linalg.norm(array), (~np.isfinite(array)).sum()


def alone(array):
    return [numbers(getattr(measures, name)(array)) for name in NAMES]


def in_one(array):
    """All four from the same passes."""
    results = measures.of_entries([array], NAMES)
    return keras.ops.stack([results[name][0] for name in NAMES])


def together(array):
    return numbers(in_one(array))


@pytest.fixture(params=["alone", "together", "compiled"])
def measured(request):
    """A function from an array to the four numbers."""
    if request.param == "compiled":
        in_a_kernel = request.getfixturevalue("compiled")(in_one)
        return lambda array: numbers(in_a_kernel(array))
    return {"alone": alone, "together": together}[request.param]


@pytest.fixture(params=["eager", "compiled"])
def run(request):
    """A function that compiles a function, or leaves it as it is."""
    if request.param == "compiled":
        return request.getfixturevalue("compiled")
    return lambda function: function


@pytest.fixture
def zero_fraction(run):
    return run(measures.zero_fraction)


# -- mean, variance, l2_norm -----------------------------------------------------------


def test_closed_form(measured):
    result = measured(np.array([1.0, 2.0, 3.0, 4.0], "float32"))
    np.testing.assert_allclose(result, [2.5, 1.25, 30**0.5, 0], rtol=1e-7)


@pytest.mark.parametrize("shape", [(784, 256), (3, 3, 8, 16), (2000, 1000), (7,), ()])
def test_tensors_of_several_shapes_equal_numpy_in_float64(measured, shape):
    array = np.random.default_rng(0).normal(1, 3, size=shape).astype("float32")
    np.testing.assert_allclose(measured(array), in_numpy(array), rtol=2e-6)


@pytest.mark.parametrize("ratio", [0, 0.99, 1.01, 30, 1e3, 1e5])
def test_variance_is_exact_at_any_ratio_of_mean_to_standard_deviation(measured, ratio):
    # From 1e4, E[x^2] - E[x]^2 has no digits left in float32.
    values = np.random.default_rng(0).normal(-ratio, 1, 100_000).astype("float32")
    _, variance, norm, _ = in_numpy(values)
    result = measured(values)
    np.testing.assert_allclose(result[1], variance, rtol=2e-6)
    np.testing.assert_allclose(result[2], norm, rtol=2e-6)


def test_a_constant_has_no_variance(measured):
    for constant in (0.1, 0, -1e-3):
        variance = measured(np.full((300, 70), constant, "float32"))[1]
        np.testing.assert_allclose(variance, 0, atol=1e-18)


def test_tensors_that_share_a_pass_do_not_change_each_other():
    rng = np.random.default_rng(0)
    far, near = rng.normal(1e4, 1, 5000), rng.normal(0, 1e-3, (50, 70))
    bad = np.full((4, 4), np.inf)
    arrays = [array.astype("float32") for array in (far, near, bad)]
    result = np.array([numbers(v) for v in measures.of_entries(arrays, NAMES).values()])
    expected = np.transpose([in_numpy(array) for array in arrays[:2]])
    # The mean of `near` is a small rest of large sums, so its unit is the deviation.
    np.testing.assert_allclose(result[:, :2], expected, rtol=2e-6, atol=1e-9)
    assert result[3].tolist() == [0, 0, 16]


def test_only_what_is_asked_for_comes_back_in_that_order():
    results = measures.of_entries([np.ones(3, "float32")], ["l2_norm", "mean"])
    assert list(results) == ["l2_norm", "mean"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_entry_is_counted_and_spoils_the_others(measured, bad):
    spoiled = np.ones((4, 4), "float32")
    spoiled[1, 2] = bad
    *moments, count = measured(spoiled)
    assert not np.isfinite(moments).any()
    assert count == 1


def test_all_bad_entries_are_counted_and_large_ones_are_not_bad(measured):
    values = np.full(1000, 1e30, "float32")  # their squares overflow
    assert measured(values)[3] == 0
    values[[0, 10, 500, 999]] = np.nan, np.inf, -np.inf, -np.nan
    assert measured(values)[3] == 4


# -- types -----------------------------------------------------------------------------


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


no_float64 = pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64")
UNARY = (*NAMES, "max_abs", "zero_fraction")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened(dtype):
    # Their squares are not in the range of float16.
    values = keras.ops.cast(np.linspace(-1e-4, 3e-4, 1001, dtype="float32"), dtype)
    exact = keras.ops.convert_to_numpy(keras.ops.cast(values, "float64"))
    expected = [*in_numpy(exact), 3e-4, np.mean(exact == 0)]
    for name, value in zip(UNARY, expected, strict=True):
        result = getattr(measures, name)(values)
        assert dtype_of(result) == "float32", name
        rtol = 1e-2 if name == "max_abs" else 1e-5
        np.testing.assert_allclose(numbers(result), value, rtol=rtol, err_msg=name)
    (variance,) = numbers(measures.of_entries([values], ["variance"])["variance"])
    assert variance.dtype == "float32"
    np.testing.assert_allclose(variance, exact.var(), rtol=1e-5)


@no_float64
def test_float64_stays_float64():
    values = np.random.default_rng(0).normal(size=1000) * 1e-30
    for measured in (alone, together):
        np.testing.assert_allclose(measured(values), in_numpy(values), rtol=1e-12)
    assert float(measures.max_abs(values)) == np.abs(values).max()
    ratio = measures.update_ratio(values, values * (1 + 1e-12))
    np.testing.assert_allclose(numbers(ratio), 1e-12, rtol=1e-3)


@no_float64
def test_tensors_of_several_types_share_the_widest():
    arrays = [np.arange(4, dtype="float32"), np.arange(4, dtype="float64")]
    results = measures.of_entries(arrays, NAMES)
    assert {dtype_of(values) for values in results.values()} == {"float64"}


# -- max_abs, zero_fraction ------------------------------------------------------------


def test_max_abs_is_of_either_sign(run):
    rng = np.random.default_rng(0)
    max_abs = run(measures.max_abs)
    for shift in (-3, 0, 3):
        values = (rng.normal(size=(30, 70)) + shift).astype("float32")
        assert float(max_abs(values)) == np.abs(values).max()
    largest = np.finfo("float32").max
    assert float(max_abs(np.array([1, -largest], "float32"))) == largest
    assert float(max_abs(np.zeros(3, "float32"))) == 0


@pytest.mark.parametrize("place", [0, 7, 999])
def test_max_abs_shows_bad_entries(run, place):
    values = np.linspace(-1, 2, 1000, dtype="float32")
    for bad, expected in ((np.nan, np.nan), (np.inf, np.inf), (-np.inf, np.inf)):
        values[place] = bad
        np.testing.assert_equal(float(run(measures.max_abs)(values)), expected)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 1001])
def test_share_of_zeros_equals_numpy(zero_fraction, size):
    rng = np.random.default_rng(size)
    for density in (0, 0.3, 1):
        values = rng.normal(size=size) * (rng.random(size) < density)
        result = float(zero_fraction(values.astype("float32")))
        assert result == pytest.approx(np.mean(values == 0), abs=1e-7)


def test_what_counts_as_zero(zero_fraction):
    values = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.2e-38, -1e-30, 1, -1, 5]
    assert float(zero_fraction(np.array(values, "float32"))) == pytest.approx(0.2)


def test_share_of_zeros_over_several_axes(zero_fraction):
    values = np.ones((3, 3, 5, 7), "float32")
    values[:, 1] = 0
    assert float(zero_fraction(values)) == pytest.approx(1 / 3)


# -- update_ratio ----------------------------------------------------------------------


def test_update_ratio_equals_numpy():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(30, 40)).astype("float32")
    for size in (1e-5, 1e-2, 10):
        after = (before + size * rng.normal(size=before.shape)).astype("float32")
        expected = np.linalg.norm(
            after.astype("float64") - before.astype("float64")
        ) / np.linalg.norm(before.astype("float64"))
        result = measures.update_ratio(before, after)
        np.testing.assert_allclose(numbers(result), expected, rtol=1e-5)


def test_update_ratio_of_a_small_step_of_sgd():
    weight = np.full((10, 10), 2.0, "float32")
    ratio = measures.update_ratio(weight, weight - np.float32(0.5))
    assert float(ratio) == 0.25


def test_update_ratio_at_zero(run):
    zeros, ones = np.zeros((3, 3), "float32"), np.ones((3, 3), "float32")
    update_ratio = run(measures.update_ratio)
    assert float(update_ratio(zeros, zeros)) == 0
    assert float(update_ratio(ones, ones)) == 0
    assert float(update_ratio(zeros, ones)) == np.inf
    assert float(update_ratio(ones, zeros)) == 1
    assert np.isnan(float(update_ratio(ones, ones * np.nan)))


def test_ratios_of_several_weights_are_those_of_each():
    rng = np.random.default_rng(0)
    before = [rng.normal(size=n).astype("float32") for n in ((3, 4), (3, 4), (500,))]
    after = [array * (1 + 0.1 * number) for number, array in enumerate(before)]
    after = [array.astype("float32") for array in after]
    ratios = numbers(measures.update_ratios(before, after))
    np.testing.assert_allclose(ratios, [0, 0.1, 0.2], rtol=1e-5)


# -- dead_fraction, saturated_fraction -------------------------------------------------


def test_a_unit_is_dead_if_it_is_zero_for_the_whole_batch():
    activation = np.array([[0, 1, 0, -1], [0, 0, -0.0, 1], [0, 0, np.nan, 2]])
    assert float(measures.dead_fraction(activation.astype("float32"))) == 0.25


def test_a_unit_is_dead_if_it_is_zero_at_all_times_too():
    activation = np.zeros((2, 3, 5), "float32")
    activation[1, 2, 0] = activation[0, 0, 3] = 1e-20
    assert float(measures.dead_fraction(activation)) == pytest.approx(3 / 5)


def test_dead_units_of_a_relu_equal_numpy():
    rng = np.random.default_rng(0)
    z = rng.normal(rng.normal(size=200), 0.3, size=(64, 200))
    expected = np.mean((z <= 0).all(axis=0))
    assert 0.2 < expected < 0.8
    result = measures.dead_fraction(np.maximum(z, 0).astype("float32"))
    assert float(result) == pytest.approx(expected)


def saturated(activation, z, max_slope):
    slope = backends.current().slope(activation, keras.ops.array(z, "float32"))
    return float(measures.saturated_fraction(slope, max_slope))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("activation", "max_slope", "bound"),
    [
        # s(z) (1 - s(z)) < 0.01 / 4, and 1 - tanh(z)^2 < 0.01: tanh(z) = 2 s(2 z) - 1.
        (keras.activations.sigmoid, 0.25, 2 * np.arctanh(0.99**0.5)),
        (keras.activations.tanh, 1.0, np.arctanh(0.99**0.5)),
    ],
)
def test_where_saturation_begins(activation, max_slope, bound, sign):
    below, above = np.full((3, 1), bound - 1e-3), np.full((3, 1), bound + 1e-3)
    z = sign * np.hstack([below, above])
    assert saturated(activation, z, max_slope) == 0.5
    assert saturated(activation, 0 * z, max_slope) == 0


def test_the_bound_of_the_sigmoid_is_5_99():
    assert 2 * np.arctanh(0.99**0.5) == pytest.approx(5.986, abs=1e-3)


def test_saturated_is_over_half_of_the_batch():
    z = np.array([[9, 9, 9], [9, 9, 0], [9, 0, 0], [9, 0, 0.0]])
    z[2, 1] = 9  # 4, 3 and 1 of 4
    assert saturated(keras.activations.tanh, z, 1.0) == pytest.approx(2 / 3)
    assert saturated(keras.activations.tanh, z[:2], 1.0) == pytest.approx(2 / 3)


def test_a_relu_that_is_off_is_saturated():
    z = np.array([[-1, 1, -1], [-1, 1, 1], [-1, -1, -1.0]])
    assert saturated(keras.activations.relu, z, 1.0) == pytest.approx(2 / 3)


def test_saturated_over_batch_and_time():
    z = np.zeros((2, 3, 2))
    z[:, :2, 0] = 9  # four of six
    z[:, 0, 1] = 9  # two of six
    assert saturated(keras.activations.tanh, z, 1.0) == 0.5


# -- duplicate_fraction ----------------------------------------------------------------


def duplicates(weight, gradient):
    weight, gradient = np.asarray(weight), np.asarray(gradient)
    return float(
        measures.duplicate_fraction(
            weight.astype("float32"), gradient.astype("float32")
        )
    )


def random_pair(units, seed=0, inputs=32):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(inputs, units)), rng.normal(size=(inputs, units))


@pytest.mark.parametrize("constant", [0, 1, -0.1, 1e-20])
def test_constants_are_duplicates(run, constant):
    weight = np.full((20, 30), constant, "float32")
    gradient = np.repeat(random_pair(1, inputs=20)[1], 30, axis=1).astype("float32")
    duplicate_fraction = run(measures.duplicate_fraction)
    assert float(duplicate_fraction(weight, 0 * weight)) == 1
    assert float(duplicate_fraction(weight, gradient)) == 1
    assert float(duplicate_fraction(weight, 1e-20 * gradient)) == 1


@pytest.mark.parametrize("inputs", [2, 32, 500])
def test_random_units_are_no_duplicates(inputs):
    for seed in range(20):
        weight, gradient = random_pair(2048, seed, inputs)
        assert duplicates(weight, gradient) == 0
        assert duplicates(np.zeros_like(weight), gradient) == 0
        assert duplicates(weight, np.zeros_like(weight)) == 0


def test_of_units_with_one_input_and_weights_of_zero_few_are_equal_by_chance():
    for seed in range(5):
        weight, gradient = random_pair(2048, seed, inputs=1)
        assert duplicates(np.zeros_like(weight), gradient) < 0.03


@pytest.mark.parametrize("units", [2, 3, 10, 777])
def test_equal_units_among_others(units):
    weight, gradient = random_pair(units)
    weight[:, -1], gradient[:, -1] = weight[:, 0], gradient[:, 0]
    assert duplicates(weight, gradient) == pytest.approx(2 / units)
    if units > 2:
        weight[:, 1], gradient[:, 1] = weight[:, 0], gradient[:, 0]
        assert duplicates(weight, gradient) == pytest.approx(3 / units)


def test_one_unit_is_no_duplicate():
    assert duplicates(np.zeros((5, 1)), np.zeros((5, 1))) == 0


def test_biases_and_scalars():
    assert duplicates(np.zeros(4), np.array([1, 2, 1, 3])) == 0.5
    assert duplicates(np.array(1.0), np.array(2.0)) == 0


def test_equal_weights_with_different_gradients_are_no_duplicates():
    weight, gradient = random_pair(40)
    assert duplicates(np.ones_like(weight), gradient) == 0
    assert duplicates(weight, np.ones_like(gradient)) == 0


def test_a_unit_and_its_negative_are_duplicates():
    weight, gradient = random_pair(10)
    weight[:, 3], gradient[:, 3] = -weight[:, 8], -gradient[:, 8]
    assert duplicates(weight, gradient) == pytest.approx(0.2)
    assert duplicates(0 * weight, gradient) == pytest.approx(0.2)
    weight[:, 3] *= -1  # now the weights are equal and the gradients negative
    assert duplicates(weight, gradient) == 0


def in_groups(seed):
    """Units in any order, some repeated or negated, and the share of these.

    Each unit has its own size of weight and of gradient.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, size=40)
    weight, gradient = (
        np.repeat(array * 10 ** rng.uniform(-8, 0, size=40), counts, axis=1)
        for array in random_pair(40, seed)
    )
    order = rng.permutation(counts.sum())
    sign = rng.choice([-1, 1], size=counts.sum())
    expected = counts[counts > 1].sum() / counts.sum()
    return (weight * sign)[:, order], (gradient * sign)[:, order], expected


def test_groups_of_units_of_very_different_sizes_in_any_order():
    for seed in range(10):
        weight, gradient, expected = in_groups(seed)
        assert duplicates(weight, gradient) == pytest.approx(expected)
        assert duplicates(0 * weight, gradient) == pytest.approx(expected)


@pytest.mark.parametrize("magnitude", [4, 8, 12])
def test_equal_weights_with_gradients_of_very_different_sizes(magnitude):
    rng = np.random.default_rng(0)
    _, gradient = random_pair(32)
    gradient *= 10 ** rng.uniform(-magnitude, 0, size=32)
    gradient = np.repeat(gradient, 2, axis=1)[:, rng.permutation(64)]
    assert duplicates(np.ones_like(gradient), gradient) == 1


@pytest.mark.parametrize("units", [64, 2048])
def test_rounding_noise_does_not_hide_duplicates(units):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        order = rng.permutation(units)
        weight, gradient = (
            np.repeat(array, 2, axis=1)[:, order]
            * (1 + 1e-7 * rng.normal(size=(32, units)))
            for array in random_pair(units // 2, seed)
        )
        assert duplicates(weight, gradient) == 1


def test_a_difference_in_one_thousand_is_no_rounding():
    for seed in range(10):
        noise, _ = random_pair(64, seed + 100)
        weight, gradient = (
            np.repeat(array, 2, axis=1) for array in random_pair(32, seed)
        )
        assert duplicates(weight * (1 + 1e-3 * noise), gradient) == 0
        assert duplicates(weight, gradient * (1 + 1e-3 * noise)) == 0


def test_one_different_entry_of_many_makes_another_unit():
    weight, gradient = np.ones((500, 20)), np.ones((500, 20))
    weight[123, 7] = 1.1
    assert duplicates(weight, gradient) == pytest.approx(19 / 20)


def test_fractions_of_several_layers_are_those_of_each():
    pairs = [random_pair(10, seed, inputs) for seed, inputs in enumerate((3, 8, 40))]
    for number, pair in enumerate(pairs):
        for array in pair:
            array[:, :number] = array[:, :1]
    weights, gradients = (
        [array.astype("float32") for array in arrays]
        for arrays in zip(*pairs, strict=True)
    )
    fractions = numbers(measures.duplicate_fractions(weights, gradients))
    np.testing.assert_allclose(fractions, [0, 0, 0.2])


def test_filters_of_convolutions():
    rng = np.random.default_rng(0)
    weight, gradient = rng.normal(size=(2, 3, 3, 4, 10))
    weight[..., 9], gradient[..., 9] = weight[..., 2], gradient[..., 2]
    assert duplicates(weight, gradient) == pytest.approx(0.2)
    # Equal entries in other places make no equal filters.
    weight[:, :, 1], gradient[:, :, 1] = weight[:, :, 0], gradient[:, :, 0]
    assert duplicates(weight, gradient) == pytest.approx(0.2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_units_of_other_types(dtype):
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("JAX has no float64")
    weight, gradient = random_pair(10)
    weight[:, 3], gradient[:, 3] = weight[:, 8], gradient[:, 8]
    tensors = [keras.ops.cast(array, dtype) for array in (weight, gradient)]
    fraction = measures.duplicate_fraction(*tensors)
    assert float(fraction) == pytest.approx(0.2)


def trained(tmp_path, initializer, activation):
    """duplicate_fraction at each of 200 steps of Adam, shape (200, layers)."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(256, 8)), rng.integers(0, 3, size=256)
    hidden = [
        layers.Dense(16, activation, kernel_initializer=initializer) for _ in range(2)
    ]
    head = layers.Dense(3, "softmax", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((8,)), *hidden, head])
    model.compile("adam", "sparse_categorical_crossentropy")
    callback = LayerStatsCallback(
        tmp_path, update_freq=1, statistics=["duplicate_fraction"]
    )
    model.fit(x, y, batch_size=32, epochs=25, verbose=0, callbacks=[callback])
    return callback.history["duplicate_fraction"]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_units_that_begin_equal_stay_equal_in_training(tmp_path, activation):
    fractions = trained(tmp_path, keras.initializers.Constant(0.1), activation)
    np.testing.assert_array_equal(fractions, [[1, 1, 0]] * 200)


def test_units_that_begin_at_random_stay_different_in_training(tmp_path):
    np.testing.assert_array_equal(
        trained(tmp_path, "he_normal", "relu"), [[0] * 3] * 200
    )
