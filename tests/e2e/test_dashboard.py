"""The dashboard of the deployed stack: it names what is really there."""

import json


def test_the_dashboard_shows_the_functions_queues_and_machine_of_its_stack(aws):
    owner = aws.owner
    name = owner.outputs["DashboardName"]
    assert name == "meshift-us-east-1"
    body = json.loads(owner.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    words = {
        word for widget in body["widgets"] for entry in widget["properties"]["metrics"] for word in map(str, entry)
    }
    resources = owner.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="meshift")
    there = [each for page in resources for each in page["StackResourceSummaries"]]
    functions = {each["PhysicalResourceId"] for each in there if each["ResourceType"] == "AWS::Lambda::Function"}
    queues = {each["PhysicalResourceId"] for each in there if each["ResourceType"] == "AWS::SQS::Queue"}
    assert functions
    assert functions <= words
    assert queues
    assert {url.rpartition("/")[2] for url in queues} <= words
    assert owner.outputs["RolloutStateMachineArn"] in words
