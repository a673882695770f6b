"""The callback that corrects the scale of layers, before and during training."""

import functools
from collections import deque
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import keras
import numpy as np

from keras_initkit import arguments
from keras_initkit.diagnosis.finding import listed
from keras_initkit.diagnosis.rescalings import Rescaling, of_jumps, of_start
from keras_initkit.diagnosis.start import USUAL_MISFIT
from keras_initkit.kernels.origin import note_factors
from keras_initkit.kernels.selection import Selector, check_selectors
from keras_initkit.report.first_batch import first_suspicions, log
from keras_initkit.rescale.snapshot import Snapshot
from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.session import Session
from keras_initkit.stats.statistics import Statistics
from keras_initkit.stats.train_functions import TrainFunctions
from keras_initkit.tensorboard.local_directory import local_directory
from keras_initkit.tensorboard.runs import new_run

RUN_NAME = "rescaling"
CHECKS = 3  # the number of checks in which a jump shows


class DynamicRescalingCallback(keras.callbacks.Callback):
    """Rescales each kernel that has the wrong scale, by one factor for the kernel.

    It acts in two cases, and otherwise leaves the training alone, bit for bit:

    - Before the first step of the optimizer, `signal_report` judges the model on the
      first batch. Each kernel that it suspects of `weights_too_large` or
      `weights_too_small` gets the scale that keeps the signal of its activation:
      `fan_in * mean(W^2) * E[f(u)^2] = 1` for u ~ N(0, 1). For ReLU, this is the scale
      of He initialization.
      In a residual network, the last kernel of each of n branches gets that divided by
      sqrt(n), and the last layer gets the scale of Glorot initialization. It does not
      suspect kernels of zeros, a small last layer, or small kernels in networks that
      normalize their activations.
    - At one step in `check_freq`, it compares the norm of each kernel with the norm at
      the check before. If they differ by a factor of more than 2.5 that the optimizer's
      own steps do not explain, something else has multiplied the kernel. By then other
      layers have adapted to it, so the callback puts the whole model, with the moments
      of its optimizer, back to the check before. It takes changes between two calls of
      `fit` as intended.

    It logs one line each time it acts. From check to check, it keeps a copy of the
    weights and of the optimizer's moments.

    A model that starts from trained weights may have other scales than an initializer
    gives. In that case, choose the new layers with `layers=`. The callback does not
    judge the start of a model that cannot run on a batch, such as a GAN, or whose
    batches are spread over several replicas.

    Examples:

    >>> model = keras.Sequential(
    ...     [keras.Input((64,)), keras.layers.Dense(
    ...         64, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=1)
    ...     ), keras.layers.Dense(3)]
    ... )
    >>> model.compile("adam", "mse")
    >>> callback = DynamicRescalingCallback(log_dir=None)
    >>> x, y = np.random.normal(size=(128, 64)), np.random.normal(size=(128, 3))
    >>> _ = model.fit(x, y, callbacks=[callback], verbose=0)
    >>> (event,) = callback.events
    >>> event.step, event.layer
    (0, 'dense')

    Args:
        check_freq: positive integer, in steps of the optimizer.
        layers: the layers to rescale: a pattern, as for file names, of the layer's name
            or path (`"dense_*"`), a layer or a layer class, a function from a layer to
            a bool, or a list of these. None for all with a trainable kernel.
        log_dir: directory for TensorBoard. Each rescaling is a scalar
            `rescale_factor/<layer>` and a text in the run `<log_dir>/rescaling`, which
            is made with the first of them. Another training, with another optimizer or
            callback, has its own: `rescaling_2`, `rescaling_3`, ... None for none.

    Attributes:
        events: list of `Rescaling(step, layer, factor, reason)`, where `step` is the
            optimizer's first step with the new kernel.

    Raises:
        ValueError: before the first step, if an argument is wrong, or the model has no
            such layer.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1502.01852)
    - [Mishkin & Matas, 2015](https://arxiv.org/abs/1511.06422)
    - [Niehaus et al., 2024](https://arxiv.org/abs/2306.08759)
    """

    def __init__(
        self,
        check_freq: int = 10,
        layers: Selector | Sequence[Selector] | None = None,
        log_dir: str | PathLike[str] | None = "logs",
    ) -> None:
        super().__init__()
        check_selectors(layers)
        self._arguments = check_freq, layers, log_dir
        self.check_freq = arguments.integer("check_freq", check_freq)
        self._layers = layers
        self._log_dir = None
        if log_dir is not None:
            self._log_dir = local_directory(log_dir).absolute()
        self._run: Any = None
        self._optimizer_of_run: Any = None
        self._file: Any = None
        self._session: Any = None
        self._records: deque[tuple[int, Any]] = deque(maxlen=CHECKS)
        self._snapshot: Snapshot | None = None  # after the last step of `_records`
        self._warned: set[str] = set()
        self._is_first_batch = False
        self.events: list[Rescaling] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._end()
        if self._optimizer_of_run is not self.model.optimizer:
            self._run, self._optimizer_of_run = None, self.model.optimizer
        self._session = Session(
            self.model,
            Schedule(self.check_freq),
            Statistics("weight_l2_norm"),
            layers=self._layers,
        )
        self._session.attach(fit=self.params)
        self._is_first_batch = True

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._session.mark_epoch()

    # At the beginning of a batch, because for its end, Keras must either wait for every
    # step or call us from another thread.
    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._session.num_waiting:
            self._harmlessly(self._check)
        self._session.before_batch()
        if self._is_first_batch and self._session.next_step == 0:  # until one arrives
            TrainFunctions.of(self._model).look_first(self._look_at)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._end()

    def __reduce__(self) -> tuple:
        """A copy, or an unpickled callback, is a new one with the same arguments."""
        return functools.partial(type(self), *self._arguments), ()

    def _look_at(self, batch: Any) -> None:
        self._is_first_batch = False
        rescalings = of_start(*first_suspicions(self._model, batch))
        self._session.plan.prepare()  # the model is built by now
        self._harmlessly(functools.partial(self._rescale, rescalings))

    def _check(self) -> None:
        records, _ = self._session.read()
        if not len(records.steps) or records.skipped[-1]:
            return
        self._records.append((int(records.steps[-1]), records.values[-1, 0]))
        jumps = []
        if len(self._records) == CHECKS:
            jumps = of_jumps(self._session.plan.layers, self._records)
        model = self.model  # with JAX, this fills the variables, which are read below
        if jumps and self._snapshot is not None:
            self._snapshot.put_back()
            self._undo_early_jumps(jumps)
            said = "the model was put back to its last check because of a jump in"
            self._note(jumps, f"{said} {_names(jumps)}")
            self._records.clear()  # the norms have changed
        else:
            self._snapshot = Snapshot(model)

    def _undo_early_jumps(self, jumps: list[Rescaling]) -> None:
        """Rescales a kernel that had jumped when the snapshot was taken.

        The norms belong to the weights before a step, and the snapshot to those after.
        """
        _, (_, norms), _ = self._records
        norm_of = dict(zip(self._session.plan.layers, norms, strict=True))
        variables = self._variables()
        for event in jumps:
            variable = variables[event.layer]
            norm = np.linalg.norm(keras.ops.convert_to_numpy(variable.value))
            factor = norm_of[event.layer] / norm
            if abs(np.log10(factor)) > USUAL_MISFIT / 2:
                variable.assign(variable * factor)

    def _rescale(self, rescalings: list[Rescaling]) -> None:
        variables = self._variables()
        done = [event for event in rescalings if event.layer in variables]
        for event in done:
            variable = variables[event.layer]
            variable.assign(variable * event.factor)
        if done:
            factors = [event.factor for event in done]
            by = f"{min(factors):.3g}" + f" to {max(factors):.3g}" * (len(done) > 1)
            said = f"the kernels of {_names(done)} were multiplied by {by}"
            self._note(done, said)
            note_factors(self._model, [(variables[e.layer], e.factor) for e in done])

    def _variables(self) -> dict[str, Any]:
        plan = self._session.plan
        return dict(zip(plan.layers, plan.variables, strict=True))

    def _note(self, events: list[Rescaling], said: str) -> None:
        """Keeps the events, writes them, and logs the action and its reason."""
        for event in events:
            self.events.append(event)
            self._harmlessly(functools.partial(self._write, event))
        step, reason = events[0].step, events[0].reason
        log.warning("keras_initkit: step %d: %s: %s", step, said, reason)

    def _write(self, event: Rescaling) -> None:
        if self._log_dir is None:
            return
        # TensorBoard's protocol buffers are loaded only when needed.
        from keras_initkit.tensorboard.event_file import EventFile
        from keras_initkit.tensorboard.rescaling_writer import write_rescaling

        if self._run is None:
            self._run = new_run(self._log_dir, RUN_NAME)
        self._file = self._file or EventFile(self._run)
        write_rescaling(self._file, *event)

    def _harmlessly(self, function: Callable[[], None]) -> None:
        """Calls a function; if it fails, the user's training continues."""
        try:
            function()
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            if fault not in self._warned:
                self._warned.add(fault)
                log.warning(
                    "keras_initkit: `DynamicRescalingCallback` failed, and training "
                    "continues without it: %s",
                    fault,
                )

    def _end(self) -> None:
        if self._session is not None:
            self._session.detach()
        if self._file is not None:
            self._file.close()
        self._session = self._file = self._snapshot = None
        self._records.clear()


def _names(events: list[Rescaling]) -> str:
    return listed(tuple(event.layer for event in events))
