"""Every way in which Keras trains: exact numbers, and training does not change."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from keras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit import LayerStatsCallback

pytestmark = pytest.mark.filterwarnings("ignore:Gradients do not exist")

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
BATCH, SAMPLES = 8, 24
VECTORS = RNG.normal(size=(SAMPLES, 8)).astype("float32")
IMAGES = RNG.normal(size=(SAMPLES, 6, 6, 2)).astype("float32")
SEQUENCES = RNG.normal(size=(SAMPLES, 5, 8)).astype("float32")
TOKENS = RNG.integers(0, 10, size=(SAMPLES, 5))  # many of them twice in a batch
Y = RNG.integers(0, 3, size=SAMPLES)
SAMPLE_WEIGHT = RNG.uniform(0.1, 2.0, size=SAMPLES).astype("float32")
CLASS_WEIGHT = {0: 0.5, 1: 1.0, 2: 3.0}
STATISTICS = ("mean", "variance", "l2_norm")

sgd = partial(SGD, 0.1, momentum=0.9, name="sgd")


def recorder(path, update_freq=1, **options):
    return LayerStatsCallback(path, update_freq=update_freq, **options)


# -- models ----------------------------------------------------------------------------


def dense():
    return keras.Sequential(
        [
            keras.Input((8,), name="inputs"),
            layers.Dense(8, activation="tanh", name="hidden"),
            layers.Dense(3, name="head"),
        ],
        name="net",
    )


def before_head(*hidden):
    """A model without variables before its first batch."""
    return keras.Sequential([*hidden, layers.Dense(3)])


def convolution():
    return before_head(layers.Conv2D(4, 3, activation="relu"), layers.Flatten())


def einsum_dense():
    projection = layers.EinsumDense("btf,fhe->bthe", (5, 2, 4), bias_axes="he")
    return before_head(projection, layers.Flatten())


def lstm():
    return before_head(layers.LSTM(4))


def batch_normalization():
    return before_head(layers.Dense(8, use_bias=False), layers.BatchNormalization())


def embedding():
    return before_head(layers.Embedding(10, 4), layers.GlobalAveragePooling1D())


def attention():
    inputs = keras.Input((5, 8))
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=4)(inputs, inputs)
    outputs = layers.Dense(3)(layers.GlobalAveragePooling1D()(attended))
    return keras.Model(inputs, outputs)


class Subclassed(keras.Model):
    """A model that calls its layers in another order than it makes them."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)
        self.hidden = layers.Dense(8, activation="tanh")

    def call(self, x):
        return self.head(self.hidden(x))


class Unused(Subclassed):
    """A model whose hidden weights do not affect the loss."""

    def call(self, x):
        self.hidden(x)
        return self.head(x)


