"""The flows that are swept: each begins in a quiet cloud, and does one thing."""

from tests.faults.flows.flow import CANDIDATE, SHORT, STABLE, Flow, edit, mesh_of, operate, rolling_out
from tests.faults.flows.leaving import LEAVING
from tests.faults.flows.rollouts import ROLLOUTS

FLOWS = (*ROLLOUTS, *LEAVING)

__all__ = ["CANDIDATE", "FLOWS", "SHORT", "STABLE", "Flow", "edit", "mesh_of", "operate", "rolling_out"]
