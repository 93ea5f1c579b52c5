"""`meshift pause` and the other signals: a request to the stack's OperateUrl, signed with the caller's credentials.

Who asked is written into the history of the rollout, as IAM says.
"""

import argparse
import json
from collections.abc import Mapping

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError, NoRegionError
from botocore.httpsession import URLLib3Session

from meshift.errors import DONE, Failed
from meshift.options import add_aws, add_json, use_aws
from meshift.stack import read_stack

_SIGNALS = {"skip": "skip-wait"}
"""Commands that are not called as their signal is."""
_STEERING = ("pause", "resume", "approve", "abort", "skip", "promote")
_OWN = {"url", "stack", "region", "profile", "json", "command", "run"}


def describe(found: argparse.ArgumentParser, name: str) -> None:
    """Add the options of one signal."""
    if name == "start":
        found.add_argument("cluster", help="the ECS cluster")
        found.add_argument("service", help="the ECS service")
    elif name == "accept-share":
        found.add_argument("invitation", help="ARN of the invitation, as it was announced")
    else:
        found.add_argument("mesh", help="mesh, or mesh@owner")
    if name == "hand-over":
        what = found.add_mutually_exclusive_group(required=True)
        what.add_argument("--virtual-node", dest="virtualNode", metavar="NAME")
        what.add_argument("--virtual-service", dest="virtualService", metavar="NAME")
        found.add_argument("--cluster", required=True, help="the ECS cluster that gets it, or whose service does")
        found.add_argument("--service", help="the ECS service that gets the virtual node")
    if name in (*_STEERING, "retry"):
        found.add_argument("virtualService", metavar="virtual-service")
    if name in _STEERING:
        found.add_argument("--execution", help="one that waits for its turn; default: the rollout at work")
    add_aws(found)
    found.add_argument("--url", help="the stack's output OperateUrl; found through CloudFormation when not given")
    add_json(found)


def run(options: argparse.Namespace) -> int:
    """Send the signal; say what came of it."""
    use_aws(options)
    request = {name: value for name, value in vars(options).items() if name not in _OWN and value is not None}
    request["signal"] = _SIGNALS.get(options.command, options.command)
    status, answer = send(options.url or read_stack(options.stack).output("OperateUrl"), request)
    if status != 200:
        message = answer.get("message") or answer.get("Message") or "no reason given"
        raise Failed(f"refused ({status}): {message}")
    print(json.dumps(answer) if options.json else "\n".join(f"{name}: {value}" for name, value in answer.items()))
    return DONE


def send(url: str, body: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Post a signed request; returns status and answer. Raises BotoCoreError when the URL is not reached."""
    session = boto3.DEFAULT_SESSION or boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    if session.region_name is None:
        raise NoRegionError
    request = AWSRequest("POST", url, data=json.dumps(body), headers={"content-type": "application/json"})
    SigV4Auth(credentials.get_frozen_credentials(), "lambda", session.region_name).add_auth(request)
    answer = URLLib3Session(timeout=30).send(request.prepare())
    try:
        document = json.loads(answer.text)
    except ValueError:
        document = {"message": answer.text[:200]}
    return answer.status_code, document
