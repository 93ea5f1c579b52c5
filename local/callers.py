"""Callers: what the application of a task sends, through its own Envoy, as fast or as often as is wanted.

    python -m local.callers --port 40001 --host serviceb.apps.local --rate 200

prints a JSON line for each second, of which beginning and end are in seconds since the epoch:

    {"from": …, "at": …, "counts": {version: requests}, "errors": {version: requests}, "ms": [milliseconds, …]}

Errors are answers from 500 on, or none at all. It ends when its input does. Redirection needs root, so it sends to the
port of the task's Envoy that stands for the one that the application would call.
"""

import argparse
import asyncio
import json
import math
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.instance import ROOT

NOBODY = "(no version)"
"""Who answered when no application did: an Envoy, or nobody."""


@dataclass(frozen=True)
class Answer:
    """One answer: when it came (seconds since the epoch), after how long, from which version, with which status.

    Status 0: the connection broke, or nothing came.
    """

    at: float
    ms: float
    status: int
    version: str


class Caller:
    """One connection that sends one request after the other; it connects again when it has to."""

    def __init__(self, port: int, request: bytes, seen: Callable[[Answer], None], timeout: float = 10) -> None:
        """Send this request to a port of this machine."""
        self._port, self._request, self._seen, self._timeout = port, request, seen, timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self) -> None:
        """Send one request and tell of its answer."""
        began = time.perf_counter()
        try:
            status, version = await asyncio.wait_for(self._exchange(), self._timeout)
        except (OSError, EOFError, ValueError, TimeoutError):
            self.close()
            status, version = 0, NOBODY
        self._seen(Answer(time.time(), (time.perf_counter() - began) * 1000, status, version))

    async def _exchange(self) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = _header(head, b"\r\ncontent-length: ")
        if length is None:
            raise ValueError(f"an answer of unknown length: {head!r}")
        await reader.readexactly(int(length))
        if b"\r\nconnection: close" in head:
            self.close()
        version = _header(head, b"\r\nx-version: ")
        return int(head[9:12]), version.decode() if version else NOBODY

    def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None


def request(host: str, path: str = "/", **headers: str) -> bytes:
    """Write a request."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def call(
    port: int, text: bytes, seen: Callable[[Answer], None], rate: float, stop: asyncio.Event, many: int = 8
) -> None:
    """Send requests over so many connections until told to stop; `rate`: requests a second, 0 = as many as go."""
    began, sent = time.monotonic(), 0

    async def one() -> None:
        nonlocal sent
        caller = Caller(port, text, seen)
        while not stop.is_set():
            if rate:
                due = began + sent / rate
                sent += 1
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await caller.send()
        caller.close()

    await asyncio.gather(*(one() for _ in range(many)))


@dataclass
class Second:
    """What was answered in a second."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)

    def see(self, answer: Answer) -> None:
        """Count an answer."""
        self.counts[answer.version] += 1
        self.ms.append(round(answer.ms, 2))
        if answer.status >= 500 or answer.status == 0:
            self.errors[answer.version] += 1

    def sample(self, began: float, at: float) -> dict[str, Any]:
        """What is printed."""
        return {"from": began, "at": at, "counts": self.counts, "errors": self.errors, "ms": self.ms}


class Callers:
    """Callers in a process of its own, and what they have seen so far."""

    def __init__(self, ports: list[int], host: str, rate: float, *, every: float = 1, path: str = "/") -> None:
        """Call these ports, as many requests a second at each; 0 = as many as go."""
        self.samples: list[dict[str, Any]] = []
        options = ["--host", host, "--rate", str(rate), "--every", str(every), "--path", path]
        options += [word for port in ports for word in ("--port", str(port))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.callers", *options], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> list[dict[str, Any]]:
        """Stop calling, and give all that was seen."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(5)
        return self.samples

    def since(self, at: float, until: float = math.inf) -> tuple[Counter[str], Counter[str]]:
        """Add up what was answered within a time, in whole samples: requests and errors by version."""
        counts, errors = Counter[str](), Counter[str]()
        for sample in list(self.samples):
            if at < sample["from"] and sample["at"] <= until:
                counts.update(sample["counts"])
                errors.update(sample["errors"])
        return counts, errors

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.samples.append(json.loads(line))


async def run(arguments: argparse.Namespace) -> None:
    """Call, and print what was seen, until the input ends."""
    stop, current, began = asyncio.Event(), Second(), time.time()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)), daemon=True).start()
    text = request(arguments.host, arguments.path)
    calls = [call(port, text, lambda answer: current.see(answer), arguments.rate, stop) for port in arguments.port]
    work = asyncio.gather(*calls)
    while not work.done():
        await asyncio.wait([work], timeout=arguments.every)
        done, current, now = current, Second(), time.time()
        print(json.dumps(done.sample(began, now)), flush=True)
        began = now
    await work


def main() -> None:
    """Read the arguments and call."""
    parser = argparse.ArgumentParser(prog="python -m local.callers", description=__doc__)
    parser.add_argument("--port", type=int, action="append", required=True, help="port of an Envoy's egress")
    parser.add_argument("--host", required=True, help="the virtual service that is called")
    parser.add_argument("--path", default="/")
    parser.add_argument("--rate", type=float, default=0, help="requests a second at each port, 0 = as many as go")
    parser.add_argument("--every", type=float, default=1, help="seconds that a line is for")
    asyncio.run(run(parser.parse_args()))


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(name)
    return head[at + len(name) : head.index(b"\r\n", at + len(name))] if at >= 0 else None


if __name__ == "__main__":
    main()
