"""Mutants of the healthy programs, with one fault each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from healthy import BINARY_LOGITS, GLOROT, HEALTHY, normal, scaled
from programs import OUTPUT, Program

LARGE, SMALL = "weights_too_large", "weights_too_small"
VANISHING, EXPLODING = "vanishing_gradient", "exploding_gradient"
DEAD, SATURATED = "dead_units", "saturated_units"
SYMMETRIC, NON_FINITE = "symmetric_units", "non_finite"
HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
UNSCALED, MISMATCH = "unscaled_data", "loss_activation_mismatch"


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


FAULTY: dict[str, Fault] = {}


def fault(
    name: str,
    twin: str,
    problems: str | tuple[str, ...],
    layers: Sequence[str] = (),
    **changes: Any,
) -> None:
    """Adds a mutant.

    Args:
        name: its name.
        twin: what it is made from.
        problems: which findings are right.
        layers: where it is.
        **changes: of the twin, as of `Program.but`.
    """
    problems = (problems,) if isinstance(problems, str) else problems
    program = HEALTHY[twin].but(**changes)
    FAULTY[name] = Fault(twin, program, problems, tuple(layers))


def numbered(*numbers: int, kind: str = "hidden") -> tuple[str, ...]:
    """Names of layers."""
    return tuple(f"{kind}_{number}" for number in numbers)


def up_to(depth: int, kind: str = "hidden") -> tuple[str, ...]:
    """The names of all layers."""
    return numbered(*range(1, depth + 1), kind=kind)


# Scale

fault(
    "relu-24-glorot",
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
    "relu-24-normal-.05",
    "digits-relu-24",
    (SMALL, VANISHING),
    up_to(24),
    kernel_initializer={"*": normal(0.05)},
)
fault(
    "relu-12-uniform",
    "digits-relu-12",
    (SMALL, VANISHING),
    up_to(12),
    kernel_initializer={"*": "random_uniform"},
)
fault(
    "relu-6-first-x100",
    "digits-relu-6",
    LARGE,
    numbered(1),
    kernel_initializer={"hidden_1": scaled(100)},
)
fault(
    "relu-6-middle-x100",
    "digits-relu-6",
    LARGE,
    numbered(3),
    kernel_initializer={"hidden_3": scaled(100)},
)
fault(
    "relu-6-last-x100",
    "digits-relu-6",
    LARGE,
    numbered(6),
    kernel_initializer={"hidden_6": scaled(100)},
)
fault(
    "relu-6-output-x100",
    "digits-relu-6",
    LARGE,
    [OUTPUT],
    kernel_initializer={OUTPUT: scaled(100)},
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
    "sigmoid-20",
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
    ["recurrent_1", "recurrent_1/recurrent_kernel"],
    kernel_initializer={"*/recurrent_kernel": "Orthogonal(gain=5.0)"},
)
fault(
    "rnn-all-x30",
    "rows-rnn",
    (LARGE, SATURATED),
    ["recurrent_1"],
    kernel_initializer={"recurrent_1": scaled(30)},
)

fault(
    "embedding-x1000",
    "topics",
    LARGE,
    ["embedding"],
    kernel_initializer={"embedding": normal(1000.0)},
)

# Equal units, biases

fault(
    "batch-normalized-zeros",
    "digits-batch-normalized",
    (SYMMETRIC, DEAD),
    numbered(2),
    kernel_initializer={"hidden_2": "zeros"},
)
for number in (1, 2, 3):
    fault(
        f"relu-zeros-{number}",
        "digits-relu",
        (SYMMETRIC, DEAD),
        numbered(number),
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
    kernel_initializer={"*": "zeros", OUTPUT: "zeros"},
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
    numbered(1, kind="conv"),
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
        numbered(number),
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

# Learning rate

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

# Data

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

# Output and loss

for twin, activations in {
    "moons": ("softmax",),
    "one-digit": ("softmax", "linear", "relu"),
    "one-digit-logits": ("relu",),
    "digits-relu": ("linear", "relu", "tanh"),
    "digits-relu-logits": ("relu",),
    "digits-relu-one-hot": ("linear", "relu"),
    "friedman": ("sigmoid", "relu", "tanh", "softmax"),
    "pixels-autoencoder": ("sigmoid",),
}.items():
    for activation in activations:
        fault(
            f"{twin}-output-{activation}",
            twin,
            MISMATCH,
            [OUTPUT],
            activation={OUTPUT: activation},
        )
fault(
    "properties-softmax",
    "digit-properties",
    MISMATCH,
    [OUTPUT],
    activation={OUTPUT: "softmax"},
    loss="categorical_crossentropy",
)
fault("labels-1-2", "one-digit-logits", MISMATCH, [OUTPUT], y="y + 1")
fault(
    "pixels-crossentropy", "pixels-autoencoder", MISMATCH, [OUTPUT], loss=BINARY_LOGITS
)
