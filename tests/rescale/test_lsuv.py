import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initkit.kernels.random_state import random_state_kept
from keras_initkit.report.signal_report import signal_report
from keras_initkit.rescale.lsuv import lsuv


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sequential(*stack, shape=(8,), **kwargs):
    return keras.Sequential([keras.Input(shape), *stack], **kwargs)


def dense_stack(depth, activation, width=16, **kwargs):
    stack = [layers.Dense(width, activation, **kwargs) for _ in range(depth)]
    return sequential(*stack)


def everything(model):
    """Every number of a model: weights, averages, seeds, metrics."""
    variables = [*model.variables, *model.metrics_variables]
    return [ops.convert_to_numpy(variable) for variable in variables]


def assert_same_bits(values, others):
    assert [v.tobytes() for v in values] == [v.tobytes() for v in others]


def pre_activation_variances(model, x):
    """An independent computation: a model of all outputs, with linear activations."""
    variances = []
    for layer in model.layers:
        if layer.weights:
            kernel, bias = map(ops.convert_to_numpy, layer.weights)
            variances.append(np.var(x @ kernel + bias, dtype="float64"))
        x = ops.convert_to_numpy(layer(x))
    return variances


def numpy_lsuv(kernels, x, tolerance, max_iterations):
    """Algorithm 1 of Mishkin & Matas for a plain tanh network without biases."""
    done = []
    for kernel in kernels:
        for _ in range(max_iterations):
            variance = np.var(x @ kernel)
            if abs(variance - 1) <= tolerance:
                break
            kernel = kernel / np.sqrt(variance)
        done.append(kernel)
        x = np.tanh(x @ kernel)
    return done


