"""One flow with some faults, from its beginning until recovery had its time; all of them; some of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from tests.cloud.cloud import in_force
from tests.cloud.faults import KINDS, LASTING, Fault
from tests.faults.flows import FLOWS, Flow
from tests.faults.verdict import Watch, endings, illegal

RECOVERED_AFTER = 1300
"""Seconds: when all is over, recovery looks at least four times more."""


@dataclass(frozen=True)
class Case:
    """A flow and what goes wrong in it."""

    flow: Flow
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"{self.flow.name}: {' and '.join(str(each) for each in self.faults) or 'nothing'}"


@dataclass(frozen=True)
class Result:
    case: Case
    endings: tuple[str, ...]
    wrong: tuple[str, ...]
    struck: tuple[str, ...]
    """Names of the calls that the faults struck."""


def played(case: Case) -> Result:
    """Play a case to its end."""
    cloud = case.flow.fresh()
    since = len(cloud.states.executions)
    cloud.faults = [Fault(each.kind, each.number, lasting=each.lasting) for each in case.faults]
    watch = Watch(cloud)
    with in_force(cloud):
        case.flow.act(cloud)
        cloud.run()
        cloud.wait(RECOVERED_AFTER)
        outage = any(each.lasting for each in cloud.faults)
        names = tuple(each.name for each in cloud.faults)
        return Result(
            case, endings(cloud, since), (*watch.found, *illegal(cloud, outage), *case.flow.wrong(cloud)), names
        )


@cache
def calls(flow: Flow) -> int:
    """How many calls to AWS a flow makes by itself."""
    cloud = flow.fresh()
    with in_force(cloud):
        flow.act(cloud)
        cloud.run()
    return len(cloud.asked)


def singles(flows: Sequence[Flow] = FLOWS) -> Iterator[Case]:
    """Every kind of fault at every call."""
    for flow in flows:
        for number in range(calls(flow)):
            for kind in KINDS:
                yield Case(flow, (Fault(kind, number),))
            for kind in LASTING:
                yield Case(flow, (Fault(kind, number, lasting=True),))


def sampled(seed: int, count: int, size: int, flows: Sequence[Flow] = FLOWS) -> Iterator[Case]:
    """Some cases with `size` faults each, the same ones for the same seed."""
    chance = random.Random(seed)
    known = {flow.name: calls(flow) for flow in flows}
    flows = [flow for flow in flows if known[flow.name]]  # one that calls nothing has nothing to go wrong
    for _ in range(count):
        flow = chance.choice(flows)
        faults = []
        for _ in range(size):
            kind = chance.choice(KINDS)
            lasting = kind in LASTING and chance.random() < 0.3
            faults.append(Fault(kind, chance.randrange(known[flow.name]), lasting=lasting))
        yield Case(flow, tuple(faults))
