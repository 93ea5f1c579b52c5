"""`python -m local.report TIMELINE`: writes report.html and rollout.png beside the timeline."""

import json
import sys
from pathlib import Path

from local import report


def main(arguments: list[str]) -> int:
    """Draw one timeline; 2 when it is not named or cannot be read."""
    if len(arguments) != 1:
        print("usage: python -m local.report build/demo/timeline.json", file=sys.stderr)
        return 2
    source = Path(arguments[0])
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{source} is no timeline: {error}", file=sys.stderr)
        return 2
    for path in report.write(document, source.parent):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
