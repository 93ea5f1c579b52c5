"""The flows that are swept: each begins in a quiet cloud, and does one thing."""

from tests.faults.flows.checking import CHECKING
from tests.faults.flows.fleet import FLEET
from tests.faults.flows.flow import CANDIDATE, SHORT, STABLE, Flow, edit, mesh_of, operate, rolling_out
from tests.faults.flows.joining import JOINING
from tests.faults.flows.leaving import LEAVING
from tests.faults.flows.rollouts import ROLLOUTS
from tests.faults.flows.shares import SHARES
from tests.faults.flows.waiting import WAITING

FLOWS = (*ROLLOUTS, *LEAVING, *WAITING, *CHECKING, *JOINING, *FLEET, *SHARES)

__all__ = ["CANDIDATE", "FLOWS", "SHORT", "STABLE", "Flow", "edit", "mesh_of", "operate", "rolling_out"]