class ScaledKernel(layers.Layer):
    """A layer whose gradient ends in a product, like the optimizer's first op."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 8), name="kernel")

    def call(self, x):
        return keras.ops.matmul(x, self.kernel * 0.37)


def scaled_kernel():
    return before_head(ScaledKernel())


# -- data ------------------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return SAMPLES // BATCH

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return VECTORS[rows], Y[rows]


def generator():
    while True:
        batches = Batches()
        yield from (batches[index] for index in range(len(batches)))


def dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((VECTORS, Y)).batch(BATCH)


# -- a way of training, and two loops that repeat it ----------------------------------


@dataclass
class Way:
    make_model: Callable = dense
    make_optimizer: Callable = sgd
    x: np.ndarray = field(default_factory=lambda: VECTORS)
    weight: np.ndarray | None = None  # of each sample in the loss
    make_data: Callable | None = None  # for `fit`, if it is not an array
    fit: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable = list
    policy: str = "float32"
    rtol: float = 1e-6
    include_biases: bool = False
    jit_compile: bool = False
    # TensorFlow's graph optimizer multiplies in another order if a product, here the
    # gradient, has a second reader.
    last_bits_differ: bool = False
    impossible_with: tuple[str, ...] = ()

    def compiled(self):
        """The same model at each call."""
        keras.utils.set_random_seed(0)
        model = self.make_model()
        loss = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, dtype=keras.config.dtype_policy().variable_dtype
        )
        jit = self.jit_compile or BACKEND == "jax"
        model.compile(self.make_optimizer(), loss, jit_compile=jit)
        return model

    def train(self, *callbacks):
        """The losses, and all variables of the model and of the optimizer."""
        model = self.compiled()
        data = {"x": self.x, "y": Y, "batch_size": BATCH}
        if self.make_data:
            data = {"x": self.make_data()}
        options = {"epochs": 2, "shuffle": False, "verbose": 0, **data, **self.fit}
        logs = model.fit(callbacks=[*callbacks, *self.callbacks()], **options)
        variables = [*model.variables, *model.optimizer.variables]
        return logs.history, [keras.ops.convert_to_numpy(v) for v in variables]

    def expected(self, loss_gradients, apply_gradients):
        """The steps and the statistics, from a separate loop over two epochs."""
        model = self.compiled()
        model(self.x[:BATCH])
        variables, optimizer = model.trainable_variables, model.optimizer
        is_recorded = [
            self.include_biases or v.name.endswith(("kernel", "embeddings"))
            for v in variables
        ]

        steps, rows = [], {"weight": [], "gradient": []}
        for start in [*range(0, SAMPLES, BATCH)] * 2:
            batch = slice(start, start + BATCH)
            weight = None if self.weight is None else self.weight[batch]
            scale = float(optimizer.scale_loss(keras.ops.ones(())))
            gradients = loss_gradients(
                model, self.x[batch], Y[batch], weight, scale, self.jit_compile
            )
            steps.append(int(optimizer.iterations))
            values = [
                keras.ops.convert_to_numpy(v).astype("float64") for v in variables
            ]
            for source, arrays, divisor in (
                ("weight", values, 1),
                ("gradient", gradients, scale),
            ):
                kept = [a for a, kept in zip(arrays, is_recorded, strict=True) if kept]
                rows[source].append([moments(array / divisor) for array in kept])
            apply_gradients(
                optimizer,
                [
                    None if g.shape != v.shape else keras.ops.cast(g, v.dtype)
                    for g, v in zip(gradients, variables, strict=True)
                ],
                variables,
            )
        return steps, {key: np.moveaxis(values, -1, 0) for key, values in rows.items()}


def moments(array):
    with np.errstate(invalid="ignore"):  # infinite entries make a skipped step
        square = np.square(array)
        return array.mean(), array.var(), square.sum() ** 0.5, square.mean() ** 0.5


# -- the ways --------------------------------------------------------------------------

DENSE_WAYS = {
    "plain": Way(),
    "mixed_float16": Way(policy="mixed_float16", make_optimizer=Adam),
    "mixed_float16, first steps skipped": Way(
        policy="mixed_float16",
        make_optimizer=lambda: LossScaleOptimizer(sgd(), initial_scale=2.0**19),
    ),
    "mixed_float16, accumulated": Way(
        policy="mixed_float16",
        make_optimizer=partial(sgd, gradient_accumulation_steps=2),
    ),
    "mixed_bfloat16": Way(policy="mixed_bfloat16"),
    "float64": Way(policy="float64", rtol=1e-12, impossible_with=("jax",)),
    "loss_scale_factor": Way(make_optimizer=partial(sgd, loss_scale_factor=100.0)),
    "gradient_accumulation_steps": Way(
        make_optimizer=partial(sgd, gradient_accumulation_steps=2)
    ),
    "clipnorm": Way(make_optimizer=partial(sgd, clipnorm=0.01)),
    "global_clipnorm": Way(make_optimizer=partial(sgd, global_clipnorm=0.01)),
    "clipvalue": Way(make_optimizer=partial(sgd, clipvalue=0.001)),
    "weight_decay": Way(make_optimizer=partial(AdamW, 0.01, weight_decay=0.5)),
    "use_ema": Way(
        make_optimizer=partial(
            sgd, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
        )
    ),
    "class_weight": Way(
        fit={"class_weight": CLASS_WEIGHT},
        weight=np.array([CLASS_WEIGHT[label] for label in Y], "float32"),
    ),
    "sample_weight": Way(fit={"sample_weight": SAMPLE_WEIGHT}, weight=SAMPLE_WEIGHT),
    "subclassed": Way(Subclassed),
    "without a gradient": Way(Unused),
}

# The others are also bit-identical; each takes 3 s.
WITH_JIT = (
    "mixed_float16, first steps skipped",
    "mixed_bfloat16",
    "gradient_accumulation_steps",
    "use_ema",
)

WAYS = {
    **DENSE_WAYS,
    "SwapEMAWeights": Way(
        make_optimizer=partial(sgd, use_ema=True, ema_momentum=0.5),
        callbacks=lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    ),
    "SwapEMAWeights, validated": Way(
        make_optimizer=partial(sgd, use_ema=True, ema_momentum=0.5),
        callbacks=lambda: [keras.callbacks.SwapEMAWeights()],
        fit={"validation_data": (VECTORS[:6], Y[:6])},
    ),
    "validation_data": Way(fit={"validation_data": (VECTORS[:6], Y[:6])}),
    "initial_epoch": Way(fit={"initial_epoch": 3, "epochs": 5}),
    "tf.data": Way(make_data=dataset),
    "generator": Way(make_data=generator, fit={"steps_per_epoch": SAMPLES // BATCH}),
    "PyDataset": Way(make_data=Batches),
    "Conv2D": Way(convolution, x=IMAGES),
    "EinsumDense": Way(einsum_dense, x=SEQUENCES),
    "MultiHeadAttention": Way(attention, x=SEQUENCES),
    "LSTM": Way(lstm, x=SEQUENCES),
    "Embedding": Way(embedding, x=TOKENS),
    "kernel times a constant": Way(scaled_kernel, last_bits_differ=True),
    "BatchNormalization": Way(batch_normalization),
    "BatchNormalization, biases too": Way(
        batch_normalization, include_biases=True, last_bits_differ=True
    ),
    **{
        f"{name}, jit_compile": replace(
            DENSE_WAYS[name], jit_compile=True, impossible_with=("jax", "torch")
        )
        for name in WITH_JIT
    },
}


# One of each kind. A way takes three trainings; the others are marked as slow.
OF_EACH_KIND = (
    "plain",
    "mixed_float16, first steps skipped",
    "gradient_accumulation_steps",
    "clipnorm",
    "weight_decay",
    "sample_weight",
    "without a gradient",
    "tf.data",
    "generator",
    "Conv2D",
    "MultiHeadAttention",
    "LSTM",
    "Embedding",
    "BatchNormalization",
    "mixed_bfloat16, jit_compile",
)


def each_way():
    for name, way in WAYS.items():
        marks = () if name in OF_EACH_KIND else pytest.mark.slow
        yield pytest.param(way, id=name, marks=marks)


@pytest.fixture(scope="module", params=each_way())
def trained(request, tmp_path_factory, loss_gradients, apply_gradients):
    """A way, a training's history and result, and the result without the callback."""
    way = request.param
    if BACKEND in way.impossible_with:
        pytest.skip(f"Keras cannot do this with {BACKEND}")
    keras.config.set_dtype_policy(way.policy)
    try:
        path = tmp_path_factory.mktemp("logs")
        callback = recorder(path, include_biases=way.include_biases)
        observed = way.train(callback)
        return (
            way,
            callback.history,
            observed,
            way.train(),
            way.expected(loss_gradients, apply_gradients),
        )
    finally:
        keras.config.set_dtype_policy("float32")


