"""Random histories: deployments, signals, edits, stops, illness, faults; events late, twice and in any order.

Each is made from its seed alone. At its end everything is repaired, and two things must be so: nothing is as it must
not be (`verdict`), and one more deployment is promoted: whatever happened, nothing is stuck.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from domain.errors import MeshiftError
from tests.asl import TaskFailed
from tests.cloud.cloud import Cloud, in_force
from tests.cloud.faults import KINDS, Fault
from tests.cloud.tutorial import begun, deploy
from tests.faults.flows import CANDIDATE, SHORT, STABLE, edit, operate
from tests.faults.verdict import Watch, endings, illegal

SIGNALS = ("pause", "resume", "abort", "skip-wait", "promote", "retry", "approve")
LEAST, MOST, LONGEST_PAUSE = 3, 9, 400
ENOUGH = 6
"""Tasks that can take over from all the others together."""


@dataclass
class History:
    """What was done, in its order, and what was wrong in the end."""

    seed: int
    done: list[str] = field(default_factory=list)
    endings: tuple[str, ...] = ()
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"seed {self.seed}: {', '.join(self.done)} -> {', '.join(self.endings)}"


@cache
def _begun(plane: str) -> Cloud:
    return begun({**SHORT, "deadlineSeconds": 900}, ControlPlane=plane)


def lived(seed: int) -> History:
    """Live through the history of a seed."""
    chance, history = random.Random(seed), History(seed)
    cloud = _begun(chance.choice(("hosted", "hosted", "appmesh"))).fork()
    cloud.chaos = lambda event: [chance.choice((1, 1, 5, 200)) for _ in range(chance.choice((1, 1, 2, 3)))]
    watch = Watch(cloud)
    with in_force(cloud):
        for _ in range(chance.randint(LEAST, MOST)):
            act = chance.choice(ACTS)
            history.done.append(f"{act.__name__.strip('_')} {act(cloud, chance) or ''}".strip())
            cloud.wait(chance.randint(1, LONGEST_PAUSE))
        _repair(cloud)
        cloud.run()
        cloud.wait(2000)
        history.wrong += [*watch.found, *_broken(cloud)]
        arn = deploy(cloud, CANDIDATE, f"app:last-{seed}", desired=ENOUGH)
        cloud.ecs.scale(arn, ENOUGH)
        cloud.run()
        cloud.wait(2000)
        history.endings = endings(cloud)[2:]
        history.wrong += _broken(cloud)
        last = cloud.history("#outcome")[-1]["document"]
        if last["outcome"] not in ("Promoted", "Nothing To Do") and not _carries_all(cloud):
            history.wrong.append(f"after all was repaired, a deployment ended as {last['outcome']}: {last['reason']}")
    return history


def _broken(cloud: Cloud) -> list[str]:
    """What must never be; where the traffic is, is for people to say here, who edit it."""
    return [each for each in illegal(cloud) if not each.startswith("the outcome is")]


def _carries_all(cloud: Cloud) -> bool:
    return all(weights.get(CANDIDATE) == 100 for weights in cloud.routes().values())


def _repair(cloud: Cloud) -> None:
    """Make everything well again, and let go what people hold."""
    cloud.faults, cloud.chaos = [], lambda event: [1]
    cloud.alarms.states["errors"] = "OK"
    cloud.ecs.sick.clear()
    cloud.ecs.broken.clear()
    for arn in cloud.ecs.services:
        cloud.ecs.scale(arn, 2)
    operate(cloud, "resume")


def _deploy(cloud: Cloud, chance: random.Random) -> str:
    name, image = chance.choice((CANDIDATE, CANDIDATE, STABLE, "serviceBv3")), f"app:{chance.randint(2, 4)}"
    deploy(cloud, name, image)
    return f"{name} {image}"


def _signal(cloud: Cloud, chance: random.Random) -> str:
    signal = chance.choice(SIGNALS)
    return f"{signal} {operate(cloud, signal)}"


def _edit(cloud: Cloud, chance: random.Random) -> str:
    weight = chance.choice((0, 10, 50, 100))
    try:
        edit(cloud, {STABLE: 100 - weight, CANDIDATE: weight})
    except MeshiftError:
        return "refused"
    return str(weight)


def _stop(cloud: Cloud, chance: random.Random) -> str:
    if not cloud.states.running:
        return "nothing"
    chosen = chance.choice(cloud.states.running)
    cloud.states.stop_execution(chosen.arn)
    return chosen.name


def _alarm(cloud: Cloud, chance: random.Random) -> str:
    state: str = chance.choice(("OK", "ALARM", "INSUFFICIENT_DATA"))
    cloud.alarms.states["errors"] = state
    return state


def _sicken(cloud: Cloud, chance: random.Random) -> str:
    arn: str = chance.choice(list(cloud.ecs.services))
    cloud.ecs.sick ^= {arn}
    return arn.rpartition("/")[2]


def _break(cloud: Cloud, chance: random.Random) -> str:
    image = f"app:{chance.randint(2, 4)}"
    cloud.ecs.broken ^= {image}
    return image


def _fault(cloud: Cloud, chance: random.Random) -> str:
    fault = Fault(chance.choice(KINDS), len(cloud.asked) + chance.randint(0, 60), lasting=chance.random() < 0.2)
    cloud.faults.append(fault)
    return str(fault)


def _storm(cloud: Cloud, chance: random.Random) -> str:
    """Old events again, of any deployment."""
    arn = chance.choice(list(cloud.ecs.services))
    what = chance.choice(("IN_PROGRESS", "COMPLETED", "FAILED"))
    cloud.ecs.tell(arn, what, cloud.ecs.primary(arn)["id"])
    return f"{what} {arn.rpartition('/')[2]}"


def _recover(cloud: Cloud, chance: random.Random) -> None:
    try:
        cloud.recover()
    except TaskFailed:
        return


# Each as often as it is named.
ACTS: tuple[Callable[[Cloud, random.Random], Any], ...] = (
    *(_deploy, _deploy, _deploy, _signal, _signal, _fault, _fault),
    *(_edit, _stop, _alarm, _sicken, _break, _storm, _recover),
)
