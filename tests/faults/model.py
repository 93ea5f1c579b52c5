"""What must be so at every moment of a history, whoever did what: a small model beside the cloud.

It looks at every write of a route, and at what there is after every act.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.cloud.cloud import Cloud
from tests.cloud.faults import Asked
from tests.faults.verdict import wrong_total

Document = dict[str, Any]
RECOVERY_DUE = 1000
"""Seconds after which a dead execution's claim is no more: a late event, or the third sweep."""
_SHIFTING = ("ShiftTrafficFunction", "RecoverRolloutFunction")
_WRITES = ("UpdateRoute", "CreateRoute", "DeleteRoute")


class Model:
    """What people set, who moved what last, and since when claims are nobody's."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.found = cloud, list[str]()
        self.specs, self.by_rollout = _specs(cloud), False
        self._dead: dict[str, float] = {}
        cloud.watchers.append(self)

    def __call__(self, asked: Asked) -> None:
        """See what a call did to the routes."""
        if asked.operation not in _WRITES:
            return
        now = _specs(self.cloud)
        for path, spec in now.items() if asked.function else ():
            before = self.specs.get(path)
            if before is not None and before != spec:
                self.found += [f"{asked.function}: {path}: {each}" for each in self._wrong(asked, path, before, spec)]
        if any(_carrying(weights_of(spec)) != self._had(path) for path, spec in now.items()):
            self.by_rollout = asked.function in _SHIFTING
        self.specs = now

    def _had(self, path: str) -> dict[str, int]:
        return _carrying(weights_of(self.specs[path])) if path in self.specs else {}

    def _wrong(self, asked: Asked, path: str, before: Document, spec: Document) -> list[str]:
        """Say what is wrong with what a function of Meshift made of a route."""
        found, had, has = wrong_total(path, weights_of(spec)), weights_of(before), weights_of(spec)
        if _rest(before) != _rest(spec):
            found.append(f"more than weights was changed, from {_rest(before)} to {_rest(spec)}")
        for node, weight in has.items():
            if weight > had.get(node, 0) and not self.cloud.answers(node):
                found.append(f"{node} got {weight} without one task that answers")
        if _carrying(had) != _carrying(has):
            found += self._unplanned(asked, path, had, has)
        return found

    def _unplanned(self, asked: Asked, path: str, had: Mapping[str, int], has: Mapping[str, int]) -> list[str]:
        """Say whether weights were moved that no claim's plan knows: others' weights, or to where nobody planned."""
        *_, router, _, route = path.split("/")
        if asked.function not in _SHIFTING:
            return [f"weights were moved from {had} to {has}"]
        documents = [json.loads(each["document"]["S"]) for each in self.cloud.claims() if "document" in each]
        plans = [each["plan"] for each in documents if each["plan"]["virtualRouter"] == router]
        if not plans:
            return [f"weights were moved from {had} to {has} without a claim"]
        known = [plan["before"][route] for plan in plans if route in plan["before"]]
        known += [step["weights"][route] for plan in plans for step in plan["steps"] if route in step["weights"]]
        carrying = [_carrying(each) for each in known]
        found = [] if _carrying(had) in carrying else [f"the weights {had}, which others set, became {has}"]
        return found if _carrying(has) in carrying else [*found, f"nobody planned the weights {has}"]

    def wrong(self) -> list[str]:
        """Say what is wrong by now."""
        found = [*self.found]
        for path, spec in self.specs.items():
            found += wrong_total(path, weights_of(spec))
        now, faults = self.cloud.clock.now, self.cloud.faults
        for claim in self.cloud.claims():
            arn = claim["execution"]["S"]
            if self.cloud.states.executions[arn].status != "RUNNING":
                since = self._dead.setdefault(arn, now)
                trouble = any(each.until > since for each in faults)
                if now - since > RECOVERY_DUE and not trouble:
                    found.append(f"{arn} is dead since {now - since:.0f} s, and its claim is still there")
        return found

    def unexplained(self) -> list[str]:
        """Say which weights the history tells otherwise, when nobody is at work; what people moved last is theirs."""
        if not self.by_rollout:
            return []
        told: dict[str, Mapping[str, int]] = {}
        for line in self.cloud.history():
            document = line["document"]
            if line["what"] == "weights":
                told[document["route"]] = document["to"]
            elif line["what"] == "outcome" and document["weights"]:
                told |= dict.fromkeys(told, document["weights"])
        return [
            f"{path} has the weights {weights_of(spec)}, and the history tells {told[route]}"
            for path, spec in self.specs.items()
            if (route := path.rpartition("/")[2]) in told and _carrying(weights_of(spec)) != _carrying(told[route])
        ]


def weights_of(spec: Document) -> dict[str, int]:
    return {each["virtualNode"]: each["weight"] for each in _action(spec)["weightedTargets"]}


def _carrying(weights: Mapping[str, int]) -> dict[str, int]:
    return {node: weight for node, weight in weights.items() if weight}


def _action(spec: Document) -> Document:
    return next(each["action"] for key, each in spec.items() if key.endswith("Route"))


def _rest(spec: Document) -> Document:
    """A route without its targets."""
    return {
        key: {name: each for name, each in value.items() if name != "action"} if key.endswith("Route") else value
        for key, value in spec.items()
    }


def _specs(cloud: Cloud) -> dict[str, Document]:
    return {
        sk.removeprefix("mesh/"): json.loads(item["document"]["S"])["spec"]
        for (pk, sk), item in cloud.tables.tables["MeshTable"].items()
        if pk.startswith("mesh/") and sk.startswith("mesh/") and "/route/" in sk
    }
