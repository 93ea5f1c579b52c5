"""The whole story on local AWS: `make demo`. It exits 0 only if every step was observed through AWS's APIs."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from local import demo_operator, demo_shares, deploy, report
from local.instance import ROOT, Instance, LocalAwsError, running
from local.report import history
from local.settings import OWNER
from local.traffic import BOUND, OBSERVED_SECONDS, Traffic, is_within_error
from local.tutorial import HEADER_ROUTE, MESH, VIRTUAL_SERVICE, Tutorial, unweighted, wait_for

STATE = ROOT / "build" / "demo" / "aws"
TAGS = {
    "meshift:mesh": MESH,
    "meshift:virtual-service": VIRTUAL_SERVICE,
    "meshift:hostname": VIRTUAL_SERVICE,
    "meshift:protocol": "http2",
    "meshift:policy": "quick",
}
SERVICE_A = {
    "meshift:mesh": MESH,
    "meshift:virtual-service": "servicea.apps.local",
    "meshift:hostname": "servicea.apps.local",
    "meshift:backends": VIRTUAL_SERVICE,
}
BAKE_SECONDS = BOUND + OBSERVED_SECONDS
"""Long enough to see the traffic follow."""
STEPS = [{"weight": 25, "bakeSeconds": BAKE_SECONDS}, {"weight": 50, "bakeSeconds": BAKE_SECONDS}]
FIRST_STEPS = [{"weight": 25, "bakeSeconds": 15}, STEPS[1]]
"""A node that no Envoy has heard of gets its traffic later (docs/decisions/0007-discovery.md)."""
ALARM, CHECK_SECONDS = "serviceb-5xx", 1
DEPLOYMENT_SECONDS = 1.5


class Story:
    """What was expected and what was observed, line by line."""

    def __init__(self, console: Console) -> None:
        """Start with nothing observed."""
        self.console = console
        self.rows: list[tuple[str, str, str, bool]] = []
        self.timeline: dict[str, list[dict[str, Any]]] = {"samples": [], "weights": [], "marks": []}
        self.began = time.time()
        self._began = time.monotonic()

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """Show that something takes its time, and how long it took."""
        began = time.monotonic()
        with self.console.status(title):
            yield
        self.console.print(f"[dim]{self.elapsed():5.1f} s[/]  {title} [dim]({time.monotonic() - began:.1f} s)[/]")

    def tell(self, text: str) -> None:
        """Say what was just seen."""
        self.console.print(f"[dim]{self.elapsed():5.1f} s[/]     {text}")

    def expect(self, what: str, expected: Any, observed: Any) -> None:
        """Note a step with what was observed of it."""
        self.rows.append((what, str(expected), str(observed), expected == observed))

    def measure(self, what: str, expected: str, observed: str, good: bool) -> None:
        """Note a figure, and whether it is good enough."""
        self.tell(f"{what}: {observed}")
        self.rows.append((what, expected, observed, good))

    def elapsed(self) -> float:
        """Return the seconds since the story began."""
        return time.monotonic() - self._began

    def close(self) -> bool:
        """Draw the closing table and the report; say whether all was as expected."""
        table = Table(title="What was expected, and what was observed through AWS's APIs", show_lines=False)
        for column in ("step", "expected", "observed", ""):
            table.add_column(column, overflow="fold")
        for what, expected, observed, good in self.rows:
            table.add_row(what, expected, observed, "[green]yes[/]" if good else "[bold red]NO[/]")
        self.console.print(table)
        rows = [dict(zip(("step", "expected", "observed", "good"), row, strict=True)) for row in self.rows]
        drawn = report.keep({**self.timeline, "table": rows}, STATE.parent)
        self.console.print("Drawn: " + ", ".join(str(path.relative_to(ROOT)) for path in drawn))
        return all(row[3] for row in self.rows)


def main() -> int:
    """Tell the story; 0 when every step was observed, 1 when one was not."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    story = Story(console)
    shutil.rmtree(STATE, ignore_errors=True)
    try:
        with running(STATE, deploymentSeconds=DEPLOYMENT_SECONDS, dataPlane=True) as aws:
            with story.chapter("sam build, sam deploy: the stack meshift in the owner's and the consumer's account"):
                deploy.deploy(aws)
            tell(story, aws)
    except LocalAwsError as error:
        console.print(f"[bold red]The story stopped:[/] {error}", soft_wrap=True)
        story.expect("the whole story", "told to its end", "stopped")
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 130
    good = story.close()
    console.print(f"{'Every step was observed' if good else 'Not every step was observed'} in {story.elapsed():.0f} s.")
    return 0 if good else 1


