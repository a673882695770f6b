import gc
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.pretrained import Pretrained
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.zero import ZerO
from keras_initkit.report.signal_report import signal_report
from keras_initkit.rescale.reinitialize import reinitialize

layers = keras.layers


def dense_model(units=(8, 8, 3), **options):
    return keras.Sequential(
        [keras.Input((6,)), *(layers.Dense(n, **options) for n in units)]
    )


def functional_model():
    inputs = keras.Input((8, 8, 3))
    shared = layers.Conv2D(6, 3, padding="same")
    x = shared(layers.Conv2D(6, 3, padding="same")(inputs))
    x = layers.DepthwiseConv2D(3)(layers.BatchNormalization()(shared(x)))
    x = layers.SeparableConv2D(5, 3)(x)
    x = layers.Reshape((16, 5))(layers.Dropout(0.5)(x))
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.Bidirectional(layers.LSTM(4))(layers.RMSNormalization()(x))
    return keras.Model(inputs, dense_model()(layers.Dense(6)(layers.PReLU()(x))))


class SubclassedModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(11, 6)
        self.blocks = [layers.Dense(6), layers.Dense(6)]
        self.inner = dense_model()

    def call(self, inputs):
        x = self.embedding(inputs)
        for block in self.blocks:
            x = block(x)
        return self.inner(keras.ops.mean(x, axis=1))


def subclassed_model():
    model = SubclassedModel()
    model(np.zeros((1, 4), "int32"))
    return model


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=True))


def weights(model):
    return [v.numpy() for v in model.variables]


def assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [dense_model, functional_model, subclassed_model])
def test_the_seed_alone_decides_the_weights(make):
    # Keras gives the layers of the two models different names.
    first, second = make(), make()
    reinitialize(first, seed=1)
    reinitialize(second, seed=1)
    assert_equal(weights(first), weights(second))
    reinitialize(second, seed=2)
    drawn = [v for v in first.trainable_variables if v.name.endswith("kernel")]
    others = [v for v in second.trainable_variables if v.name.endswith("kernel")]
    assert len(drawn) > 2
    for one, other in zip(drawn, others, strict=True):
        assert not np.array_equal(one.numpy(), other.numpy())


def test_the_same_weights_in_another_process():
    program = (
        "import keras; from keras_initkit.rescale.reinitialize import reinitialize;"
        "l = keras.layers.Dense; m = keras.Sequential([keras.Input((6,)), l(3), l(2)]);"
        "reinitialize(m, seed=5); print(float(m.layers[1].kernel[0][0]))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    model = dense_model((3, 2))
    reinitialize(model, seed=5)
    assert float(run.stdout) == float(model.layers[1].kernel[0][0])


def test_no_two_kernels_are_alike():
    model = dense_model((6, 6, 6))
    reinitialize(model, seed=1)
    first, second, third = (layer.kernel.numpy() for layer in model.layers)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_an_added_layer_leaves_layers_with_names_of_their_own():
    def model(*layers_before):
        head = layers.Dense(3, name="head_1")
        stack = [keras.Input((6,)), *layers_before, layers.Dense(6), head]
        return keras.Sequential(stack)

    short, long = model(), model(layers.Dense(6), layers.Dropout(0.5))
    reinitialize(short, seed=1)
    reinitialize(long, seed=1)
    assert_equal(short.layers[-1].get_weights(), long.layers[-1].get_weights())
    assert_equal(short.layers[0].get_weights(), long.layers[0].get_weights())


def test_each_weight_has_the_distribution_of_its_own_initializer():
    model = keras.Sequential(
        [
            keras.Input((64, 64, 32)),
            layers.Conv2D(64, 3, kernel_initializer="he_normal"),
            layers.BatchNormalization(gamma_initializer="random_normal"),
            layers.GlobalAveragePooling2D(),
            layers.RepeatVector(3),
            layers.LSTM(64, bias_initializer=keras.initializers.Constant(0.5)),
            layers.Dense(300, kernel_initializer=keras.initializers.HeNormal(seed=3)),
            layers.Dense(50, kernel_initializer=lambda shape, dtype: np.full(shape, 7)),
        ]
    )
    for variable in model.trainable_variables + model.non_trainable_variables:
        variable.assign(variable + 3)
    reinitialize(model, seed=1)
    convolution, normalization, _, _, lstm, seeded, function = model.layers
    assert np.std(convolution.kernel) == pytest.approx(np.sqrt(2 / 288), rel=0.05)
    assert np.all(convolution.bias.numpy() == 0)
    assert np.std(normalization.gamma) == pytest.approx(0.05, rel=0.4)
    assert np.all(normalization.beta.numpy() == 0)
    assert np.all(normalization.moving_mean.numpy() == 0)
    assert np.all(normalization.moving_variance.numpy() == 1)
    bias = lstm.cell.bias.numpy().reshape(4, 64)
    np.testing.assert_array_equal(bias[:, 0], [0.5, 1, 0.5, 0.5])
    assert np.ptp(bias, axis=1).max() == 0
    recurrent = lstm.cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)
    assert np.std(seeded.kernel) == pytest.approx(np.sqrt(2 / 64), rel=0.05)
    assert np.all(function.kernel.numpy() == 7)


