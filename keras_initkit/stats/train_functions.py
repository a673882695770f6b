"""The two train functions of a model, and the choice between them for each batch."""

import types
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import keras

from keras_initkit import backends
from keras_initkit.stats.faults import Faults
from keras_initkit.stats.plan import Plan
from keras_initkit.stats.recording import Recording

# A model carries its `TrainFunctions` under this name while something observes it.
ATTRIBUTE = "_keras_initkit_train_functions"
# Keras's own train function carries the recording ones under this name, so they live
# as long as it does.
CARRIED = "keras_initkit_recordings"


class Observer(Protocol):
    """An object that wants rows of some of a model's steps."""

    plan: Plan
    fit: object

    def wants(self, ahead: int) -> tuple[bool, bool]:
        """Tells whether it wants a row, and histograms, of the step this far ahead."""

    def receive(self, rows: tuple, faults: Faults) -> None:
        """Takes the rows of a wanted step, and the reasons for missing ones."""


class TrainFunctions:
    """Chooses before each batch: Keras's own train function, or the recording one.

    All trainers of Keras read `model.train_function` again for every batch. Keras's own
    function takes every step that nothing records. The recording one replaces it for a
    single call, and puts Keras's own back before it does anything else.

    Args:
        model: a compiled `keras.Model`; it is not kept alive.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = weakref.ref(model)
        self._observers: list[Observer] = []
        self._first_looks: list[Callable[[Any], None]] = []
        self._own: Any = None
        self._before: dict[str, Any] = {}
        self._stand_in = self._run

    @classmethod
    def of(cls, model: keras.Model) -> "TrainFunctions":
        """Those of a model, which carries them while something observes it."""
        # Not by setattr, because a model tracks its attributes.
        return vars(model).setdefault(ATTRIBUTE, cls(model))

    def add(self, observer: Observer) -> None:
        """Adds an observer, and removes those of an interrupted `fit`."""
        self._observers = [
            o for o in self._observers if o.fit is None or o.fit is observer.fit
        ]
        self._observers.append(observer)

    def remove(self, observer: Observer) -> None:
        """Removes an observer. The last one leaves nothing on the model."""
        self._observers = [o for o in self._observers if o is not observer]
        self.choose()
        model: Any = self._model()
        if not self._observers and model is not None:
            vars(model).pop(ATTRIBUTE, None)

    def has(self, observer: Observer) -> bool:
        """Tells whether the observer was added and not removed since."""
        return any(o is observer for o in self._observers)

    def look_first(self, function: Callable[[Any], None]) -> None:
        """Calls a function with the next batch, before the model trains on it.

        The train function gets the data; a callback does not. The function may change
        variables. It gets None if the batch is spread over several replicas.
        """
        self._first_looks.append(function)
        self.choose()

    def choose(self) -> None:
        """Sets the train function of the next batch, after an observer has decided."""
        model: Any = self._model()
        if model is None:
            return
        is_wanted = bool(self._first_looks) or self._is_wanted(model)
        if is_wanted and model.train_function is not self._stand_in:
            self._put_in_place(model)
        elif not is_wanted:
            self._put_back(model)

    def _put_in_place(self, model: Any) -> None:
        # Not by setattr, because a model inspects its attributes.
        attributes = vars(model)
        self._own = model.train_function
        self._before = {
            k: v for k, v in attributes.items() if k == "make_train_function"
        }
        attributes["train_function"] = self._stand_in
        attributes["make_train_function"] = self._begin_another

    def _put_back(self, model: Any) -> None:
        self._first_looks = []
        if model.train_function is self._stand_in:
            vars(model)["train_function"] = self._own
            vars(model).pop("make_train_function", None)
            vars(model).update(self._before)

    def _begin_another(self, *arguments: Any, **options: Any) -> Any:
        """Handles a trainer that begins again before the chosen batch came.

        Nothing tells when a `fit` ends with an exception.
        """
        model: Any = self._model()
        self._put_back(model)
        return model.make_train_function(*arguments, **options)

    def _run(self, *arguments: Any) -> Any:
        """Runs an execution of one or several steps, and records the wanted ones."""
        model: Any = self._model()
        looks = self._first_looks
        self._put_back(model)
        if looks:
            arguments = self._look(model, looks, arguments)
        if not self._is_wanted(model):
            return self._own(*arguments)
        backend = backends.current()
        num_steps = model.steps_per_execution
        outputs: Any = None
        for number in range(num_steps):
            single = arguments
            if num_steps > 1:
                try:
                    single = backend.next_batch(arguments)
                except StopIteration:
                    if number:
                        break
                    raise
            outputs = self._take_step(model, number, single)
            arguments = backend.next_arguments(arguments, outputs)
        return outputs

    def _is_wanted(self, model: Any) -> bool:
        """Tells whether an observer wants a step of the next execution."""
        steps = range(model.steps_per_execution)
        return any(any(o.wants(n)) for o in self._observers for n in steps)

    def _look(self, model: Any, looks: list[Callable], arguments: tuple) -> tuple:
        backend = backends.current()
        batch, arguments = backend.peek(arguments, model.steps_per_execution)

        def look_at_batch() -> None:
            for look in looks:
                look(batch)

        return backend.with_state(model, arguments, look_at_batch)

    def _take_step(self, model: Any, number: int, arguments: tuple) -> Any:
        wanted = [observer.wants(number) for observer in self._observers]
        if not any(map(any, wanted)):
            recording, arguments = self._recording(("one step",), arguments, model)
            outputs, _ = recording(*arguments)
            return outputs
        observers = list(self._observers)
        plans = [observer.plan for observer in observers]
        with_histograms = tuple(histograms for _, histograms in wanted)
        key = *(plan.key for plan in plans), with_histograms
        recording, arguments = self._recording(
            key, arguments, model, plans, with_histograms
        )
        outputs, rows = recording(*arguments)
        for observer, is_wanted, of_plan, faults in zip(
            observers, wanted, rows, recording.faults, strict=True
        ):
            if any(is_wanted):
                observer.receive(of_plan, faults)
        return outputs

    def _recording(
        self, key: tuple, arguments: tuple, model: Any, *plans: Any
    ) -> tuple[Recording, tuple]:
        """Returns a recording that Keras's function carries, or makes one.

        It also returns the arguments to call it with. If a batch is spread over
        devices, JAX's trainer looks at the variables.
        """
        own = self._own
        carrier = vars(own if isinstance(own, types.FunctionType) else self)
        made = carrier.setdefault(CARRIED, {})

        def make() -> None:
            made[key] = Recording(model, *plans)

        if key not in made:
            arguments = backends.current().with_state(model, arguments, make)
        return made[key], arguments
