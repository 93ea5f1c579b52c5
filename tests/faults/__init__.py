"""The fault sweep: every call to AWS that a flow makes, and everything that can happen to it.

`python -m tests.faults` (`make faults`) prints it as a table and fails on an illegal end.
"""
