"""The one place that hooks a model: it stands where the gradients reach the optimizer.

`optimizer.apply(gradients, variables)` is what every Keras trainer and every custom
`train_step` calls. A tap puts a callable in its place on the optimizer instance, so
that the statistics of what passes through are computed inside the compiled step.
"""

import importlib
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initkit.stats.history import Records
from keras_initkit.stats.kernels import layer_names, select_variables
from keras_initkit.stats.measures import Moments, moments, widen
from keras_initkit.stats.schedule import Schedule

SOURCES = ("weight", "gradient")
KEYS = tuple(f"{source}_{name}" for source in SOURCES for name in Moments._fields)
MIN_CAPACITY = 64  # rows: 3 MB for 1,000 layers, and a transfer of under a millisecond


class Tap:
    """Records one row of statistics for each training step that a schedule selects.

    What is computed on a selected step: mean, variance and L2 norm of every trainable
    kernel before the update, and of its gradient as the optimizer is given it, divided
    by the loss scale if there is one. On other steps nothing is computed.

    Example:

    >>> with Tap(model, Schedule(update_freq=1, warmup_steps=0)) as tap:
    ...     model.train_on_batch(x, y)
    ...     records = tap.read()
    >>> records.steps
    array([0])

    Args:
        model: a compiled `keras.Model`, built or not.
        schedule: which steps are recorded.
        include_biases: whether every trainable variable is recorded, not only kernels.

    Attributes:
        variables: the recorded variables, in the order of `select_variables`; empty
            until the model is built.
        layers: their names.
    """

    def __init__(
        self, model: keras.Model, schedule: Schedule, include_biases: bool = False
    ) -> None:
        self._backend = _backend_module()
        self._model = model
        self._schedule = schedule
        self._include_biases = include_biases
        self._hook: _Hook | None = None
        self._fit: object = None
        self._ring: Any = None
        self._rows_read = 0
        self._steps_since_read = 0
        self._epoch_start: Any = None
        self.variables: list[Any] = []
        self.layers: list[str] = []

    def attach(self, fit: object = None) -> None:
        """Hooks the model's optimizer and asks for a new train function.

        The trainer has made its train function before a callback is called, and one
        that was traced before would never meet the hook.

        Args:
            fit: what identifies the current call of `fit`. Taps that an interrupted
                call left behind carry another one, and are removed.

        Raises:
            ValueError: if the model is not compiled or has no trainable kernel.
        """
        optimizer = getattr(self._model, "optimizer", None)
        if optimizer is None:
            raise ValueError(
                "The model must be compiled with an optimizer before its gradients "
                f"can be recorded. Received: model {self._model.name!r} with "
                f"optimizer={optimizer}"
            )
        if self._model.built:
            self._prepare()
        self._fit = fit
        self._epoch_start = keras.Variable(
            -1, dtype=optimizer.iterations.dtype, trainable=False, name="epoch_start"
        )
        self._hook = _Hook.on(optimizer)
        self._hook.taps = [
            tap for tap in self._hook.taps if tap._fit is None or tap._fit is fit
        ]
        self._hook.taps.append(self)
        self._model.make_train_function(force=True)

    def detach(self) -> None:
        """Takes the hook off the optimizer and the traced statistics off the model."""
        if self._hook is None:
            return
        self._hook.remove(self)
        self._hook = None
        self._model.make_train_function(force=True)

    def __enter__(self) -> "Tap":
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def mark_epoch(self) -> None:
        """Tells the schedule that the next step is the first of an epoch."""
        self._epoch_start.assign(self._model.optimizer.iterations)

    def must_read(self) -> bool:
        """Whether the next call of the train function could overwrite unread rows.

        To be asked once before each call.
        """
        self._steps_since_read += self._model.steps_per_execution
        return self._steps_since_read > self._capacity()

    def read(self) -> Records:
        """The rows recorded since the last call, in the order of the steps."""
        self._steps_since_read = self._model.steps_per_execution
        shape = (-1, len(KEYS), len(self.layers))
        if self._ring is None:
            return Records(np.empty(0, np.int64), np.empty((0, *shape[1:])))
        rows = self._ring.read()
        rows = rows[rows[:, 0] >= self._rows_read]
        rows = rows[np.argsort(rows[:, 0])]
        self._rows_read = int(rows[-1, 0]) + 1 if len(rows) else self._rows_read
        return Records(rows[:, 1].astype(np.int64), rows[:, 2:].reshape(shape))

    def observe(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        """Adds to the step that is being traced, or run eagerly, what records it."""
        if self._ring is None:
            try:
                self._prepare()
            except ValueError:
                self.detach()
                raise
        step = self._backend.value(optimizer.iterations)
        selected = self._schedule.selects(step, self._backend.value(self._epoch_start))
        if variables is None:  # then the gradients are those of the built optimizer
            variables = self._model.trainable_variables
        given = dict(zip(map(id, variables), gradients, strict=True))
        gradients = [given.get(id(variable)) for variable in self.variables]

        def weight_statistics() -> Any:
            return self._moments([self._backend.value(v) for v in self.variables])

        # The weights have an `if` of their own, which can run at once: in one `if` with
        # the gradients, no weight could be updated before the last gradient is there.
        weights = self._backend.vector_if(
            selected, weight_statistics, len(Moments._fields) * len(self.layers)
        )

        scale = _loss_scale(optimizer)

        def append_row() -> None:
            unscaled = [self._unscaled(gradient, scale) for gradient in gradients]
            row = ops.concatenate([weights, self._moments(unscaled)])
            self._ring.append(step, row)

        self._backend.run_if(selected, append_row)

    def _moments(self, tensors: list[Any]) -> Any:
        """All statistics of all tensors in one float64 vector, by statistic."""
        statistics = moments(tensors, self._backend.sum_of_squares)
        return ops.cast(ops.concatenate(statistics), "float64")

    def _prepare(self) -> None:
        """Looks at the model, which is built by now, and makes the ring."""
        self.variables = select_variables(self._model, self._include_biases)
        self.layers = layer_names(self.variables)
        self._ring = self._backend.Ring(self._capacity(), len(KEYS) * len(self.layers))

    def _capacity(self) -> int:
        # Not fewer rows, however few the schedule selects: the number of the step
        # stands still for skipped steps and while gradients are accumulated.
        return max(MIN_CAPACITY, self._model.steps_per_execution)

    def _unscaled(self, gradient: Any, scale: Any) -> Any:
        """The gradient as a dense tensor without the loss scale; NaN if it is None."""
        if gradient is None:
            return ops.full((1,), float("nan"), "float32")
        tensor = widen(self._backend.dense(gradient))
        return tensor if scale is None else tensor / ops.cast(scale, tensor.dtype)


class _Hook:
    """Stands in for `optimizer.apply` on one optimizer, for one or several taps."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._apply = optimizer.apply
        self._previous = vars(optimizer).get("apply")
        self.taps: list[Tap] = []
        # Not by setattr: an optimizer tracks what it is given, for its checkpoints.
        vars(optimizer)["apply"] = self

    @classmethod
    def on(cls, optimizer: Any) -> "_Hook":
        """The hook that the optimizer carries, or a new one."""
        hook = vars(optimizer).get("apply")
        return hook if isinstance(hook, cls) else cls(optimizer)

    def __call__(self, grads: Any, trainable_variables: Any = None) -> None:
        grads = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
        for tap in list(self.taps):
            tap.observe(self._optimizer, grads, trainable_variables)
        self._apply(grads, trainable_variables)

    def remove(self, tap: Tap) -> None:
        """Takes a tap off, and with the last one the hook itself."""
        if tap in self.taps:
            self.taps.remove(tap)
        if self.taps or vars(self._optimizer).get("apply") is not self:
            return
        del vars(self._optimizer)["apply"]
        if self._previous is not None:
            vars(self._optimizer)["apply"] = self._previous


def _loss_scale(optimizer: Any) -> Any:
    """What the optimizer multiplies the loss with, a scalar tensor; None if nothing.

    It is asked here and not in the branch that needs it, so that the optimizer does not
    have to wait for that branch before it may change its scale.
    """
    one = ops.ones(())
    scale = optimizer.scale_loss(one)
    return None if scale is one else scale


def _backend_module() -> ModuleType:
    """The file beside this one that serves the Keras backend in use."""
    name = keras.backend.backend()
    if name != "tensorflow":
        raise ValueError(
            "Gradient statistics are recorded with the TensorFlow backend of Keras "
            "only, so far. Set the environment variable KERAS_BACKEND=tensorflow "
            f"before keras is imported. Received: backend={name!r}"
        )
    return importlib.import_module(f"keras_initkit.stats.tap_{name}")
