"""`make local`: local AWS in the background, the stack deployed in both accounts, the env files written."""

import fcntl
import shlex
import signal
import sys
import time
from pathlib import Path

from local import deploy
from local.instance import ROOT, Instance, LocalAwsError, find, start
from local.settings import CONSUMER, OWNER

STATE = ROOT / ".local"
ENV_FILES = {OWNER: "env", CONSUMER: "consumer.env"}


def up(state: Path = STATE) -> Instance:
    """Start what is not running, deploy what is not deployed; a second call changes nothing."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = find(state)
        instance = found or start(state, with_parent=False)
        print(f"Local AWS {'is running' if found else 'started'} at {instance.endpoint}", flush=True)
        print(f"Stack {deploy.STACK}: built and deployed in {OWNER} (owner) and {CONSUMER} (consumer)", flush=True)
        try:
            deploy.deploy(instance)
        except BaseException:  # Ctrl-C too: what this call started may not be left running
            if not found:
                instance.stop()
            raise
        for account, name in ENV_FILES.items():
            write_env(state / name, instance.environment(account))
    return instance


def write_env(path: Path, variables: dict[str, str]) -> None:
    """Write one literal `export NAME=value` a line."""
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))


def main() -> None:
    """Say what happens; a failure is a message and the log to read."""
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("make local was terminated; what it started is stopped."))
    try:
        up()
    except LocalAwsError as error:
        sys.exit(f"make local failed: {error}")
    except KeyboardInterrupt:
        sys.exit("\nmake local was interrupted; what it started is stopped.")
    print(f"Ready after {time.monotonic() - begun:.0f} s. Log: .local/daemon.log")
    print("  . .local/env            # the owner's account; then: aws ecs list-clusters")
    print("  . .local/consumer.env   # the consumer's")
    print("  make local-down         # stops it")


if __name__ == "__main__":
    main()
