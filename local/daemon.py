"""The process that is local AWS: `python -m local.daemon --state DIR [--port N] [--with-parent]`.

It listens on 127.0.0.1 only. Functions get the emulator's whole environment, so it gives itself a clean one
before the emulator is imported: nothing of the user's AWS settings, proxies or credentials can leak in.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

from local.settings import OWNER, REGION

READY = "daemon.json"


def main() -> None:
    """Read the arguments, clean the environment, serve until told to stop, leave nothing running."""
    parser = argparse.ArgumentParser(prog="python -m local.daemon", description=__doc__)
    parser.add_argument("--state", required=True, type=Path, help="directory for its files")
    parser.add_argument("--port", type=int, default=0, help="0 = a free one")
    parser.add_argument("--with-parent", action="store_true", help="end when the starting process ends")
    arguments = parser.parse_args()
    state = arguments.state.resolve()
    parent = os.getppid()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", arguments.port))
    except OSError as error:
        sys.exit(f"cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}")
    clean_environment(state, listener.getsockname()[1])
    try:
        asyncio.run(serve(listener, state, parent if arguments.with_parent else None))
    except Exception:
        traceback.print_exc()  # what follows would end this process before the interpreter says it
        raise
    finally:
        (state / READY).unlink(missing_ok=True)
        if os.getpgrp() == os.getpid():
            # Workers of functions are in this group; a busy one would outlive the server.
            os.killpg(0, signal.SIGKILL)


def clean_environment(state: Path, port: int) -> None:
    """Replace the environment by what the emulator and its functions need, nothing else."""
    temporary, home = state / "tmp", state / "home"
    for folder in (temporary, home):
        folder.mkdir(parents=True, exist_ok=True)
    endpoint = f"http://127.0.0.1:{port}"
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    os.environ.clear()
    os.environ.update(
        {
            "PATH": path,
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "MESHIFT_LOCAL_STATE": str(state),
            # for functions; their credentials are the emulator's business
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            # for the emulator
            "GATEWAY_PORT": str(port),
            "EDGE_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": OWNER,
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AUTH": "true",  # IAM is in force (local/permissions.py)
            "PERSIST_STATE": "0",
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.01",
            # no containers, even where Docker is at hand
            "DOCKER_HOST": f"unix://{state}/no-docker.sock",
        }
    )


async def serve(listener: socket.socket, state: Path, parent: int | None) -> None:
    """Patch the emulator and serve it until SIGTERM, SIGINT or the parent's end."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from local import (
        alarms,
        app_mesh,
        definitions,
        ecs,
        events,
        executions,
        front,
        function_code,
        function_urls,
        identity,
        metric_math,
        organizations,
        permissions,
        roles,
        shared_parameters,
        statistics,
    )

    emulated = (alarms, app_mesh, definitions, events, function_code, function_urls, identity, executions, ecs)
    for room in (*emulated, metric_math, organizations, permissions, roles, shared_parameters, statistics):
        room.install()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if parent is not None:
        threading.Thread(target=_watch, args=(parent, loop, stop), daemon=True).start()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    threading.Thread(target=_write_ready, args=(state,), daemon=True).start()
    await hypercorn_serve(front.app, config, shutdown_trigger=stop.wait)


def _write_ready(state: Path) -> None:
    """Tell where this process listens, whole or not at all; the reader then asks whether it is healthy."""
    ready = state / READY
    ready.with_suffix(".new").write_text(json.dumps({"pid": os.getpid(), "port": int(os.environ["GATEWAY_PORT"])}))
    ready.with_suffix(".new").rename(ready)


def _watch(parent: int, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