def test_equal_to_a_gradient_tape_on_the_same_batches(trained):
    way, history, _, _, (steps, expected) = trained
    assert history.steps.tolist() == steps
    for source, (mean, variance, norm, rms) in expected.items():
        recorded = {key: history[f"{source}_{key}"] for key in STATISTICS}
        assert recorded["variance"].shape == variance.shape  # (steps, layers)
        np.testing.assert_allclose(recorded["variance"], variance, rtol=way.rtol)
        np.testing.assert_allclose(recorded["l2_norm"], norm, rtol=way.rtol)
        # Relative to the entries, because the mean of a softmax head's gradient is 0.
        with np.errstate(invalid="ignore"):
            difference = (recorded["mean"] - mean) / rms
        np.testing.assert_array_equal(np.isnan(recorded["mean"]), np.isnan(mean))
        assert not (abs(difference) > way.rtol).any()


def assert_same(observed, bare):
    (logs, variables), (bare_logs, bare_variables) = observed, bare
    assert logs == bare_logs
    for variable, bare_variable in zip(variables, bare_variables, strict=True):
        np.testing.assert_array_equal(variable, bare_variable)


def test_bit_identical_to_training_without_it(trained):
    way, _, observed, bare, _ = trained
    if not way.last_bits_differ:
        assert_same(observed, bare)
    for variable, bare_variable in zip(observed[1], bare[1], strict=True):
        size = np.max(np.abs(bare_variable))
        np.testing.assert_allclose(variable, bare_variable, rtol=0, atol=1e-6 * size)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only there it is sparse")
