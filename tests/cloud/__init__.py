"""AWS in this process, in simulated time: enough of it for Meshift's own functions to run whole rollouts in a moment.

Functions, gateways and boto3 clients are the real ones; the App Mesh API is Meshift's own `mesh_api`, over a table that
is kept here; the state machine is `statemachine/rollout.asl.yaml`, walked by `tests.asl`. What stands in for AWS begins
where botocore would send a request (`wire`), so a fault can be put before or after each call.
"""
