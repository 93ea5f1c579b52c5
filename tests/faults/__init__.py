"""The fault sweep: every call to AWS that a flow makes, and everything that can happen to it.

`python -m tests.faults` (`make faults`) prints it as a table and fails on an illegal end.
"""

import sys
from pathlib import Path

_FUNCTIONS = str(Path(__file__).parents[2] / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.insert(0, _FUNCTIONS)
