"""Tasks in network namespaces of their own, with the redirection that their proxy configuration asks for.

Redirection source: App Mesh user guide, "Getting started with App Mesh and Amazon EC2" (envoy-networking.sh); ECS's own
plugin for task networking writes the same rules.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local import envoys
from tests.envoy_static import ENVOY

OWN = os.getpid() % 250
"""Of several processes that test on one machine, most have another number, and so another network and other names."""
NETWORK = f"10.213.{OWN}"
GATEWAY = f"{NETWORK}.1"
BRIDGE = f"meshift{OWN}"


def missing() -> str:
    """Say what this machine lacks for namespaces; nothing when they can be made."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    lacking = [tool for tool in ("ip", "iptables", "setpriv") if not shutil.which(tool)]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    probe = f"{BRIDGE}-probe"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespace can be made: {tried.stderr.strip()}"
    rule = ["iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-m", "owner", "--uid-owner", "1", "-j", "REDIRECT"]
    tried = subprocess.run(inside(probe, rule), capture_output=True, text=True, check=False)
    run(f"ip netns delete {probe}")
    return f"iptables cannot redirect: {tried.stderr.strip()}" if tried.returncode else ""


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True, timeout=10)


def inside(namespace: str, command: Sequence[str]) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


@contextmanager
def network() -> Iterator[None]:
    """A network that tasks are in, and this process at its gateway."""
    run(f"ip link add {BRIDGE} type bridge")
    try:
        run(f"ip address add {GATEWAY}/24 dev {BRIDGE}")
        run(f"ip link set {BRIDGE} up")
        yield
    finally:
        run(f"ip link delete {BRIDGE}")


class Task:
    """A task with an address of its own."""

    def __init__(self, number: int, definition: dict[str, Any], folder: Path) -> None:
        """Take the address of this number; the definition is a task definition with Envoy in it."""
        self.name, self.address = f"{BRIDGE}-{number}", f"{NETWORK}.{number}"
        self._envoy = next(each for each in definition["containerDefinitions"] if each["name"] == "envoy")
        properties = definition["proxyConfiguration"]["properties"]
        self._proxy = {each["name"]: each["value"] for each in properties}
        self._number, self._folder = number, folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def redirections(self) -> list[str]:
        """Write the rules that the proxy configuration asks for."""
        proxy = self._proxy
        egress = [
            f"-m owner --uid-owner {proxy['IgnoredUID']} -j RETURN",
            f"-p tcp -d {proxy['EgressIgnoredIPs']} -j RETURN",
            f"-p tcp -j REDIRECT --to-ports {proxy['ProxyEgressPort']}",
        ]
        ingress = f"-p tcp -m multiport --dports {proxy['AppPorts']} -j REDIRECT --to-ports {proxy['ProxyIngressPort']}"
        return [
            "-N APPMESH_EGRESS",
            *(f"-A APPMESH_EGRESS {rule}" for rule in egress),
            "-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS",
            "-N APPMESH_INGRESS",
            f"-A APPMESH_INGRESS {ingress}",
            "-A PREROUTING -p tcp -m addrtype ! --src-type LOCAL -j APPMESH_INGRESS",
        ]

    def __enter__(self) -> "Task":
        run(f"ip netns add {self.name}")
        run(f"ip link add {BRIDGE}v{self._number} type veth peer name eth0 netns {self.name}")
        run(f"ip link set {BRIDGE}v{self._number} master {BRIDGE} up")
        for command in (f"address add {self.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            run(f"ip -n {self.name} {command}")
        run(f"ip -n {self.name} route add default via {GATEWAY}")
        for rule in self.redirections():
            run(f"ip netns exec {self.name} iptables -t nat {rule}")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            envoys.stop(process)
        run(f"ip netns delete {self.name}")

    def start_envoy(self, environment: dict[str, str]) -> None:
        """Start Envoy as its container says: command and user."""
        user = self._envoy["user"]
        command = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", *self._envoy["command"]]
        # Containers share no memory; Envoys on one machine would, for restarts.
        command[-3] += " --use-dynamic-base-id"
        self._start(command, {**environment, "PATH": f"{ENVOY.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"})

    def start(self, program: str) -> None:
        """Start a Python program."""
        self._start([sys.executable, "-c", program], {})

    def _start(self, command: list[str], environment: dict[str, str]) -> None:
        log = self._folder / f"{self.name}-{len(self._processes)}.log"
        self._processes.append(envoys.start(inside(self.name, command), environment, log))

    def healthy(self) -> bool:
        """What the health check of Envoy's container says."""
        return envoys.passes(inside(self.name, self._envoy["healthCheck"]["command"][1:]))

    def python(self, program: str) -> str:
        """Run a Python program, and give what it printed."""
        command = inside(self.name, [sys.executable, "-c", program])
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