def tell(story: Story, aws: Instance) -> None:
    """Tell the chapters one after the other."""
    apps = Tutorial(aws)
    apps.write_policy("quick", steps=FIRST_STEPS, finalBakeSeconds=BAKE_SECONDS)
    apps.alarm_on_errors(ALARM, "serviceB")
    bystander = apps.create_service("bystander", "bystander:1", {"team": "other"})
    untouched = apps.service("bystander")["taskDefinition"]
    stable = first_services_join(story, apps)
    traffic = Traffic(aws, "serviceA")
    story.tell("requests begin: serviceA → Envoy → Envoy → serviceB")
    candidate = new_version_is_promoted(story, aws, apps, traffic)
    bad_version_is_rolled_back(story, apps, stable, traffic)
    stopped_rollout_is_recovered(story, apps, stable)
    demo_operator.tell(story, apps, stable)
    traffic_goes_off_before_a_redeployment(story, apps, stable, traffic)
    requests_are_counted(story, traffic)
    demo_shares.tell(story, aws)
    story.timeline |= history.follow(apps.happenings(), story.began, VIRTUAL_SERVICE)
    story.expect("rollouts of serviceBv2 beside its own", 0, len(apps.executions(candidate, known=2)))
    story.expect("an unenrolled service: its revision", untouched, apps.service("bystander")["taskDefinition"])
    story.expect("an unenrolled service: executions", 0, len(apps.executions(bystander)))


def first_services_join(story: Story, apps: Tutorial) -> str:
    """Deploy serviceA and serviceB: the mesh is empty, and what their tags name is made."""
    with story.chapter("serviceA and serviceB are deployed, without Envoy, into an empty mesh"):
        caller = apps.create_service("serviceA", "servicea:1", SERVICE_A)
        arn = apps.create_service("serviceB", "serviceb:1", TAGS)
        outcomes = [apps.outcome(arn, "Redeployed", "Refused"), apps.outcome(arn, "Nothing To Do", "Refused", known=1)]
        calling = apps.outcome(caller, "Redeployed", "Refused")
        apps.outcome(caller, "Nothing To Do", "Refused", known=1)
        for each in (calling, *outcomes):
            story.tell(f"{each['outcome']}: {each['reason']}")
    story.expect("serviceA's deployment", "Redeployed", calling["outcome"])
    backends = [each["virtualService"]["virtualServiceName"] for each in apps.node("serviceA")["backends"]]
    story.expect("virtual node serviceA: its backends", [VIRTUAL_SERVICE], backends)
    story.expect("serviceB: its two deployments", ["Redeployed", "Nothing To Do"], [e["outcome"] for e in outcomes])
    story.expect("the route that serviceB brought", {"serviceB": 100}, apps.weights())
    return arn


