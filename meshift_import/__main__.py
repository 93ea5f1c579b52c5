"""`python -m meshift_import`."""

import sys

from meshift_import.command import main

sys.exit(main())
