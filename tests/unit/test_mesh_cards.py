"""Mesh cards of other accounts: what they say is checked, never believed."""

import json

import pytest

from domain.errors import InvalidCard
from domain.mesh_cards import check_card, parse_card
from domain.sharing import SharedMesh
from tests.shapes import OWNER, STRANGER

ARN = f"arn:aws:ssm:us-east-1:{OWNER}:parameter/meshift/meshes/apps"
SHARED = SharedMesh("apps", OWNER, ARN, "ssm:Parameter")
URL = "https://abc123.lambda-url.us-east-1.on.aws/"
GATEWAY = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/"
LOCAL = "http://127.0.0.1:4566"


def card(**changes):
    endpoint = {"endpoint": URL, "signingName": "lambda"}
    return {"mesh": "apps", "owner": OWNER, "region": "us-east-1", "api": endpoint, "discovery": endpoint, **changes}


def checked(document, **more):
    return check_card(json.dumps(document), SHARED, "us-east-1", **more)


def at(url, signing_name="lambda"):
    return {"endpoint": url, "signingName": signing_name}


@pytest.mark.parametrize(
    "endpoint",
    [
        at(URL),
        at(URL.rstrip("/")),
        at(GATEWAY, "execute-api"),
        at("https://a1b2c3d4e5-vpce-0123456789abcdef0.execute-api.us-east-1.amazonaws.com", "execute-api"),
    ],
)
def test_endpoints_of_aws_in_the_cards_region_are_taken(endpoint):
    found = checked(card(api=endpoint, discovery=endpoint))
    assert (found.api.url, found.api.signing_name) == (endpoint["endpoint"], endpoint["signingName"])
    assert parse_card(found.document()) == found


def test_what_a_newer_card_says_beside_is_left_out():
    assert checked(card(more="x")).document() == card()


FUNCTION = f"arn:aws:lambda:us-east-1:{OWNER}:function:meshift-DiscoverFunction-1"


def calling(function):
    return card(discovery={"endpoint": URL, "signingName": "lambda", "function": function})


def test_the_function_behind_the_discovery_is_known_where_the_card_names_it():
    assert checked(calling(FUNCTION)).discovery.function == FUNCTION
    assert checked(calling(FUNCTION)).document() == calling(FUNCTION)
    assert checked(card()).discovery.function == ""


HOSTILE = {
    "somebody else's function": calling(FUNCTION.replace(OWNER, STRANGER)),
    "a function of another Region": calling(FUNCTION.replace("us-east-1", "eu-west-1")),
    "all functions": calling(FUNCTION.rpartition(":")[0] + ":*"),
    "a function's version": calling(FUNCTION + ":1"),
    "something else than a function": calling(f"arn:aws:iam::{OWNER}:role/x"),
    "a function that is a list": calling([FUNCTION]),
    "another owner": card(owner=STRANGER),
    "no owner": card(owner=None),
    "another mesh": card(mesh="payments"),
    "a look-alike mesh": card(mesh="аpps"),
    "another Region": card(region="eu-west-1"),
    "no endpoints": card(api=None),
    "an endpoint as a text": card(discovery=URL),
    "no discovery endpoint": card(discovery={}),
    "an endpoint that is a list": card(api=at([URL])),
    "no signing name": card(api={"endpoint": URL}),
    "a foreign endpoint": card(api=at("https://evil.example/")),
    "a foreign discovery endpoint": card(discovery=at("https://evil.example/")),
    "not encrypted": card(api=at(URL.replace("https", "http"))),
    "another port": card(api=at(URL.rstrip("/") + ":8443/")),
    "a path": card(api=at(URL + "x")),
    "a query": card(api=at(URL + "?x")),
    "a fragment": card(api=at("https://evil.example/#.lambda-url.us-east-1.on.aws/")),
    "a password": card(api=at("https://abc123.lambda-url.us-east-1.on.aws@evil.example/")),
    "AWS's name in front": card(api=at("https://abc123.lambda-url.us-east-1.on.aws.evil.example/")),
    "AWS's name behind": card(api=at("https://evil-lambda-url.us-east-1.on.aws/")),
    "any character for AWS's dots": card(api=at("https://abc123.lambda-url.us-east-1xon.aws/")),
    "a line at the end": card(api=at(URL + "\n")),
    "a space in front": card(api=at(" " + URL)),
    "a backslash": card(api=at("https://evil.example\\abc.lambda-url.us-east-1.on.aws/")),
    "a Cyrillic host": card(api=at("https://аbc.lambda-url.us-east-1.on.aws/")),
    "a Function URL of another Region": card(api=at(URL.replace("us-east-1", "eu-west-1"))),
    "an API of another Region": card(api=at(GATEWAY.replace("us-east-1", "eu-west-1"), "execute-api")),
    "an API of China": card(api=at(GATEWAY.replace(".com", ".com.cn"), "execute-api")),
    "a service of AWS that is no endpoint": card(api=at("https://sts.us-east-1.amazonaws.com/", "sts")),
    "a bucket": card(api=at("https://evil.s3.us-east-1.amazonaws.com/")),
    "a load balancer": card(api=at("https://evil.us-east-1.elb.amazonaws.com/")),
    "signed for another service": card(api=at(URL, "sts")),
    "a Function URL signed as an API": card(api=at(URL, "execute-api")),
    "an API signed as a Function URL": card(api=at(GATEWAY, "lambda")),
    "signed for nothing": card(api=at(URL, "")),
    "the metadata service": card(discovery=at("http://169.254.169.254/")),
    "this machine": card(discovery=at("http://127.0.0.1:9901/")),
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_a_card_that_says_anything_else_is_refused(document):
    with pytest.raises(InvalidCard, match="mesh card arn:aws:ssm"):
        checked(document)


@pytest.mark.parametrize(
    "text", ["", "apps", "[]", "null", "1", '"' + URL + '"', "{" * 8000, "[" * 8000, json.dumps(card(x="y" * 8192))]
)
def test_a_text_that_is_no_card_is_refused(text):
    with pytest.raises(InvalidCard):
        check_card(text, SHARED, "us-east-1")


def test_of_two_values_for_one_field_the_one_that_is_used_is_checked():
    text = json.dumps(card()).replace('"owner"', f'"owner": "{STRANGER}", "owner"', 1)
    assert check_card(text, SHARED, "us-east-1").owner == OWNER


def test_where_all_of_aws_is_elsewhere_a_card_may_point_below_that_and_nowhere_else():
    local = card(api=at(f"{LOCAL}/_aws/lambda-url/abc/"), discovery=at(f"{LOCAL}/"))
    assert checked(local, aws_endpoint=LOCAL).document() == local
    for url in (f"{LOCAL}0/", f"{LOCAL}@evil.example/", f"{LOCAL}/../x", f"{LOCAL}/?x", "http://127.0.0.1:9901/"):
        with pytest.raises(InvalidCard):
            checked(card(api=at(url)), aws_endpoint=LOCAL)


def test_chinas_api_gateways_have_their_own_domain():
    arn = ARN.replace("us-east-1", "cn-north-1").replace("arn:aws:", "arn:aws-cn:")
    api = at("https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/", "execute-api")
    document = card(region="cn-north-1", api=api, discovery=api)
    assert check_card(json.dumps(document), SharedMesh("apps", OWNER, arn, "ssm:Parameter"), "cn-north-1").api.url
