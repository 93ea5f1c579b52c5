"""The command that brings all enrolled services to the wanted sidecar: `python -m meshift_fleet`."""