@pytest.mark.parametrize("initializer", ["he_normal", ScaledDepth(1)])
def test_initializers_are_told_the_true_fans(initializer):
    if "input_axes" not in keras.initializers.HeNormal().get_config():
        pytest.skip("this Keras has no axes in its own initializers")
    depthwise = layers.DepthwiseConv2D(3, depthwise_initializer=initializer)
    attention = layers.MultiHeadAttention(4, 24, kernel_initializer=initializer)
    inputs = keras.Input((8, 8, 256))
    x = layers.Reshape((36, 256))(depthwise(inputs))
    model = keras.Model(inputs, attention(x, x))
    reinitialize(model, seed=1)
    assert np.std(depthwise.kernel) == pytest.approx(np.sqrt(2 / 9), rel=0.06)
    output = attention._output_dense.kernel
    assert np.std(output) == pytest.approx(np.sqrt(2 / 96), rel=0.06)


def test_one_initializer_for_all_kernels_and_none_else():
    model = functional_model()
    reinitialize(model, seed=1, initializers=keras.initializers.Constant(4))
    kernels = [v for v in model.trainable_variables if "kernel" in v.name]
    others = [v for v in model.variables if "kernel" not in v.name]
    assert all(np.all(v.numpy() == 4) for v in kernels)
    assert not any(np.any(v.numpy() == 4) for v in others)


def test_patterns_choose_layers_and_the_first_that_matches_counts():
    inner = keras.Sequential([layers.Dense(4, name="deep")], name="inner")
    stack = [layers.Dense(4, name="first"), layers.LSTM(4, name="lstm"), inner]
    model = keras.Sequential([keras.Input((3, 6)), *stack])
    chosen = {
        "first": {"class_name": "Constant", "config": {"value": 1.0}},
        "lst?": keras.initializers.Constant(2),
        "inner": keras.initializers.Constant(3),
        "*deep": keras.initializers.Constant(4),
    }
    with pytest.raises(ValueError, match=r"\['\*no'\].*Received: initializers="):
        reinitialize(model, seed=1, initializers={"*no": "ones", **chosen})
    reinitialize(model, seed=1, initializers=chosen)
    assert np.all(model.layers[0].kernel.numpy() == 1)
    assert np.all(model.layers[1].cell.recurrent_kernel.numpy() == 2)
    assert np.all(inner.layers[0].kernel.numpy() == 3)
    assert np.all(inner.layers[0].bias.numpy() == 0)


def test_frozen_layers_and_seed_generators_start_again():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(6, trainable=False),
            layers.Dropout(0.5, seed=1),
            layers.GaussianNoise(1.0),
        ]
    )
    x = np.ones((4, 6), "float32")
    runs = []
    for _ in range(2):
        reinitialize(model, seed=1)
        runs.append(outputs(model, x))
    np.testing.assert_array_equal(*runs)
    reinitialize(model, seed=2)
    assert not np.array_equal(outputs(model, x), runs[0])
    dropout, noise = (layer.seed_generator.state for layer in model.layers[1:])
    assert not np.array_equal(dropout.numpy(), noise.numpy())


