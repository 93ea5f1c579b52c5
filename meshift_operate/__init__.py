"""The command by which operators pause, abort and promote rollouts: `python -m meshift_operate`."""
