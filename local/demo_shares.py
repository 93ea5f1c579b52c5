"""Two accounts in one mesh, the last part of the demo: share, accept, join, call, roll out, unshare.

The owner's service `orders` and the consumer's `checkout` call each other in the owner's mesh, Envoy to Envoy.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local import deploy, envoys
from local.callers import Callers
from local.instance import Instance, LocalAwsError
from local.settings import CONSUMER, OWNER
from local.tutorial import MESH, Tutorial, wait_for

if TYPE_CHECKING:
    from local.demo import Story

STRANGER = "333333333333"
ORDERS, CHECKOUT = "orders.apps.local", "checkout.apps.local"
SHARED = f"{MESH}@{OWNER}"
PORT = "80"
Document = dict[str, Any]


def tell(story: "Story", aws: Instance) -> None:
    """Tell the story of the consumer's service in the owner's mesh."""
    owner, consumer = Tutorial(aws, OWNER), Tutorial(aws, CONSUMER)
    for account in (owner, consumer):
        account.write_policy("quick", steps=[{"weight": 50, "bakeSeconds": 2}])
    arn = waits_for_its_share(story, owner, consumer)
    shares_are_answered(story, aws)
    joins_with_its_own(story, aws, owner, consumer, arn)
    requests_flow(story, aws)
    rolls_out_its_own_only(story, aws, consumer)
    is_unshared(story, aws, owner, consumer)


def waits_for_its_share(story: "Story", owner: Tutorial, consumer: Tutorial) -> str:
    """Deploy both services; the consumer's asks for a mesh that nobody shares with it yet."""
    with story.chapter(f"the owner deploys orders; the consumer deploys checkout, for mesh {SHARED}"):
        orders = owner.create_service("orders", "orders:1", tags(MESH, ORDERS, CHECKOUT))
        checkout = consumer.create_service("checkout", "checkout:1", tags(SHARED, CHECKOUT, ORDERS))
        waiting = consumer.outcome(checkout, "Nothing To Do", "Refused", "Redeployed")
        story.tell(f"{waiting['outcome']}: {waiting['reason']}")
        owner.outcome(orders, "Nothing To Do", "Refused", known=1)
    story.expect("consumer's checkout, before the share", f"waits for the share of mesh {SHARED}", waiting["reason"])
    return checkout


def shares_are_answered(story: "Story", aws: Instance) -> None:
    """Share from the owner, by its stack's parameters, and from a stranger to the consumer."""
    with story.chapter("a stranger shares with the consumer, and so does the owner (ShareMesh, SharePrincipals)"):
        share(aws, STRANGER)
        share_mesh(aws, CONSUMER)
        consumer = aws.client("ram", CONSUMER)

        def statuses() -> dict[str, str]:
            found = consumer.get_resource_share_invitations()["resourceShareInvitations"]
            return {each["senderAccountId"]: each["status"] for each in found}

        wait_for("the owner's share is accepted", lambda: statuses().get(OWNER) == "ACCEPTED")
        received = consumer.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"]
    story.expect("the owner's share", "ACCEPTED", statuses()[OWNER])
    story.expect("what the consumer received", {card_arn(OWNER)}, {each["arn"] for each in received})
    story.expect("the stranger's share", "PENDING", statuses()[STRANGER])


def joins_with_its_own(story: "Story", aws: Instance, owner: Tutorial, consumer: Tutorial, arn: str) -> None:
    """What waited goes on by itself: node, router, route and virtual service of the consumer in the owner's mesh."""
    with story.chapter("checkout waits no more"):
        redeployed = consumer.outcome(arn, "Redeployed", "Refused", known=1)
        story.tell(f"{redeployed['outcome']}: {redeployed['reason']}")
        consumer.outcome(arn, "Nothing To Do", "Refused", known=2)
        owners = {
            "node": owner.mesh.describe_virtual_node(meshName=MESH, virtualNodeName="checkout")["virtualNode"],
            "route": route(owner, CHECKOUT),
            "virtual service": owner.mesh.describe_virtual_service(meshName=MESH, virtualServiceName=CHECKOUT)[
                "virtualService"
            ],
        }
    found = {name: each["metadata"]["resourceOwner"] for name, each in owners.items()}
    story.expect("who owns checkout's resources in the owner's mesh", dict.fromkeys(owners, CONSUMER), found)
    healthy = wait_for("checkout's Envoys are healthy", lambda: tasks(aws, "checkout", CONSUMER))
    asked = {envoys.ask(task["admin"], "/server_info")["node"]["metadata"]["meshOwner"] for task in healthy}
    story.expect("whose discovery configures checkout's Envoys", {OWNER}, asked)