class TestResult:
    def test_equals_the_algorithm_written_in_numpy(self):
        model = dense_stack(6, "tanh", kernel_initializer="he_normal")
        x = normal(200, 8)
        kernels = [layer.kernel.numpy() for layer in model.layers]
        report = lsuv(model, x, tolerance=0.01, orthogonal=False)
        expected = numpy_lsuv(kernels, x, 0.01, 20)
        for layer, kernel, start, factor in zip(
            model.layers, expected, kernels, report["factor"], strict=True
        ):
            np.testing.assert_allclose(layer.kernel, kernel, rtol=1e-4)
            np.testing.assert_allclose(layer.kernel, start * factor, rtol=1e-6)

    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_a_deep_relu_network_has_one_everywhere(self, orthogonal):
        model = dense_stack(60, "relu", 32, kernel_initializer="he_normal")
        x = normal(256, 8)
        before = pre_activation_variances(model, x)
        assert not np.allclose(before, 1, atol=0.1)
        report = lsuv(model, x, orthogonal=orthogonal)
        after = pre_activation_variances(model, x)
        np.testing.assert_allclose(after, 1, atol=0.021)
        np.testing.assert_allclose(report["after"], after, rtol=1e-3)
        assert report["converged"].all()
        assert set(report["iterations"]) <= {0, 1}

    @pytest.mark.parametrize("target", [0.1, 4.0])
    def test_target_variance(self, target):
        model = dense_stack(3, "tanh")
        x = normal(100, 8)
        report = lsuv(model, x, target_variance=target)
        np.testing.assert_allclose(report["after"], target, rtol=0.02)
        variances = pre_activation_variances(model, x)
        np.testing.assert_allclose(variances, target, rtol=0.02)

    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_a_bias_other_than_zero_converges(self, orthogonal):
        bias = keras.initializers.RandomNormal(stddev=0.7, seed=1)
        model = dense_stack(4, "tanh", bias_initializer=bias)
        biases = [layer.bias.numpy() for layer in model.layers]
        x = normal(100, 8)
        report = lsuv(model, x, orthogonal=orthogonal)
        assert report["converged"].all()
        assert report["iterations"].max() > 1
        np.testing.assert_allclose(pre_activation_variances(model, x), 1, atol=0.021)
        assert_same_bits([layer.bias.numpy() for layer in model.layers], biases)

    def test_too_few_iterations_are_reported(self):
        bias = keras.initializers.RandomNormal(stddev=0.7, seed=1)
        model = sequential(layers.Dense(16, bias_initializer=bias))
        report = lsuv(model, normal(100, 8), max_iterations=1)
        assert report["iterations"].tolist() == [1]
        assert report["converged"].tolist() == [False]
        assert abs(report["after"][0] - 1) > 0.02

    @pytest.mark.parametrize(
        ("dtype", "tolerance"), [("float32", 1e-9), ("bfloat16", 1e-5)]
    )
    def test_a_tolerance_below_rounding_is_reported(self, dtype, tolerance):
        model = dense_stack(3, "tanh", dtype=dtype)
        report = lsuv(model, normal(64, 8), tolerance=tolerance)
        assert not report["converged"].all()
        np.testing.assert_allclose(report["after"], 1, rtol=0.02)

    def test_the_iterations_may_be_an_integer_of_numpy(self):
        model = dense_stack(2, "tanh")
        assert lsuv(model, normal(64, 8), max_iterations=np.int64(3))["converged"].all()

    def test_within_the_tolerance_nothing_is_touched(self):
        model = dense_stack(3, "relu")
        x = normal(100, 8)
        lsuv(model, x)
        before = everything(model)
        report = lsuv(model, x, tolerance=0.03, orthogonal=False)
        assert_same_bits(everything(model), before)
        assert report["factor"].tolist() == [1, 1, 1]
        assert report["iterations"].tolist() == [0, 0, 0]
        np.testing.assert_array_equal(report["before"], report["after"])

    @pytest.mark.parametrize("units", [4, 8, 20])
    def test_kernels_are_orthogonal(self, units):
        model = sequential(layers.Dense(units))
        lsuv(model, normal(100, 8))
        kernel = model.layers[0].kernel.numpy()
        gram = kernel.T @ kernel if units <= 8 else kernel @ kernel.T
        np.testing.assert_allclose(
            gram, gram[0, 0] * np.eye(len(gram)), atol=1e-5 * gram[0, 0]
        )

    def test_orthogonal_kernels_are_reproducible_and_all_different(self):
        def kernels():
            model = dense_stack(3, "tanh", 8)
            keras.utils.set_random_seed(3)
            lsuv(model, normal(50, 8))
            return [layer.kernel.numpy() for layer in model.layers]

        first = kernels()
        assert_same_bits(first, kernels())
        assert len({kernel.tobytes() for kernel in first}) == 3

    def test_report(self):
        model = dense_stack(2, "tanh")
        x = normal(100, 8)
        before = pre_activation_variances(model, x)
        report = lsuv(model, x, orthogonal=False)
        assert list(report) == ["before", "after", "factor", "iterations", "converged"]
        assert report.layers == ["dense", "dense_1"]
        assert report["before"][0] == pytest.approx(before[0], rel=1e-4)
        assert report["factor"][0] == pytest.approx(before[0] ** -0.5, rel=1e-4)

    def test_new_kernels_count_as_intended(self):
        model = dense_stack(4, "relu", width=32)
        x = normal(500, 8)
        lsuv(model, x)
        found = signal_report(model, x)
        for layer, variance in zip(
            model.layers, found["intended_variance"], strict=True
        ):
            kernel = layer.kernel.numpy()
            scales = np.linalg.svd(kernel, compute_uv=False)  # all of them are one
            np.testing.assert_allclose(scales, scales[0], rtol=1e-5)
            expected = np.sum(scales**2) / kernel.size
            np.testing.assert_allclose(variance, expected, rtol=1e-5)
        assert set(found["initializer"]) == {"ScaledOrthogonal"}
        assert found["as_intended"].tolist() == [True] * 4
        assert found.findings == []

    def test_a_kernel_that_is_rescaled_counts_as_intended(self):
        large = keras.initializers.RandomNormal(stddev=1.0)
        model = dense_stack(4, "relu", width=32, kernel_initializer=large)
        x = normal(500, 8)
        before = [layer.kernel.numpy() for layer in model.layers]
        lsuv(model, x, orthogonal=False)
        found = signal_report(model, x)
        factors = [
            np.mean(layer.kernel.numpy() / kernel)
            for layer, kernel in zip(model.layers, before, strict=True)
        ]
        expected = np.square(factors) * 1.0
        np.testing.assert_allclose(found["intended_variance"], expected, rtol=1e-5)
        assert found["as_intended"].tolist() == [True] * 4
        assert found.findings == []

    def test_what_is_refused_counts_as_before(self):
        model = sequential(layers.Dense(16), layers.Dense(4))
        model.layers[1].kernel.assign(np.zeros((16, 4)))
        with pytest.raises(ValueError, match="constant"):
            lsuv(model, normal(100, 8), orthogonal=False)
        found = signal_report(model, normal(100, 8))["intended_variance"]
        np.testing.assert_allclose(found, [2 / 24, 2 / 20])

    def test_a_model_that_is_not_built_yet(self):
        model = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2)])
        assert lsuv(model, normal(50, 8))["converged"].all()


