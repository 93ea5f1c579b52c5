"""`make local-down`: stop local AWS; harmless when it is not running."""

from pathlib import Path

from local.instance import recorded
from local.up import ENV_FILES, STATE


def down(state: Path = STATE) -> bool:
    """Stop the instance of this directory and remove its env files; False when none was running."""
    instance = recorded(state)
    if instance:
        instance.stop()
    for name in ENV_FILES.values():
        (state / name).unlink(missing_ok=True)
    return instance is not None


def main() -> None:
    """Stop, and say so."""
    if down():
        print("Local AWS is stopped. What was in it lived in its memory and is gone.")
    else:
        print("Local AWS is not running.")


if __name__ == "__main__":
    main()
