"""What ends a command before it is done; every message is one line.

Exit codes: 0 done; 1 refused, failed, or not as it should be; 2 usage or bad input.
"""

DONE, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


class BadInput(Exception):
    """The input cannot be read, or the command line makes no sense."""


class Failed(Exception):
    """What was asked for was refused, or is not there."""
