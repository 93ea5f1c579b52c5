"""The command line: one signal to the stack's OperateUrl, signed with the caller's own credentials.

Exit codes: 0 taken; 1 refused, or not reached; 2 usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session

DONE, FAILURE = 0, 1
STEERING = {
    "pause": "keep the weights as they are until the next signal, a week at most",
    "resume": "go on after a pause",
    "abort": "take the traffic back",
    "skip-wait": "end the bake of the present step",
    "promote": "go to the last step now; its bake stays",
    "retry": "roll the last deployment out again",
}
EPILOG = """\
examples:
  %(prog)s pause apps serviceb.apps.local
  %(prog)s start apps serviceB                                   CLUSTER SERVICE
  %(prog)s hand-over apps --virtual-node serviceB --cluster apps --service newB

exit codes: 0 taken; 1 refused, or not reached; 2 usage
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    found = argparse.ArgumentParser(
        prog="python -m meshift_operate",
        description="Steer Meshift's rollouts. Who asked is written into their history.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--url", help="the stack's output OperateUrl; found through CloudFormation when not given")
    found.add_argument("--stack", default="meshift", help="name of the stack (default: meshift)")
    found.add_argument("--region", help="AWS Region")
    found.add_argument("--profile", help="profile of the AWS configuration")
    found.add_argument("--json", action="store_true", help="print the answer as JSON")
    signals = found.add_subparsers(dest="signal", metavar="SIGNAL", required=True)
    for verb, what in STEERING.items():
        signal = signals.add_parser(verb, help=what, description=what)
        signal.add_argument("mesh", help="mesh, or mesh@owner")
        signal.add_argument("virtualService", metavar="virtual-service")
    start = signals.add_parser("start", help="roll out the deployment that a service has now")
    start.add_argument("cluster")
    start.add_argument("service")
    hand_over = signals.add_parser(
        "hand-over", help="give a virtual node to a service, or a virtual service to a cluster"
    )
    hand_over.add_argument("mesh", help="mesh, or mesh@owner")
    hand_over.add_argument("--cluster", required=True)
    name = hand_over.add_mutually_exclusive_group(required=True)
    name.add_argument("--virtual-node", dest="virtualNode")
    name.add_argument("--virtual-service", dest="virtualService")
    hand_over.add_argument("--service", help="the ECS service that gets the virtual node")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Send one signal; say what came of it."""
    options = parser().parse_args(arguments)
    own = {"url", "stack", "region", "profile", "json"}
    request = {name: value for name, value in vars(options).items() if name not in own and value is not None}
    try:
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        status, answer = send(session, options.url or url_of(session, options.stack), request)
    except (BotoCoreError, ClientError, LookupError, ValueError) as error:
        print(f"meshift_operate: {error}", file=sys.stderr)
        return FAILURE
    if status != 200:
        message = answer.get("message") or answer.get("Message") or "no reason given"
        print(f"meshift_operate: {options.signal} was refused ({status}): {message}", file=sys.stderr)
        return FAILURE
    print(json.dumps(answer) if options.json else "\n".join(f"{name}: {value}" for name, value in answer.items()))
    return DONE


def url_of(session: boto3.Session, stack: str) -> str:
    """Read the stack's output OperateUrl. Raises LookupError without one."""
    (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    for output in found.get("Outputs", []):
        if output.get("OutputKey") == "OperateUrl":
            return output["OutputValue"]
    raise LookupError(f"stack {stack} has no output OperateUrl; give --url, or --stack NAME")


def send(session: boto3.Session, url: str, body: dict[str, str]) -> tuple[int, dict[str, str]]:
    """Post a signed request; returns status and answer. Raises BotoCoreError when the URL is not reached."""
    credentials = session.get_credentials()
    if credentials is None:
        raise LookupError("there are no AWS credentials to sign with")
    if session.region_name is None:
        raise LookupError("there is no Region to sign for; give --region or set AWS_DEFAULT_REGION")
    request = AWSRequest("POST", url, data=json.dumps(body), headers={"content-type": "application/json"})
    SigV4Auth(credentials.get_frozen_credentials(), "lambda", session.region_name).add_auth(request)
    answer = URLLib3Session(timeout=30).send(request.prepare())
    try:
        document = json.loads(answer.text)
    except ValueError:
        document = {"message": answer.text[:200]}
    return answer.status_code, document
