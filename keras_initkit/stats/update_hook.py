"""Stands in for the methods with which an optimizer takes gradients."""

import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_initkit import backends
from keras_initkit.backends import keras_private


class Given(NamedTuple):
    """The input of an optimizer in one replica.

    Attributes:
        gradients: as the optimizer gets them: a tensor, a sparse one or None for each
            of the variables.
        variables: the variables of the gradients.
        signals: the signals of the forward pass that led to them.
    """

    gradients: list[Any]
    variables: list[Any]
    signals: list[Any]


class _Carried:
    """Wraps content, so that no framework takes it for a structure of tensors."""

    def __init__(self, content: Any) -> None:
        self.content = content


class UpdateHook:
    """A context that shows an optimizer's input to an observer first.

    Args:
        optimizer: a Keras optimizer.
        observe: takes a tuple with the input of each replica. It returns a function
            without arguments, which is called after the update. In both,
            `backends.current().value(variable)` is the current value of a variable.
        deliver: takes the result of that function, in each replica.
        take_signals: takes a tensor of the step, and returns the signals of its trace.
    """

    def __init__(
        self,
        optimizer: Any,
        observe: Callable[[tuple[Given, ...]], Callable[[], Any]],
        deliver: Callable[[Any], None],
        take_signals: Callable[[Any], list[Any]] = lambda tensor: [],
    ) -> None:
        self._optimizer = optimizer
        self._observe = observe
        self._deliver = deliver
        self._take_signals = take_signals
        self._busy = threading.local()  # a replica has a thread of its own
        self._before: dict[str, Any] = {}

    def __enter__(self) -> "UpdateHook":
        optimizer = self._optimizer
        stand_ins = {
            "apply": functools.partial(self._apply, optimizer.apply),
            "stateless_apply": functools.partial(
                self._stateless_apply, optimizer.stateless_apply
            ),
        }
        # Not by setattr, because an optimizer tracks its attributes for checkpoints.
        attributes = vars(optimizer)
        self._before = {k: attributes[k] for k in stand_ins if k in attributes}
        attributes.update(stand_ins)
        return self

    def __exit__(self, *_: object) -> None:
        attributes = vars(self._optimizer)
        for name in ("apply", "stateless_apply"):
            attributes.pop(name, None)
        attributes.update(self._before)

    def _apply(
        self,
        apply: Callable,
        grads: Any,
        trainable_variables: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        gradients = list(grads)
        variables = trainable_variables
        if variables is not None:
            variables = trainable_variables = list(variables)
        elif self._optimizer.built:
            variables = keras_private.variables_of(self._optimizer)
        if getattr(self._busy, "is_inside", False) or not variables:
            return apply(gradients, trainable_variables, *args, **kwargs)
        self._busy.is_inside = True
        try:
            finish = self._show(gradients, variables)
            result = apply(gradients, trainable_variables, *args, **kwargs)
            row = backends.current().on_all_replicas(_finish_first, finish)
        finally:
            self._busy.is_inside = False
        self._deliver(row.content)
        return result

    def _stateless_apply(
        self,
        apply: Callable,
        optimizer_variables: Any,
        grads: Any,
        trainable_variables: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        gradients = list(grads)
        if getattr(self._busy, "is_inside", False):
            return apply(
                optimizer_variables, gradients, trainable_variables, *args, **kwargs
            )
        variables = keras_private.variables_of(self._optimizer)
        self._busy.is_inside = True
        try:
            with self._state(optimizer_variables, trainable_variables):
                finish = self._show(gradients, variables)
            result = apply(
                optimizer_variables, gradients, trainable_variables, *args, **kwargs
            )
            with self._state(result[1], result[0]):
                row = finish.content()
        finally:
            self._busy.is_inside = False
        self._deliver(row)
        return result

    def _show(self, gradients: list[Any], variables: list[Any]) -> _Carried:
        there = [gradient for gradient in gradients if gradient is not None]
        signals = self._take_signals(there[0]) if there else []
        given = _Carried(Given(gradients, variables, signals))
        return backends.current().on_all_replicas(self._show_all, given)

    def _show_all(self, replicas: tuple[_Carried, ...]) -> _Carried:
        return _Carried(self._observe(tuple(r.content for r in replicas)))

    def _state(self, optimizer_variables: Any, trainable_variables: Any) -> Any:
        """A scope in which the variables hold these tensors."""
        variables = keras_private.variables_of(self._optimizer)
        return keras.StatelessScope(
            [
                *zip(self._optimizer.variables, optimizer_variables, strict=True),
                *zip(variables, trainable_variables, strict=True),
            ]
        )


def _finish_first(replicas: tuple[_Carried, ...]) -> _Carried:
    return _Carried(replicas[0].content())
