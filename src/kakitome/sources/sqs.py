"""An SQS queue that one of SES's topics writes into: the door for events that needs no public address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from kakitome.ports.event_queue import QueueUnavailable, Received
from kakitome.sources import aws_client

BATCH: Final = 10
"""Messages; SQS gives and deletes no more at once."""

WAIT_S: Final = 20
"""Seconds that SQS may wait for a message: the most it does. Shorter asking costs money and finds nothing more."""

_AWS: Final = re.compile(r"https://sqs\.([a-z0-9-]{3,32})\.amazonaws\.com(?:\.cn)?/[0-9]{12}/[A-Za-z0-9_-]{1,80}")

_REMEDIES: Final = {
    "AccessDenied": "The keys need sqs:ReceiveMessage and sqs:DeleteMessage on the queue (and kms:Decrypt on its key).",
    "NonExistentQueue": "Look at the name, account and region in events.queues.",
    "QueueDoesNotExist": "Look at the name, account and region in events.queues.",
    "InvalidClientTokenId": "AWS does not know these keys: look at the environment, the profile or the role.",
}


def region_of_queue(url: str) -> str | None:
    """The region in a queue's own address, `None` for an address of another form."""
    place = _AWS.fullmatch(url)
    return place and place[1]


class SqsQueue:
    """See `ports.event_queue.EventQueue`. `endpoint` is only for emulators and proxies."""

    def __init__(self, url: str, region: str, endpoint: str | None = None, wait_s: int = WAIT_S) -> None:
        self._url = url
        self._region = region
        self._endpoint = endpoint
        self._wait_s = wait_s
        self._stack: AsyncExitStack | None = None
        self._client: Any = None

    @property
    def name(self) -> str:
        return self._url

    async def receive(self) -> list[Received]:
        answer = await self._ask("receive_message", MaxNumberOfMessages=BATCH, WaitTimeSeconds=self._wait_s)
        return [
            Received(id=m.get("MessageId", ""), receipt=m["ReceiptHandle"], body=m.get("Body", ""))
            for m in answer.get("Messages", ())
        ]

    async def delete(self, messages: Sequence[Received]) -> None:
        """One that could not be deleted comes again and is known by then."""
        entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(messages)]
        for at in range(0, len(entries), BATCH):
            await self._ask("delete_message_batch", Entries=entries[at : at + BATCH])

    async def close(self) -> None:
        stack, self._stack, self._client = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def _ask(self, operation: str, **parameters: Any) -> Any:
        try:
            if self._client is None:
                self._stack = AsyncExitStack()
                args = (self._stack, "sqs", self._region, self._endpoint, self._wait_s + 10.0)
                self._client = await aws_client.connect(*args)
            return await getattr(self._client, operation)(QueueUrl=self._url, **parameters)
        except aws_client.errors() as error:
            await self.close()  # the next one looks for its keys anew: a person may have put them right
            raise _unavailable(self._url, error) from error


def _unavailable(url: str, error: BaseException) -> QueueUnavailable:
    code, words = aws_client.why(error)
    remedy = next((text for part, text in _REMEDIES.items() if part in code), "It is tried again by itself.")
    said = f"{code}: {words}" if code else words
    return QueueUnavailable(f"Events wait in {url}, which cannot be read now ({said}).", remedy, code=code)
