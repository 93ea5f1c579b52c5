"""How far a long run is: a line that is rewritten on a terminal, one now and then elsewhere; what is wrong, at once."""

import sys
import time
from typing import TextIO

SECONDS = 30
"""How often a line is written where it cannot be rewritten."""


class Progress:
    """Counts what is done of a number of things."""

    def __init__(self, what: str, total: int, out: TextIO = sys.stderr) -> None:
        self.what, self.total, self.out = what, total, out
        self.done = self.wrong = 0
        self.began = self._told = time.monotonic()
        self._rewrites = out.isatty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def add(self, count: int = 1, wrong: str = "") -> None:
        """Count something that is done; with what is wrong with it."""
        self.done += count
        if wrong:
            self.wrong += 1
            self._clear()
            print(f"WRONG {wrong}", file=self.out)
        now = time.monotonic()
        if now - self._told > (0.2 if self._rewrites else SECONDS):
            self._told = now
            print(f"{self}", end="\r" if self._rewrites else "\n", file=self.out, flush=True)

    def end(self) -> None:
        self._clear()
        print(f"{self}", file=self.out)

    def __str__(self) -> str:
        minute = self.done / max(self.seconds, 0.001) * 60
        whole = "" if self.done == self.total else f" of {self.total}"
        return f"{self.done}{whole} {self.what} in {self.seconds:.0f} s, {minute:.0f} a minute, {self.wrong} wrong"

    def _clear(self) -> None:
        if self._rewrites:
            print("\x1b[2K\r", end="", file=self.out)
