"""The doorbell in SQS: two standard queues, `NAME-transactional` and `NAME-bulk`.

Messages say "ring" and nothing else. What is heard is deleted at once, before any mail is looked at, so that a ticket
is never about a mail: losing it costs time, and a dead-letter queue behind it can only be an alarm. SQS cannot count
what waits; a look takes ten messages, and rings of one process are `far.GAP_S` apart.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kakitome.queues.far import LOOK_S, BellSilent

BATCH: Final = 10
"""Messages; SQS gives and deletes no more at once (API reference, ReceiveMessage, DeleteMessageBatch)."""

HIDDEN_S: Final = 900
"""A ticket that was heard and could not be deleted comes again after the longest lease that is usual (SMTP: ten minutes
for the reply and one of margin): the work it told of is done or taken back by then."""

_REMEDIES: Final = {
    "AccessDenied": "The keys need sqs:GetQueueUrl and sqs:SendMessage, workers sqs:ReceiveMessage and "
    "sqs:DeleteMessage, on both queues.",
    "NonExistentQueue": "Create it, a standard queue, or correct queue.url: NAME there means the two queues "
    "NAME-transactional and NAME-bulk.",
    "QueueDoesNotExist": "Create it, a standard queue, or correct queue.url: NAME there means the two queues "
    "NAME-transactional and NAME-bulk.",
    "InvalidClientTokenId": "AWS does not know these keys: look at the environment, the profile or the role.",
}


@dataclass(frozen=True, slots=True)
class SqsPlace:
    """`name` is the queues' name without its end, `account` theirs where it is not that of the keys."""

    name: str
    region: str
    account: str | None = None
    endpoint: str | None = None


class Aws(Protocol):
    """How AWS is spoken to: without retries beneath, and its errors told apart. See `sources.aws_client`."""

    async def connect(
        self, stack: AsyncExitStack, service: str, region: str, endpoint: str | None, answer_s: float
    ) -> Any: ...

    def errors(self) -> tuple[type[BaseException], ...]: ...

    def why(self, error: BaseException) -> tuple[str, str]: ...


class SqsLine:
    """See `queues.far.Line`."""

    def __init__(self, place: SqsPlace, aws: Aws) -> None:
        self._place = place
        self._aws = aws
        self._urls: dict[str, str] = {}
        self._connecting = asyncio.Lock()
        self._stack: AsyncExitStack | None = None
        self._client: Any = None

    @property
    def name(self) -> str:
        return f"The queue in SQS ({self._place.name}, {self._place.region})"

    async def tell(self, bell: str) -> None:
        await self._ask(bell, "send_message", MessageBody="ring")

    async def hear(self, bell: str) -> bool:
        limits = {"MaxNumberOfMessages": BATCH, "WaitTimeSeconds": LOOK_S, "VisibilityTimeout": HIDDEN_S}
        heard = (await self._ask(bell, "receive_message", **limits)).get("Messages", ())
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(heard)]
        if entries:
            await self._ask(bell, "delete_message_batch", Entries=entries)
        return bool(entries)

    async def close(self) -> None:
        stack, self._stack, self._client = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def _ask(self, bell: str, operation: str, **parameters: Any) -> Any:
        try:
            client = await self._connected()
            if bell not in self._urls:
                owner = {"QueueOwnerAWSAccountId": self._place.account} if self._place.account else {}
                found = await client.get_queue_url(QueueName=f"{self._place.name}-{bell}", **owner)
                self._urls[bell] = found["QueueUrl"]
            return await getattr(client, operation)(QueueUrl=self._urls[bell], **parameters)
        except self._aws.errors() as error:
            self._urls.pop(bell, None)  # a person may have made it anew
            raise self._silent(bell, error) from error

    async def _connected(self) -> Any:
        async with self._connecting:  # both bells begin at once
            if self._stack is None:
                stack, place = AsyncExitStack(), self._place
                self._client = await self._aws.connect(stack, "sqs", place.region, place.endpoint, LOOK_S + 10.0)
                self._stack = stack
            return self._client

    def _silent(self, bell: str, error: BaseException) -> BellSilent:
        code, words = self._aws.why(error)
        remedy = next((text for part, text in _REMEDIES.items() if part in code), "It is asked again by itself.")
        place = f"The queue {self._place.name}-{bell} in SQS ({self._place.region})"
        return BellSilent(f"{place} cannot be used now ({f'{code}: {words}' if code else words}).", remedy)
