"""Every statistic in a real `fit`, against numpy on the tensors of an eager loop."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit import LayerStatsCallback
from keras_initkit.stats import log_bins

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 8)).astype("float32")
Y = RNG.integers(0, 3, size=60)
BATCH = 12
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
ALL = {
    "statistics": "all",
    "histogram_steps": 2,
    "update_freq": 1,
}


def network():
    """A model with a dead unit, every kind of activation, and a layer called twice."""
    bias = np.zeros(16, "float32")
    bias[:4] = -100
    twice = layers.Dense(16, activation="tanh", name="twice")
    inputs = keras.Input((8,))
    x = layers.Dense(
        16,
        activation="relu",
        bias_initializer=lambda shape, dtype=None: keras.ops.array(bias),
        name="dead",
    )(inputs)
    x = layers.Dropout(0.5, seed=1)(x)
    x = twice(twice(x))
    x = layers.Dense(16, name="before_layer", kernel_initializer="random_normal")(x)
    x = layers.LeakyReLU(negative_slope=0.001)(x)
    x = layers.Dense(16, activation="sigmoid", name="large")(400 * x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def train(callbacks=(), **options):
    keras.utils.set_random_seed(0)
    model = network()
    model.compile(keras.optimizers.AdamW(0.01, clipnorm=0.5), LOSS, **options)
    losses = model.fit(
        X, Y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=list(callbacks)
    ).history["loss"]
    return losses, model.get_weights()


def moments(source, tensor):
    tensor = np.asarray(tensor, "float64")
    return {f"{source}_mean": tensor.mean(), f"{source}_variance": tensor.var()}


def of_tensor(source, tensor):
    tensor = np.asarray(tensor, "float64")
    return moments(source, tensor) | {
        f"{source}_l2_norm": np.linalg.norm(tensor),
        f"{source}_max_abs": abs(tensor).max(),
        f"{source}_zero_fraction": (tensor == 0).mean(),
        f"{source}_nonfinite_count": 0,
    }


def of_signal(z, a, slope, max_slope):
    flat = (abs(slope) < 0.01 * max_slope).mean(axis=0)
    return (
        moments("pre_activation", z)
        | moments("activation", a)
        | {
            "dead_fraction": (a == 0).all(axis=0).mean(),
            "saturated_fraction": (flat > 0.5).mean(),
        }
    )


numbers = keras.ops.convert_to_numpy


def signals(model, x):
    """Pre-activations and slopes by hand, in the model's order."""
    named = {layer.name: layer for layer in model.layers}

    def z(name, inputs):
        layer = named[name]
        return inputs @ numbers(layer.kernel) + numbers(layer.bias)

    results = {}
    z_dead = z("dead", x)
    a = np.maximum(z_dead, 0)
    results["dead"] = of_signal(z_dead, a, z_dead > 0, 1)
    a = numbers(named["dropout"](a, training=True))
    first = z("twice", a)
    second = z("twice", np.tanh(first))
    both = np.concatenate([first, second])
    results["twice"] = of_signal(both, np.tanh(both), 1 - np.tanh(both) ** 2, 1)
    before = z("before_layer", np.tanh(second))
    slope = np.where(before > 0, 1, 0.001)
    a = before * slope
    results["before_layer"] = of_signal(before, a, slope, 1)
    large = z("large", 400 * a)
    a = 1 / (1 + np.exp(-large))
    results["large"] = of_signal(large, a, a * (1 - a), 0.25)
    head = z("head", a)
    results["head"] = of_signal(head, head, np.ones_like(head), 1)
    return results


class Weights(keras.callbacks.Callback):
    """Keeps the weights before each step and after the last."""

    def __init__(self):
        super().__init__()
        self.before_steps = []

    def on_train_batch_begin(self, batch, logs=None):
        self.before_steps.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.before_steps.append(self.model.get_weights())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    callback = LayerStatsCallback(tmp_path_factory.mktemp("logs"), **ALL)
    weights = Weights()
    train([callback, weights])
    return callback, weights.before_steps


@pytest.fixture(scope="module")
def expected(recorded, loss_gradients):
    """All statistics of each step and layer, from our own eager loop."""
    _, before_steps = recorded
    keras.utils.set_random_seed(0)
    model = network()
    dropout = next(layer for layer in model.layers if "dropout" in layer.name)
    dropout.name = "dropout"
    model.compile(loss=LOSS)
    steps = []
    for number, start in enumerate(range(0, len(X), BATCH)):
        x, y = X[start : start + BATCH], Y[start : start + BATCH]
        model.set_weights(before_steps[number])
        seed = numbers(dropout.seed_generator.state)
        of_layers = signals(model, x)
        dropout.seed_generator.state.assign(seed)  # the same mask once more
        variables = model.trainable_variables
        gradients = loss_gradients(model, x, y)
        before, after = before_steps[number : number + 2]
        for variable, gradient, old, new in zip(
            variables, gradients, before, after, strict=True
        ):
            if variable.name != "kernel":
                continue
            change = np.linalg.norm(new - old.astype("float64"))
            of_layers[variable.path.split("/")[0]] |= (
                of_tensor("weight", old)
                | of_tensor("gradient", gradient)
                | {
                    "update_ratio": change / np.linalg.norm(old),
                    "duplicate_fraction": 0,
                }
            )
        steps.append(of_layers)
    return steps


