"""AWS on one machine: what `make local`, the demo and the e2e tests run against. Never deployed."""

import sys
from pathlib import Path

# The domain is imported as the functions import it: absolute from their CodeUri.
sys.path.append(str(Path(__file__).parents[1] / "functions"))
