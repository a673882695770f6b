import dataclasses
import inspect
import random
import re

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.pretrained import Pretrained
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.kernels.random_state import random_state_kept
from keras_initkit.report.signal_report import signal_report

VarianceScaling = keras.initializers.VarianceScaling
KNOWS_EINSUM_AXES = "input_axes" in inspect.signature(VarianceScaling).parameters
HE = {"kernel_initializer": "he_normal"}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sequential(*stack):
    return keras.Sequential(list(stack))


def deep(activation, width, depth, seed, initializer="he_normal"):
    keras.utils.set_random_seed(seed)
    hidden = [
        layers.Dense(width, activation, kernel_initializer=initializer)
        for _ in range(depth)
    ]
    return sequential(keras.Input((width,)), *hidden, layers.Dense(10))


class TestAgainstNumpy:
    """A network of three layers, forward and backward by hand."""

    @pytest.fixture
    def model(self):
        keras.utils.set_random_seed(1)
        return sequential(
            keras.Input((6,)),
            layers.Dense(16, "tanh", bias_initializer="random_normal", **HE),
            layers.Dense(12, bias_initializer="random_normal", **HE),
            layers.ReLU(),
            layers.Dense(3, **HE),
        )

    @pytest.fixture
    def by_hand(self, model):
        """The pre-activations of each layer, and a function for the backward pass."""
        x = normal(20, 6).astype("float64")
        w1, b1, w2, b2, w3, b3 = (w.astype("float64") for w in model.get_weights())
        z1 = x @ w1 + b1
        z2 = np.tanh(z1) @ w2 + b2
        z3 = np.maximum(z2, 0) @ w3 + b3

        def backwards(gradient):
            of_z2 = gradient @ w3.T * (z2 > 0)
            of_z1 = of_z2 @ w2.T * (1 - np.tanh(z1) ** 2)
            return [of_z1, of_z2, gradient]

        return x, [z1, z2, z3], backwards

    def test_signal(self, model, by_hand):
        x, z, _ = by_hand
        report = signal_report(model, x)
        expected = [np.var(of_layer) for of_layer in z]
        np.testing.assert_allclose(report["measured_variance"], expected, rtol=1e-5)
        gains = [np.nan, expected[1] / expected[0], expected[2] / expected[1]]
        np.testing.assert_allclose(report["gain"], gains, rtol=1e-5)
        dead = [0, np.mean(np.all(z[1] <= 0, axis=0)), 0]
        np.testing.assert_allclose(report["dead_fraction"], dead)
        flat = 1 - np.tanh(z[0]) ** 2 < 0.01
        saturated = [
            np.mean(flat.mean(axis=0) > 0.5),
            np.mean((z[1] <= 0).mean(axis=0) > 0.5),
            0,
        ]
        np.testing.assert_allclose(report["saturated_fraction"], saturated)

    def test_gradient_of_the_loss(self, model, by_hand):
        x, z, backwards = by_hand
        y = normal(20, 3, seed=5)
        model.compile("sgd", "mse")
        # The mean over 20 samples and 3 outputs of (z - y)^2.
        expected = [np.var(g) for g in backwards(2 * (z[2] - y) / 60)]
        report = signal_report(model, x, y)
        np.testing.assert_allclose(report["gradient_variance"], expected, rtol=1e-4)

    def test_gradient_without_targets_has_unit_variance_at_the_outputs(
        self, model, by_hand
    ):
        x, _, backwards = by_hand
        cotangent = np.random.default_rng(0).standard_normal((20, 3))
        expected = [np.var(g) for g in backwards(cotangent)]
        report = signal_report(model, x)
        np.testing.assert_allclose(report["gradient_variance"], expected, rtol=1e-4)

    def test_predictions(self, model, by_hand):
        x, (z1, z2, _), backwards = by_hand
        w1, b1, w2, b2, w3, _ = (w.astype("float64") for w in model.get_weights())
        inputs = x, np.tanh(z1), np.maximum(z2, 0)
        report = signal_report(model, x)
        expected = [
            np.sum(w**2) / units * np.mean(a**2) + np.mean(b**2)
            for w, a, b, units in zip(
                (w1, w2, w3), inputs, (b1, b2, np.zeros(3)), (16, 12, 3), strict=True
            )
        ]
        np.testing.assert_allclose(report["predicted_variance"], expected, rtol=1e-5)

        _, of_z2, of_z3 = backwards(np.random.default_rng(0).standard_normal((20, 3)))
        u = np.linspace(-9, 9, 9001)
        weights = np.exp(-(u**2) / 2)
        slope = 1 - np.tanh(np.sqrt(np.mean(z1**2)) * u) ** 2
        chi = np.sum(weights * slope**2) / np.sum(weights)
        expected = [
            np.sum(w2**2) / 16 * np.mean(of_z2**2) * chi,
            np.sum(w3**2) / 12 * np.mean(of_z3**2) / 2,  # of a ReLU
        ]
        predicted = report["predicted_gradient_variance"]
        np.testing.assert_allclose(predicted[:2], expected, rtol=1e-4)
        assert np.isnan(predicted[2])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("activation", "initializer"),
    [("tanh", "lecun_normal"), ("relu", "he_normal"), ("gelu", "he_uniform")],
)
def test_predictions_hold_in_wide_networks(activation, initializer, seed):
    model = deep(activation, 512, 8, seed, initializer)
    report = signal_report(model, normal(512, 512, seed=seed))
    hidden = slice(0, 8)
    for predicted, measured in (
        ("predicted_variance", "measured_variance"),
        ("predicted_gradient_variance", "gradient_variance"),
    ):
        ratio = report[predicted][hidden] / report[measured][hidden]
        np.testing.assert_allclose(ratio, 1, atol=0.1)
    assert report["as_intended"].all()


