"""`python -m meshift_fleet`."""

import sys

from meshift_fleet.command import main

sys.exit(main())
