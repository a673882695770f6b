import copy
import inspect
import math
import pickle

import keras
import numpy as np
import pytest

from keras_initkit.initializers.scaled_depth import ScaledDepth

VarianceScaling = keras.initializers.VarianceScaling
knows_einsum_axes = pytest.mark.skipif(
    "input_axes" not in inspect.signature(VarianceScaling).parameters,
    reason="this Keras does not tell initializers the axes of an einsum kernel",
)


def draw(initializer, shape=(300, 400), dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def assert_std(values, std):
    # Five sigmas of the sampling error of a normal standard deviation, which bounds
    # that of the lighter-tailed truncated normal and uniform.
    assert np.std(values) == pytest.approx(std, rel=5 / math.sqrt(2 * values.size))


@pytest.mark.parametrize(
    ("initializer", "std"),
    [
        (ScaledDepth(1), math.sqrt(2 / 300)),
        (ScaledDepth(64), math.sqrt(2 / 300) / 8),
        (ScaledDepth(64, exponent=1), math.sqrt(2 / 300) / 64),
        (ScaledDepth(64, exponent=0), math.sqrt(2 / 300)),
        (ScaledDepth(4, base="lecun_uniform"), math.sqrt(1 / 300) / 2),
        (ScaledDepth(4, base="orthogonal"), math.sqrt(1 / 400) / 2),
        (ScaledDepth.gpt2(12), 0.02 / math.sqrt(24)),
        (ScaledDepth.fixup(54, 2), math.sqrt(2 / 300) / math.sqrt(54)),
        (ScaledDepth.fixup(16, 3), math.sqrt(2 / 300) / 2),
        (ScaledDepth.deepnorm(18), math.sqrt(2 / 700) * 144**-0.25),
        (ScaledDepth.tfixup(6), math.sqrt(2 / 700) * 0.67 * 6**-0.25),
        (ScaledDepth.depth_mup(50), math.sqrt(2 / 300) / math.sqrt(50)),
    ],
)
def test_std_is_that_of_the_formula(initializer, std):
    values = draw(initializer)
    assert_std(values, std)
    assert abs(values.mean()) < 5 * std / math.sqrt(values.size)


def test_the_shape_of_the_distribution_is_the_bases():
    base = draw(keras.initializers.GlorotUniform(seed=1))
    scaled = draw(ScaledDepth(9, base="glorot_uniform", seed=1))
    np.testing.assert_allclose(scaled, base / 3, rtol=1e-6)


def test_a_residual_stack_keeps_its_variance_at_any_depth():
    stream = np.random.default_rng(0).normal(size=(512, 128))
    for _ in range(64):
        kernel = draw(ScaledDepth(64, base="lecun_normal"), (128, 128))
        stream = stream + stream @ kernel
    # (1 + 1/L)^L, which is about e for every L.
    assert np.var(stream) == pytest.approx(math.e, rel=0.15)


def test_deepnorm_carries_its_residual_multiplier(round_trip):
    returned = round_trip(ScaledDepth.deepnorm(100))
    assert returned.residual_multiplier == pytest.approx(200**0.25)


@pytest.mark.parametrize(
    "base",
    [
        "he_uniform",
        keras.initializers.HeUniform,
        keras.initializers.HeUniform(),
        keras.initializers.serialize(keras.initializers.HeUniform()),
        lambda shape, dtype: keras.initializers.HeUniform()(shape, dtype=dtype),
    ],
    ids=["name", "class", "instance", "config", "callable"],
)
def test_base_is_any_identifier(base):
    assert_std(draw(ScaledDepth(4, base=base)), math.sqrt(2 / 300) / 2)


def test_a_base_without_arguments_to_rebuild_it_from_is_called_as_it_is():
    class Ramp(keras.initializers.Initializer):
        def __init__(self, slope):
            self.slope = slope

        def __call__(self, shape, dtype=None):
            return self.slope * keras.ops.ones(shape, dtype=dtype)

    np.testing.assert_allclose(draw(ScaledDepth(4, base=Ramp(6.0))), 3.0)


def test_scaled_draws_nest():
    nested = ScaledDepth(4, base=ScaledDepth(9, base="he_normal", seed=5))
    np.testing.assert_allclose(draw(nested), draw(ScaledDepth(36, seed=5)), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_an_orthogonal_base_in_every_float_dtype(dtype):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is told to")
    initializer = ScaledDepth(4, base="orthogonal", seed=2)
    values = initializer((30, 40), dtype=dtype)
    assert keras.backend.standardize_dtype(values.dtype) == dtype
    if dtype != "float64":
        values = keras.ops.convert_to_numpy(keras.ops.cast(values, "float32"))
        expected = draw(initializer, (30, 40), "float32")
        np.testing.assert_allclose(values, expected, rtol=2**-8)


class TestSeedOfTheBase:
    def test_the_bases_seed_rules_unless_one_is_given(self):
        base = keras.initializers.HeNormal(seed=3)
        of_base = draw(ScaledDepth(4, base=base))
        np.testing.assert_array_equal(of_base, draw(ScaledDepth(4, seed=3)))
        given = draw(ScaledDepth(4, base=base, seed=5))
        np.testing.assert_array_equal(given, draw(ScaledDepth(4, seed=5)))

    @pytest.mark.parametrize(
        "nest", [lambda base: base, lambda b: ScaledDepth(2, base=b)]
    )
    def test_the_bases_seed_generator_goes_on(self, nest):
        base = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3))
        initializer = ScaledDepth(4, base=nest(base))
        assert not np.array_equal(draw(initializer), draw(initializer))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScaledDepth(7, 0.3, seed=3, residual_multiplier=2.0),
        lambda: ScaledDepth(7, base=keras.initializers.HeNormal(seed=3)),
        lambda: ScaledDepth(7, base=ScaledDepth(2, base="orthogonal", seed=3)),
        lambda: ScaledDepth.tfixup(6, seed=3),
    ],
    ids=["own seed", "seed of base", "nested", "preset"],
)
def test_round_trip(round_trip, make):
    initializer = make()
    returned = round_trip(initializer)
    assert type(returned) is ScaledDepth
    assert returned.get_config() == initializer.get_config()
    np.testing.assert_array_equal(draw(returned), draw(initializer))