def new_version_is_promoted(story: Story, aws: Instance, apps: Tutorial, traffic: Traffic) -> str:
    """Deploy serviceBv2 without Envoy and watch what happens by itself."""
    with story.chapter("serviceBv2 is deployed, without Envoy"):
        arn = apps.create_service("serviceBv2", "serviceb:2", {**TAGS, "meshift:hostname": "servicebv2.apps.local"})
        first = apps.service("serviceBv2")["deployments"][0]["id"]
        redeployed = apps.outcome(arn, "Redeployed", "Refused")
        story.tell(f"{redeployed['outcome']}: {redeployed['reason']}")
        apps.make_header_route()
        story.tell(f"an operator adds the route {HEADER_ROUTE} by hand: header x-beta, five retries")
        made = apps.route(HEADER_ROUTE)
    story.expect("serviceBv2 without Envoy", "Redeployed", redeployed["outcome"])
    story.expect("its containers", ["app", "envoy"], apps.containers("serviceBv2"))
    with story.chapter("its second deployment completes, and traffic moves"):
        began = time.time()
        seen = watch_weights(story, apps, arn, "serviceBv2", known=1)
        promoted = apps.outcome(arn, "Promoted", "Rolled Back", "Refused", known=1)
        story.tell(f"{promoted['outcome']}: {promoted['reason']}")
        traffic_follows(story, traffic, "serviceBv2", "serviceb:2", began)
    story.expect("weights of serviceBv2 in the route", [0, 25, 50, 100], seen)
    story.expect("the rollout", "Promoted", promoted["outcome"])
    story.expect("weights in the hand-made route", {"serviceB": 0, "serviceBv2": 100}, apps.weights(HEADER_ROUTE))
    story.expect("all else in the hand-made route", True, unweighted(apps.route(HEADER_ROUTE)) == unweighted(made))
    with story.chapter("the same event is delivered again"):
        aws.emit(completed_event(arn, first))
        aws.emit(completed_event(arn, apps.service("serviceBv2")["deployments"][0]["id"]))
        wait_for("the queue is empty", lambda: queue_is_empty(aws))
    story.expect("executions for serviceBv2's two deployments", 2, len(apps.executions(arn)))
    return arn


def bad_version_is_rolled_back(story: Story, apps: Tutorial, arn: str, traffic: Traffic) -> None:
    """Deploy a bad serviceB: it answers 500 through Envoy, and the alarm on what Envoys count rings."""
    with story.chapter("a bad version of serviceB is deployed"):
        before = apps.route(), apps.route(HEADER_ROUTE)
        apps.write_policy("quick", steps=[{"weight": 25, "bakeSeconds": 30}], checks=[{"alarm": ALARM}])
        began = time.time()
        apps.deploy_image("serviceB", "serviceb:bad")
        apps.outcome(arn, "Redeployed", known=2)
        asked = traffic.written("serviceB", 25, began)
        answered = traffic.first("serviceb:bad")
        story.tell("serviceB carries 25, and half of its answers are 500")
        rang = apps.alarm_rings(ALARM)
        back = apps.outcome(arn, "Promoted", "Rolled Back", "Refused", known=3)
        story.tell(f"{back['outcome']}: {back['reason']}")
        time.sleep(BOUND)
        restored = traffic.last("serviceb:bad") - rang
    story.measure(
        "UpdateRoute to the first request on the new weights",
        f"at most {BOUND} s", f"{answered - asked:.1f} s", answered - asked <= BOUND,
    )  # fmt: skip
    story.measure(
        "the alarm to the last request that the bad version answered",
        f"at most {CHECK_SECONDS + BOUND} s", f"{restored:.1f} s", restored <= CHECK_SECONDS + BOUND,
    )  # fmt: skip
    story.expect("a bad version of serviceB", "Rolled Back", back["outcome"])
    story.expect("its reason", f"in alarm: {ALARM}", back["reason"])
    story.expect("the routes are exactly what they were", True, (apps.route(), apps.route(HEADER_ROUTE)) == before)


def stopped_rollout_is_recovered(story: Story, apps: Tutorial, arn: str) -> None:
    """Stop an execution in the middle of a rollout, as the console's button does."""
    with story.chapter("a rollout of serviceB is stopped in the console"):
        before = apps.route(), apps.route(HEADER_ROUTE)
        apps.write_policy("quick")
        apps.deploy_image("serviceB", "serviceb:3")
        wait_for("serviceB gets its first weight", lambda: apps.weights()["serviceB"] == 25)
        (running_now,) = [each for each in apps.executions(arn) if each["status"] == "RUNNING"]
        apps.states.stop_execution(executionArn=running_now["executionArn"])
        story.tell("serviceB carries 25, and the execution is stopped")
        wait_for("the weights are put back", lambda: (apps.route(), apps.route(HEADER_ROUTE)) == before)
        story.tell("the weights are what they were")
    status = apps.states.describe_execution(executionArn=running_now["executionArn"])["status"]
    story.expect("a stopped rollout", "ABORTED", status)
    story.expect("the routes are exactly what they were", True, (apps.route(), apps.route(HEADER_ROUTE)) == before)


