"""An instance of local AWS, as make, the demo and the e2e tests use it: start, ask, stop.

    with running(state) as aws:
        aws.client("ecs").list_clusters()

Its state is a directory (log, temporary files); its memory is the daemon's and ends with it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import botocore.session

from local.settings import OWNER, REGION

ROOT = Path(__file__).resolve().parent.parent
# One loader for all sessions: reading the models of the services anew is what makes boto3 slow.
_models = botocore.loaders.create_loader()
# Without proxies: the daemon is on this machine.
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalAwsError(RuntimeError):
    """Local AWS could not be started, reached or used; the message is for a person.

    `refused`: it was reached and did not accept what it was given.
    """

    refused = False


class Session(boto3.Session):
    """A boto3 session whose clients and resources talk to local AWS."""

    endpoints: dict[str, str]

    def client(self, service_name: str, *args: Any, **more: Any) -> Any:
        more.setdefault("endpoint_url", self.endpoints.get(service_name, self.endpoints[""]))
        return super().client(service_name, *args, **more)


@dataclass
class Instance:
    """A running daemon."""

    state: Path
    pid: int
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.state / "daemon.log"

    def environment(self, account: str = OWNER) -> dict[str, str]:
        """The variables with which any AWS tool works in this account of this instance."""
        return {
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_APP_MESH": f"{self.endpoint}/_meshift/app-mesh",
        }

    def session(self, account: str = OWNER, region: str = REGION) -> Session:
        """A boto3 session in this account."""
        core = botocore.session.Session()
        core.register_component("data_loader", _models)
        session = Session(account, "local", region_name=region, botocore_session=core)
        session.endpoints = {"": self.endpoint, "appmesh": f"{self.endpoint}/_meshift/app-mesh"}
        return session

    def client(self, service: str, account: str = OWNER, region: str = REGION) -> Any:
        """A boto3 client in this account."""
        return self.session(account, region).client(service)

    def control(self, path: str, body: Any = None) -> dict[str, Any]:
        """Call a control path (`/_meshift/…`, see local/front.py): POST with a body, GET without."""
        return call(f"{self.endpoint}/_meshift/{path}", body)

    def settings(self, **wanted: Any) -> dict[str, Any]:
        """Change settings (local/settings.py) and give all of them."""
        return self.control("settings", wanted) if wanted else self.control("settings")

    def emit(self, event: dict[str, Any]) -> None:
        """Deliver a full event, `aws.*` sources included, through the rules of its account."""
        self.control("events", event)

    def set_health(self, service: str, status: str, **more: str) -> list[str]:
        """Set container health of a service's running tasks (cluster, container, account: keywords)."""
        tasks: list[str] = self.control("health", {"service": service, "status": status, **more})["tasks"]
        return tasks

    def expire(self, invitation: str) -> None:
        """Let a pending invitation of RAM expire."""
        self.control("expire", {"invitation": invitation})

    def alive(self) -> bool:
        """Whether this very daemon answers."""
        try:
            return self.control("daemon") == {"pid": self.pid, "state": str(self.state)}
        except LocalAwsError:
            return False

    def stop(self) -> None:
        """End the daemon and everything that it started; harmless when it has ended already."""
        if self.process is None and not _is_daemon(self.pid, self.state):
            (self.state / "daemon.json").unlink(missing_ok=True)
            return
        _signal(os.kill, self.pid, signal.SIGTERM)
        if not self._gone_within(5):
            _signal(os.kill, self.pid, signal.SIGKILL)
            self._gone_within(5)
        _signal(os.killpg, self.pid, signal.SIGKILL)
        (self.state / "daemon.json").unlink(missing_ok=True)
        shutil.rmtree(self.state / "tmp", ignore_errors=True)

    def _gone_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process is not None:
                if self.process.poll() is not None:
                    return True
            elif not _is_daemon(self.pid, self.state):
                return True
            time.sleep(0.05)
        return False


def start(state: Path, *, port: int = 0, with_parent: bool = True, **settings: Any) -> Instance:
    """Start a daemon in the state directory, in the place of one that is left there; wait until it is healthy.

    `with_parent`: it ends by itself when this process ends. LocalAwsError shows the end of its log.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    left = recorded(state)
    if left:
        left.stop()
    command = [sys.executable, "-m", "local.daemon", "--state", str(state), "--port", str(port)]
    with (state / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            command + ["--with-parent"] * with_parent,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    instance = Instance(state, process.pid, 0, process)
    try:
        _wait_until_healthy(instance, process)
        if settings:
            instance.settings(**settings)
    except BaseException:  # Ctrl-C too: nothing may be left running
        instance.stop()
        raise
    return instance


def find(state: Path) -> Instance | None:
    """The daemon that runs in this state directory and answers, if one does."""
    instance = recorded(state)
    return instance if instance and instance.alive() else None


def recorded(state: Path) -> Instance | None:
    """The daemon that was started in this state directory, whether it still answers or not."""
    try:
        ready = json.loads((state / "daemon.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Instance(state.resolve(), ready["pid"], ready["port"])


@contextmanager
def running(state: Path, **settings: Any) -> Iterator[Instance]:
    """An instance for the time of a `with` block."""
    instance = start(state, **settings)
    try:
        yield instance
    finally:
        instance.stop()


def _wait_until_healthy(instance: Instance, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise LocalAwsError(f"local AWS ended while it started:\n{_tail(instance.log)}")
        ready = instance.state / "daemon.json"
        if ready.exists():
            instance.port = json.loads(ready.read_text())["port"]
            if instance.alive():
                call(f"{instance.endpoint}/_ministack/health")
                return
        time.sleep(0.05)
    raise LocalAwsError(f"local AWS was not healthy after {seconds:.0f} s:\n{_tail(instance.log)}")


def call(url: str, body: Any = None) -> dict[str, Any]:
    """Call a control path: POST with a body, GET without."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with _http.open(request, timeout=30) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            text = json.loads(text)["message"]
        except (ValueError, KeyError, TypeError):
            text = f"{error.code} {text}"
        failed = LocalAwsError(text)
        failed.refused = error.code == 400
        raise failed from None
    except (OSError, ValueError) as error:
        raise LocalAwsError(f"{url} does not answer: {error}") from None


def _tail(path: Path, lines: int = 20) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) + f"\n(all of it: {path})"


def _is_daemon(pid: int, state: Path) -> bool:
    """Whether this process id is (still) our daemon: ids are used again."""
    shown = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
    return "local.daemon" in shown.stdout and str(state) in shown.stdout


def _signal(send: Any, pid: int, number: int) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        return
