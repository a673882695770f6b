"""Healthy programs: they learn, and have no problem to find."""

from typing import Any

from programs import Program

# The points that a learning program must reach, see `training.points`.
FLOORS = {
    "digits": 88,
    "digit_images": 88,
    "digit_rows": 80,
    "one_digit": 85,
    "digit_properties": 85,
    "digit_pixels": 60,
    "digit_intensities": 60,
    "moons": 90,
    "circles": 90,
    "tumors": 88,
    "friedman": 80,
    "sine": 85,
    "running_sum": 70,
    "topics": 85,
}
HEALTHY: dict[str, Program] = {}
LOGITS = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
BINARY_LOGITS = "keras.losses.BinaryCrossentropy(from_logits=True)"
GLOROT, LECUN = "glorot_uniform", "lecun_normal"
REGRESSION: dict[str, Any] = {"activation": {"output": "linear"}, "loss": "mse"}
BINARY: dict[str, Any] = {
    "activation": {"output": "sigmoid"},
    "loss": "binary_crossentropy",
}


def healthy(name: str, program: Program) -> Program:
    """Adds a program."""
    HEALTHY[name] = program
    return program


def normal(stddev: float) -> str:
    """A Gaussian kernel, whatever the fan."""
    return f"RandomNormal(stddev={stddev})"


def scaled(factor: float, scale: float = 2.0) -> str:
    """A factor times a scheme of variance `scale / fan_in`, by default He's."""
    return f'VarianceScaling({scale * factor**2:.6g}, "fan_in", "untruncated_normal")'


# Classification

relu = healthy("digits-relu", Program())
healthy("digits-relu-glorot", relu.but(kernel_initializer={"*": GLOROT}))
healthy("digits-relu-6", relu.but(depth=6))
healthy("digits-relu-12", relu.but(depth=12, width=48))
healthy(
    "digits-relu-24",
    relu.but(depth=24, width=96, learning_rate=0.0003, epochs=10),
)
healthy("digits-relu-1", relu.but(depth=1))
healthy("digits-relu-narrow", relu.but(width=16, epochs=16))
healthy("digits-relu-wide", relu.but(depth=2, width=512, epochs=4))
healthy("digits-relu-logits", relu.but(activation={"output": "linear"}, loss=LOGITS))
one_hot = healthy(
    "digits-relu-one-hot", relu.but(y="np.eye(10)[y]", loss="categorical_crossentropy")
)
healthy("digits-relu-one-hot-mse", one_hot.but(loss="mse"))
tanh = healthy(
    "digits-tanh", relu.but(kernel_initializer={"*": GLOROT}, activation={"*": "tanh"})
)
deep_tanh = healthy("digits-tanh-20", tanh.but(depth=20, width=48, epochs=10))
for name in ("gelu", "elu", "silu", "softplus", "leaky_relu", "mish", "softsign"):
    scheme = "he_normal" if name not in ("softplus", "softsign") else GLOROT
    healthy(
        f"digits-{name}",
        relu.but(activation={"*": name}, kernel_initializer={"*": scheme}),
    )