def test_prediction_is_off_in_the_very_layer_whose_weights_are_not_independent():
    model = deep("relu", 256, 4, seed=0)
    kernel = model.layers[2].kernel
    # The same variance, but each unit's weights have one sign, like a ReLU's outputs.
    signs = np.where(np.arange(256) % 2, 1.0, -1.0)
    kernel.assign(np.abs(keras.ops.convert_to_numpy(kernel)) * signs)
    report = signal_report(model, normal(256, 256))
    ratio = report["measured_variance"] / report["predicted_variance"]
    off = np.abs(np.log(ratio[:4])) > np.log(1.5)
    assert off.tolist() == [False, False, True, False]


def test_other_weights_than_the_initializers_are_told():
    model = deep("relu", 64, 4, seed=0)
    kernel = model.layers[1].kernel
    kernel.assign(kernel * 1.2)
    report = signal_report(model, normal(32, 64))
    assert report["as_intended"].tolist() == [True, False, True, True, True]
    np.testing.assert_allclose(report["intended_variance"][:4], 2 / 64)
    assert (report["interval_low"] < report["intended_variance"]).all()
    assert (report["interval_high"] > report["intended_variance"]).all()


def test_constant_kernels_are_as_intended():
    model = sequential(
        keras.Input((8,)),
        layers.Dense(8, kernel_initializer="zeros"),
        layers.Dense(8, kernel_initializer=keras.initializers.Constant(0.1)),
        layers.Dense(8, kernel_initializer="identity"),
    )
    report = signal_report(model, normal(4, 8))
    assert report["as_intended"].all()
    assert report["weight_variance"][:2].tolist() == [0, 0]


def test_initializers_have_short_names(tmp_path):
    np.savez(tmp_path / "weights.npz", normal(8, 8))
    initializers = {
        "HeNormal": "he_normal",
        "ScaledDepth(24)": ScaledDepth(24),
        "ActivationScaling(relu)": ActivationScaling("relu"),
        "ActivationScaling(linear)": ActivationScaling(None),
        "ActivationScaling(ELU)": ActivationScaling(layers.ELU()),
        "Critical(tanh)": Critical("tanh", depth=10),
        "Pretrained": Pretrained(normal(8, 8)),
        "<lambda>": lambda shape, dtype: keras.ops.ones(shape),
    }
    from_file = Pretrained(tmp_path / "weights.npz")
    stack = [
        layers.Dense(8, kernel_initializer=initializer)
        for initializer in [*initializers.values(), from_file]
    ]
    report = signal_report(sequential(keras.Input((8,)), *stack), normal(4, 8))
    assert report["initializer"].tolist() == [*initializers, "Pretrained"]


def test_there_is_no_telling_what_a_plain_function_implies():
    def ones(shape, dtype):
        return keras.ops.ones(shape)

    model = sequential(keras.Input((8,)), layers.Dense(8, kernel_initializer=ones))
    assert signal_report(model, normal(4, 8))["as_intended"].tolist() == [None]