class TestCost:
    @pytest.mark.parametrize("depth", [5, 20])
    def test_each_layer_runs_about_once_for_each_iteration(self, depth, monkeypatch):
        model = dense_stack(depth, "relu")
        called = []
        call = layers.Dense.call

        def counting(layer, *args, **kwargs):
            called.append(layer)
            return call(layer, *args, **kwargs)

        monkeypatch.setattr(layers.Dense, "call", counting)
        report = lsuv(model, normal(50, 8))
        # Calls: before, with an orthogonal kernel, after each iteration, and to check
        # that a call leaves the kernels alone.
        counts = [called.count(layer) for layer in model.layers]
        np.testing.assert_array_equal(counts, 4 + report["iterations"])


class TestModels:
    def test_layers_are_met_in_the_order_of_execution(self):
        inputs = keras.Input((8,))
        last, first = layers.Dense(4, name="last"), layers.Dense(8, name="first")
        inner = sequential(layers.Dense(8, "relu", name="inside"), name="inner")

        class Reversed(keras.Model):
            def __init__(self):
                super().__init__()
                self.last, self.inner, self.first = last, inner, first

            def call(self, x):
                return self.last(self.inner(self.first(x)))

        model = Reversed()
        model(inputs)
        report = lsuv(model, normal(50, 8))
        names = [name.rpartition("/")[2] for name in report.layers]
        assert names == ["first", "inside", "last"]
        assert report["converged"].all()

    def test_a_shared_layer_is_treated_at_its_first_call(self):
        inputs = keras.Input((8,))
        shared = layers.Dense(8, "relu")
        model = keras.Model(inputs, shared(shared(inputs)))
        x = normal(100, 8)
        report = lsuv(model, x)
        assert len(report.layers) == 1
        assert np.var(x @ shared.kernel.numpy()) == pytest.approx(1, abs=0.02)

    def test_several_inputs_and_outputs(self):
        left, right = keras.Input((8,), name="left"), keras.Input((3,), name="right")
        joined = layers.Concatenate()(
            [layers.Dense(4, "tanh")(left), layers.Dense(5, "tanh")(right)]
        )
        outputs = {"a": layers.Dense(2)(joined), "b": layers.Dense(1)(joined)}
        model = keras.Model({"left": left, "right": right}, outputs)
        report = lsuv(model, {"left": normal(50, 8), "right": normal(50, 3)})
        assert len(report.layers) == 4
        assert report["converged"].all()

    @pytest.mark.parametrize(
        "layer",
        [
            lambda: layers.Conv2D(6, 3, activation="relu"),
            lambda: layers.Conv2D(6, 3, groups=2),
            lambda: layers.Conv2DTranspose(6, 3, strides=2),
            lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
            lambda: layers.SeparableConv2D(6, 3, activation="relu"),
            lambda: layers.EinsumDense("abcd,def->abcef", (None, None, 2, 3), "relu"),
            lambda: layers.Dense(5),
        ],
    )
    def test_every_kind_of_layer(self, layer):
        layer = layer()
        model = sequential(layer, shape=(7, 7, 4))
        x = 3 * normal(20, 7, 7, 4)
        report = lsuv(model, x)
        assert report["converged"].all()
        layer.activation = keras.activations.linear
        z = ops.convert_to_numpy(model(x))
        assert np.var(z) == pytest.approx(1, abs=0.021)

    def test_a_convolution_is_orthogonal_over_its_window(self):
        model = sequential(layers.Conv2D(6, 3), shape=(7, 7, 4))
        lsuv(model, normal(20, 7, 7, 4))
        matrix = model.layers[0].kernel.numpy().reshape(36, 6)
        gram = matrix.T @ matrix
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(6), atol=1e-5 * gram[0, 0])

    def test_attention(self):
        inputs = keras.Input((5, 8))
        hidden = layers.MultiHeadAttention(2, 4)(inputs, inputs)
        model = keras.Model(inputs, layers.Dense(3)(hidden))
        report = lsuv(model, normal(40, 5, 8))
        assert len(report.layers) == 5
        assert report["converged"].all()
        query = model.layers[1]._query_dense.kernel.numpy().reshape(8, 8)
        gram = query.T @ query
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(8), atol=1e-5 * gram[0, 0])

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
    def test_half_precision(self, policy):
        kwargs = {"dtype": policy, "kernel_initializer": "glorot_normal"}
        model = dense_stack(5, "relu", **kwargs)
        report = lsuv(model, normal(200, 8))
        assert report["converged"].all()

    def test_mixed_precision_keeps_all_digits_of_a_kernel(self):
        model = dense_stack(2, "tanh", dtype="mixed_float16")
        starts = [layer.kernel.numpy() for layer in model.layers]
        report = lsuv(model, normal(100, 8), orthogonal=False)
        for layer, start, factor in zip(
            model.layers, starts, report["factor"], strict=True
        ):
            np.testing.assert_allclose(layer.kernel, start * factor, rtol=1e-6)

    def test_mixed_precision_draws_orthogonal_kernels_in_full(self):
        model = sequential(layers.Dense(8, dtype="mixed_bfloat16"))
        lsuv(model, normal(100, 8))
        kernel = model.layers[0].kernel.numpy()
        gram = kernel.T @ kernel
        np.testing.assert_allclose(gram / gram[0, 0], np.eye(8), atol=1e-5)


