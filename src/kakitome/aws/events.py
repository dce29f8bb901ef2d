"""What SES tells, through SNS: handed over by SQS, or by SNS itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kakitome.aws.composition import Here, run
from kakitome.doors import drain_of
from kakitome.ports.event_queue import Received


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Durable when this returns; what cannot be read is in quarantine. After an error SQS, or SNS, brings all of it
    again."""
    handed = _Handed([_received(record) for record in event["Records"]])
    run(lambda here: _take(here, handed))
    return {"batchItemFailures": [{"itemIdentifier": one.id} for one in handed.left]}


async def _take(here: Here, handed: _Handed) -> None:
    one = here.instance
    await drain_of(handed, one.config, one.ledger, one.clock, one.step).take()


def _received(record: dict[str, Any]) -> Received:
    if "Sns" in record:
        return Received(record["Sns"].get("MessageId", ""), "", json.dumps({"Records": [record]}))
    return Received(record["messageId"], record.get("receiptHandle", ""), record["body"])


class _Handed:
    """What was handed over, as a queue. See `ports.event_queue.EventQueue`."""

    name = "AWS Lambda"

    def __init__(self, messages: Sequence[Received]) -> None:
        self.left = list(messages)

    async def receive(self) -> list[Received]:
        return list(self.left)

    async def delete(self, messages: Sequence[Received]) -> None:
        self.left = [one for one in self.left if one not in messages]

    async def close(self) -> None:
        """Nothing is open."""