# -- models of every kind --------------------------------------------------------------


def test_attention_has_the_variances_that_keras_gives_it():
    inputs = keras.Input((6, 48))
    outputs = layers.MultiHeadAttention(4, 32)(inputs, inputs)
    report = signal_report(keras.Model(inputs, outputs), normal(16, 6, 48))
    last_parts = [name.split("/")[-1] for name in report.layers]
    assert last_parts == ["query", "key", "value", "attention_output"]
    assert report["fan_in"].tolist() == [48, 48, 48, 128]
    if KNOWS_EINSUM_AXES:
        # Glorot's fans are the same in both directions.
        np.testing.assert_allclose(report["intended_variance"], 2 / (48 + 128))
    assert report["as_intended"].all()


def test_a_shortcut_leaves_no_gradient_prediction():
    inputs = keras.Input((8,))
    first, second = layers.Dense(8, "relu"), layers.Dense(8, "relu")
    hidden = first(inputs)
    outputs = layers.Dense(2)(layers.Add()([hidden, second(hidden)]))
    report = signal_report(keras.Model(inputs, outputs), normal(16, 8))
    assert np.isnan(report["predicted_gradient_variance"]).all()


class Shortcut(keras.Model):
    """Has a shortcut that no layer shows."""

    def __init__(self):
        super().__init__()
        self.second, self.first = layers.Dense(8), layers.Dense(8, "relu", name="one")
        self.head = layers.Dense(2)

    def call(self, x):
        hidden = self.first(x)
        return self.head(hidden + self.second(hidden))


def test_subclassed_model_is_built_and_in_the_order_of_execution():
    model = Shortcut()
    report = signal_report(model, normal(16, 8))
    assert report.layers[0].endswith("one")
    assert len(report.layers) == 3
    assert np.isnan(report["predicted_gradient_variance"]).all()
    assert np.isfinite(report["gradient_variance"]).all()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it is a function of TensorFlow"
)
def test_call_inside_of_a_tf_function_is_measured():
    tf = pytest.importorskip("tensorflow")

    class Traced(Shortcut):
        call = tf.function(Shortcut.call)

    report = signal_report(Traced(), normal(16, 8))
    assert np.isfinite(report["measured_variance"]).all()
    assert not tf.config.functions_run_eagerly()


def test_output_that_is_none():
    class Optional(Shortcut):
        def call(self, x):
            return {"logits": super().call(x), "state": None}

    report = signal_report(Optional(), normal(16, 8))
    assert np.isfinite(report["gradient_variance"]).all()


def test_activation_is_looked_at_once_for_all_layers_that_have_it():
    @dataclasses.dataclass
    class Steep:
        """A callable without a hash, like any dataclass."""

        steepness: float
        calls: int = 0

        def __call__(self, x):
            self.calls += 1
            return keras.ops.tanh(self.steepness * x)

    def calls_at(depth):
        steep = Steep(0.5)
        model = deep(steep, 8, depth, seed=0)
        steep.calls = 0
        report = signal_report(model, normal(16, 8))
        assert np.isfinite(report["saturated_fraction"]).all()
        assert np.isfinite(report["gradient_variance"]).all()
        return steep.calls

    # A layer more is a call in the pass, one for its slopes, and a quadrature of a few
    # calls for its own mean square; the first has all that is found out besides.
    first, more = calls_at(1), calls_at(11) - calls_at(1)
    assert more / 10 < first - 2


def test_shared_layer_is_measured_at_its_first_call():
    shared = layers.Dense(8, "tanh", **HE)
    inputs = keras.Input((8,))
    model = keras.Model(inputs, shared(shared(inputs)))
    x = normal(16, 8)
    report = signal_report(model, x)
    expected = np.var(x @ shared.get_weights()[0])
    np.testing.assert_allclose(report["measured_variance"], [expected], rtol=1e-5)


def test_kernels_of_other_layers_are_reported_with_their_weights():
    model = sequential(
        keras.Input((5,), dtype="int32"),
        layers.Embedding(9, 4),
        layers.LSTM(3),
        layers.Dense(2),
    )
    report = signal_report(model, np.ones((4, 5), "int32"))
    assert report["initializer"].tolist() == [
        *["RandomUniform", "GlorotUniform", "Orthogonal", "GlorotUniform"]
    ]
    assert report["as_intended"].all()
    assert np.isnan(report["measured_variance"]).tolist() == [True, True, True, False]