class TestWhatIsLeftAlone:
    def stateful(self):
        model = sequential(
            layers.Dense(16, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=1),
            layers.Dense(16, "relu", name="frozen", trainable=False),
            layers.GaussianNoise(0.1),
            layers.Dense(1, activity_regularizer="l2"),
        )
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(normal(32, 8), normal(32, 1), verbose=0)
        return model

    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_all_but_the_kernels(self, orthogonal):
        model = self.stateful()
        kernels = {id(layer.kernel) for layer in (model.layers[0], model.layers[-1])}

        def rest():
            variables = [*model.variables, *model.metrics_variables]
            return [ops.convert_to_numpy(v) for v in variables if id(v) not in kernels]

        slots = [ops.convert_to_numpy(v) for v in model.optimizer.variables]
        flags = [layer.trainable for layer in model.layers]
        attributes = [set(vars(layer)) for layer in model.layers]
        before = rest()
        x = 5 * normal(32, 8)
        report = lsuv(model, x, orthogonal=orthogonal, discard_trained=orthogonal)
        assert len(report.layers) == 2
        assert_same_bits(rest(), before)
        after = [ops.convert_to_numpy(v) for v in model.optimizer.variables]
        assert_same_bits(after, slots)
        assert [layer.trainable for layer in model.layers] == flags
        assert [set(vars(layer)) for layer in model.layers] == attributes
        assert [layer.activation.__name__ for layer in model.layers[::5]] == [
            "relu",
            "linear",
        ]

    def test_random_state_of_keras(self):
        class Noise(layers.Layer):
            def compute_output_shape(self, shape):
                return shape

            def call(self, inputs):
                return inputs + keras.random.normal(ops.shape(inputs))

        model = sequential(Noise(), layers.Dense(4))

        def next_draw():
            with random_state_kept():
                return ops.convert_to_numpy(keras.random.normal((2,)))

        keras.random.normal((2,))
        expected = next_draw()
        lsuv(model, normal(50, 8))
        np.testing.assert_array_equal(next_draw(), expected)

    @pytest.mark.skipif(
        keras.backend.backend() == "torch", reason="every step runs layer by layer"
    )
    def test_the_train_function_is_not_traced_again(self):
        traces = []

        class Traced(layers.Layer):
            def call(self, inputs):
                traces.append(1)
                return inputs

        model = sequential(Traced(), layers.Dense(4, "relu"), layers.Dense(1))
        model.compile("sgd", "mse")
        x, y = normal(32, 8), normal(32, 1)
        model.fit(x, y, verbose=0)
        function = model.train_function
        lsuv(model, x, orthogonal=False)
        traces.clear()
        model.fit(x, y, verbose=0)
        assert model.train_function is function
        assert not traces

    def test_a_kernel_that_its_layer_normalizes_in_each_call(self):
        model = sequential(
            layers.SpectralNormalization(layers.Dense(8, "relu", name="inside")),
            layers.Dense(8, name="behind"),
        )
        behind = model.layers[1].kernel
        before = [v.numpy() for v in model.variables if v is not behind]
        report = lsuv(model, normal(50, 8), layers="behind")
        assert report["converged"].all()
        after = [v.numpy() for v in model.variables if v is not behind]
        assert_same_bits(after, before)

    def test_layers_that_are_not_selected(self):
        model = sequential(
            layers.Dense(8, "relu", name="first"), layers.Dense(8, name="second")
        )
        before = model.get_layer("first").kernel.numpy()
        report = lsuv(model, normal(50, 8), layers="second")
        assert len(report.layers) == 1
        np.testing.assert_array_equal(model.get_layer("first").kernel, before)
        z = ops.convert_to_numpy(model(normal(50, 8)))
        assert np.var(z) == pytest.approx(1, abs=0.02)


