"""The callback that keeps the scale of layers right while they train."""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any

import keras
import numpy as np

from keras_initkit import arguments
from keras_initkit.kernels.random_state import random_state_kept
from keras_initkit.kernels.selection import Selector, check_selectors
from keras_initkit.report.batch import build_on, has_call, is_built
from keras_initkit.rescale.lsuv import Sweep
from keras_initkit.rescale.optimizer_slots import check_optimizer
from keras_initkit.rescale.reasons import listed_by_reason
from keras_initkit.rescale.rescaler import (
    MONITORS,
    Rescaler,
    Rescaling,
    Target,
    find_targets,
    log,
)
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.session import Session
from keras_initkit.stats.statistics import Statistics
from keras_initkit.stats.train_functions import TrainFunctions
from keras_initkit.tensorboard.local_directory import local_directory
from keras_initkit.tensorboard.runs import free_run

RUN_NAME = "rescaling"
# Of the sweep: a bias can make a second step necessary, hardly a third.
MAX_ITERATIONS = 20


class DynamicRescalingCallback(keras.callbacks.Callback):
    """Rescales the kernels of layers that leave a healthy band, before and in training.

    It goes on where the initializer `DynamicRescaling` ends, for the layers that were
    built with it, or those of `layers`:

    - Before the first step, each layer whose pre-activation variance on the first batch
      is out of `band` times its target is brought to the target, in the order of
      execution (the sweep of `lsuv`, without orthogonal kernels). The target is the
      `target_variance` of its `DynamicRescaling`, else 1. A layer that no factor brings
      there, such as one of zeros, is left alone, and so are all layers of a model
      without a `call`, such as a GAN.
    - Then, at one step in `check_freq`, a layer's kernel is multiplied by one scalar
      when what is monitored has left the band: with `"pre_activation"` the variance of
      z = W x + b, compared with its target; with `"gradient"` the variance of the
      kernel's gradient, compared with the median over all kernels (a kernel that grows
      has smaller gradients); with `"weight_norm"` the kernel's norm, compared with the
      one before the first step. The scalar brings it just back into its band.

    With `function_preserving=True` the layer behind takes the inverse factor, and the
    bias follows, so that the network computes the same as before, and only what the
    next steps do is changed. This takes a positively homogeneous activation (linear,
    ReLU, leaky ReLU) and nothing else between the two layers but pooling, dropout and
    the like. A layer for which there is no such layer behind, as the last one, is left
    alone, which is logged once. With False the kernel alone is rescaled, and at one
    check only the first layer that is out of its band. Either way the optimizer's
    slots are rescaled too: what holds gradients by 1 / factor, what holds their squares
    by 1 / factor^2, and the momenta of SGD and RMSprop, which are displacements of the
    kernel, by the factor.

    A factor changes how large the next steps are, too: as shares of the kernel, those
    of SGD are divided by factor^2, and those of Adam by the factor. A deep ReLU network
    that trains well leaves the default band again and again, as its pre-activations
    grow with what it learns. It is the start that matters most: `stop_after=1` keeps to
    that.

    A network that stays in its bands is never touched, and its training bit-identical
    to one without the callback. What is monitored is measured as in
    `LayerStatsCallback`, in the training step's own forward and backward pass: the
    pre-activations of Dense and EinsumDense layers only, so that a convolution is
    treated by the sweep, and in training by the other two monitors.

    Example:

    ```python
    layer = keras.layers.Dense(256, "relu", kernel_initializer=DynamicRescaling())
    callback = DynamicRescalingCallback(check_freq=10)
    model.fit(x_train, y_train, callbacks=[callback])
    callback.events  # [Rescaling(step=0, layer='dense', factor=0.31, reason=...), ...]
    ```

    Args:
        monitor: `"pre_activation"`, `"gradient"` or `"weight_norm"`.
        band: two positive floats around 1, as shares of the value that is aimed at.
        check_freq: positive integer, in steps of the optimizer.
        stop_after: positive integer, the step from which on nothing is rescaled; None
            for no end.
        function_preserving: whether the network's output must stay the same. It does
            not hold for the sweep before the first step, whose purpose is to change it.
        layers: which layers are rescaled: a pattern, as of file names, of the layer's
            name or path (`"dense_*"`), a layer or a layer class, a function from a
            layer to a bool, or a list of these. None for those built with
            `DynamicRescaling`.
        log_dir: directory for TensorBoard. Each rescaling is a scalar
            `rescale_factor/<layer>` and a text in the run `<log_dir>/rescaling`, which
            is made with the first of them; another training, with another optimizer or
            callback, has its own: `rescaling_2`, `rescaling_3`, ... None for none.

    Attributes:
        events: list of `Rescaling(step, layer, factor, reason)`, where `step` is the
            optimizer's first step with the new kernel.

    Raises:
        ValueError: before the first step, if an argument is wrong, the model has no
            such layer, or it is not known how the optimizer's state scales.

    Reference:

    - [Mishkin & Matas, 2015](https://arxiv.org/abs/1511.06422)
    - [Stock et al., 2019](https://arxiv.org/abs/1902.10416)
    - [Niehaus et al., 2024](https://arxiv.org/abs/2306.08759)
    """

    def __init__(
        self,
        monitor: str = "pre_activation",
        band: tuple[float, float] = (0.5, 2.0),
        check_freq: int = 10,
        stop_after: int | None = None,
        function_preserving: bool = True,
        layers: Selector | Sequence[Selector] | None = None,
        log_dir: str | PathLike[str] | None = "logs",
    ) -> None:
        super().__init__()
        _check_band(band)
        check_selectors(layers)
        self._arguments = (
            monitor,
            band,
            check_freq,
            stop_after,
            function_preserving,
            layers,
            log_dir,
        )
        self.monitor = arguments.choice("monitor", monitor, list(MONITORS))
        self.band = (float(band[0]), float(band[1]))
        self.check_freq = arguments.integer("check_freq", check_freq)
        self.stop_after = math.inf
        if stop_after is not None:
            self.stop_after = arguments.integer("stop_after", stop_after)
        self.function_preserving = arguments.flag(
            "function_preserving", function_preserving
        )
        self._layers = layers
        self._log_dir = None
        if log_dir is not None:
            self._log_dir = local_directory(log_dir).absolute()
        self._run: Any = None
        self._optimizer_of_run: Any = None
        self._file: Any = None
        self._session: Any = None
        self._rescaler: Any = None
        self._targets: list[Target] = []
        self._norms: dict[int, float] = {}
        self._warned: set[str] = set()
        self._is_first_batch = False
        self.events: list[Rescaling] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._end()
        if is_built(self.model):
            find_targets(self.model, self._layers)
        check_optimizer(self.model.optimizer)
        if self._optimizer_of_run is not self.model.optimizer:
            self._run, self._optimizer_of_run = None, self.model.optimizer
        statistics = Statistics([MONITORS[self.monitor].statistic])
        session = Session(self.model, Schedule(self.check_freq), statistics)
        session.attach(fit=self.params)
        self._session = session
        self._is_first_batch = True

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._session.mark_epoch()

    # At the beginning of a batch: for what happens at its end, Keras has to choose
    # between waiting for every step and calling us from another thread.
    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._session.num_waiting:
            self._harmlessly(self._check)
        self._session.before_batch()
        if self._is_first_batch:  # until one has come
            TrainFunctions.of(self._model).look_first(self._begin)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._end()

    def __reduce__(self) -> tuple:
        """A copy, or what is unpickled, is a new callback with the same arguments."""
        return functools.partial(type(self), *self._arguments), ()

    def _begin(self, batch: Any) -> None:
        """Brings the layers to their targets, and looks for those behind them."""
        self._is_first_batch = False
        x = keras.utils.unpack_x_y_sample_weight(batch)[0]
        if x is not None and has_call(self._model):
            build_on(self._model, x)
        targets = find_targets(self._model, self._layers)
        if self._session.next_step == 0:
            self._harmlessly(functools.partial(self._sweep, targets, x))
        for target in targets:
            kernel = keras.ops.convert_to_numpy(target.kernel)
            norm = float(np.linalg.norm(kernel.astype("float64")))
            self._norms.setdefault(id(target.kernel), norm)
        self._targets = targets
        self._harmlessly(self._make_rescaler)

    def _make_rescaler(self) -> None:
        self._rescaler = Rescaler(
            self._model,
            self._model.optimizer,
            self._targets,
            MONITORS[self.monitor],
            self.band,
            self.function_preserving,
        )

    def _sweep(self, targets: list[Target], x: Any) -> None:
        if x is None:
            raise ValueError("the first batch is spread over several replicas")
        if not has_call(self._model):
            raise ValueError("the model has no `call` to run the first batch through")
        variances = {id(target.layer): target.variance for target in targets}
        sweep = Sweep(
            lambda layer: variances[id(layer)],
            self.band,
            MAX_ITERATIONS,
            orthogonal=False,
            skips=True,
        )
        with random_state_kept():
            report = sweep(self._model, x, layers=lambda layer: id(layer) in variances)
        skipped = {
            target.name: sweep.skipped[id(target.kernel)]
            for target in targets
            if id(target.kernel) in sweep.skipped
        }
        if skipped:
            log.warning(
                "keras_initkit: %d of %d layers are not rescaled on the first batch: "
                "%s.",
                len(skipped),
                len(targets),
                listed_by_reason(skipped),
            )
        self._note(
            Rescaling(
                step=0,
                layer=layer,
                factor=float(factor),
                reason=f"pre_activation_variance was {before:.3g} on the first batch, "
                f"and is {after:.3g}",
            )
            for layer, before, after, factor in zip(
                report.layers,
                report["before"],
                report["after"],
                report["factor"],
                strict=True,
            )
            if factor != 1
        )

    def _check(self) -> None:
        records, _ = self._session.read()
        if not len(records.steps) or records.skipped[-1] or self._rescaler is None:
            return
        step = int(records.steps[-1]) + 1
        if step >= self.stop_after:
            return
        recorded = records.values[-1, 0]
        keys = [id(variable) for variable in self._session.plan.variables]
        values = dict(zip(keys, recorded.tolist(), strict=True))
        _ = self.model  # with JAX this fills the variables, and Keras reads them again
        self._note(self._rescaler(step, values, self._references(recorded)))

    def _references(self, recorded: np.ndarray) -> dict[int, float]:
        """What the monitored value of each target should be, by its kernel's `id`."""
        if self.monitor == "weight_norm":
            return self._norms
        if self.monitor == "pre_activation":
            return {id(target.kernel): target.variance for target in self._targets}
        healthy = recorded[np.isfinite(recorded) & (recorded > 0)]
        median = float(np.median(healthy)) if len(healthy) else math.nan
        return {id(target.kernel): median for target in self._targets}

    def _note(self, events: Iterable[Rescaling]) -> None:
        for event in events:
            self.events.append(event)
            self._harmlessly(functools.partial(self._write, event))

    def _write(self, event: Rescaling) -> None:
        if self._log_dir is None:
            return
        # TensorBoard's protocol buffers are loaded when they are needed.
        from keras_initkit.tensorboard.event_file import EventFile
        from keras_initkit.tensorboard.rescaling_writer import write_rescaling

        if self._run is None:
            self._run = free_run(self._log_dir, RUN_NAME)
        self._file = self._file or EventFile(self._run)
        write_rescaling(self._file, *event)

    def _harmlessly(self, function: Callable[[], None]) -> None:
        """Whatever happens in it, the user's training goes on."""
        try:
            function()
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            if fault not in self._warned:
                self._warned.add(fault)
                log.warning(
                    "keras_initkit: something in `DynamicRescalingCallback` failed, "
                    "and the training goes on without it: %s",
                    fault,
                )

    def _end(self) -> None:
        if self._session is not None:
            self._session.detach()
        if self._file is not None:
            self._file.close()
        self._session = self._file = self._rescaler = None


def _check_band(band: Any) -> None:
    try:
        low, high = (arguments.number("band", bound, above=0) for bound in band)
        is_band = low <= 1 <= high
    except (TypeError, ValueError):
        is_band = False
    if not is_band:
        raise arguments.error(
            "band", band, "two numbers with 0 < band[0] <= 1 <= band[1]"
        )
