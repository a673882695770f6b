"""The code to type: an initializer for an activation and a depth, a learning rate."""

from keras_initkit.diagnosis.facts import NetworkFacts

# Keras's own defaults, except for Adadelta, whose paper uses 1.
LEARNING_RATES = {
    "SGD": 0.01,
    "Adagrad": 0.01,
    "Adadelta": 1.0,
    "Lion": 0.0001,
    "Muon": 0.001,
}
COMMON_LEARNING_RATE = 0.001
RECTIFIERS = ("relu", "leaky_relu", "relu6", "LeakyReLU", "ReLU", "PReLU")
# Deeper networks need more than the right variance: exact isometry, or criticality.
SHALLOW = 12


def initializer(activation: str, depth: int, is_plain: bool = True) -> str:
    """Code for the kernels of layers with this activation in a stack of this depth."""
    is_deep = is_plain and depth > SHALLOW
    if activation in RECTIFIERS:
        return "keras_initkit.LooksLinear()" if is_deep else '"he_normal"'
    if activation == "selu":
        return '"lecun_normal"'
    if is_deep and activation in ("tanh", "gelu", "silu", "elu", "mish", "softsign"):
        return f'keras_initkit.Critical("{activation}", depth={depth})'
    if activation in ("gelu", "silu", "elu", "mish"):
        return '"he_normal"'
    return '"glorot_uniform"'


def default_learning_rate(optimizer: str) -> float:
    """The usual learning rate for an optimizer of this class."""
    return LEARNING_RATES.get(optimizer, COMMON_LEARNING_RATE)


def in_layers(code: str, network: NetworkFacts, names: tuple[str, ...]) -> str:
    """A line of code, with a comment that names its layers."""
    hidden = tuple(layer.name for layer in network.hidden)
    if len(names) > 1 and names == hidden:
        return f"{code}  # in every hidden layer"
    return f"{code}  # in {', '.join(names)}"


def kernel_fix(network: NetworkFacts, names: tuple[str, ...]) -> str:
    """A line for each initializer that these layers need."""
    closing = closing_layers(network)
    groups: dict[str, list[str]] = {}
    for layer in network.layers:
        if layer.name in names:
            code = initializer(layer.activation, len(network.hidden), network.is_plain)
            if layer.name == network.output:
                code = '"glorot_uniform"'
            elif network.is_residual and layer.name in closing:
                code = f"keras_initkit.ScaledDepth({len(closing)})"
            groups.setdefault(code, []).append(layer.name)
    return "\n".join(
        in_layers(f"kernel_initializer={code}", network, tuple(layers))
        for code, layers in groups.items()
    )


def closing_layers(network: NetworkFacts) -> list[str]:
    """The layers with the last kernel of a branch, in a residual network."""
    hidden = network.hidden
    linear = [layer.name for layer in hidden if layer.activation == "linear"]
    return linear or [layer.name for layer in hidden]
