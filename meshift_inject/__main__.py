"""`python -m meshift_inject`."""

import sys

from meshift_inject.command import main

sys.exit(main())