def requests_flow(story: "Story", aws: Instance) -> None:
    """Send requests both ways, from Envoy to Envoy."""
    with story.chapter("requests between the accounts"):
        answered = {
            "consumer → owner": answers(aws, "checkout", CONSUMER, ORDERS),
            "owner → consumer": answers(aws, "orders", OWNER, CHECKOUT),
        }
    for way, found in answered.items():
        story.tell(f"{way}: {found}")
    story.expect("checkout calls orders, through both Envoys", {"orders:1"}, answered["consumer → owner"])
    story.expect("orders calls checkout, through both Envoys", {"checkout:1"}, answered["owner → consumer"])


def rolls_out_its_own_only(story: "Story", aws: Instance, consumer: Tutorial) -> None:
    """Roll out in the consumer's account; the owner's route is not the consumer's to move."""
    with story.chapter("the consumer deploys checkoutv2"):
        before = route(Tutorial(aws), ORDERS)["spec"]
        wanted = {**tags(SHARED, CHECKOUT, ORDERS), "meshift:hostname": "checkoutv2.apps.local"}
        arn = consumer.create_service("checkoutv2", "checkout:2", wanted)
        promoted = consumer.outcome(arn, "Promoted", "Rolled Back", "Refused", known=1)
        story.tell(f"{promoted['outcome']}: {promoted['reason']}")
        api = aws.session(CONSUMER).client("appmesh", endpoint_url=deploy.outputs(aws, OWNER)["MeshApiUrl"])
        where = {"meshName": MESH, "meshOwner": OWNER, "virtualRouterName": ORDERS, "routeName": ORDERS}
        try:
            api.update_route(**where, spec=before)
            refused = "taken"
        except ClientError as error:
            refused = error.response["Error"]["Code"]
        reached = answers(aws, "orders", OWNER, CHECKOUT, {"checkout:2"})
    story.expect("the consumer's rollout", "Promoted", promoted["outcome"])
    story.expect("its weights", {"checkout": 0, "checkoutv2": 100}, promoted["weights"])
    story.expect("the owner's Envoys follow", {"checkout:2"}, reached)
    story.expect("the consumer writes the owner's route", "ForbiddenException", refused)


def is_unshared(story: "Story", aws: Instance, owner: Tutorial, consumer: Tutorial) -> None:
    """Unshare: the consumer's Envoys get no news, its resources stay, and the owner can delete them."""
    with story.chapter("the owner unshares the mesh"):
        (task, *_) = tasks(aws, "checkout", CONSUMER)
        plan = meshift(aws, OWNER, "mesh", "consumers", "--without", CONSUMER, "--json")
        unshare_mesh(aws)
        failures = polls_that_failed(task["admin"])
        wait_for("its Envoys are refused", lambda: polls_that_failed(task["admin"]) > failures + 1)
        ours = consumer.environment["AWS_ACCESS_KEY_ID"]
        wait_for("the consumer has heard of it", lambda: not known_meshes(consumer))
        stays = {
            each["virtualNodeName"]
            for each in owner.mesh.list_virtual_nodes(meshName=MESH)["virtualNodes"]
            if each["resourceOwner"] == ours
        }
        still = answers(aws, "checkout", CONSUMER, ORDERS)
        delete_all(owner)
        left = [each["virtualNodeName"] for each in owner.mesh.list_virtual_nodes(meshName=MESH)["virtualNodes"]]
    planned = {CONSUMER: ["checkout", "checkoutv2"]}
    story.expect("before: who would get no configuration any more", {CONSUMER: planned}, json.loads(plan)["losing"])
    story.expect("unshared: the consumer's nodes stay", {"checkout", "checkoutv2"}, stays)
    story.expect("unshared: its Envoys keep what they have", {"orders:1"}, still)
    story.expect("the owner deletes them", [], [name for name in left if name.startswith("checkout")])


def delete_all(owner: Tutorial) -> None:
    """Delete what the consumer made, as the mesh's owner may; the node that names it as backend keeps its own."""
    where = {"meshName": MESH}
    owner.mesh.delete_virtual_service(virtualServiceName=CHECKOUT, **where)
    owner.mesh.delete_route(virtualRouterName=CHECKOUT, routeName=CHECKOUT, **where)
    owner.mesh.delete_virtual_router(virtualRouterName=CHECKOUT, **where)
    for name in ("checkout", "checkoutv2"):
        owner.mesh.delete_virtual_node(virtualNodeName=name, **where)


