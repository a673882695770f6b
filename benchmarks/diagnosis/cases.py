"""The programs: healthy ones, and mutants of them with one fault each."""

from typing import Any, NamedTuple

from programs import Program

# What a program has to reach for "it learns", see `training.points`.
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


class Fault(NamedTuple):
    """A program that fails, and why.

    Attributes:
        twin: the name of the healthy program that it was made from.
        program: the mutant.
        problems: names of `keras_initkit.diagnosis.finding.PROBLEMS` that are right.
        layers: where it is; empty where that is no question.
    """

    twin: str
    program: Program
    problems: tuple[str, ...]
    layers: tuple[str, ...] = ()

    @property
    def is_initialization(self) -> bool:
        """Whether it is in the weights before any training."""
        return not set(self.problems) & {HIGH, LOW, UNSCALED, MISMATCH, NON_FINITE}


HEALTHY: dict[str, Program] = {}
FAULTY: dict[str, Fault] = {}
# Kinds of finding
LARGE, SMALL = "weights_too_large", "weights_too_small"
VANISHING, EXPLODING = "vanishing_gradient", "exploding_gradient"
DEAD, SATURATED = "dead_units", "saturated_units"
SYMMETRIC, NON_FINITE = "symmetric_units", "non_finite"
HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
UNSCALED, MISMATCH = "unscaled_data", "loss_activation_mismatch"


def healthy(name: str, program: Program) -> Program:
    HEALTHY[name] = program
    return program


def fault(
    name: str, twin: str, problems: Any, layers: Any = (), /, **changes: Any
) -> None:
    problems = (problems,) if isinstance(problems, str) else problems
    layers = tuple(layers.split()) if isinstance(layers, str) else tuple(layers)
    FAULTY[name] = Fault(twin, HEALTHY[twin].but(**changes), problems, layers)


def hidden(*numbers: int, kind: str = "hidden") -> tuple[str, ...]:
    return tuple(f"{kind}_{number}" for number in numbers)


def up_to(depth: int, kind: str = "hidden") -> tuple[str, ...]:
    return hidden(*range(1, depth + 1), kind=kind)


def normal(stddev: float) -> str:
    return f"RandomNormal(stddev={stddev})"


def scaled(factor: float, scale: float = 2.0) -> str:
    """He's scheme times a factor."""
    return f'VarianceScaling({scale * factor**2:.6g}, "fan_in", "untruncated_normal")'


LOGITS = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
BINARY_LOGITS = "keras.losses.BinaryCrossentropy(from_logits=True)"
GLOROT, LECUN = "glorot_uniform", "lecun_normal"
REGRESSION: dict[str, Any] = {"activation": {"output": "linear"}, "loss": "mse"}
BINARY: dict[str, Any] = {
    "activation": {"output": "sigmoid"},
    "loss": "binary_crossentropy",
}

# Healthy: classification

