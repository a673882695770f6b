"""Reports what the initialization does to signal and gradient, layer by layer."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_initkit.diagnosis.facts import NetworkFacts
from keras_initkit.diagnosis.finding import ranked
from keras_initkit.diagnosis.start import suspicions
from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.kernels.kernel import owners
from keras_initkit.kernels.names import layer_names
from keras_initkit.kernels.random_state import random_state_kept
from keras_initkit.report.axes_notes import axes_notes
from keras_initkit.report.batch import build_on, check_batch
from keras_initkit.report.kept_state import state_kept, variables_kept
from keras_initkit.report.layer_report import LayerReport
from keras_initkit.report.network_facts import layer_facts, network_facts
from keras_initkit.report.signal_loss import SignalLoss
from keras_initkit.report.signal_pass import SignalPass
from keras_initkit.report.signal_rows import signal_columns


class SignalReport(LayerReport):
    """The result of `signal_report`: a row for each kernel. It prints as a table.

    A row at fault ends with `!` and the problem.

    Attributes:
        facts: the facts for the rules of the diagnosis.
        suspicions: what the rules find suspect.
        findings: the problems that are certain without training, a list of
            `keras_initkit.diagnosis.finding.Finding`, the root cause first.
    """

    def __init__(
        self,
        layers: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        notes: Sequence[str],
        facts: NetworkFacts,
    ) -> None:
        self.facts = facts
        self.suspicions = suspicions(facts)
        self.findings = ranked([s.finding for s in self.suspicions if s.is_certain])
        super().__init__(layers, columns, [*map(str, self.findings), *notes])

    headings: ClassVar[Mapping[str, str]] = {
        "fan_in": "fan\nin",
        "initializer": "initializer",
        "weight_variance": "weight\nvariance",
        "as_intended": "as\nintended",
        "predicted_variance": "z variance\npredicted",
        "measured_variance": "z variance\nmeasured",
        "gain": "gain",
        "predicted_gradient_variance": "gradient\npredicted",
        "gradient_variance": "gradient\nmeasured",
        "dead_fraction": "dead",
        "saturated_fraction": "satu-\nrated",
    }

    def _cells(self) -> list[list[str]]:
        head, *body = super()._cells()
        problems = [
            ", ".join(f.problem for f in self.findings if layer in f.layers)
            for layer in self.layers
        ]
        width = max(map(len, problems))
        if not width:
            return [head, *body]
        marks = [f"! {p:<{width}}" if p else "" for p in problems]
        return [[*head, ""], *([*row, m] for row, m in zip(body, marks, strict=True))]

    def plot(self) -> Any:
        """Two panels over depth: the variances of z, and those of their gradients.

        It needs matplotlib. The logarithmic axis leaves out values that are 0 or not
        finite.

        Returns:
            A `matplotlib.figure.Figure`. A notebook shows it, and
            `figure.savefig("report.png")` saves it.
        """
        # Imported here, because nothing else needs it.
        from keras_initkit.report.report_picture import draw

        return draw(self, self.short_names())


def signal_report(model: keras.Model, x: Any, y: Any = None) -> SignalReport:
    """Measures what each layer does to the signal and the gradient, on one batch.

    It makes one forward and one backward pass in training mode, before or after any
    training. It changes nothing in the model and no random state. The report has a row
    for each kernel, trainable or frozen, in the order of execution, with

    column | what it is
    --|--
    `fan_in` | number of inputs of a unit (`kernel_fans`)
    `initializer` | what the kernel was drawn from, by its layer or by a remedy since
    `weight_variance` | variance of the entries of the kernel W
    `intended_variance` | variance that the initializer intends; NaN if unknown
    `interval_low`, `interval_high` | interval of 99.9 % of draws (`variance_interval`)
    `as_intended` | whether W is in that interval; None if unknown; or "scale-invariant"
    `predicted_variance` | `fan_in * mean(W^2) * mean(x^2) + mean(b^2)`, x measured
    `measured_variance` | variance of the pre-activations z = W x + b
    `gain` | the measured variance over that of the layer before
    `predicted_gradient_variance` | predicted from the next layer
    `gradient_variance` | variance of the gradient with respect to z, not to the kernel
    `dead_fraction` | share of units whose activation f(z) is 0 on the whole batch
    `saturated_fraction` | share of units with almost no slope f'(z) on over half of it

    A remedy is `lsuv`, `reinitialize`, `scale_residual_branches` or
    `DynamicRescalingCallback`, in this process. Kernels that were trained, loaded or
    set are not as intended.

    All variances are population variances, over samples, positions and units. A
    prediction assumes independent weights of mean 0, one layer ahead of the measured
    values, so it is off exactly in the layer whose weights differ. By chance, it is off
    by about `sqrt(2 / units)` if all samples are alike, as deep in a ReLU network, and
    by less otherwise. Zeros of padding do not count. The prediction for the gradient is
    `fan_out * mean(W^2) * mean(g^2) * E[f'(sqrt(q) u)^2]`, u ~ N(0, 1), with the kernel
    W and the gradient g of the next layer, and the mean square q of z. There is none if
    anything but this one layer reads f(z). A layer that normalizes its own kernel, as
    in weight standardization, is "scale-invariant": the variance of its kernel neither
    matters nor predicts anything.

    Keras gives an initializer the shape of a kernel, but not its layer. If it counts
    other fans than the layer has, as in a Conv2DTranspose or a DepthwiseConv2D, a note
    below the table says which `input_axes` and `output_axes` to pass.

    f is the layer's activation or that of the activation layer directly after it. A
    shared layer is measured at its first call. For layers other than Dense, EinsumDense
    (as in attention) and convolution, such as LSTM and Embedding, the report has only
    their weights.

    Examples:

    >>> model = keras.Sequential(
    ...     [keras.Input((64,)), keras.layers.Dense(512, "relu", name="hidden"),
    ...      keras.layers.Dense(10, name="head")]
    ... )
    >>> report = signal_report(model, np.random.normal(size=(512, 64)))
    >>> report.short_names()
    ['hidden', 'head']
    >>> report["as_intended"]
    array([ True,  True])
    >>> np.round(report["measured_variance"] / report["predicted_variance"])
    array([1., 1.])

    Args:
        model: `keras.Model`. If it is not built yet, `x` builds it.
        x: one batch of inputs, as the model takes it: an array, or a list or dict of
            arrays. A few hundred samples are enough.
        y: the targets, for the gradient of the loss that the model is compiled with,
            which is a mean over the batch. If None, the gradient is that of the sum of
            all outputs, each times a standard normal number, the same in each call.

    Returns:
        A `SignalReport`: `report["gain"]` is an array of shape (kernels,), with NaN or
        None for missing values; `report.layers` has the names and `report.notes` the
        notes; `report.to_dict()`; `report.plot()`.

    Raises:
        ValueError: if `x` or `y` is not an array, does not fit the model, is empty or
            not finite; if `y` is given and the model is not compiled, or it is one-hot
            and the loss takes class numbers; if `model` is not a model, or has no
            kernel or no `call`.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Schoenholz et al., 2017](https://arxiv.org/abs/1611.01232)
    """
    check_batch(model, x, y)
    build_on(model, x)
    if not kernel_fans(model):
        raise ValueError(
            "Argument `model` must have a kernel: a weight of two or more axes that a "
            f"layer trains. Received: model {model.name!r} with weights "
            f"{[variable.path for variable in model.weights]}"
        )
    loss = SignalLoss(model, x, y)
    signal_pass = SignalPass(model)
    with random_state_kept():
        with variables_kept(model.trainable_variables), state_kept(model):
            signal_pass(x, loss)
        columns = signal_columns(model, signal_pass, loss.scale)
        kernels = signal_pass.kernels
        names = layer_names(model, [kernel.variable for kernel in kernels])
        facts = network_facts(model, x, y, layer_facts(names, columns, signal_pass))
    made_by = owners(model)
    layers = [made_by[id(kernel.variable)] for kernel in kernels]
    notes = axes_notes(zip(names, layers, kernels, strict=True))
    return SignalReport(names, columns, notes, facts)