def test_the_gradient_of_an_embedding_is_sparse():
    import tensorflow as tf

    model = embedding()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(TOKENS))
    gradient, _, _ = tape.gradient(loss, model.trainable_variables)
    assert isinstance(gradient, tf.IndexedSlices)
    assert len(np.unique(gradient.indices)) < len(gradient.indices)


# -- with other callbacks --------------------------------------------------------------


def events(run):
    return EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()


def test_two_callbacks_with_different_schedules(tmp_path):
    every = recorder(tmp_path / "every")
    some = recorder(
        tmp_path / "some", update_freq=4, warmup_steps=2, include_biases=True
    )
    observed = Way().train(every, some)
    assert every.history.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert some.history.steps.tolist() == [0, 1, 4]
    kernels = [some.history.layers.index(layer) for layer in every.history.layers]
    for key, values in some.history.items():
        np.testing.assert_array_equal(
            values[:, kernels], every.history[key][some.history.steps]
        )
    assert_same(observed, Way().train())


@pytest.mark.parametrize("order", [1, -1], ids=["ours first", "TensorBoard first"])
def test_beside_tensorboard_in_the_same_directory(order, tmp_path):
    def tensorboard(log_dir):
        return keras.callbacks.TensorBoard(log_dir, histogram_freq=1, update_freq=1)

    def written_by_keras(log_dir):
        accumulator = events(log_dir / "train")
        return {
            tag: [(e.step, e.tensor_proto) for e in accumulator.Tensors(tag)]
            for tag in accumulator.Tags()["tensors"]
            if "per_second" not in tag
        }

    both, alone = tmp_path / "both", tmp_path / "alone"
    observed = Way().train(*[recorder(both), tensorboard(both)][::order])
    assert_same(observed, Way().train(tensorboard(alone)))
    assert written_by_keras(both) == written_by_keras(alone)
    ours = events(both / "layer_stats")
    assert [e.step for e in ours.Tensors("initkit/weight_mean")] == [0, 1, 2, 3, 4, 5]


def test_checkpoints_are_those_of_a_training_without_it(tmp_path):
    def contents(*callbacks):
        path = tmp_path / "{epoch}_{batch}.keras"
        Way().train(*callbacks, keras.callbacks.ModelCheckpoint(path, save_freq=2))
        files = {}
        for checkpoint in sorted(tmp_path.glob("*.keras")):
            with zipfile.ZipFile(checkpoint) as archive:
                for name in archive.namelist():
                    files[checkpoint.name, name] = archive.read(name)
            del files[checkpoint.name, "metadata.json"]  # the date
            checkpoint.unlink()
        return files

    files = contents(recorder(tmp_path / "logs"))
    assert len(files) == 6
    assert files == contents()


# -- after a kill ----------------------------------------------------------------------

EPOCHS = 4
KILLED_AT = 8  # in the middle of the third epoch of three steps


class Kill(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)


def backed_up(path, *callbacks):
    callback = recorder(Path(path, "logs"))
    backup = keras.callbacks.BackupAndRestore(Path(path, "backup"))
    result = Way(fit={"epochs": EPOCHS}).train(callback, backup, *callbacks)
    return callback.history, *result


def test_a_training_that_was_killed_goes_on(tmp_path):
    module = Path(__file__)
    code = f"import {module.stem} as m; m.backed_up({str(tmp_path)!r}, m.Kill())"
    path = os.pathsep.join([*sys.path, str(module.parent)])
    killed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = tmp_path / "logs" / "layer_stats"
    (first_file,) = run.iterdir()
    first_events = first_file.read_bytes()

    whole_callback = recorder(tmp_path / "whole")
    logs, variables = Way(fit={"epochs": EPOCHS}).train(whole_callback)
    whole = whole_callback.history
    history, resumed_logs, resumed_variables = backed_up(tmp_path)

    assert_same(
        (resumed_logs, resumed_variables), ({"loss": logs["loss"][2:]}, variables)
    )
    assert history.steps.tolist() == [6, 7, 8, 9, 10, 11]
    for key, values in history.items():
        np.testing.assert_array_equal(values, whole[key][6:])

    assert first_file.read_bytes() == first_events
    assert len(list(run.iterdir())) == 2
    for key, values in whole.items():
        tensors = events(run).Tensors(f"initkit/{key}")
        assert {event.step for event in tensors} == set(range(12))
        for event in tensors:
            np.testing.assert_array_equal(
                make_ndarray(event.tensor_proto), values[event.step].astype("float32")
            )
