"""The rules for every initializer of the package, whatever its formula."""

import doctest
import importlib
import inspect
import json
import pkgutil
from functools import partial

import keras
import numpy as np
import pytest

import keras_initkit.initializers
from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.bias_draws import NormalBias, TorchUniformBias
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.log_prior_bias import LogPriorBias
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.pretrained import Pretrained
from keras_initkit.initializers.scaled import Scaled
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.torch_uniform import TorchUniform
from keras_initkit.initializers.zero import ZerO
from keras_initkit.theory.gains import calculate_gain

DENSE, CONV, BIAS = (6, 4), (3, 3, 6, 4), (4,)
VALUES = np.linspace(-1, 1, 24).reshape(DENSE)
RANDOM, FIXED = True, False
# How to construct each class, the shape of its weight, its randomness.
TABLE = {
    ActivationScaling: (partial(ActivationScaling, "relu"), DENSE, RANDOM),
    Critical: (partial(Critical, "tanh", q_star=0.1), DENSE, RANDOM),
    DeltaOrthogonal: (DeltaOrthogonal, CONV, RANDOM),
    DynamicRescaling: (DynamicRescaling, DENSE, RANDOM),
    LogPriorBias: (partial(LogPriorBias, [0, 1, 2, 3, 3]), BIAS, FIXED),
    LooksLinear: (LooksLinear, DENSE, RANDOM),
    NormalBias: (partial(NormalBias, 0.1), BIAS, RANDOM),
    Pretrained: (partial(Pretrained, VALUES), DENSE, FIXED),
    Scaled: (partial(Scaled, "he_normal", 3.0), DENSE, RANDOM),
    ScaledDepth: (partial(ScaledDepth, 4), DENSE, RANDOM),
    ScaledOrthogonal: (ScaledOrthogonal, DENSE, RANDOM),
    TorchUniform: (TorchUniform, DENSE, RANDOM),
    TorchUniformBias: (partial(TorchUniformBias, fan_in=6), BIAS, RANDOM),
    ZerO: (ZerO, DENSE, FIXED),
}


def classes(condition=lambda cls: True):
    """Parametrizes a test over the classes of the table that meet a condition."""
    chosen = [cls for cls in TABLE if condition(cls)]
    names = [cls.__name__ for cls in chosen]
    return pytest.mark.parametrize("cls", chosen, ids=names)


def is_random(cls):
    return TABLE[cls][2]


def takes_seed(cls):
    return "seed" in inspect.signature(cls).parameters


def is_kernel(cls):
    return "input_axes" in inspect.signature(cls).parameters


def construct(cls, **kwargs):
    return TABLE[cls][0](**kwargs)


def shape_of(cls):
    return TABLE[cls][1]


def seeded(cls):
    return construct(cls, seed=3) if is_random(cls) else construct(cls)


def draw(initializer):
    return keras.ops.convert_to_numpy(initializer(shape_of(type(initializer))))


def test_every_initializer_is_in_the_table():
    package = keras_initkit.initializers
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    registered = keras.saving.get_custom_objects().items()
    ours = {
        cls
        for name, cls in registered
        if name.startswith("keras_initkit>")
        and issubclass(cls, keras.initializers.Initializer)
    }
    assert ours == set(TABLE)


@classes()
def test_config_is_json_of_the_constructors_arguments(cls):
    config = construct(cls).get_config()
    assert json.loads(json.dumps(config)) == config
    assert set(config) == set(inspect.signature(cls).parameters)


@classes()
def test_round_trip(cls, round_trip):
    initializer = seeded(cls)
    returned = round_trip(initializer, shape_of(cls))
    assert type(returned) is cls
    assert returned.get_config() == initializer.get_config()
    np.testing.assert_array_equal(draw(returned), draw(initializer))


@classes(is_random)
def test_round_trip_of_a_seed_generator(cls, round_trip):
    initializer = construct(cls, seed=keras.random.SeedGenerator(3))
    config = initializer.get_config()
    returned = round_trip(initializer, shape_of(cls))
    assert returned.get_config() == config == initializer.get_config()
    assert not np.array_equal(draw(returned), draw(returned))
    # Its config restarts.
    first = draw(construct(cls, seed=keras.random.SeedGenerator(3)))
    np.testing.assert_array_equal(draw(cls.from_config(config)), first)


@classes(is_random)
def test_round_trip_without_a_seed_stays_unseeded(cls, round_trip):
    returned = round_trip(construct(cls), shape_of(cls))
    assert returned.seed is None
    assert not np.array_equal(draw(returned), draw(returned))