def traffic_goes_off_before_a_redeployment(story: Story, apps: Tutorial, arn: str, traffic: Traffic) -> None:
    """Deploy serviceB, which carries everything, again: serviceBv2 is still there and takes over meanwhile."""
    with story.chapter("serviceB carries everything, and its next version is deployed"):
        known, began = len(apps.executions(arn)), time.time()
        apps.write_policy("quick", steps=STEPS, finalBakeSeconds=BAKE_SECONDS)
        apps.deploy_image("serviceB", "serviceb:5")
        wait_for("its traffic goes to serviceBv2", lambda: apps.weights() == {"serviceB": 0, "serviceBv2": 100})
        story.tell("its traffic goes to serviceBv2 while Envoy is put in")
        bare = apps.containers("serviceB")
        redeployed = apps.outcome(arn, "Redeployed", "Refused", known=known)
        story.tell(f"{redeployed['outcome']}: {redeployed['reason']}")
        seen = watch_weights(story, apps, arn, "serviceB", known=known + 1)
        traffic_follows(story, traffic, "serviceB", "serviceb:5", began)
    story.expect("serviceB, when its traffic goes off it", ["app"], bare)
    story.expect("weights of serviceB in the route", [0, 25, 50, 100], seen)


def traffic_follows(story: Story, traffic: Traffic, node: str, version: str, since: float) -> None:
    """Compare the share of requests that a version answered with the weight of its node, step by step."""
    for weight, share, requests in traffic.steps(node, version, since):
        if weight:
            good = is_within_error(weight, share, requests)
            story.measure(f"{version}'s share at {weight}", f"{weight} %", f"{share:.1%} of {requests}", good)


def requests_are_counted(story: Story, traffic: Traffic) -> None:
    """End the requests, and look for any that failed."""
    counts, errors = traffic.stop()
    story.timeline["samples"] = traffic.samples(story.began)
    story.tell(f"{counts.total()} requests: " + ", ".join(f"{count} by {name}" for name, count in counts.items()))
    failed = {name: count for name, count in errors.items() if name != "serviceb:bad"}
    story.expect("requests that failed, but those to the bad version", {}, failed)
    story.expect("the bad version's answers of 500, through Envoy", True, errors["serviceb:bad"] > 0)


def watch_weights(story: Story, apps: Tutorial, arn: str, node: str, known: int) -> list[int]:
    """Follow a node's weight in the route until its rollout has ended; returns the weights that were seen."""
    seen: list[int] = []

    def ended() -> bool:
        weights = apps.weights()
        if node in weights and seen[-1:] != [weights[node]]:
            seen.append(weights[node])
            story.tell("route: " + ", ".join(f"{name} {weight}" for name, weight in weights.items()))
        return any(each["status"] != "RUNNING" for each in apps.executions(arn, known))

    wait_for(f"the rollout of {node} ends", ended, seconds=90)
    return seen


def completed_event(service: str, deployment: str) -> dict[str, Any]:
    """Build the event of a completed deployment, as ECS sends it."""
    return {
        "version": "0",
        "id": f"demo-{deployment}",
        "detail-type": "ECS Deployment State Change",
        "source": "aws.ecs",
        "account": OWNER,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": "us-east-1",
        "resources": [service],
        "detail": {
            "eventType": "INFO",
            "eventName": "SERVICE_DEPLOYMENT_COMPLETED",
            "deploymentId": deployment,
            "updatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "reason": f"ECS deployment {deployment} completed.",
        },
    }


def queue_is_empty(aws: Instance) -> bool:
    """Say whether every deployment event has been read and answered."""
    sqs = aws.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    urls = [url for url in sqs.list_queues()["QueueUrls"] if "DeploymentsQueue" in url]
    counts = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in urls]
    return bool(counts) and all(int(count) == 0 for each in counts for count in each.values())


if __name__ == "__main__":
    sys.exit(main())
