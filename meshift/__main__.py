"""`python -m meshift`."""

import sys

from meshift.command import main

sys.exit(main())