def test_what_normalization_adapted_to_stays():
    normalization = layers.Normalization()
    normalization.adapt(np.arange(12.0).reshape(6, 2))
    model = keras.Sequential([keras.Input((2,)), normalization, layers.Dense(3)])
    reinitialize(model, seed=1)
    np.testing.assert_allclose(normalization.mean, [[5, 6]])


OPTIMIZERS = {
    "SGD with momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "Adam": lambda: keras.optimizers.Adam(amsgrad=True, use_ema=True),
    "accumulating": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
    "Adagrad": lambda: keras.optimizers.Adagrad(initial_accumulator_value=0.25),
    "Ftrl": lambda: keras.optimizers.Ftrl(),
    "Nadam": lambda: keras.optimizers.Nadam(),
    "Adafactor": lambda: keras.optimizers.Adafactor(),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    "schedule": lambda: keras.optimizers.RMSprop(
        keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    ),
}
if hasattr(keras.optimizers, "ScheduleFreeAdamW"):
    OPTIMIZERS["ScheduleFreeAdamW"] = keras.optimizers.ScheduleFreeAdamW
if hasattr(keras.optimizers, "MultiOptimizer"):
    OPTIMIZERS["MultiOptimizer"] = lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.Adagrad())
    )


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_run_can_be_repeated_exactly(make):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4),
            layers.Dropout(0.3, seed=1),
            layers.Dense(1),
        ]
    )
    model.compile(make(), "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(12, 6)).astype("float32")
    runs = []
    for _ in range(2):
        reinitialize(model, seed=1)
        model.fit(x, x[:, :1], batch_size=4, epochs=1, shuffle=False, verbose=0)
        runs.append(weights(model) + [v.numpy() for v in model.optimizer.variables])
    assert_equal(*runs)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="every step runs layer by layer"
)
def test_nothing_is_traced_again_and_the_learning_rate_stays():
    traces = []

    class Counting(keras.Layer):
        def call(self, inputs):
            traces.append(1)
            return inputs

    model = keras.Sequential([keras.Input((6,)), Counting(), layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.ones((4, 6), "float32")
    model.fit(x, x[:, :1], verbose=0)
    before = len(traces)
    model.optimizer.learning_rate = 0.125
    reinitialize(model, seed=1)
    model.fit(x, x[:, :1], verbose=0)
    assert len(traces) == before
    assert float(model.optimizer.learning_rate) == 0.125


def test_keep_leaves_the_optimizer_alone():
    model = dense_model()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 6)), np.ones((4, 3)), verbose=0)
    before = [v.numpy() for v in model.optimizer.variables]
    reinitialize(model, seed=1, optimizer="keep")
    assert_equal(before, [v.numpy() for v in model.optimizer.variables])


class Own(keras.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(shape=(6, 6), name="w")
        self.steps = self.add_weight(shape=(), name="steps", trainable=False)

    def call(self, inputs):
        return inputs @ self.w


def test_a_weight_without_an_initializer_is_named():
    own = Own(name="own")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(6), own])
    before = weights(model)
    with pytest.raises(ValueError, match=r"Received: weights=\['[^,]*own/w'\]"):
        reinitialize(model, seed=1)
    assert_equal(before, weights(model))
    reinitialize(model, seed=1, initializers={"own": "ones"})
    assert np.all(own.w.numpy() == 1)
    own.w_initializer = keras.initializers.Constant(2)
    reinitialize(model, seed=1)
    assert np.all(own.w.numpy() == 2)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        *(({"seed": seed}, "seed") for seed in (-1, 0.5, True, None, "1")),
        ({"seed": 1, "optimizer": "zero"}, "optimizer"),
        ({"seed": 1, "initializers": "no_such"}, "initializers"),
        ({"seed": 1, "initializers": 3}, "initializers"),
        ({"seed": 1, "initializers": {"dense*": "no_such"}}, "initializers"),
        ({"seed": 1, "initializers": {"dense*": None}}, "initializers"),
    ],
)
def test_bad_arguments_are_named_and_change_nothing(arguments, argument):
    model = dense_model()
    before = weights(model)
    with pytest.raises(ValueError, match=f"`{argument}` .*Received: {argument}="):
        reinitialize(model, **arguments)
    assert_equal(before, weights(model))