def test_there_is_something_to_see(expected):
    first = expected[0]
    assert first["dead"]["dead_fraction"] >= 4 / 16
    assert 0 < first["large"]["saturated_fraction"] < 1
    assert first["dead"]["gradient_zero_fraction"] >= 4 / 16
    assert 0 < first["before_layer"]["saturated_fraction"] < 1


def test_equal_to_numpy(recorded, expected):
    history = recorded[0].history
    assert history.layers == list(expected[0])
    assert set(history) == set(expected[0]["head"])
    for key, values in history.items():
        wanted = [[of_layer[key] for of_layer in step.values()] for step in expected]
        # Means may cancel, so they are compared relative to the size of the entries.
        size = np.zeros(np.shape(wanted))
        if key.endswith("_mean"):
            size = history[key.replace("_mean", "_variance")] ** 0.5
        # Values that went through several layers were rounded on the way.
        error = abs(values - wanted) - 1e-5 * size
        np.testing.assert_array_less(
            error, 1e-5 * np.abs(wanted) + 1e-12, err_msg=key, strict=True
        )


def test_histograms_hold_every_entry(recorded, expected):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    directory = recorded[0]._recorder._run_directory
    accumulator = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    accumulator.Reload()
    sizes = {"weight": 8 * 16, "gradient": 8 * 16, "pre_activation": BATCH * 16}
    for source, size in sizes.items():
        events = accumulator.Tensors(f"{source}_histogram/000_dead")
        assert [event.step for event in events] == [0, 2, 4]
        rows = make_ndarray(events[0].tensor_proto)
        assert rows[:, 2].sum() == size
    largest = expected[4]["dead"]["gradient_max_abs"]
    rows = make_ndarray(
        accumulator.Tensors("gradient_histogram/000_dead")[2].tensor_proto
    )
    edges = np.abs(rows[:, :2]).max()
    assert largest <= edges <= 1.25 * largest
    assert edges in log_bins.edges()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"run_eagerly": True},
        {"jit_compile": True},
        {"steps_per_execution": 3},
        {"steps_per_execution": 3, "jit_compile": True},
    ],
    ids=lambda options: "-".join(options) or "graph",
)
def test_bit_identical_with_everything_on(options, tmp_path):
    if BACKEND == "torch" and "steps_per_execution" in options:
        pytest.skip("Keras has one step in each execution with torch")
    if BACKEND != "tensorflow" and "jit_compile" in options:
        pytest.skip("JAX compiles anyway, and torch.compile changes the numbers")
    callback = LayerStatsCallback(tmp_path, **(ALL | {"update_freq": 2}))
    losses, weights = train(**options)
    observed_losses, observed_weights = train([callback], **options)
    assert observed_losses == losses
    for weight, observed in zip(weights, observed_weights, strict=True):
        np.testing.assert_array_equal(observed, weight)
    assert callback.history.steps.tolist() == [0, 1, 2, 3, 4]


def test_functions_of_the_user(tmp_path):
    def third_moment(tensor):
        return keras.ops.mean(tensor**3)

    callback = LayerStatsCallback(tmp_path, statistics=["gradient_mean", third_moment])
    train([callback])
    keras.utils.set_random_seed(0)
    kernels = [w for w in network().get_weights() if w.ndim == 2]
    assert list(callback.history) == [
        "weight_third_moment",
        "gradient_mean",
        "gradient_third_moment",
    ]
    np.testing.assert_allclose(
        callback.history["weight_third_moment"][0],
        [np.mean(kernel.astype("float64") ** 3) for kernel in kernels],
        rtol=1e-4,
        atol=1e-8,
    )


def test_layers_by_pattern_class_and_predicate(tmp_path):
    def recorded_layers(selection):
        callback = LayerStatsCallback(tmp_path, layers=selection)
        train([callback])
        return callback.history.layers

    assert recorded_layers("*ea*") == ["dead", "head"]
    assert recorded_layers(lambda layer: layer.units == 3) == ["head"]
    assert len(recorded_layers(layers.Dense)) == 5
    assert recorded_layers(["twice", "head"]) == ["twice", "head"]
    with pytest.raises(ValueError, match=r"`layers`.*'twice'.*Received: layers='conv"):
        recorded_layers("conv_*")


def test_each_record_is_handed_on(tmp_path):
    records = []
    callback = LayerStatsCallback(tmp_path, on_record=records.append)
    train([callback])
    assert [record.step for record in records] == [0, 1, 2, 3, 4]
    for number, record in enumerate(records):
        assert record.layers == callback.history.layers
        assert not record.skipped
        for key, values in record.statistics.items():
            np.testing.assert_array_equal(values, callback.history[key][number])


def test_an_exception_in_on_record_does_not_stop_the_training(tmp_path, caplog):
    def fails(record):
        raise KeyError("theirs")

    callback = LayerStatsCallback(tmp_path, on_record=fails)
    losses, _ = train([callback])
    assert np.isfinite(losses).all()
    assert len(callback.history.steps) == 5
    # In quotes, because the message of a finding names the directory of this test.
    (message,) = [r for r in caplog.records if "`on_record`" in r.getMessage()]
    assert message.name == "keras_initkit"
    assert "theirs" in str(message.exc_info[1])
