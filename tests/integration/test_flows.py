"""The flows of the fault sweep leave nothing out: every call of every gateway, every state of both state machines."""

from collections import defaultdict

import pytest

from tests.faults.called import of_gateways, recorded
from tests.faults.flows import FLOWS
from tests.template import fleet_machine, state_machine

CUSTOM_RESOURCE = (
    "of CloudFormation's custom resources, which tell it and are tried again: test_share_mesh, test_make_mesh"
)
OWNERS = "of the mesh's owner, whose API answers by it: test_mesh_api_sharing"
NOT_OF_A_FLOW = {
    "app-mesh:CreateMesh": CUSTOM_RESOURCE,
    "app-mesh:UpdateMesh": CUSTOM_RESOURCE,
    "app-mesh:ListVirtualNodes": CUSTOM_RESOURCE,
    "lambda:AddPermission": CUSTOM_RESOURCE,
    "lambda:GetPolicy": CUSTOM_RESOURCE,
    "lambda:RemovePermission": CUSTOM_RESOURCE,
    "organizations:ListAccountsForParent": OWNERS,
    "organizations:ListOrganizationalUnitsForParent": OWNERS,
    "ram:AssociateResourceShare": CUSTOM_RESOURCE,
    "ram:CreateResourceShare": CUSTOM_RESOURCE,
    "ram:DeleteResourceShare": CUSTOM_RESOURCE,
    "ram:DisassociateResourceShare": CUSTOM_RESOURCE,
    "ram:EnableSharingWithAwsOrganization": "of a command: test_cli",
    "ram:GetResourceShareAssociations": CUSTOM_RESOURCE,
    "ram:GetResourceShares": CUSTOM_RESOURCE,
    "ram:UpdateResourceShare": CUSTOM_RESOURCE,
    "sfn:GetExecutionHistory": "of a command: test_cli",
    "ssm:DeleteParameter": OWNERS,
    "ssm:PutParameter": OWNERS,
}
"""Calls that no flow makes, and who makes them."""
ELSEWHERE = {"mesh_store", "mesh_items", "mesh_writes", "cloud_map"}
"""Gateways of `mesh_api` and `discover`, which answer requests: test_mesh_api_store, test_discover_faults."""


@pytest.fixture(scope="module")
def flows():
    return [recorded(flow) for flow in FLOWS]


def test_every_call_of_the_gateways_is_made_by_a_flow_or_is_told_who_makes_it(flows):
    made = {call for flow in flows for call in flow.calls}
    known = {call for name, calls in of_gateways().items() if name not in ELSEWHERE for call in calls}
    assert known - made == set(NOT_OF_A_FLOW)


def test_what_is_read_off_the_gateways_is_all_that_the_flows_call(flows):
    """Else the test above would ask for too little."""
    made = {call for flow in flows for call in flow.calls}
    assert made - {call for calls in of_gateways().values() for call in calls} == set()


def test_every_state_of_both_machines_is_entered_by_a_flow(flows):
    entered = defaultdict(set)
    for flow in flows:
        for machine, states in flow.states.items():
            entered[machine] |= states
    fleet = fleet_machine()
    assert set(state_machine()["States"]) - entered["RolloutStateMachine"] == set()
    assert set(fleet["States"]) - entered["FleetStateMachine"] == set()
    wave = fleet["States"]["Bring In Wave"]["ItemProcessor"]["States"]
    assert set(wave) - entered["FleetStateMachine/BringInWave"] == set()
