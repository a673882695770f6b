"""Mutants of the healthy programs, with one fault each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from healthy import BINARY_LOGITS, GLOROT, HEALTHY, normal, scaled
from programs import OUTPUT, PER_LAYER, Program, fits

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
        problems: the correct names in `keras_initkit.diagnosis.problems.PROBLEMS`.
        changes: the changes to the twin, as in `Program.but`.
    """

    twin: str
    problems: tuple[str, ...]
    changes: dict[str, Any]

    @property
    def program(self) -> Program:
        """The mutant."""
        return HEALTHY[self.twin].but(**self.changes)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers at fault; empty if the fault is in no layer."""
        patterns = [p for name in PER_LAYER for p in self.changes.get(name, ())]
        names = (*HEALTHY[self.twin].hidden, OUTPUT)
        return tuple(n for n in names if any(fits(p, n) for p in patterns))

    @property
    def is_initialization(self) -> bool:
        """Tells whether it is in the layers before any training."""
        return not {HIGH, LOW, UNSCALED, MISMATCH, NON_FINITE} & {*self.problems}


FAULTY: dict[str, Fault] = {}


def fault(name: str, twin: str, problems: str | Sequence[str], **changes: Any) -> None:
    """Adds a mutant."""
    problems = (problems,) if isinstance(problems, str) else tuple(problems)
    FAULTY[name] = Fault(twin, problems, changes)


def kernels(
    name: str, twin: str, problems: str | Sequence[str], code: str, where: str = "*"
) -> None:
    """Adds a mutant with another kernel initializer in the layers of a pattern."""
    fault(name, twin, problems, kernel_initializer={where: code})


# Scale

kernels("relu-24-glorot", "digits-relu-24", (SMALL, VANISHING), GLOROT)
for factor in (0.01, 0.1):
    kernels(
        f"relu-12-all-x{factor}", "digits-relu-12", (SMALL, VANISHING), scaled(factor)
    )
for factor in (3, 10, 30):
    kernels(
        f"relu-12-all-x{factor}", "digits-relu-12", (LARGE, EXPLODING), scaled(factor)
    )
kernels("relu-3-all-x30", "digits-relu", LARGE, scaled(30))
kernels("relu-3-normal-1", "digits-relu", LARGE, normal(1.0))
kernels("relu-6-normal-1", "digits-relu-6", LARGE, normal(1.0))
kernels("relu-12-normal-.01", "digits-relu-12", (SMALL, VANISHING), normal(0.01))
kernels("relu-24-normal-.05", "digits-relu-24", (SMALL, VANISHING), normal(0.05))
kernels("relu-12-uniform", "digits-relu-12", (SMALL, VANISHING), "random_uniform")
kernels("relu-6-first-x100", "digits-relu-6", LARGE, scaled(100), "hidden_1")
kernels("relu-6-middle-x100", "digits-relu-6", LARGE, scaled(100), "hidden_3")
kernels("relu-6-last-x100", "digits-relu-6", LARGE, scaled(100), "hidden_6")
kernels("relu-6-output-x100", "digits-relu-6", LARGE, scaled(100), OUTPUT)
kernels("relu-12-normal-.9", "digits-relu-12", (LARGE, EXPLODING), normal(0.9))
kernels("tanh-20-all-x.1", "digits-tanh-20", (SMALL, VANISHING), scaled(0.1, 1.0))
kernels("tanh-20-all-x.5", "digits-tanh-20", (SMALL, VANISHING), scaled(0.5, 1.0))
kernels("tanh-20-all-x5", "digits-tanh-20", (LARGE, SATURATED), scaled(5, 1.0))
kernels("tanh-20-all-x30", "digits-tanh-20", (LARGE, SATURATED), scaled(30, 1.0))
kernels("tanh-3-all-x30", "digits-tanh", (LARGE, SATURATED), scaled(30, 1.0))
kernels("selu-16-all-x3", "digits-selu-16", (LARGE, EXPLODING), scaled(3, 1.0))
kernels("selu-16-all-x.2", "digits-selu-16", (SMALL, VANISHING), scaled(0.2, 1.0))
fault(
    "sigmoid-20", "digits-tanh-20", (VANISHING, SATURATED), activation={"*": "sigmoid"}
)
kernels("sigmoid-x30", "digits-sigmoid", (LARGE, SATURATED), scaled(30, 1.0))
kernels(
    "residual-12-unscaled",
    "digits-residual-12",
    (LARGE, EXPLODING),
    scaled(2),
    "block_*_b",
)
kernels(
    "residual-12-all-x3", "digits-residual-12", (LARGE, EXPLODING), scaled(3), "block_*"
)
kernels("conv-5-all-x.05", "images-conv-5", (SMALL, VANISHING), scaled(0.05))
kernels("conv-5-all-x30", "images-conv-5", (LARGE, EXPLODING), scaled(30))
# As if the fan of a convolution were only its channels.
kernels("conv-5-wrong-fan", "images-conv-5", (LARGE, EXPLODING), scaled(3))
kernels("conv-5-normal-1", "images-conv-5", (LARGE, EXPLODING), normal(1.0))
fault(
    "conv-tanh-5-all-x30",
    "images-conv-tanh-delta",
    (LARGE, SATURATED),
    kernel_initializer={"conv_1": scaled(30), "conv_[2-9]": scaled(30)},
)
kernels("friedman-all-x10", "friedman", LARGE, scaled(10))
kernels(
    "friedman-tanh-8-all-x10", "friedman-tanh-8", (LARGE, SATURATED), scaled(10, 1.0)
)
kernels(
    "autoencoder-5-all-x.01", "pixels-autoencoder-5", (SMALL, VANISHING), scaled(0.01)
)
kernels("autoencoder-all-x30", "pixels-autoencoder", LARGE, scaled(30))
kernels(
    "rnn-recurrent-x5",
    "rows-rnn",
    (LARGE, SATURATED, EXPLODING),
    "Orthogonal(gain=5.0)",
    "*/recurrent_kernel",
)
kernels("rnn-all-x30", "rows-rnn", (LARGE, SATURATED), scaled(30), "recurrent_1")

kernels("embedding-x1000", "topics", LARGE, normal(1000.0), "embedding")

# Equal units, biases

kernels(
    "batch-normalized-zeros",
    "digits-batch-normalized",
    (SYMMETRIC, DEAD),
    "zeros",
    "hidden_2",
)
for number in (1, 2, 3):
    kernels(
        f"relu-zeros-{number}",
        "digits-relu",
        (SYMMETRIC, DEAD),
        "zeros",
        f"hidden_{number}",
    )
kernels("relu-zeros-all", "digits-relu", (SYMMETRIC, DEAD), "zeros")
kernels("relu-constant-all", "digits-relu", SYMMETRIC, "Constant(0.05)")
kernels("tanh-constant-all", "digits-tanh", SYMMETRIC, "Constant(0.02)")
kernels("tanh-ones-all", "digits-tanh", SYMMETRIC, "ones")
fault(
    "tanh-zeros-all",
    "digits-tanh",
    SYMMETRIC,
    kernel_initializer={"*": "zeros", OUTPUT: "zeros"},
)
kernels("sigmoid-constant", "digits-sigmoid", SYMMETRIC, "Constant(0.1)")
kernels("conv-constant", "images-conv", SYMMETRIC, "Constant(0.1)")
kernels("conv-zeros-1", "images-conv", (SYMMETRIC, DEAD), "zeros", "conv_1")
kernels("friedman-constant", "friedman", SYMMETRIC, "Constant(0.1)")
for number in (1, 2, 3):
    fault(
        f"relu-bias-5-in-{number}",
        "digits-relu",
        DEAD,
        bias_initializer={f"hidden_{number}": "Constant(-5.0)"},
    )
fault("relu-bias-5-all", "digits-relu", DEAD, bias_initializer={"*": "Constant(-5.0)"})
fault("conv-bias-5", "images-conv", DEAD, bias_initializer={"*": "Constant(-5.0)"})
fault("tanh-bias-5", "digits-tanh", SATURATED, bias_initializer={"*": "Constant(5.0)"})
fault(
    "sigmoid-bias-30",
    "digits-sigmoid",
    SATURATED,
    bias_initializer={"*": "Constant(30.0)"},
)
fault("friedman-bias-5", "friedman", DEAD, bias_initializer={"*": "Constant(-5.0)"})

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
    x="np.where(np.arange(x.size).reshape(x.shape) % 997 == 0, np.inf, x)",
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
            activation={OUTPUT: activation},
        )
fault(
    "properties-softmax",
    "digit-properties",
    MISMATCH,
    activation={OUTPUT: "softmax"},
    loss="categorical_crossentropy",
)
fault("labels-1-2", "one-digit-logits", MISMATCH, y="y + 1")
fault("pixels-crossentropy", "pixels-autoencoder", MISMATCH, loss=BINARY_LOGITS)
