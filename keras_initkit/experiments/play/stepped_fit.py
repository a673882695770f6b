"""A `model.fit` that takes one step whenever it is asked to."""

import threading
from collections.abc import Callable
from typing import Any

import keras


class SteppedFit:
    """Runs `fit` on a thread of its own, which waits after each training step.

    Either that thread or the caller of `step` runs, never both: what the caller reads
    between two steps stands still. It is `fit` itself that trains, with its callbacks;
    nothing in the model is changed.

    Args:
        fit: calls `model.fit` with this callback, the last of all.
    """

    def __init__(self, fit: Callable[[keras.callbacks.Callback], Any]) -> None:
        self._fit = fit
        self._pause = _Pause()
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name="keras-initkit play", daemon=True
        )

    def step(self) -> bool:
        """Takes one step.

        Returns:
            Whether there was one left; False after the last.

        Raises:
            Exception: what `fit` raised.
        """
        if self._thread.ident is None:
            self._thread.start()
        elif not self._thread.is_alive():
            return False
        else:
            self._pause.go_on()
        return self._wait()

    def close(self) -> None:
        """Ends `fit` as `stop_training` does: its callbacks end in order."""
        if self._thread.is_alive():
            self._pause.stop()
            self._wait()
        if self._thread.ident is not None:
            self._thread.join()

    def _wait(self) -> bool:
        self._pause.has_come.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return not self._pause.is_over

    def _run(self) -> None:
        try:
            self._fit(self._pause)
        except BaseException as error:
            self._error = error
        self._pause.is_over = True
        self._pause.has_come.release()


class _Pause(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.has_come = threading.Semaphore(0)
        self.is_over = False
        self._may_go = threading.Semaphore(0)
        self._must_stop = False

    def go_on(self) -> None:
        self._may_go.release()

    def stop(self) -> None:
        self._must_stop = True
        self._may_go.release()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # With JAX, this brings the state of the training into the variables.
        model = self.model
        self.has_come.release()
        self._may_go.acquire()
        if self._must_stop:
            model.stop_training = True
