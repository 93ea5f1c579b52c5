"""What operators do to rollouts by the command `meshift`: approve, pause, resume, abort, promote."""

from typing import TYPE_CHECKING

from local.settings import OWNER
from local.tutorial import MESH, VIRTUAL_SERVICE, Tutorial, wait_for

if TYPE_CHECKING:
    from local.demo import Story

GATE = {"weight": 25, "bakeSeconds": 60, "gate": {"timeoutSeconds": 300}}
SIGNALS = ("retry", "approve", "pause", "resume", "abort", "retry", "approve", "promote")


def tell(story: "Story", apps: Tutorial, arn: str) -> None:
    """Tell what an operator does to rollouts of serviceB, which begin at a gate."""
    apps.write_policy("quick", steps=[GATE], deadlineSeconds=300)
    codes = approved_paused_and_aborted(story, apps, arn) + superseded_and_promoted(story, apps, arn)
    said = [(each["signal"], each["by"].split(":")[4]) for each in apps.history("signal")]
    story.expect("the operator's commands: exit codes", [0] * len(SIGNALS), codes)
    story.expect("their history", [(signal, OWNER) for signal in SIGNALS], said)


def approved_paused_and_aborted(story: "Story", apps: Tutorial, arn: str) -> list[int]:
    """Roll the stopped version out again: through its gate, into a pause and out of it, and back."""
    with story.chapter("an operator rolls it out again, approves it, pauses and resumes it, and aborts it"):
        before, known = apps.weights(), len(apps.executions(arn))
        codes = [steer(apps, "retry")]
        at_the_gate(story, apps, arn)
        unmoved = apps.weights()
        codes.append(steer(apps, "approve"))
        wait_for("serviceB gets its first weight", lambda: apps.weights()["serviceB"] == 25)
        for signal, state in (("pause", "Pause"), ("resume", "Bake")):
            codes.append(steer(apps, signal))
            wait_for(f"{signal} is seen", lambda state=state: apps.state_of(arn) == state)
            story.tell(f"serviceB carries {apps.weights()['serviceB']}; {signal}: the rollout is in {state}")
        codes.append(steer(apps, "abort"))
        aborted = apps.outcome(arn, "Rolled Back", "Promoted", "Refused", known=known)
        story.tell(f"{aborted['outcome']}: {aborted['reason']}")
    story.expect("the weights while the gate waits", before, unmoved)
    story.expect("aborted", ("Rolled Back", before), (aborted["outcome"], apps.weights()))
    return codes


def superseded_and_promoted(story: "Story", apps: Tutorial, arn: str) -> list[int]:
    """Deploy a newer version while the rollout of the one before waits at its gate, and promote that."""
    with story.chapter("serviceB's next version is deployed while a rollout waits at its gate"):
        known = len(apps.executions(arn))
        codes = [steer(apps, "retry")]
        at_the_gate(story, apps, arn)
        apps.deploy_image("serviceB", "serviceb:4")
        superseded = apps.outcome(arn, "Superseded", "Rolled Back", "Promoted", known=known)
        story.tell(f"{superseded['outcome']}: {superseded['reason']}")
        apps.outcome(arn, "Redeployed", known=known)
        at_the_gate(story, apps, arn)
        codes += [steer(apps, "approve")]
        wait_for("serviceB gets its first weight", lambda: apps.weights()["serviceB"] == 25)
        codes += [steer(apps, "promote")]
        promoted = apps.outcome(arn, "Promoted", "Rolled Back", "Refused", known=known)
        story.tell(f"{promoted['outcome']}: {promoted['reason']}")
    story.expect("the rollout at the gate", "Superseded", superseded["outcome"])
    story.expect("the newer version", "Promoted", promoted["outcome"])
    return codes


def at_the_gate(story: "Story", apps: Tutorial, arn: str) -> None:
    """Wait until the rollout is at its gate and takes an answer."""
    wait_for("the gate", lambda: apps.state_of(arn) == "Gate" and apps.waits_at_gate())
    story.tell("a gate waits for approval; the weights stay")


def steer(apps: Tutorial, signal: str) -> int:
    """Run the operators' command; its exit code."""
    return apps.operate(signal, MESH, VIRTUAL_SERVICE)[0]