@classes(is_kernel)
def test_round_trip_of_axes(cls, round_trip):
    initializer = construct(cls, input_axes=[0], output_axes=[1])
    config = round_trip(initializer, shape_of(cls)).get_config()
    assert config == initializer.get_config()
    assert (config["input_axes"], config["output_axes"]) == ([0], [1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@classes()
def test_every_float_dtype(cls, dtype):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is told to")
    initializer = seeded(cls)
    values = initializer(shape_of(cls), dtype=dtype)
    assert keras.backend.standardize_dtype(values.dtype) == dtype
    assert tuple(values.shape) == shape_of(cls)
    if dtype == "float64" and is_random(cls):
        return  # Keras draws other random numbers in float64.
    in_float32 = keras.ops.convert_to_numpy(keras.ops.cast(values, "float32"))
    rounding = {"float16": 2**-11, "bfloat16": 2**-8}.get(dtype, 1e-6)
    np.testing.assert_allclose(in_float32, draw(initializer), rounding, atol=1e-7)


@pytest.mark.parametrize("floatx", ["float16", "float32"])
@classes()
def test_the_default_dtype_is_floatx(cls, floatx):
    initializer = construct(cls)
    before = keras.config.floatx()
    keras.config.set_floatx(floatx)
    try:
        assert draw(initializer).dtype == floatx
    finally:
        keras.config.set_floatx(before)


class TestSeed:
    @classes(lambda cls: not is_random(cls))
    def test_without_randomness_all_draws_are_equal(self, cls):
        initializer = construct(cls)
        np.testing.assert_array_equal(draw(initializer), draw(initializer))
        np.testing.assert_array_equal(draw(initializer), draw(construct(cls)))

    @classes(is_random)
    def test_an_integer_repeats_itself(self, cls):
        initializer = construct(cls, seed=3)
        np.testing.assert_array_equal(draw(initializer), draw(initializer))
        np.testing.assert_array_equal(draw(initializer), draw(construct(cls, seed=3)))
        assert not np.array_equal(draw(initializer), draw(construct(cls, seed=4)))

    @classes(is_random)
    def test_a_seed_generator_goes_on(self, cls):
        def two_draws():
            initializer = construct(cls, seed=keras.random.SeedGenerator(3))
            return [draw(initializer), draw(initializer)]

        first, second = two_draws()
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal([first, second], two_draws())

    @classes(is_random)
    def test_none_draws_anew_and_reproducibly(self, cls):
        initializer = construct(cls)
        runs = []
        for _ in range(2):
            keras.utils.set_random_seed(7)
            runs.append([draw(initializer), draw(initializer), draw(construct(cls))])
        first, second, of_another = runs[0]
        assert not np.array_equal(first, second)
        assert not np.array_equal(second, of_another)
        np.testing.assert_array_equal(runs[0], runs[1])


@classes(lambda cls: is_random(cls) and shape_of(cls) == DENSE)
def test_one_unseeded_instance_gives_every_layer_another_kernel(cls):
    initializer = construct(cls)
    layers = [keras.layers.Dense(6, kernel_initializer=initializer) for _ in "ab"]
    for layer in layers:
        layer.build((None, 6))
    first, second = (keras.ops.convert_to_numpy(layer.kernel) for layer in layers)
    assert not np.array_equal(first, second)


class Attention(keras.layers.Layer):
    """Self-attention, which builds its four einsum kernels in its first call."""

    def __init__(self, kernel_initializer):
        super().__init__()
        self.attention = keras.layers.MultiHeadAttention(
            2, 4, kernel_initializer=kernel_initializer
        )

    def call(self, inputs):
        return self.attention(inputs, inputs)


BATCH = (2, 3, 8)
LAYERS = {
    "Dense": (partial(keras.layers.Dense, 8), (2, 8)),
    "Conv2D": (partial(keras.layers.Conv2D, 8, 3), (2, 5, 5, 8)),
    "EinsumDense": (partial(keras.layers.EinsumDense, "abc,cd->abd", (None, 8)), BATCH),
    "MultiHeadAttention": (Attention, BATCH),
}


@pytest.mark.parametrize("layer", LAYERS)
@classes(is_kernel)
def test_kernels_built_while_fit_traces(cls, layer):
    if layer != "Conv2D" and shape_of(cls) == CONV:
        pytest.skip("for convolutions only")
    make, input_shape = LAYERS[layer]
    model = keras.Sequential([make(kernel_initializer=construct(cls))])
    model.compile(optimizer="sgd", loss=lambda _, outputs: 0 * keras.ops.sum(outputs))
    model.fit(np.ones(input_shape, "float32"), np.zeros((2, 1)), verbose=0)
    kernels = [w.numpy() for w in model.weights if w.name == "kernel"]
    assert len(kernels) == (4 if layer == "MultiHeadAttention" else 1)
    for kernel in kernels:
        assert np.all(np.isfinite(kernel))
        assert np.any(kernel)
    if is_random(cls):
        assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


@classes()
def test_the_example_runs(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {cls.__name__: cls for cls in TABLE}
    names |= {"keras": keras, "np": np, "calculate_gain": calculate_gain}
    example = doctest.DocTestParser().get_doctest(
        cls.__doc__, names, cls.__name__, None, None
    )
    assert example.examples
    assert not doctest.DocTestRunner().run(example).failed


class TestByKeras:
    """Keras's own tests of its own initializers, where a Keras ships them."""

    @pytest.fixture
    def case(self):
        return pytest.importorskip("keras.src.testing").TestCase()

    @classes()
    def test_class_serialization(self, cls, case):
        case.run_class_serialization_test(seeded(cls))
        if takes_seed(cls):
            seed = keras.random.SeedGenerator()
            case.run_class_serialization_test(construct(cls, seed=seed))
        if is_kernel(cls):
            axes = {"input_axes": [0], "output_axes": [1, 2]}
            case.run_class_serialization_test(construct(cls, **axes))

    @classes()
    def test_layer(self, cls, case):
        """Serializes, builds, calls symbolically and eagerly, fits, mixes precision."""
        layer, sizes, input_shape, output_shape = {
            DENSE: (keras.layers.Dense, {"units": 4}, (2, 6), (2, 4)),
            BIAS: (keras.layers.Dense, {"units": 4}, (2, 6), (2, 4)),
            CONV: (
                keras.layers.Conv2D,
                {"filters": 4, "kernel_size": 3},
                (2, 5, 5, 6),
                (2, 3, 3, 4),
            ),
        }[shape_of(cls)]
        role = "bias_initializer" if shape_of(cls) == BIAS else "kernel_initializer"
        case.run_layer_test(
            layer,
            {**sizes, role: seeded(cls)},
            input_shape=input_shape,
            expected_output_shape=output_shape,
            expected_num_trainable_weights=2,
        )
