"""The facts that the rules know about a network and its first batch."""

from typing import NamedTuple

NAN = float("nan")


class LayerFacts(NamedTuple):
    """One layer with a kernel W, on the first batch: z = W x + b, a = f(z).

    Attributes:
        name: its name.
        units: its number of units.
        power: `fan_in * mean(W^2)`, the factor by which it multiplies a mean square.
        fan_in: inputs of a unit; NaN if unknown.
        activation: the name of f.
        mean_square: `E[f(u)^2]` for u ~ N(0, 1); NaN if f is not elementwise.
        mean_square_slope: `E[f'(u)^2]`, likewise.
        input_mean: mean of x.
        input_mean_square: `mean(x^2)`; NaN if the layer was not watched.
        bias_mean_square: `mean(b^2)`.
        z_variance: variance of z over the batch and the units.
        gradient_variance: variance of the gradient with respect to z.
        dead: share of units with a = 0 for every sample.
        saturated: share of units without slope in over half of the batch.
        identical_weights: share of units whose column of W and entry of b equal those
            of another unit.
        identical: share of units whose gradient with respect to z is equal as well.
        is_scale_invariant: whether it normalizes its own kernel.
    """

    name: str
    units: int
    power: float
    fan_in: float = NAN
    activation: str = ""
    mean_square: float = NAN
    mean_square_slope: float = NAN
    input_mean: float = NAN
    input_mean_square: float = NAN
    bias_mean_square: float = 0.0
    z_variance: float = NAN
    gradient_variance: float = NAN
    dead: float = NAN
    saturated: float = NAN
    identical_weights: float = NAN
    identical: float = NAN
    is_scale_invariant: bool = False


class NetworkFacts(NamedTuple):
    """The whole network, and its first batch.

    Attributes:
        layers: the layers with a kernel, in the order of execution.
        output: the name of the layer that makes the only output, or "".
        output_units: its number of outputs for each sample.
        output_activation: the name of its activation.
        loss: the name of the loss, such as `"sparse_categorical_crossentropy"`; "" if
            unknown.
        from_logits: whether the loss takes logits.
        optimizer: its class.
        learning_rate: the learning rate at the start; NaN if unknown.
        is_normalized: whether a layer normalizes activations.
        is_residual: whether there is a sum of branches.
        input_mean: mean of x, if x holds numbers that are not class numbers.
        input_mean_square: `mean(x^2)`, likewise.
        bad_inputs: share of NaN and infinities in x.
        bad_targets: the same of y.
        target_low: the smallest entry of y; NaN without y.
        target_high: the largest entry of y.
        targets_sum_to_one: whether the entries of y for each sample sum to 1.
        chance_loss: the loss of the best constant output on this batch; NaN if unknown.
    """

    layers: tuple[LayerFacts, ...] = ()
    output: str = ""
    output_units: int = 0
    output_activation: str = ""
    loss: str = ""
    from_logits: bool = False
    optimizer: str = ""
    learning_rate: float = NAN
    is_normalized: bool = False
    is_residual: bool = False
    input_mean: float = NAN
    input_mean_square: float = NAN
    bad_inputs: float = 0.0
    bad_targets: float = 0.0
    target_low: float = NAN
    target_high: float = NAN
    targets_sum_to_one: bool = True
    chance_loss: float = NAN

    @property
    def hidden(self) -> tuple[LayerFacts, ...]:
        """All layers but the one that makes the output."""
        return tuple(layer for layer in self.layers if layer.name != self.output)

    @property
    def is_plain(self) -> bool:
        """Tells whether layers follow each other without shortcut or normalization."""
        return not self.is_normalized and not self.is_residual
