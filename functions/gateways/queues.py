"""SQS: the queues for what cannot be handled."""

from gateways.clients import client


def bury(queue_url: str, body: str, cause: str) -> None:
    """Send a message to a dead-letter queue, with its cause as an attribute."""
    client("sqs").send_message(
        QueueUrl=queue_url,
        MessageBody=body,
        MessageAttributes={"Cause": {"DataType": "String", "StringValue": cause}},
    )
