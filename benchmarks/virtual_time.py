"""Virtual time: threads that sleep in it run one at a time, in the order in which they wake."""

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Any


class Clock:
    """A clock that goes on by itself when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Any]] = []
        """Who sleeps until when: each before a lock of its own."""
        self._idle = taken()
        self._failure: BaseException | None = None

    def spawn(self, action: Callable[[], None], after: float = 0.0) -> None:
        """Let an action begin after so many seconds, in a thread of its own."""
        begin = taken()

        def run() -> None:
            begin.acquire()
            try:
                action()
            except BaseException as error:  # noqa: BLE001 - handed to whoever runs the clock
                self._failure = error
            self._idle.release()

        threading.Thread(target=run, daemon=True).start()
        heapq.heappush(self._waiting, (self.now + after, next(self._order), begin))

    def sleep(self, seconds: float) -> None:
        """Sleep, in a thread that this clock has begun."""
        wake = taken()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._order), wake))
        self._idle.release()
        wake.acquire()

    def run(self) -> None:
        """Go on until nobody sleeps any more."""
        while self._waiting:
            self.now, _, wake = heapq.heappop(self._waiting)
            wake.release()
            self._idle.acquire()
            if self._failure:
                raise self._failure


def taken() -> Any:
    """Make a lock that whoever wants it waits for."""
    lock = threading.Lock()
    lock.acquire()
    return lock