def test_a_draw_that_fails_changes_nothing():
    model = dense_model(kernel_initializer=failing_after(3))
    before = weights(model)
    with pytest.raises(RuntimeError, match="no draw"):
        reinitialize(model, seed=1)
    assert_equal(before, weights(model))


def failing_after(draws):
    left = [None] * draws

    def initializer(shape, dtype):
        if not left:
            raise RuntimeError("no draw")
        left.pop()
        return np.ones(shape)

    return initializer


def test_a_quantized_model_is_refused():
    model = dense_model()
    for layer in model.layers:
        layer.quantize("int8")
    with pytest.raises(ValueError, match=r"`model` must not be quantized.*Received: m"):
        reinitialize(model, seed=1)


@pytest.mark.parametrize(
    "model", [keras.Sequential([layers.Dense(3)]), SubclassedModel()]
)
def test_an_unbuilt_model_is_refused(model):
    with pytest.raises(ValueError, match=r"`model` must be built.*Received: model="):
        reinitialize(model, seed=1)


@pytest.mark.parametrize("wrap", [lambda i: i, lambda i: ScaledDepth(4, base=i)])
def test_a_file_of_pretrained_weights_that_is_gone(tmp_path, wrap):
    file = tmp_path / "values.npz"
    np.savez(file, only=np.ones((6, 3), "float32"))
    model = dense_model((3,), kernel_initializer=wrap(Pretrained(file)))
    model.save(tmp_path / "model.keras")
    file.unlink()
    del model
    gc.collect()  # nothing has the values any more
    model = keras.models.load_model(tmp_path / "model.keras")
    before = weights(model)
    with pytest.raises(ValueError, match=f"Pretrained.*Received: source={file}$"):
        reinitialize(model, seed=1)
    assert_equal(weights(model), before)
    reinitialize(model, seed=1, initializers="he_normal")
    assert model.layers[0].kernel.numpy().std() > 0


@pytest.mark.parametrize("make", [DeltaOrthogonal, LooksLinear, ZerO])
def test_a_kernel_with_one_tap_stays_one(make):
    convolution = layers.Conv2D(8, 3, padding="same", kernel_initializer=make())
    transposed = layers.Conv2DTranspose(8, 3, padding="same", kernel_initializer=make())
    model = keras.Sequential([keras.Input((5, 5, 8)), convolution, transposed])
    reinitialize(model, seed=1)
    for layer in (convolution, transposed):
        taps = np.abs(keras.ops.convert_to_numpy(layer.kernel)).sum(axis=(2, 3))
        assert np.argwhere(taps).tolist() == [[1, 1]]


def test_the_new_initializers_are_what_is_intended():
    model = dense_model((64, 64, 3))
    x = np.random.default_rng(0).normal(size=(32, 6))

    def report():
        found = signal_report(model, x)
        assert found["as_intended"].all()
        return found["intended_variance"].tolist(), found["initializer"].tolist()

    glorot = [2 / (6 + 64), 2 / (64 + 64), 2 / (64 + 3)]
    he = [2 / 6, 2 / 64, 2 / 64]
    assert report() == (pytest.approx(glorot), ["GlorotUniform"] * 3)
    reinitialize(model, seed=1, initializers="he_normal")
    assert report() == (pytest.approx(he), ["HeNormal"] * 3)
    last = model.layers[-1].name
    reinitialize(model, seed=1, initializers={last: "he_normal"})
    names = ["GlorotUniform", "GlorotUniform", "HeNormal"]
    assert report() == (pytest.approx([*glorot[:2], he[2]]), names)
    reinitialize(model, seed=1)
    assert report() == (pytest.approx(glorot), ["GlorotUniform"] * 3)


def test_what_is_intended_has_the_fans_that_were_drawn_with():
    depthwise = layers.DepthwiseConv2D(3, depthwise_initializer="he_normal")
    model = keras.Sequential([keras.Input((8, 8, 32)), depthwise])
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 32))
    # Keras takes the channels for inputs that are summed over.
    assert signal_report(model, x)["intended_variance"] == pytest.approx(2 / (9 * 32))
    reinitialize(model, seed=1)
    report = signal_report(model, x)
    assert report["intended_variance"] == pytest.approx(2 / 9)
    assert report["as_intended"].all()