BIAS = keras.initializers.RandomNormal(stddev=0.5, seed=1)


def standardized(kernel):
    """Weight standardization (Qiao et al., 2019)."""
    kernel = ops.convert_to_tensor(kernel)
    axes = tuple(range(len(kernel.shape) - 1))
    mean, variance = ops.moments(kernel, axes, keepdims=True)
    return (kernel - mean) / ops.sqrt(variance + 1e-5)


class StandardConvolution(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, standardized(kernel))


class StandardDense(layers.Dense):
    def call(self, inputs):
        kernel = standardized(ops.cast(self.kernel, "float32"))
        z = inputs @ ops.cast(kernel, inputs.dtype) + self.bias
        return self.activation(z)


class TestRefusals:
    def refused(self, model, x, match, **kwargs):
        before = everything(model)
        with pytest.raises(ValueError, match=match):
            lsuv(model, x, **kwargs)
        assert_same_bits(everything(model), before)
        assert not any("call" in vars(layer) for layer in model.layers)

    @pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
    @pytest.mark.parametrize(
        "bias", ["zeros", "ones", keras.initializers.Constant(0.1)]
    )
    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_a_kernel_of_zeros(self, orthogonal, bias, policy):
        model = sequential(
            layers.Dense(8, "relu", dtype=policy),
            layers.Dropout(0.5),
            layers.BatchNormalization(dtype=policy),
            layers.Dense(
                8,
                kernel_initializer="zeros",
                bias_initializer=bias,
                dtype=policy,
                name="nothing",
            ),
        )
        self.refused(
            model, normal(50, 8), "nothing' are constant", orthogonal=orthogonal
        )

    @pytest.mark.parametrize("bias", ["zeros", BIAS])
    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_dead_units_before_it(self, orthogonal, bias):
        dead = keras.initializers.Constant(-100)
        model = sequential(
            layers.Dense(8, "relu", bias_initializer=dead),
            layers.Dense(8, bias_initializer=bias, name="behind"),
        )
        self.refused(
            model,
            normal(50, 8),
            r"behind' (are constant|do not depend on its kernel)",
            orthogonal=orthogonal,
        )

    def test_a_kernel_of_zeros_with_a_bias_that_varies(self):
        model = sequential(
            layers.Dense(8, kernel_initializer="zeros", bias_initializer=BIAS)
        )
        match = "do not depend on its kernel"
        self.refused(model, normal(50, 8), match, orthogonal=False)

    def test_a_bias_of_more_than_the_target(self):
        bias = keras.initializers.RandomNormal(stddev=3, seed=1)
        model = sequential(
            layers.Dense(8), layers.Dense(50, bias_initializer=bias, name="loud")
        )
        self.refused(model, normal(50, 8), "loud' have a variance of .* from its bias")

    def test_a_signal_that_overflows(self):
        model = sequential(layers.Rescaling(1e38), layers.Dense(8, name="first"))
        self.refused(model, 100 * normal(50, 8), "first' are not finite")

    @pytest.mark.parametrize(
        "x",
        [
            None,
            [],
            normal(0, 8),
            normal(50, 7),
            normal(50, 8).tolist(),
            (normal(50, 8), normal(50, 1)),
            np.full((50, 8), math.nan),
            np.full((50, 8), math.inf),
        ],
    )
    def test_what_is_no_batch_of_the_model(self, x):
        model = sequential(layers.Dense(8))
        self.refused(model, x, r"(?s)Argument `x` .*Received: x")

    @pytest.mark.parametrize("orthogonal", [True, False])
    @pytest.mark.parametrize("is_normalized", [True, False])
    def test_a_kernel_that_the_next_call_normalizes(self, is_normalized, orthogonal):
        model = sequential(
            # Half its variance, so an orthogonal kernel after it is not enough.
            layers.Dense(8, "relu", name="before"),
            layers.SpectralNormalization(layers.Dense(8, "relu", name="inside")),
        )
        for _ in range(200 * is_normalized):
            model(normal(50, 8), training=True)
        match = "inside' come from a kernel that the model itself changes"
        self.refused(model, normal(50, 8), match, orthogonal=orthogonal)

    @pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
    @pytest.mark.parametrize("kind", ["convolution_op", "call"])
    @pytest.mark.parametrize("orthogonal", [True, False])
    @pytest.mark.parametrize("bias", ["zeros", BIAS])
    def test_a_layer_that_standardizes_its_kernel(self, kind, orthogonal, bias, policy):
        options = {"bias_initializer": bias, "name": "standard", "dtype": policy}
        model = sequential(
            layers.Conv2D(4, 3, activation="relu"),
            StandardConvolution(4, 3, **options)
            if kind == "convolution_op"
            else StandardDense(4, **options),
            layers.Dense(2),
            shape=(7, 7, 3),
        )
        match = "standard' do not depend on the scale of its kernel"
        # A variance that it does not have by chance.
        self.refused(
            model,
            normal(9, 7, 7, 3),
            match,
            orthogonal=orthogonal,
            target_variance=1000.0,
        )

    def test_a_subclass_that_is_linear_in_its_kernel(self):
        class Doubled(layers.Dense):
            def call(self, inputs):
                return self.activation(inputs @ (2 * self.kernel) + self.bias)

        model = sequential(Doubled(8, "relu", bias_initializer=BIAS), Doubled(4))
        assert lsuv(model, normal(50, 8))["converged"].all()

    @pytest.mark.parametrize("scale", [1.0, 1000.0])
    def test_trained_kernels_are_kept_unless_asked(self, scale):
        model = dense_stack(2, "relu")
        model.compile("sgd", "mse")
        x = scale * normal(32, 8)
        lsuv(model, x)
        model.fit(normal(32, 8), normal(32, 16), epochs=2, verbose=0)
        match = r"would discard the trained kernels.*has taken 2 steps"
        self.refused(model, x, match)
        kernel = model.layers[0].kernel.numpy()
        lsuv(model, x, orthogonal=False)
        factor = model.layers[0].kernel.numpy() / kernel
        np.testing.assert_allclose(factor, factor[0, 0], rtol=1e-5)
        assert lsuv(model, x, discard_trained=True)["converged"].all()

    def test_a_model_that_only_trains_others(self):
        class Pair(keras.Model):
            def __init__(self):
                super().__init__()
                self.encoder = sequential(layers.Dense(2))
                self.decoder = sequential(layers.Dense(8), shape=(2,))

        match = r"Pass a submodel: model\.encoder, model\.decoder\. Received: model 'p"
        with pytest.raises(ValueError, match=match):
            lsuv(Pair(), normal(50, 8))
        assert lsuv(Pair().encoder, normal(50, 8))["converged"].all()

    @pytest.mark.skipif(
        keras.backend.backend() == "torch", reason="nothing here is compiled"
    )
    def test_a_layer_that_is_called_inside_of_a_compiled_function(self):
        class Compiled(layers.Layer):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(4, name="hidden")

            def call(self, inputs):
                if not ops.is_tensor(inputs) or isinstance(inputs, keras.KerasTensor):
                    return self.dense(inputs)
                return compiled(self.dense)(inputs)

        name = keras.backend.backend()
        framework = pytest.importorskip(name)
        compiled = framework.function if name == "tensorflow" else framework.jit
        model = sequential(Compiled())
        self.refused(model, normal(50, 8), "hidden' are computed inside a compiled")

    def test_any_other_error_behind_it(self):
        class Fails(layers.Layer):
            def call(self, inputs):
                if fail:
                    raise ValueError("of the user")
                return inputs

        fail = False
        model = sequential(
            layers.Dense(8, dtype="mixed_float16"), layers.Dropout(0.5), Fails()
        )
        fail = True
        self.refused(model, normal(50, 8), "of the user")

    def test_layers_without_a_kernel_of_this_kind(self):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Embedding(10, 8),
                layers.LSTM(4),
                layers.Dense(2),
            ]
        )
        x = np.arange(40).reshape(10, 4) % 10
        match = (
            r"select a Dense, EinsumDense or convolution layer .*layers=\['emb\*', .*\]"
        )
        self.refused(model, x, match, layers=["emb*", layers.LSTM])
        assert len(lsuv(model, x).layers) == 1

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("target_variance", [0, -1, math.nan, math.inf, "1", None, True]),
            ("tolerance", [0, -0.1, math.nan, math.inf, "1", None, True]),
            ("max_iterations", [0, -1, 2.5, "1", None, True]),
        ],
    )
    def test_bad_arguments(self, name, values):
        model = sequential(layers.Dense(4))
        for value in values:
            match = f"Argument `{name}` .*Received: {name}="
            self.refused(model, normal(50, 8), match, **{name: value})

    def test_a_pattern_that_matches_nothing(self):
        model = sequential(layers.Dense(4))
        self.refused(model, normal(50, 8), "Argument `layers`", layers="conv*")

    def test_a_frozen_model(self):
        model = sequential(layers.Dense(4))
        model.trainable = False
        self.refused(model, normal(50, 8), "no trainable kernel")