def test_multiple_inputs_and_frozen_layers_and_nesting():
    left, right = keras.Input((4,)), keras.Input((5,))
    inner = sequential(keras.Input((16,)), layers.Dense(8), layers.Activation("tanh"))
    one = layers.Dense(8, trainable=False)
    joined = layers.Concatenate()([one(left), layers.Dense(8)(right)])
    outputs = layers.Dense(2, name="head")(inner(joined))
    model = keras.Model([left, right], [outputs, layers.Dense(1)(right)])
    report = signal_report(model, [normal(32, 4), normal(32, 5)])
    assert len(report.layers) == 5
    assert np.isfinite(report["measured_variance"]).all()
    [inner_row] = [i for i, name in enumerate(report.layers) if "sequential" in name]
    assert np.isfinite(report["predicted_gradient_variance"][inner_row])


def test_convolutions_are_predicted():
    keras.utils.set_random_seed(0)
    model = sequential(
        keras.Input((12, 12, 32)),
        layers.Conv2D(64, 3, strides=2, groups=2, activation="relu", **HE),
        layers.SeparableConv2D(64, 3),
        layers.Conv2DTranspose(64, 2, strides=2, **HE),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    )
    report = signal_report(model, normal(64, 12, 12, 32))
    ratio = report["predicted_variance"] / report["measured_variance"]
    assert np.isnan(ratio[1])  # the depthwise half, whose output is not available
    np.testing.assert_allclose(ratio[[0, 2, 3]], 1, atol=0.25)


class Standard(layers.Conv2D):
    """Weight standardization (Qiao et al., 2019)."""

    def convolution_op(self, inputs, kernel):
        kernel = keras.ops.convert_to_tensor(kernel)
        mean, variance = keras.ops.moments(kernel, (0, 1, 2), keepdims=True)
        kernel = (kernel - mean) / keras.ops.sqrt(variance + 1e-5)
        return super().convolution_op(inputs, kernel)


