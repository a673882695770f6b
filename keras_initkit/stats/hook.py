"""What stands in for `optimizer.apply`, and hands on all that passes through."""

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from keras_initkit.stats.forward_pass import ForwardPass, Signal


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """What one replica hands to the optimizer, and the forward pass that led to it.

    Attributes:
        gradients: as the optimizer gets them: a tensor, a sparse one or None for each
            of the variables.
        variables: what they are the gradients of; None for all trainable variables.
        signals: of the last forward pass; empty if no observer needs it.
    """

    gradients: list[Any]
    variables: Any
    signals: list[Signal]


class Observer(Protocol):
    """What a hook calls around each update that is traced, or run eagerly."""

    fit: object
    needs_forward_pass: bool

    def before_update(self, given: tuple[Given, ...]) -> Any:
        """Gets one entry for each replica; what it returns is handed to the next."""

    def after_update(self, step: Any) -> None:
        """Called once the optimizer has changed what it changes."""

    def detach(self) -> None:
        """Removes itself from the hook."""


class Hook:
    """Stands in for `apply` on one optimizer, for one or several observers.

    Args:
        model: the model that the optimizer trains.
        optimizer: a Keras optimizer.
        backend: the module of the Keras backend in use.
    """

    def __init__(self, model: Any, optimizer: Any, backend: ModuleType) -> None:
        self._optimizer = optimizer
        self._backend = backend
        self._apply = optimizer.apply
        self._previous = vars(optimizer).get("apply")
        self._model = model
        self._observers: list[Any] = []
        self._forward_pass = ForwardPass(model, backend.current_graph)
        self._make_train_function = model.make_train_function
        # Not by setattr: an optimizer tracks what it is given, for its checkpoints.
        vars(optimizer)["apply"] = self

    @classmethod
    def on(cls, model: Any, optimizer: Any, backend: ModuleType) -> "Hook":
        """The hook that the optimizer carries, or a new one."""
        hook = vars(optimizer).get("apply")
        return hook if isinstance(hook, cls) else cls(model, optimizer, backend)

    def __call__(
        self, grads: Any, trainable_variables: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        gradients = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
        given = Given(gradients, trainable_variables, self._forward_pass.take())
        observers = list(self._observers)
        steps = [self._together(o.before_update, given) for o in observers]
        result = self._apply(gradients, trainable_variables, *args, **kwargs)
        for observer, step in zip(observers, steps, strict=True):
            self._together(_of_first(observer.after_update), step)
        return result

    def add(self, observer: Observer) -> None:
        """Adds an observer, in place of those that an interrupted fit left behind."""
        self._observers = [
            o for o in self._observers if o.fit is None or o.fit is observer.fit
        ]
        self._observers.append(observer)
        self._watch()

    def remove(self, observer: Observer) -> None:
        """Takes an observer off, and with the last one the hook itself."""
        self._observers = [o for o in self._observers if o is not observer]
        self._watch()
        if self._observers or vars(self._optimizer).get("apply") is not self:
            return
        del vars(self._optimizer)["apply"]
        if self._previous is not None:
            vars(self._optimizer)["apply"] = self._previous

    def has(self, observer: Observer) -> bool:
        """Whether an observer was added and is neither removed nor replaced."""
        return any(o is observer for o in self._observers)

    def retrace(self) -> None:
        """Asks the model for a new train function, which meets the hook, or is bare."""
        if self._model.compiled:
            self._make_train_function(force=True)

    def _watch(self) -> None:
        self._forward_pass.detach()
        vars(self._model).pop("make_train_function", None)
        if any(observer.needs_forward_pass for observer in self._observers):
            self._forward_pass.attach()
        if any(observer.fit is not None for observer in self._observers):
            vars(self._model)["make_train_function"] = self._begin_fit

    def _begin_fit(self, *args: Any, **kwargs: Any) -> Any:
        """What Keras calls when a `fit` begins: no observer is left from another.

        After an exception nobody is told that a `fit` has ended.
        """
        for observer in [o for o in self._observers if o.fit is not None]:
            observer.detach()
        return self._make_train_function(*args, **kwargs)

    def _together(self, function: Callable[[tuple], Any], given: Any) -> Any:
        return self._backend.on_all_replicas(function, given)


def _of_first(function: Callable[[Any], None]) -> Callable[[tuple], None]:
    """For what is the same in all replicas."""
    return lambda given: function(given[0])
