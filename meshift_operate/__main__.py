"""`python -m meshift_operate`."""

import sys

from meshift_operate.command import main

sys.exit(main())
