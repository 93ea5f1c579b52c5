"""Put the sidecar into a task definition before it is deployed, so that a pipeline deploys once.

The same pure function decides as in the stack (`functions/domain/sidecar`): what this command makes of a task
definition, the stack finds as it wants it.
"""
