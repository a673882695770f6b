"""Records the user's own training loop, which has no train function to choose."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

from keras import ops

from keras_initkit import backends
from keras_initkit.kernels.signals import ForwardPass
from keras_initkit.stats.faults import harmlessly
from keras_initkit.stats.session import Session
from keras_initkit.stats.update_hook import Given, UpdateHook

# The number of rows that wait in a graph until a thread reads them.
CAPACITY = 256


@contextlib.contextmanager
def recorded_loop(model: Any, session: Session) -> Iterator[None]:
    """A context that records every call of the session's optimizer.

    A step that the user traces has the condition in its graph, because nothing asks
    before it runs. Steps of the model's own trainer, in `train_on_batch` or `fit`, are
    recorded as in `fit`.

    Args:
        model: the model.
        session: an attached session of the model and the loop's optimizer.
    """
    with contextlib.ExitStack() as stack:
        loop = _Loop(model, session)
        stack.enter_context(loop.hooks())
        if model.compiled:
            stack.enter_context(loop.trainer())
        yield


class _Loop:
    """Stands in for an optimizer and for a model's train function.

    Args:
        model: the model.
        session: the session that records.
    """

    def __init__(self, model: Any, session: Session) -> None:
        self._model = model
        self._session = session
        self._forward = ForwardPass(model)
        needs_signals = session.plan.needs_signals
        self._hook = UpdateHook(
            session.plan.optimizer,
            self._observe,
            lambda row: None,
            self._forward.take if needs_signals else (lambda tensor: []),
        )
        self._entered: contextlib.ExitStack | None = None

    @contextlib.contextmanager
    def hooks(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            self._exit()

    @contextlib.contextmanager
    def trainer(self) -> Iterator[None]:
        """A context that records the trainer's steps as a callback does."""
        attributes = vars(self._model)
        self._model.make_train_function()
        own = attributes["train_function"]

        def train_function(*arguments: Any) -> Any:
            nonlocal own
            attributes["train_function"] = own
            self._exit()  # the trainer's step has its own hooks, or none
            try:
                self._session.look_up()
                self._session.before_batch()
                return attributes["train_function"](*arguments)
            finally:
                self._enter()
                own = attributes["train_function"]
                attributes["train_function"] = train_function

        attributes["train_function"] = train_function
        try:
            yield
        finally:
            if attributes["train_function"] is train_function:
                attributes["train_function"] = own

    def _enter(self) -> None:
        self._entered = contextlib.ExitStack()
        self._entered.enter_context(self._hook)
        if self._session.plan.needs_signals:
            self._entered.enter_context(self._forward)

    def _exit(self) -> None:
        if self._entered is not None:
            self._entered.close()

    def _observe(self, replicas: tuple[Given, ...]) -> Callable[[], None]:
        session = self._session
        session.plan.prepare()
        return harmlessly(lambda: self._begin(replicas), note=session.note_faults)

    def _begin(self, replicas: tuple[Given, ...]) -> Callable[[], None]:
        """Begins a row. The returned function posts it after the update."""
        session, backend = self._session, backends.current()
        plan = session.plan
        if session.outbox is None:
            width = len(plan.layers) * len(plan.statistics.keys)
            width += math.prod(plan.histogram_shape) + 1  # the learning rate
            session.outbox = backend.outbox(width, CAPACITY)
        outbox = session.outbox
        step = plan.number()
        is_wanted = session.selects(step)
        tensors = plan.tensors(replicas)
        was_skipped = plan.was_skipped()

        def measure() -> Any:
            parts = [
                plan.row.of_tensors(tensors.weights, tensors.gradients()),
                plan.row.of_signals(tensors.signals),
            ]
            parts = [part for part in parts if part is not None]
            if plan.has_histograms:
                counts = ops.reshape(
                    plan.row.histograms(
                        tensors.weights, tensors.gradients(), tensors.signals
                    ),
                    (-1,),
                )
                parts.append(ops.cast(counts, parts[0].dtype))
            rate = ops.cast(plan.learning_rate(), parts[0].dtype)
            parts.append(ops.reshape(rate, (1,)))
            return ops.concatenate(parts)

        before = backend.where_wanted(is_wanted, measure)
        num_before = len(plan.layers) * len(
            plan.statistics.of_tensors + plan.statistics.forward
        )

        def finish() -> None:
            def row() -> Any:
                skipped = ops.cast(was_skipped(), before.dtype)
                parts = [before[:num_before]]
                if plan.statistics.update:
                    parts.append(ops.cast(plan.updates(tensors), before.dtype))
                parts.append(before[num_before:])
                return step, skipped, ops.concatenate(parts)

            outbox.post(is_wanted, row)

        return finish