selu = healthy(
    "digits-selu", relu.but(activation={"*": "selu"}, kernel_initializer={"*": LECUN})
)
healthy("digits-selu-16", selu.but(depth=16, width=48, epochs=10))
sigmoid = healthy(
    "digits-sigmoid", tanh.but(activation={"*": "sigmoid"}, depth=2, epochs=16)
)
healthy("digits-orthogonal", relu.but(kernel_initializer={"*": "ScaledOrthogonal()"}))
healthy(
    "digits-orthogonal-tanh-20", deep_tanh.but(kernel_initializer={"*": "orthogonal"})
)
healthy(
    "digits-looks-linear-20",
    relu.but(depth=20, width=48, kernel_initializer={"*": "LooksLinear()"}),
)
healthy(
    "digits-critical-tanh-20",
    deep_tanh.but(kernel_initializer={"*": 'Critical("tanh", depth=20)'}),
)
healthy("digits-zero-head", relu.but(kernel_initializer={"output": "zeros"}))
healthy("digits-torch-uniform", relu.but(kernel_initializer={"*": "TorchUniform()"}))
healthy("digits-uniform", relu.but(kernel_initializer={"*": "random_uniform"}))
healthy("digits-normal-.25", relu.but(kernel_initializer={"*": normal(0.25)}))
healthy("digits-bias-.1", relu.but(bias_initializer={"*": "Constant(0.1)"}))
healthy("digits-he-tanh", tanh.but(kernel_initializer={"*": "he_normal"}))
healthy("digits-dropout", relu.but(family="dropout", epochs=12))
batch_normalized = healthy(
    "digits-batch-normalized", relu.but(family="batch_normalized", depth=4)
)
healthy(
    "digits-batch-normalized-12", batch_normalized.but(depth=12, width=64, epochs=12)
)
healthy(
    "digits-batch-normalized-normal-.05",
    batch_normalized.but(kernel_initializer={"*": "random_normal"}),
)
layer_normalized = healthy(
    "digits-layer-normalized", relu.but(family="layer_normalized", depth=4)
)
healthy("digits-layer-normalized-tanh", layer_normalized.but(activation={"*": "tanh"}))
res = healthy(
    "digits-residual",
    relu.but(
        family="residual",
        depth=4,
        width=48,
        kernel_initializer={"block_*_b": "ScaledDepth(4)"},
    ),
)
deep_res = healthy(
    "digits-residual-12",
    res.but(depth=12, width=32, kernel_initializer={"block_*_b": "ScaledDepth(12)"}),
)
healthy(
    "digits-residual-12-zero-closing",
    deep_res.but(kernel_initializer={"block_*_b": "zeros"}),
)
healthy(
    "digits-residual-normalized",
    res.but(
        family="residual_normalized",
        kernel_initializer={"block_*_b": "he_normal"},
        depth=8,
    ),
)
healthy("digits-raw-16", relu.but(x="6 * x + 5"))
healthy("digits-unit-interval", relu.but(x="(x - x.min()) / (x.max() - x.min())"))
healthy("digits-batch-8", relu.but(batch_size=8, epochs=3))
healthy("digits-batch-256", relu.but(batch_size=256, epochs=30))
for name, rate in {
    "SGD": 0.05,
    "keras.optimizers.SGD(momentum=0.9)": 0.01,
    "keras.optimizers.SGD(momentum=0.9, nesterov=True)": 0.01,
    "RMSprop": 0.001,
    "AdamW": 0.001,
    "Adamax": 0.002,
    "Nadam": 0.001,
    "Adagrad": 0.03,
    "Adadelta": 1.0,
    "Lion": 0.0002,
    "keras.optimizers.Lamb()": 0.003,
    "Muon": 0.001,
}.items():
    label = name.removeprefix("keras.optimizers.")
    healthy(f"digits-{label}", relu.but(optimizer=name, learning_rate=rate))

# Convolution, recurrence, words

conv = healthy(
    "images-conv",
    relu.but(data="digit_images", family="conv", depth=2, width=12, epochs=5),
)
healthy("images-conv-5", conv.but(depth=5))
healthy(
    "images-conv-averaged",
    conv.but(family="conv_averaged", depth=3, width=24, epochs=12, learning_rate=0.003),
)
healthy("images-conv-normalized", conv.but(family="conv_normalized", depth=3))
healthy(
    "images-conv-tanh-delta",
    conv.but(
        depth=5,
        activation={"*": "tanh"},
        kernel_initializer={"conv_[2-9]": "DeltaOrthogonal()", "conv_1": GLOROT},
    ),
)
recurrent = relu.but(
    data="digit_rows",
    depth=1,
    width=32,
    activation={"*": "tanh"},
    kernel_initializer={"*": GLOROT, "*/recurrent_kernel": "orthogonal"},
    learning_rate=0.003,
)
healthy("rows-lstm", recurrent.but(family="lstm"))
healthy("rows-gru", recurrent.but(family="gru"))
rnn = healthy("rows-rnn", recurrent.but(family="simple_rnn"))
healthy("rows-lstm-2", recurrent.but(family="lstm", depth=2))
healthy(
    "sum-gru", recurrent.but(family="gru", data="running_sum", epochs=16, **REGRESSION)
)
words = healthy(
    "topics",
    relu.but(
        data="topics",
        family="embedding",
        depth=1,
        width=32,
        kernel_initializer={"embedding": "uniform"},
        learning_rate=0.01,
    ),
)
healthy("topics-2", words.but(depth=2))

