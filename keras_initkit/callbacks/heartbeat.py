"""A thread that calls a method at regular intervals."""

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any


class Heartbeat(threading.Thread):
    """Calls a method every few seconds, until it is stopped or its object is gone.

    Args:
        seconds: the time between two calls.
        method: a bound method of no arguments; its object is not kept alive.
    """

    def __init__(self, seconds: float, method: Callable[[], Any]) -> None:
        super().__init__(daemon=True, name="keras_initkit")
        self._seconds = seconds
        self._method = weakref.WeakMethod(method)
        self._is_stopped = False
        self._waker = threading.Event()
        # A thread inside TensorFlow would crash the interpreter when that ends.
        atexit.register(self.stop)

    def run(self) -> None:
        while True:
            self._waker.wait(self._seconds)
            self._waker.clear()
            method = self._method()
            if self._is_stopped or method is None:
                break
            method()
            del method
        atexit.unregister(self.stop)

    def wake(self) -> None:
        """Makes the next call now."""
        self._waker.set()

    def stop(self) -> None:
        """Waits for a running call, then ends. The method itself may call this."""
        self._is_stopped = True
        self._waker.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()