def test_round_trip_of_the_bases_seed_generator(round_trip):
    base = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3))
    initializer = ScaledDepth(7, base=base)
    returned = round_trip(initializer)
    assert returned.get_config() == initializer.get_config()
    assert not np.array_equal(draw(returned), draw(returned))


@pytest.mark.parametrize("protocol", [None, 0, 5], ids=["deepcopy", "0", "5"])
def test_a_copied_seed_generator_starts_again(protocol):
    initializer = ScaledDepth(7, seed=keras.random.SeedGenerator(3))
    first = draw(initializer)
    if protocol is None:
        returned = copy.deepcopy(initializer)
    else:
        returned = pickle.loads(pickle.dumps(initializer, protocol))
    np.testing.assert_array_equal(draw(returned), first)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(32),
        keras.layers.Conv2D(64, 3),
        keras.layers.EinsumDense("abc,cd->abd", (None, 64)),
    ],
    ids=["Dense", "Conv2D", "EinsumDense"],
)
def test_in_a_layer(layer):
    layer.kernel_initializer = ScaledDepth(4)
    layer.build({"Conv2D": (None, 8, 8, 48)}.get(type(layer).__name__, (None, 9, 48)))
    fan_in = layer.kernel.shape[-2] * math.prod(layer.kernel.shape[:-2])
    assert_std(layer.kernel.numpy(), math.sqrt(2 / fan_in) / 2)


@knows_einsum_axes
def test_attention_kernels_have_their_own_fans():
    attention = keras.layers.MultiHeadAttention(
        4, 32, kernel_initializer=ScaledDepth(4)
    )
    attention.build((None, 9, 64), (None, 9, 64))
    assert attention._query_dense.kernel.shape == (64, 4, 32)
    assert_std(attention._query_dense.kernel.numpy(), math.sqrt(2 / 64) / 2)
    assert_std(attention._output_dense.kernel.numpy(), math.sqrt(2 / 128) / 2)
    query, key = (
        dense.kernel.numpy() for dense in (attention._query_dense, attention._key_dense)
    )
    assert not np.array_equal(query, key)


@knows_einsum_axes
def test_axes_given_to_the_base_are_kept():
    base = keras.initializers.HeNormal(input_axes=[2], output_axes=[0, 1])
    initializer = ScaledDepth(1, base=base, input_axes=[0], output_axes=[1, 2])
    assert_std(draw(initializer, (200, 20, 50)), math.sqrt(2 / 50))


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        *((lambda d=d: ScaledDepth(d), "depth") for d in (0, -1, 2.5, True, "4", None)),
        *((lambda d=d: ScaledDepth(d), "depth") for d in (math.nan, math.inf)),
        *(
            (lambda e=e: ScaledDepth(4, exponent=e), "exponent")
            for e in (-0.5, math.nan, math.inf, "half")
        ),
        (lambda: ScaledDepth(4, residual_multiplier=math.nan), "residual_multiplier"),
        *(
            (lambda b=b: ScaledDepth(4, base=b), "base")
            for b in (None, 3, "no_such", {"class_name": "NoSuch", "config": {}})
        ),
        (lambda: ScaledDepth.gpt2(0), "num_layers"),
        (lambda: ScaledDepth.gpt2(1.5), "num_layers"),
        (lambda: ScaledDepth.gpt2(True), "num_layers"),
        (lambda: ScaledDepth.fixup(0, 2), "num_blocks"),
        (lambda: ScaledDepth.fixup(4, 1), "layers_per_block"),
        (lambda: ScaledDepth.deepnorm(-1), "num_layers"),
        (lambda: ScaledDepth.tfixup(0), "num_layers"),
        (lambda: ScaledDepth.depth_mup(0), "num_layers"),
    ],
)
def test_bad_arguments_are_named(make, argument):
    with pytest.raises(ValueError, match=f"`{argument}` must .*Received: {argument}="):
        make()
