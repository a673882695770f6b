"""The recording train function of a model: Keras's own, with rows beside its logs."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_initkit import backends
from keras_initkit.kernels.signals import ForwardPass
from keras_initkit.stats.faults import harmlessly
from keras_initkit.stats.plan import Plan
from keras_initkit.stats.update_hook import Given, UpdateHook

IN_BRANCH = (
    "the training step applies its optimizer inside a branch or a loop of the graph, "
    "which cannot return statistics. Record it with `layer_stats`"
)


class Recording:
    """A train function from the model's own trainer that also returns rows.

    The trainer makes it while another `train_step` stands in for the model's. That one
    passes what the optimizer gets to pure functions, and returns their results beside
    the logs. They are taken from there before Keras sees them. The stand-in is in place
    only while the function is made or called.

    It takes one step in each call, whatever `steps_per_execution` says.

    Args:
        model: a compiled `keras.Model`.
        plans: what to record. Without plans, it is Keras's own function for one step.
        with_histograms: for each plan, whether its rows hold histograms.

    Attributes:
        faults: for each plan, the reasons for missing rows.
    """

    def __init__(
        self,
        model: keras.Model,
        plans: Sequence[Plan] = (),
        with_histograms: Sequence[bool] = (),
    ) -> None:
        self._model = model
        self._plans = tuple(plans)
        self._with_histograms = tuple(with_histograms)
        self._forward = ForwardPass(model)
        self._needs_signals = any(plan.needs_signals for plan in plans)
        of_optimizers: dict[int, list[int]] = {}
        for number, plan in enumerate(plans):
            of_optimizers.setdefault(id(plan.optimizer), []).append(number)
        # One hook for each optimizer, because the signals of an update are taken once.
        self._hooks = [self._hook(numbers) for numbers in of_optimizers.values()]
        self._own_step = model.train_step
        self._step = threading.local()  # each replica has its own thread
        self.faults: tuple[dict[str, str], ...] = tuple({} for _ in plans)
        attributes = vars(model)
        before = attributes["train_function"]
        try:
            with self._in_place():
                model.make_train_function(force=True)
            self._function = attributes["train_function"]
        finally:
            attributes["train_function"] = before

    def __call__(self, *arguments: Any) -> tuple[Any, tuple]:
        """Takes one step.

        Returns:
            The result of Keras's own function; and for each plan a tuple with a row for
            each update. A row is a dict with `step`, `learning_rate`, `skipped`,
            `values`, `loss` (None if the logs have none) and, if there are histograms,
            `counts`.
        """
        with self._in_place():
            outputs = self._function(*arguments)
        outputs, logs, rows = backends.current().without_rows(outputs)
        loss = logs.get("loss") if isinstance(logs, dict) else None
        for row in itertools.chain.from_iterable(rows):
            row["loss"] = loss
        return outputs, rows

    @contextlib.contextmanager
    def _in_place(self) -> Any:
        attributes = vars(self._model)
        stand_ins = {"train_step": self._train_step, "steps_per_execution": 1}
        before = {k: attributes[k] for k in stand_ins if k in attributes}
        with contextlib.ExitStack() as stack:
            for hook in self._hooks:
                stack.enter_context(hook)
            if self._needs_signals:
                stack.enter_context(self._forward)
            attributes.update(stand_ins)
            try:
                yield
            finally:
                for name in stand_ins:
                    del attributes[name]
                attributes.update(before)

    def _train_step(self, *arguments: Any, **options: Any) -> Any:
        self._step.rows = [[] for _ in self._plans]
        if self._needs_signals:
            self._forward.begin()
        outputs = self._own_step(*arguments, **options)
        trace_of = backends.current().trace_of
        outer = trace_of(_first_tensor(arguments))
        rows: list[tuple] = []
        for of_plan, faults in zip(self._step.rows, self.faults, strict=True):
            kept = [row for row in of_plan if trace_of(row["values"]) is outer]
            if len(kept) < len(of_plan):
                faults[IN_BRANCH] = ""
            rows.append(tuple(kept))
        return backends.current().with_rows(outputs, tuple(rows))

    def _hook(self, numbers: list[int]) -> UpdateHook:
        """Makes the hook for the plans of these numbers, which share an optimizer."""

        def observe(replicas: tuple[Given, ...]) -> Callable[[], Any]:
            finishes = [self._begin(number, replicas) for number in numbers]
            return lambda: [finish() for finish in finishes]

        def deliver(rows: list[Any]) -> None:
            for number, row in zip(numbers, rows, strict=True):
                if row is not None:
                    self._step.rows[number].append(row)

        plans = [self._plans[number] for number in numbers]
        needs_signals = any(plan.needs_signals for plan in plans)
        take = self._forward.take if needs_signals else (lambda tensor: [])
        return UpdateHook(plans[0].optimizer, observe, deliver, take)

    def _begin(self, number: int, replicas: tuple[Given, ...]) -> Callable[[], Any]:
        """Begins a row of one plan; returns what ends it. Errors become faults."""
        plan, has_histograms = self._plans[number], self._with_histograms[number]
        plan.prepare()
        return harmlessly(
            lambda: _begin_row(plan, replicas, has_histograms),
            note=self.faults[number].update,
        )


def _begin_row(
    plan: Plan, replicas: tuple[Given, ...], has_histograms: bool
) -> Callable[[], dict[str, Any]]:
    """Measures before the update; returns a function that measures after it."""
    apart, row = backends.current().apart, plan.row
    tensors = plan.tensors(replicas)
    made: dict[str, Any] = {
        "step": plan.number(),
        "learning_rate": plan.learning_rate(),
    }

    def measure() -> Any:
        return row.of_tensors(tensors.weights, tensors.gradients())

    parts = [
        # Each gradient is read as soon as it exists, while it is in the cache. But the
        # optimizer also divides by the scale, and must do so on its own.
        measure() if tensors.scale is None else apart(measure),
        apart(lambda: row.of_signals(tensors.signals)),
    ]
    if has_histograms:
        made["counts"] = apart(
            lambda: row.histograms(
                tensors.weights, tensors.gradients(), tensors.signals
            )
        )
    was_skipped = plan.was_skipped()

    def finish() -> dict[str, Any]:
        if plan.statistics.update:
            parts.append(plan.updates(tensors))
        made["values"] = ops.concatenate([part for part in parts if part is not None])
        return {**made, "skipped": was_skipped()}

    return finish


def _first_tensor(arguments: Any) -> Any:
    leaves = keras.tree.flatten(arguments)
    return next((leaf for leaf in leaves if hasattr(leaf, "dtype")), None)
