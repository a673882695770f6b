"""What one page has trained: its thread, and its newest frame."""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

from keras_initkit.experiments.play.bench import Bench
from keras_initkit.experiments.play.fields import Values
from keras_initkit.experiments.play.scene import Scene

FRAME_SECS = 0.05
"""A playing page gets 20 frames a second at most."""

# A page that has gone is noticed when something is sent to it.
BEAT_SECS = 1.0

# Whoever waits for the lock gets it in this time, before it is asked for again.
TURN_SECS = 0.002

Frame = dict[str, Any]

log = logging.getLogger(__name__)
# Keras has states of the whole process, such as what it traces: pages take turns.
_keras = threading.Lock()


class Session:
    """Trains what a page has chosen, on a thread of its own.

    A frame says all that is to be seen. Only the newest one is kept: a page that is
    slow misses frames, and slows nothing.

    Args:
        scene: what the page begins with.
        values: of its fields.

    Attributes:
        token: what only this page knows.
    """

    def __init__(self, scene: Scene, values: Values) -> None:
        self.token = secrets.token_urlsafe()
        self._changed = threading.Condition()
        self._chosen: tuple[Scene, Values] = scene, values
        self._is_new = True  # what was chosen is not yet drawn
        self._pace = 0  # steps for each frame; 0 while it is paused
        self._is_step_wanted = False
        self._is_first_step = False  # which takes long: Keras traces it
        self._is_closed = False
        self._frame: Frame = {}
        self._number = 0  # counts what there is to tell
        self._thread = threading.Thread(
            target=self._work, name="keras-initkit play session", daemon=True
        )
        self._thread.start()

    def choose(self, scene: Scene, values: Values) -> None:
        """Begins anew with these values; what plays goes on playing."""
        with self._changed:
            self._chosen, self._is_new = (scene, values), True
            self._is_step_wanted = False
            self._changed.notify_all()

    def play(self, pace: int) -> None:
        """Takes so many steps for each frame from now on; 0 to pause."""
        with self._changed:
            self._pace, self._is_step_wanted = pace, False
            self._tell()

    def step(self) -> None:
        """Takes one step, and pauses."""
        with self._changed:
            self._pace, self._is_step_wanted = 0, True
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the training."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def frames(self) -> Iterator[Frame | None]:
        """The newest frame, whenever there is something to tell; None after a while.

        With it comes whether the session is `playing`, and whether Keras is `preparing`
        the first step. It goes on until the session is closed.
        """
        seen = 0
        while True:
            with self._changed:
                if self._number == seen and not self._is_closed:
                    self._changed.wait(BEAT_SECS)
                if self._is_closed:
                    return
                is_news, seen = bool(self._frame) and self._number > seen, self._number
                state = {
                    "playing": self._pace > 0,
                    "preparing": self._is_first_step,
                }
                frame = {**self._frame, **state} if is_news else None
            yield frame

    # -- the thread --------------------------------------------------------------------

    def _work(self) -> None:
        bench = Bench()
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._is_closed:
                    break
                chosen, is_new, steps = self._chosen, self._is_new, self._pace or 1
                self._is_new = self._is_step_wanted = False
            began = time.monotonic()
            try:
                with _keras:
                    if is_new:
                        bench.choose(*chosen)
                    else:
                        self._advance(bench, steps)
                    frame = bench.frame()
            except Exception as error:
                log.debug("The training of a page failed.", exc_info=True)
                bench.close()
                self._pace = 0
                frame = {"scene": chosen[0].name, "step": 0, "error": str(error)}
            with self._changed:
                self._frame = {**frame, "values": chosen[1]}
                self._is_first_step = False
                self._tell()
                rest = max(TURN_SECS, began + FRAME_SECS - time.monotonic())
                self._changed.wait_for(lambda: self._is_closed or self._is_new, rest)
        with _keras:
            bench.close()

    def _has_work(self) -> bool:
        is_wanted = self._is_new or self._is_step_wanted or self._pace > 0
        return self._is_closed or is_wanted

    def _advance(self, bench: Bench, steps: int) -> None:
        if self._frame["step"] == 0:
            with self._changed:
                self._is_first_step = True
                self._tell()
        for _ in range(steps):
            if not bench.advance():
                self._pace = 0
                break

    def _tell(self) -> None:
        self._number += 1
        self._changed.notify_all()
