"""Simulated time: what is due, in its order."""

import heapq
import time
from collections.abc import Callable

START = float(int(time.time()))
"""The present: metrics may not be told for another time."""


class Clock:
    """Seconds since the epoch, moved on from one due thing to the next."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.expected = 0
        """How many things are due that are not in the background: time-outs, schedules."""
        self._due: list[tuple[float, int, bool, Callable[[], None]]] = []
        self._number = 0

    def time(self) -> float:
        return self.now

    def later(self, seconds: float, act: Callable[[], None], background: bool = False) -> None:
        """Let something happen after that long."""
        self._number += 1
        self.expected += not background
        heapq.heappush(self._due, (self.now + seconds, self._number, background, act))

    def run(self, until: Callable[[], bool], seconds: float = 10**8) -> None:
        """Let everything happen that is due, in order, until something is so, or the time is over."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end and not until():
            at, _, background, act = heapq.heappop(self._due)
            self.expected -= not background
            self.now = max(self.now, at)
            act()