def test_layer_that_normalizes_its_kernel_is_scale_invariant():
    model = sequential(
        keras.Input((7, 7, 3)),
        layers.Conv2D(4, 3, activation="relu", **HE),
        Standard(4, 3, bias_initializer="random_normal"),
        layers.Conv2D(4, 3),
    )
    before = [v.numpy() for v in model.weights]
    report = signal_report(model, normal(9, 7, 7, 3))
    assert report["as_intended"].tolist() == [True, "scale-invariant", True]
    assert "scale-invariant" in repr(report)
    is_unknown = np.isnan(report["predicted_variance"]).tolist()
    assert is_unknown == [False, True, False]
    is_unknown = np.isnan(report["predicted_gradient_variance"]).tolist()
    assert is_unknown == [True, False, True]
    assert np.isfinite(report["measured_variance"]).all()
    assert np.isfinite(report["gradient_variance"]).all()
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_regularization_is_part_of_the_loss():
    """The gradient with respect to z includes the regularization of activities."""

    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.mean(x**2))
            return x

    def model(*stack):
        keras.utils.set_random_seed(0)
        model = sequential(keras.Input((8,)), layers.Dense(4), *stack)
        model.compile("sgd", "mse")
        return model

    x, y = normal(16, 8), normal(16, 4)
    z = keras.ops.convert_to_numpy(model()(x))
    of_loss, of_penalty = 2 * (z - y) / z.size, 2 * z / z.size
    for stack, gradient in (
        ([], of_loss),
        ([Penalty()], of_loss + of_penalty),
    ):
        report = signal_report(model(*stack), x, y)
        expected = [np.var(gradient)]
        np.testing.assert_allclose(report["gradient_variance"], expected, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_measured_as_single(dtype):
    def report(dtype):
        keras.utils.set_random_seed(3)
        model = sequential(
            keras.Input((32,), dtype="float32"),
            layers.Dense(64, "relu", dtype=dtype),
            layers.Dense(64, dtype=dtype),
            layers.Activation("tanh", dtype=dtype),
            layers.Dense(8, dtype="float32"),
        )
        optimizer = keras.optimizers.SGD()
        if dtype == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(optimizer, "mse")
        return signal_report(model, normal(64, 32), normal(64, 8, seed=1))

    single, half = report("float32"), report(dtype)
    for name in ("measured_variance", "gradient_variance"):
        np.testing.assert_allclose(half[name], single[name], rtol=0.05)


# -- no changes ------------------------------------------------------------------------


class Drawing(layers.Layer):
    """Draws from every generator, and fails if asked to."""

    fails = False

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # With JAX, Keras does not let a layer use the global generator.
        is_jax = keras.backend.backend() == "jax"
        self.generator = keras.random.SeedGenerator(1) if is_jax else None

    def call(self, x):
        random.random()
        np.random.rand()
        noise = keras.random.normal(keras.ops.shape(x), seed=self.generator)
        if self.fails and not isinstance(x, keras.KerasTensor):
            raise RuntimeError("as asked")
        return x + noise


@pytest.fixture
def restless():
    keras.utils.set_random_seed(0)
    keras.random.normal((1,))  # from here on there is a global generator
    inputs = keras.Input((8,))
    hidden = layers.Dense(8, "relu")(inputs)
    hidden = layers.BatchNormalization()(layers.Dropout(0.5)(hidden))
    hidden = layers.SpectralNormalization(layers.Dense(8))(hidden)
    hidden = Drawing(name="drawing")(hidden)
    frozen = layers.Dense(4, trainable=False)
    model = keras.Model(inputs, [frozen(hidden), layers.Dense(2)(hidden)])
    model.compile("adam", ["mse", "mse"], metrics=[["mae"], ["mae"]])
    y = [normal(16, 4), normal(16, 2)]
    model.train_on_batch(normal(16, 8), y)
    return model, normal(16, 8, seed=2), y


def state(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    arrays = [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]
    return (
        arrays,
        [layer.trainable for layer in model._flatten_layers()],
        [sorted(vars(layer)) for layer in model._flatten_layers()],
        random.getstate(),
        str(np.random.get_state()),
    )


@pytest.mark.parametrize("has_targets", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_nothing_is_changed(restless, has_targets, fails):
    model, x, y = restless
    model.get_layer("drawing").fails = fails
    before = state(model)
    y = y if has_targets else None
    if fails:
        with pytest.raises(RuntimeError, match="as asked"):
            signal_report(model, x, y)
    else:
        signal_report(model, x, y)
    assert state(model) == before


def test_what_keras_draws_next_is_not_changed(restless):
    model, x, _ = restless

    def next_draw():
        with random_state_kept():
            return keras.ops.convert_to_numpy(keras.random.normal((3,)))

    keras.random.normal((3,))
    expected = next_draw()
    signal_report(model, x)
    np.testing.assert_array_equal(next_draw(), expected)


def test_losses_are_not_built():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, [layers.Dense(4)(inputs), layers.Dense(2)(inputs)])
    model.compile("sgd", ["mse", "mse"])
    before = [id(variable) for variable in model.metrics_variables]
    signal_report(model, normal(16, 8), [normal(16, 4), normal(16, 2)])
    assert [id(variable) for variable in model.metrics_variables] == before
    # The model can still be trained.
    model.train_on_batch(normal(16, 8), [normal(16, 4), normal(16, 2)])
    assert len(model.metrics_variables) > len(before)


def test_training_goes_on_as_if_nothing_had_been():
    def losses(with_report):
        keras.utils.set_random_seed(0)
        model = sequential(
            keras.Input((8,)), layers.Dense(8), layers.Dropout(0.5), layers.Dense(1)
        )
        model.compile("adam", "mse")
        x, y = normal(32, 8), normal(32, 1)
        for _ in range(2):
            if with_report:
                signal_report(model, x, y)
            history = model.fit(x, y, epochs=2, verbose=0)
        return history.history["loss"]

    assert losses(True) == losses(False)


# -- refused input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.ones((4, 7)),
            "takes inputs of shape (None, 8). Received: x of shape (4, 7)",
        ),
        (np.ones((0, 8)), "must not be empty. Received: x of shape (0, 8)"),
        (
            np.full((4, 8), np.nan),
            "must be finite. Received: x of shape (4, 8) with 32",
        ),
        ([np.ones((4, 8))] * 2, "Received: x of shape [(4, 8), (4, 8)]"),
        ("data", "must be one batch of inputs"),
        (np.ones((4, 8)).tolist(), "Received: x of type list with values of type flo"),
        ([], "Received: x of type list"),
        (np.array(1.0), "an array with an axis of samples"),
    ],
)
def test_bad_inputs(x, message):
    model = sequential(keras.Input((8,)), layers.Dense(2))
    with pytest.raises(ValueError, match=re.escape(message)):
        signal_report(model, x)


