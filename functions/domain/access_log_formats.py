"""Whether Envoy takes the format of an access log: text with commands such as %REQ(:METHOD)% in it.

Source: Envoy's documentation, "Access logging", "Command operators", and what Envoy 1.40 refuses.
"""

import re

COMMAND = re.compile(r"%(?:%|([A-Z0-9_]+)(?:\((.*?)\))?(?::(\d+))?%)")


def check_format(text: str) -> str | None:
    """Say what Envoy has against a format, or None.

    >>> check_format("%REQ(:METHOD)% took %DURATION% ms, 100%%")
    >>> check_format("100%")
    'the % at character 4 begins no command; write %% for a percent sign'
    """
    at = text.find("%")
    while at >= 0:
        found = COMMAND.match(text, at)
        if not found:
            return f"the % at character {at + 1} begins no command; write %% for a percent sign"
        at = text.find("%", found.end())
    return None