# Labels, numbers, reconstruction

one_digit = healthy("one-digit", relu.but(data="one_digit", **BINARY))
healthy(
    "one-digit-logits",
    one_digit.but(activation={"output": "linear"}, loss=BINARY_LOGITS),
)
healthy(
    "one-digit-prior",
    one_digit.but(
        bias_initializer={"output": 'LogPriorBias(priors=[0.1], activation="sigmoid")'}
    ),
)
healthy("digit-properties", one_digit.but(data="digit_properties", epochs=12))
moons = healthy(
    "moons",
    relu.but(data="moons", depth=2, width=32, epochs=16, learning_rate=0.003, **BINARY),
)
healthy("moons-tiny", moons.but(width=8, learning_rate=0.01, epochs=20))
healthy("moons-mse", moons.but(loss="mse"))
healthy(
    "circles",
    moons.but(
        data="circles",
        activation={"output": "softmax"},
        loss="sparse_categorical_crossentropy",
    ),
)
tumors = healthy(
    "tumors",
    one_digit.but(data="tumors", depth=2, width=32, epochs=12),
)
numbers = healthy("friedman", relu.but(data="friedman", epochs=16, **REGRESSION))
healthy("friedman-mae", numbers.but(loss="mae"))
healthy("friedman-huber", numbers.but(loss="huber"))
healthy(
    "friedman-tanh-8",
    numbers.but(activation={"*": "tanh"}, kernel_initializer={"*": GLOROT}, depth=8),
)
healthy("friedman-batch-normalized", numbers.but(family="batch_normalized"))
healthy("friedman-SGD", numbers.but(optimizer="SGD", learning_rate=0.01, epochs=24))
sine = healthy(
    "sine",
    numbers.but(
        data="sine",
        activation={"*": "tanh"},
        kernel_initializer={"*": GLOROT},
        learning_rate=0.01,
    ),
)
pixels = healthy(
    "pixels-autoencoder",
    numbers.but(data="digit_pixels", family="autoencoder", width=64, epochs=12),
)
healthy("pixels-autoencoder-5", pixels.but(depth=5))
intensities = healthy(
    "intensities-autoencoder",
    pixels.but(
        data="digit_intensities",
        activation={"output": "sigmoid"},
        loss="binary_crossentropy",
    ),
)
healthy("intensities-autoencoder-mse", intensities.but(loss="mse"))


healthy(
    "tumors-tanh",
    tumors.but(activation={"*": "tanh"}, kernel_initializer={"*": GLOROT}),
)

healthy(
    "friedman-tanh-Adafactor",
    numbers.but(
        activation={"*": "tanh"},
        kernel_initializer={"*": GLOROT},
        optimizer="Adafactor",
        learning_rate=0.1,
        epochs=24,
    ),
)

# Harmless, though a textbook would not say so

healthy(
    "odd-one-small-layer",
    relu.but(kernel_initializer={"hidden_2": scaled(0.001)}, epochs=12),
)
healthy("odd-double-softmax", relu.but(loss=LOGITS, epochs=12))
healthy("odd-tanh-zeros", tanh.but(kernel_initializer={"hidden_2": "zeros"}, epochs=12))
healthy(
    "odd-autoencoder-constant-layer",
    pixels.but(kernel_initializer={"hidden_2": "Constant(0.02)"}),
)
healthy("odd-double-sigmoid", moons.but(loss=BINARY_LOGITS))

healthy(
    "odd-batch-normalized-x5", batch_normalized.but(kernel_initializer={"*": scaled(5)})
)
for number in (1, 2):
    healthy(
        f"odd-constant-layer-{number}",
        relu.but(kernel_initializer={f"hidden_{number}": "Constant(0.02)"}),
    )
