"""What things cost: each module prints JSON lines, `python -m benchmarks` runs them all."""
