"""An event storm: a thousand services are deployed at once, each event comes three times, in any order."""

import json
import random
import resource
import time
from collections import Counter

from tests.cloud.cloud import Cloud, batch, in_force
from tests.cloud.tutorial import bare, empty

SERVICES, TIMES, BATCH = 1000, 3, 10


def storm(services: int = SERVICES, seed: int = 1) -> int:
    """Deliver it, print time and memory; returns 1 when a deployment has no execution, or two."""
    cloud = empty()
    with in_force(cloud):
        events = _deployed(cloud, services) * TIMES
        random.Random(seed).shuffle(events)
        began = time.monotonic()
        failed = 0
        for at in range(0, len(events), BATCH):
            answer = cloud.invoke("ReceiveDeploymentFunction", batch("DeploymentsQueue", *events[at : at + BATCH]))
            failed += len(answer["batchItemFailures"])
        seconds = time.monotonic() - began
        started = Counter(each.input for each in cloud.executions())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    twice = sum(count > 1 for count in started.values())
    print(
        f"storm: {len(events)} events of {services} services in {seconds:.1f} s, {len(started)} executions, "
        f"{services - len(started)} lost, {twice} twice, {failed} messages failed, {memory} MB at most"
    )
    return int(len(started) != services or bool(twice) or bool(failed))


def _deployed(cloud: Cloud, services: int) -> list[str]:
    """Deploy them; returns their events' bodies, which reach nobody by themselves."""
    events: list[str] = []
    cloud.ecs.emit = lambda event: events.append(json.dumps(event))
    tags = {"meshift:mesh": "apps", "meshift:hostname": "x.apps.local"}
    for number in range(services):
        name = f"service{number}"
        cloud.ecs.create(name, cloud.ecs.register(bare(name)), tags)
    return events
