"""The data plane: for each running task of an enrolled service an application runs, and beside it, once it is injected,
the real Envoy.

They are what the task definition says, but for what local/placement.py changes. As on AWS the application waits for a
healthy Envoy, a task whose Envoy ends or stays unhealthy is replaced, and of a task that stops the application goes
first. A task is found by its service's host name (tag `meshift:hostname`) from the moment it is healthy until it is
told to leave; who calls it hears of that with his next poll, as he would by DNS.
"""

import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import ecs

from domain.enrolment import PREFIX
from domain.sidecar import ENVOY
from local import envoys
from local.application import Applications
from local.placement import LOOPBACK, Place, check_here, command_here, ports_of
from local.running_task import Record, Running, application_of, environment, node_of
from local.settings import SETTINGS

LEAVING_SECONDS = 2.5
"""How long a task still runs after it can no longer be found: callers that poll every second have heard of it."""
STARTING_CHECK_SECONDS = 0.25
"""How often a starting Envoy's health is checked; ECS takes the interval of the check for that, too."""
log = logging.getLogger("meshift.dataplane")


class DataPlane:
    """All tasks that run on this machine."""

    def __init__(self) -> None:
        """Run nothing."""
        self._running: dict[str, Running] = {}
        self._names: set[str] = set()
        self._applications: Applications | None = None
        self._lock = threading.RLock()

    def install(self, ended: Callable[[Record, str], None], health: Callable[[Record, str], None]) -> None:
        """Watch over the tasks; `ended` and `health` tell ECS of one, in its account."""
        self._ended, self._health = ended, health
        self._folder = Path(os.environ["MESHIFT_LOCAL_STATE"]) / "tasks"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._applications = Applications(self._folder)
        threading.Thread(target=self._watch, daemon=True, name="meshift-dataplane").start()

    def start(self, task: Record) -> None:
        """Start what runs for a task that begins to run, if the data plane is switched on and knows the task's kind."""
        if not SETTINGS.dataPlane or task["taskArn"] in self._running:
            return
        definition = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]
        containers = {each["name"]: each for each in definition["containerDefinitions"]}
        envoy, application = containers.get(ENVOY), application_of(definition)
        service, tags = service_of(task)
        enrolled = f"{PREFIX}mesh" in tags or (envoy is not None and bool(envoy.get("command")))
        if application is None or not enrolled:
            return
        identifier = task["taskArn"].rpartition("/")[2].replace("-", "")
        ports = [mapping["containerPort"] for mapping in application.get("portMappings", ())]
        admin, *others = envoys.free_ports(1 + len(ports))
        place = Place(admin, dict(zip(ports, others, strict=True)))
        process, check, node = None, [], (tags.get(f"{PREFIX}mesh", ""), tags.get(f"{PREFIX}virtual-node", service))
        if envoy and envoy.get("command"):
            file = self._folder / f"{service}-{identifier[:8]}.log"
            process = envoys.start(command_here(envoy["command"], place), environment(identifier), file)
            check, node = check_here(envoy["healthCheck"], place), node_of(envoy["command"][3])
        running = Running(
            identifier, task, get_account_id(), service, tags.get(f"{PREFIX}hostname"), node[1], node[0],
            application["image"], place, process, check, (envoy or {}).get("healthCheck", {}),
            contextvars.copy_context(), time.monotonic(),
        )  # fmt: skip
        with self._lock:
            self._running[task["taskArn"]] = running
            if running.hostname:
                self._names.add(running.hostname)

    def has(self, task: Record) -> bool:
        """Whether a task runs here."""
        return task["taskArn"] in self._running

    def judges(self, task: Record) -> bool:
        """Whether a task's health is what its Envoy's check says."""
        running = self._running.get(task["taskArn"])
        return running is not None and running.envoy is not None

    def are_healthy(self, tasks: Sequence[Record]) -> bool:
        """Whether all of these tasks that run here are healthy."""
        return all(self._running[task["taskArn"]].healthy for task in tasks if self.has(task))

    def leave(self, tasks: Sequence[Record]) -> float:
        """Let these tasks be found no more; how many seconds they still have to run."""
        now = time.monotonic()
        leaving = [self._running[task["taskArn"]] for task in tasks if self.has(task)]
        for each in leaving:
            each.leaves = each.leaves or now
        return max((LEAVING_SECONDS - (now - (each.leaves or now)) for each in leaving), default=0)

    def stop(self, task: Record) -> None:
        """Stop what runs for a task, a moment later: its application first, then Envoy."""
        with self._lock:
            running = self._running.pop(task["taskArn"], None)
        if running:
            running.leaves = running.leaves or time.monotonic()
            threading.Thread(target=self._stop, args=(running,), daemon=True).start()

    def find(self, envoy: str) -> Running | None:
        """Find the task whose Envoy says that this is its id."""
        identifier = envoy.rpartition("/")[2].partition("-")[0]
        return next((each for each in list(self._running.values()) if each.id == identifier), None)

    def addresses(self, name: str, port: int) -> list[tuple[str, int]] | None:
        """Resolve a name as DNS would, to tasks; None for one that is nothing of ours."""
        if name not in self._names and not name.endswith(".local"):
            return None
        found = [each for each in self.all() if each.hostname == name and each.healthy and not each.leaves]
        return [(LOOPBACK, here) for each in found if (here := each.takes(port)) is not None]

    def give_ports(self, running: Running, listeners: Sequence[Record]) -> None:
        """Give a task a port of this machine for each that its Envoy's listeners take connections for."""
        with self._lock:
            wanted = [(each["name"], port) for each in listeners for port in ports_of(each)]
            missing = [each for each in wanted if each not in running.place.listeners]
            running.place.listeners.update(zip(missing, envoys.free_ports(len(missing)), strict=True))

    def shown(self, _: Any = None) -> Record:
        """All tasks that run here."""
        return {"tasks": [each.shown() for each in list(self._running.values())]}

    def all(self) -> list[Running]:
        """All tasks that run here."""
        return list(self._running.values())

    def _watch(self) -> None:
        while True:
            time.sleep(0.1)
            for running in self.all():
                try:
                    self._look_at(running)
                except Exception:  # one task must not stop the others; what went wrong stands in the log
                    log.exception("task %s", running.id)

    def _look_at(self, running: Running) -> None:
        if running.envoy is None:
            self._serve(running)
            running.healthy = all(envoys.listens(port) for port in running.place.application.values())
            return
        if running.envoy.poll() is not None:
            running.scope.copy().run(self._ended, running.task, "Essential container in task exited")
            return
        if running.serves and not running.healthy:
            running.healthy = all(envoys.listens(port) for port in running.place.application.values())
            if running.healthy:
                running.scope.copy().run(self._health, running.task, "HEALTHY")
        if time.monotonic() < running.next_check:
            return
        passed = envoys.passes(running.check, running.health_check.get("timeout", 5))
        starting = time.monotonic() - running.began < running.health_check.get("startPeriod", 0)
        interval = STARTING_CHECK_SECONDS if starting and not passed else running.health_check.get("interval", 30)
        running.next_check = time.monotonic() + interval
        if passed:
            running.failures = 0
            self._serve(running)
        elif not starting:
            running.failures += 1
            if running.failures >= running.health_check.get("retries", 3):
                running.scope.copy().run(self._health, running.task, "UNHEALTHY")
                running.scope.copy().run(self._ended, running.task, "Task failed container health checks")

    def _serve(self, running: Running) -> None:
        """Start a task's application, once."""
        if not running.serves and self._applications:
            self._applications.start(running.id, running.image, list(running.place.application.values()))
            running.serves = True

    def _stop(self, running: Running) -> None:
        if self._applications:
            self._applications.stop(running.id)
        end = time.monotonic() + 2
        while any(envoys.listens(port) for port in running.place.application.values()) and time.monotonic() < end:
            time.sleep(0.05)
        if running.envoy:
            envoys.stop(running.envoy)


def service_of(task: Record) -> tuple[str, dict[str, str]]:
    """Name the service of a task, and its tags."""
    name = task.get("group", "").removeprefix("service:")
    service = ecs._services.get(f"{ecs._cluster_name_from_arn(task['clusterArn'])}/{name}") or {}
    listed = ecs._tags.get(service.get("serviceArn")) or service.get("tags") or []
    return name, {each["key"]: each["value"] for each in listed}


PLANE = DataPlane()