def tags(mesh: str, virtual_service: str, backend: str) -> dict[str, str]:
    """The tags of a service that provides one virtual service and calls another."""
    return {
        "meshift:mesh": mesh,
        "meshift:virtual-service": virtual_service,
        "meshift:hostname": virtual_service,
        "meshift:backends": backend,
        "meshift:policy": "quick",
    }


def share_mesh(aws: Instance, *principals: str) -> None:
    """Share the owner's mesh by the parameters of its stack."""
    set_parameters(aws, ShareMesh=MESH, SharePrincipals=",".join(principals), AllowExternalPrincipals="true")


def unshare_mesh(aws: Instance) -> None:
    """Take the parameters back."""
    set_parameters(aws, ShareMesh="", SharePrincipals="", AllowExternalPrincipals="false")


def set_parameters(aws: Instance, account: str = OWNER, **wanted: str) -> None:
    """Change parameters of an account's stack, as the console does, and wait until that is done."""
    cloudformation = aws.client("cloudformation", account)
    (stack,) = cloudformation.describe_stacks(StackName=deploy.STACK)["Stacks"]
    names = {each["ParameterKey"] for each in stack["Parameters"]}
    cloudformation.update_stack(
        StackName=deploy.STACK,
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {
                "ParameterKey": name,
                **({"ParameterValue": wanted[name]} if name in wanted else {"UsePreviousValue": True}),
            }
            for name in sorted(names)
        ],
    )

    def done() -> str | None:
        (found,) = cloudformation.describe_stacks(StackName=deploy.STACK)["Stacks"]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else str(found["StackStatus"])

    status = wait_for(f"the stack of {account} is updated", done)
    if status != "UPDATE_COMPLETE":
        raise LocalAwsError(f"the stack of {account} could not be updated: {status}")


def meshift(aws: Instance, account: str, *words: str) -> str:
    """Run the command as a person does in an account; returns what it printed."""
    command = [Path(sys.executable).with_name("meshift"), *words]
    environment = {**os.environ, **aws.environment(account)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise LocalAwsError(f"meshift {' '.join(words)} failed: {ran.stderr}")
    return ran.stdout


def card_arn(account: str) -> str:
    """Return the ARN of an account's mesh card."""
    return f"arn:aws:ssm:us-east-1:{account}:parameter/meshift/meshes/{MESH}"


def share(aws: Instance, account: str) -> str:
    """Share an account's mesh card with the consumer through RAM alone; returns the share's ARN."""
    answer = aws.client("ram", account).create_resource_share(
        name=f"apps-of-{account}", resourceArns=[card_arn(account)], principals=[CONSUMER]
    )
    return str(answer["resourceShare"]["resourceShareArn"])


def route(owner: Tutorial, name: str) -> Document:
    """Describe the route that a virtual service's first node brought."""
    where = {"meshName": MESH, "virtualRouterName": name, "routeName": name}
    return dict(owner.mesh.describe_route(**where)["route"])


def tasks(aws: Instance, service: str, account: str) -> list[Document]:
    """The tasks of a service that have a healthy Envoy; none while one is missing."""
    found = [t for t in aws.control("tasks")["tasks"] if (t["service"], t["account"]) == (service, account)]
    found = [t for t in found if not t["leaves"]]
    return found if all(t["healthy"] and PORT in t["egress"] for t in found) else []


def answers(aws: Instance, service: str, account: str, host: str, wanted: set[str] | None = None) -> set[str]:
    """Which versions answer a service's tasks that call a virtual service: once nothing else does, or what does."""
    ports = [t["egress"][PORT] for t in wait_for(f"{service} is healthy", lambda: tasks(aws, service, account))]
    callers = Callers(ports, host, rate=20, every=0.5)
    try:
        seen: set[str] = set()
        end = time.monotonic() + 40
        while time.monotonic() < end:
            time.sleep(1)
            counts, errors = callers.since(time.time() - 2)
            seen = set(counts) - set(errors)
            if counts and not errors and (wanted is None or seen == wanted):
                break
        return seen
    finally:
        callers.stop()


def polls_that_failed(admin: int) -> int:
    """How many polls of clusters an Envoy was refused."""
    (found,) = envoys.ask(admin, "/stats?filter=^cluster_manager.cds.update_failure$&format=json")["stats"]
    return int(found["value"])


def known_meshes(consumer: Tutorial) -> list[Any]:
    """The meshes of other accounts whose cards the consumer's stack knows."""
    answer = consumer.dynamodb.query(
        TableName=consumer.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "meshes"}},
    )
    return list(answer["Items"])