def test_inputs_of_different_lengths():
    inputs = [keras.Input((8,)), keras.Input((8,))]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(inputs)))
    with pytest.raises(ValueError, match=re.escape("x of shape [(4, 8), (3, 8)]")):
        signal_report(model, [normal(4, 8), normal(3, 8)])


@pytest.mark.parametrize("model", [None, layers.Dense(2), "model.keras"])
def test_what_is_no_model(model):
    with pytest.raises(ValueError, match="Argument `model` must be a"):
        signal_report(model, normal(4, 8))


def test_bad_targets():
    model = sequential(keras.Input((8,)), layers.Dense(2))
    with pytest.raises(ValueError, match="`y` needs a model that is compiled"):
        signal_report(model, normal(4, 8), normal(4, 2))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="each of the 4 samples"):
        signal_report(model, normal(4, 8), normal(3, 2))
    with pytest.raises(ValueError, match="y of type list with values of type float"):
        signal_report(model, normal(4, 8), normal(4, 2).tolist())


SPARSE = "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    "loss", [SPARSE, keras.losses.SparseCategoricalCrossentropy(name="of_mine")]
)
@pytest.mark.parametrize("is_functional", [True, False])
def test_one_hot_targets_of_a_sparse_loss(loss, is_functional):
    model = sequential(keras.Input((8,)), layers.Dense(3, "softmax"))
    if not is_functional:
        model = Shortcut()
        model.head = layers.Dense(3, "softmax")
    model.compile("sgd", loss)
    classes = np.arange(4) % 3
    message = r"must hold class numbers .*argmax.*Received: one-hot y of shape \(4, 3\)"
    with pytest.raises(ValueError, match=message):
        signal_report(model, normal(4, 8), np.eye(3)[classes])
    for y in (classes, classes[:, None]):
        assert np.isfinite(
            signal_report(model, normal(4, 8), y)["gradient_variance"]
        ).all()


def test_class_numbers_of_each_position_are_not_one_hot():
    model = sequential(keras.Input((3, 8)), layers.Dense(2, "softmax"))
    model.compile("sgd", SPARSE)
    assert signal_report(model, normal(4, 3, 8), np.eye(3)[[0, 1, 2, 0]])


def test_model_without_a_call_names_its_submodels():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = sequential(keras.Input((2,)), layers.Dense(8))
            self.critic = sequential(keras.Input((8,)), layers.Dense(1))

    with pytest.raises(ValueError, match=r"model\.generator, model\.critic\. Received"):
        signal_report(Pair(), normal(4, 8))


def test_model_that_cannot_be_built_on_x_names_its_shape():
    class Eight(Shortcut):
        def call(self, x):
            return super().call(x @ keras.ops.ones((8, 8)))

    with pytest.raises(ValueError, match=re.escape("x of shape (4, 7)")):
        signal_report(Eight(), normal(4, 7))


def test_model_without_a_kernel():
    model = sequential(keras.Input((8,)), layers.ReLU())
    with pytest.raises(ValueError, match="must have a kernel"):
        signal_report(model, normal(4, 8))


# -- appearance ------------------------------------------------------------------------


def test_text_fits_a_terminal_and_the_dict_has_everything():
    report = signal_report(deep("relu", 64, 3, seed=0), normal(16, 64))
    lines = repr(report).splitlines()
    assert len(lines) == 2 + 4
    assert max(map(len, lines)) <= 120
    assert set(report) < set(report.to_dict())
    assert {"interval_low", "intended_variance", "gain"} < set(report)


def test_picture_shows_both_variances():
    report = signal_report(deep("relu", 64, 3, seed=0), normal(16, 64))
    signal, gradient = report.plot().axes
    for axes, name in (
        (signal, "measured_variance"),
        (gradient, "gradient_variance"),
    ):
        measured, predicted = axes.lines
        np.testing.assert_array_equal(measured.get_ydata(), report[name])
        assert predicted.get_label() == "predicted"
        assert axes.get_yscale() == "log"


def test_picture_of_many_layers_and_of_none_that_is_positive():
    model = sequential(keras.Input((4,)), *(layers.Dense(4, **HE) for _ in range(30)))
    assert signal_report(model, normal(8, 4)).plot().axes
    zeros = sequential(keras.Input((4,)), layers.Dense(4, kernel_initializer="zeros"))
    assert signal_report(zeros, normal(8, 4)).plot().axes[0].lines