relu = healthy("digits-relu", Program())
healthy("digits-relu-glorot", relu.but(kernel_initializer={"*": GLOROT}))
healthy("digits-relu-6", relu.but(depth=6))
deep_relu = healthy("digits-relu-12", relu.but(depth=12, width=48))
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
    res.but(depth=24, width=32, kernel_initializer={"block_*_b": "ScaledDepth(24)"}),
)
healthy(
    "digits-residual-zero-closing",
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

# Healthy: convolution, recurrence, words

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
sums = healthy(
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

# Healthy: labels, numbers, reconstruction

one_digit = healthy("one-digit", relu.but(data="one_digit", **BINARY))
healthy(
    "one-digit-logits",
    one_digit.but(activation={"output": "linear"}, loss=BINARY_LOGITS),
)
properties = healthy(
    "digit-properties", one_digit.but(data="digit_properties", epochs=12)
)
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
deep_numbers = healthy(
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

healthy("one-digit-prior", one_digit.but(bias_initializer={"output": "Constant(-2.2)"}))
healthy(
    "tumors-tanh",
    tumors.but(activation={"*": "tanh"}, kernel_initializer={"*": GLOROT}),
)

# Healthy, though a textbook would not say so

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

# Faults: scale

fault(
    "relu-30-glorot",
    "digits-relu-24",
    (SMALL, VANISHING),
    up_to(24),
    kernel_initializer={"*": GLOROT},
)
for factor in (0.01, 0.1):
    fault(
        f"relu-12-all-x{factor}",
        "digits-relu-12",
        (SMALL, VANISHING),
        up_to(12),
        kernel_initializer={"*": scaled(factor)},
    )
for factor in (3, 10, 30):
    fault(
        f"relu-12-all-x{factor}",
        "digits-relu-12",
        (LARGE, EXPLODING),
        up_to(12),
        kernel_initializer={"*": scaled(factor)},
    )
fault(
    "relu-3-all-x30",
    "digits-relu",
    LARGE,
    up_to(3),
    kernel_initializer={"*": scaled(30)},
)
fault(
    "relu-3-normal-1",
    "digits-relu",
    LARGE,
    up_to(3),
    kernel_initializer={"*": normal(1.0)},
)
fault(
    "relu-6-normal-1",
    "digits-relu-6",
    LARGE,
    up_to(6),
    kernel_initializer={"*": normal(1.0)},
)
fault(
    "relu-12-normal-.01",
    "digits-relu-12",
    (SMALL, VANISHING),
    up_to(12),
    kernel_initializer={"*": normal(0.01)},
)
fault(
    "relu-12-default-normal",
    "digits-relu-24",
    (SMALL, VANISHING),
    up_to(24),
    kernel_initializer={"*": normal(0.05)},
)
fault(
    "relu-12-default-uniform",
    "digits-relu-12",
    (SMALL, VANISHING),
    up_to(12),
    kernel_initializer={"*": "random_uniform"},
)
fault(
    "relu-6-first-x100",
    "digits-relu-6",
    LARGE,
    hidden(1),
    kernel_initializer={"hidden_1": scaled(100)},
)
fault(
    "relu-6-middle-x100",
    "digits-relu-6",
    LARGE,
    hidden(3),
    kernel_initializer={"hidden_3": scaled(100)},
)
fault(
    "relu-6-last-x100",
    "digits-relu-6",
    LARGE,
    hidden(6),
    kernel_initializer={"hidden_6": scaled(100)},
)
fault(
    "relu-6-output-x100",
    "digits-relu-6",
    LARGE,
    "output",
    kernel_initializer={"output": scaled(100)},
)
fault(
    "relu-12-normal-.9",
    "digits-relu-12",
    (LARGE, EXPLODING),
    up_to(12),
    kernel_initializer={"*": normal(0.9)},
)
fault(
    "tanh-20-all-x.1",
    "digits-tanh-20",
    (SMALL, VANISHING),
    up_to(20),
    kernel_initializer={"*": scaled(0.1, 1.0)},
)
fault(
    "tanh-20-all-x.5",
    "digits-tanh-20",
    (SMALL, VANISHING),
    up_to(20),
    kernel_initializer={"*": scaled(0.5, 1.0)},
)
fault(
    "tanh-20-all-x5",
    "digits-tanh-20",
    (LARGE, SATURATED),
    up_to(20),
    kernel_initializer={"*": scaled(5, 1.0)},
)
fault(
    "tanh-20-all-x30",
    "digits-tanh-20",
    (LARGE, SATURATED),
    up_to(20),
    kernel_initializer={"*": scaled(30, 1.0)},
)
fault(
    "tanh-3-all-x30",
    "digits-tanh",
    (LARGE, SATURATED),
    up_to(3),
    kernel_initializer={"*": scaled(30, 1.0)},
)
fault(
    "selu-16-all-x3",
    "digits-selu-16",
    (LARGE, EXPLODING),
    up_to(16),
    kernel_initializer={"*": scaled(3, 1.0)},
)
fault(
    "selu-16-all-x.2",
    "digits-selu-16",
    (SMALL, VANISHING),
    up_to(16),
    kernel_initializer={"*": scaled(0.2, 1.0)},
)
fault(
    "sigmoid-10",
    "digits-tanh-20",
    (VANISHING, SATURATED),
    up_to(20),
    activation={"*": "sigmoid"},
)
fault(
    "sigmoid-x30",
    "digits-sigmoid",
    (LARGE, SATURATED),
    up_to(2),
    kernel_initializer={"*": scaled(30, 1.0)},
)
fault(
    "residual-12-unscaled",
    "digits-residual-12",
    (LARGE, EXPLODING),
    tuple(f"block_{i}_b" for i in range(1, 13)),
    kernel_initializer={"block_*_b": scaled(2)},
)
fault(
    "residual-12-all-x3",
    "digits-residual-12",
    (LARGE, EXPLODING),
    [f"block_{i}_{s}" for i in range(1, 13) for s in "ab"],
    kernel_initializer={"block_*": scaled(3)},
)
fault(
    "conv-5-all-x.05",
    "images-conv-5",
    (SMALL, VANISHING),
    up_to(5, "conv"),
    kernel_initializer={"*": scaled(0.05)},
)
fault(
    "conv-5-all-x30",
    "images-conv-5",
    (LARGE, EXPLODING),
    up_to(5, "conv"),
    kernel_initializer={"*": scaled(30)},
)
# As if the fan of a convolution were its channels alone.
fault(
    "conv-5-wrong-fan",
    "images-conv-5",
    (LARGE, EXPLODING),
    up_to(5, "conv"),
    kernel_initializer={"*": scaled(3)},
)
fault(
    "conv-5-normal-1",
    "images-conv-5",
    (LARGE, EXPLODING),
    up_to(5, "conv"),
    kernel_initializer={"*": normal(1.0)},
)
fault(
    "conv-tanh-5-all-x30",
    "images-conv-tanh-delta",
    (LARGE, SATURATED),
    up_to(5, "conv"),
    kernel_initializer={"conv_1": scaled(30), "conv_[2-9]": scaled(30)},
)
fault(
    "friedman-all-x10",
    "friedman",
    LARGE,
    up_to(3),
    kernel_initializer={"*": scaled(10)},
)
fault(
    "friedman-tanh-8-all-x10",
    "friedman-tanh-8",
    (LARGE, SATURATED),
    up_to(8),
    kernel_initializer={"*": scaled(10, 1.0)},
)
fault(
    "autoencoder-5-all-x.01",
    "pixels-autoencoder-5",
    (SMALL, VANISHING),
    up_to(5),
    kernel_initializer={"*": scaled(0.01)},
)
fault(
    "autoencoder-all-x30",
    "pixels-autoencoder",
    LARGE,
    up_to(3),
    kernel_initializer={"*": scaled(30)},
)
fault(
    "rnn-recurrent-x5",
    "rows-rnn",
    (LARGE, SATURATED, EXPLODING),
    "recurrent_1 recurrent_1/recurrent_kernel",
    kernel_initializer={"*/recurrent_kernel": "Orthogonal(gain=5.0)"},
)
fault(
    "rnn-all-x30",
    "rows-rnn",
    (LARGE, SATURATED),
    "recurrent_1",
    kernel_initializer={"recurrent_1": scaled(30)},
)

fault(
    "embedding-x1000",
    "topics",
    LARGE,
    "embedding",
    kernel_initializer={"embedding": normal(1000.0)},
)

# Faults: equal units, biases

fault(
    "batch-normalized-zeros",
    "digits-batch-normalized",
    (SYMMETRIC, DEAD),
    hidden(2),
    kernel_initializer={"hidden_2": "zeros"},
)
for number in (1, 2, 3):
    fault(
        f"relu-zeros-{number}",
        "digits-relu",
        (SYMMETRIC, DEAD),
        hidden(number),
        kernel_initializer={f"hidden_{number}": "zeros"},
    )
fault(
    "relu-zeros-all",
    "digits-relu",
    (SYMMETRIC, DEAD),
    up_to(3),
    kernel_initializer={"*": "zeros"},
)
fault(
    "relu-constant-all",
    "digits-relu",
    SYMMETRIC,
    up_to(3),
    kernel_initializer={"*": "Constant(0.05)"},
)
fault(
    "tanh-constant-all",
    "digits-tanh",
    SYMMETRIC,
    up_to(3),
    kernel_initializer={"*": "Constant(0.02)"},
)
fault(
    "tanh-ones-all",
    "digits-tanh",
    SYMMETRIC,
    up_to(3),
    kernel_initializer={"*": "ones"},
)
fault(
    "tanh-zeros-all",
    "digits-tanh",
    SYMMETRIC,
    up_to(3),
    kernel_initializer={"*": "zeros", "output": "zeros"},
)
fault(
    "sigmoid-constant",
    "digits-sigmoid",
    SYMMETRIC,
    up_to(2),
    kernel_initializer={"*": "Constant(0.1)"},
)
fault(
    "conv-constant",
    "images-conv",
    SYMMETRIC,
    up_to(2, "conv"),
    kernel_initializer={"*": "Constant(0.1)"},
)
fault(
    "conv-zeros-1",
    "images-conv",
    (SYMMETRIC, DEAD),
    hidden(1, kind="conv"),
    kernel_initializer={"conv_1": "zeros"},
)
fault(
    "friedman-constant",
    "friedman",
    SYMMETRIC,
    up_to(3),
    kernel_initializer={"*": "Constant(0.1)"},
)
for number in (1, 2, 3):
    fault(
        f"relu-bias-5-in-{number}",
        "digits-relu",
        DEAD,
        hidden(number),
        bias_initializer={f"hidden_{number}": "Constant(-5.0)"},
    )
fault(
    "relu-bias-5-all",
    "digits-relu",
    DEAD,
    up_to(3),
    bias_initializer={"*": "Constant(-5.0)"},
)
fault(
    "conv-bias-5",
    "images-conv",
    DEAD,
    up_to(2, "conv"),
    bias_initializer={"*": "Constant(-5.0)"},
)
fault(
    "tanh-bias-5",
    "digits-tanh",
    SATURATED,
    up_to(3),
    bias_initializer={"*": "Constant(5.0)"},
)
fault(
    "sigmoid-bias-30",
    "digits-sigmoid",
    SATURATED,
    up_to(2),
    bias_initializer={"*": "Constant(30.0)"},
)
fault(
    "friedman-bias-5",
    "friedman",
    DEAD,
    up_to(3),
    bias_initializer={"*": "Constant(-5.0)"},
)

# Faults: learning rate

fault("relu-rate-x300", "digits-relu", HIGH, learning_rate=0.3)
fault("relu-rate-x100", "digits-relu-6", HIGH, learning_rate=0.1)
fault("tanh-rate-x300", "digits-tanh", HIGH, learning_rate=0.3)
fault("conv-rate-x100", "images-conv-5", HIGH, learning_rate=0.1)
fault("sgd-rate-x100", "digits-SGD", HIGH, learning_rate=5.0)
fault("friedman-sgd-rate-x100", "friedman-SGD", HIGH, learning_rate=1.0)
fault("friedman-rate-x1000", "friedman", HIGH, learning_rate=1.0)
fault("autoencoder-rate-x300", "pixels-autoencoder", HIGH, learning_rate=0.3)
fault("gru-rate-x300", "rows-gru", HIGH, learning_rate=1.0)
fault("relu-rate-1e-6", "digits-relu", LOW, learning_rate=1e-6)
fault("sgd-rate-5e-5", "digits-SGD", LOW, learning_rate=5e-5)
fault("friedman-rate-1e-6", "friedman", LOW, learning_rate=1e-6)
fault("conv-rate-1e-6", "images-conv", LOW, learning_rate=1e-6)
fault("autoencoder-rate-1e-6", "pixels-autoencoder", LOW, learning_rate=1e-6)

# Faults: data

fault("tanh-pixels-255", "digits-tanh", UNSCALED, x="80 * x + 80")
fault("relu-pixels-255-sgd", "digits-SGD", UNSCALED, x="80 * x + 80")
fault("relu-offset-100", "digits-relu", UNSCALED, x="x + 100")
fault("tanh-offset-100", "digits-tanh", UNSCALED, x="x + 100")
fault("relu-x1000", "digits-relu", UNSCALED, x="1000 * x")
fault("relu-x.001", "digits-relu", UNSCALED, x="0.001 * x")
fault("tumors-raw", "tumors-tanh", UNSCALED, data="raw_tumors")
fault("friedman-x1000", "friedman", UNSCALED, x="1000 * x + 5000")
fault("gru-offset-100", "rows-gru", UNSCALED, x="x + 100")
fault(
    "relu-nan-pixel",
    "digits-relu",
    NON_FINITE,
    x="np.where((np.arange(x.size) == 6400).reshape(x.shape), np.nan, x)",
)
fault(
    "relu-nan-column",
    "digits-relu",
    NON_FINITE,
    x="np.where(np.arange(64) == 5, np.nan, x)",
)
fault(
    "friedman-infinity",
    "friedman",
    NON_FINITE,
    x="np.where(np.abs(x) > 1.7, np.inf, x)",
)
fault(
    "friedman-nan-target",
    "friedman",
    NON_FINITE,
    y="np.where(np.arange(len(y))[:, None] == 7, np.nan, y)",
)

# Faults: output and loss

OUT = "output"
fault("moons-softmax", "moons", MISMATCH, OUT, activation={OUT: "softmax"})
fault("one-digit-softmax", "one-digit", MISMATCH, OUT, activation={OUT: "softmax"})
fault("relu-output", "digits-relu", MISMATCH, OUT, activation={OUT: "relu"})
fault(
    "relu-output-logits", "digits-relu-logits", MISMATCH, OUT, activation={OUT: "relu"}
)
fault("linear-output", "digits-relu", MISMATCH, OUT, activation={OUT: "linear"})
fault("tanh-output", "digits-relu", MISMATCH, OUT, activation={OUT: "tanh"})
fault("one-digit-linear", "one-digit", MISMATCH, OUT, activation={OUT: "linear"})
fault("one-digit-relu", "one-digit", MISMATCH, OUT, activation={OUT: "relu"})
fault(
    "one-digit-relu-logits", "one-digit-logits", MISMATCH, OUT, activation={OUT: "relu"}
)
fault("one-hot-relu", "digits-relu-one-hot", MISMATCH, OUT, activation={OUT: "relu"})
fault(
    "one-hot-linear", "digits-relu-one-hot", MISMATCH, OUT, activation={OUT: "linear"}
)
fault("friedman-sigmoid", "friedman", MISMATCH, OUT, activation={OUT: "sigmoid"})
fault("friedman-relu", "friedman", MISMATCH, OUT, activation={OUT: "relu"})
fault("friedman-tanh", "friedman", MISMATCH, OUT, activation={OUT: "tanh"})
fault("friedman-softmax", "friedman", MISMATCH, OUT, activation={OUT: "softmax"})
fault(
    "pixels-sigmoid", "pixels-autoencoder", MISMATCH, OUT, activation={OUT: "sigmoid"}
)
fault(
    "properties-softmax",
    "digit-properties",
    MISMATCH,
    OUT,
    activation={OUT: "softmax"},
    loss="categorical_crossentropy",
)
fault("one-digit-labels-1-2", "one-digit-logits", MISMATCH, OUT, y="y + 1")
fault("pixels-crossentropy", "pixels-autoencoder", MISMATCH, OUT, loss=BINARY_LOGITS)
