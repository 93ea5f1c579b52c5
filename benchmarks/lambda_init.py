"""INIT as Lambda's Runtime Interface Emulator measures it, without a container: Linux only.

The emulator comes with the SAM CLI, the runtime interface client is awslambdaric. Readings vary by a quarter from run
to run, so candidates are measured in turn, several times each, and their medians are compared.
"""

import compileall
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import samcli

FUNCTIONS = Path(__file__).parents[1] / "functions"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
EMULATOR = Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{MACHINE}"
INIT = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)\)")
FLOOR = """
import boto3
client = boto3.client("dynamodb")
def handler(event, context):
    return {}
"""


def can_measure() -> bool:
    """Whether this machine can run the emulator."""
    return sys.platform == "linux" and EMULATOR.exists()


def medians(handlers: Mapping[str, str], env: Mapping[str, str], event: Any, rounds: int = 9) -> dict[str, float]:
    """Measure handlers (name → `module.function`) in turn; the median INIT of each, in milliseconds.

    The code is the `functions` folder with its bytecode, as the built artifact has it, and a module `floor`.
    """
    found: dict[str, list[float]] = {name: [] for name in handlers}
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        shutil.copytree(FUNCTIONS, code, ignore=shutil.ignore_patterns("__pycache__"))
        (code / "floor.py").write_text(FLOOR)
        compileall.compile_dir(code, quiet=1)
        for _ in range(rounds):
            for name, handler in handlers.items():
                found[name].append(init(handler, code, env, event))
    return {name: statistics.median(times) for name, times in found.items()}


def init(handler: str, code: Path, env: Mapping[str, str], event: Any) -> float:
    """Start a function, call it once, and read how long INIT took, in milliseconds."""
    port, api = free_port(), free_port()
    command = [str(EMULATOR), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api}", sys.executable, "-m", "awslambdaric", handler]
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code), "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "measured",
            "AWS_SECRET_ACCESS_KEY": "measured", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, cwd=code, env={**base, **env}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            invoke(port, event)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        text = log.read()
    report = INIT.search(text)
    if not report:
        raise RuntimeError(f"no INIT REPORT of {handler}:\n{text[-2000:]}")
    return float(report[1])


def invoke(port: int, event: Any, patience: float = 20) -> None:
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=patience) as answer:
                answer.read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
