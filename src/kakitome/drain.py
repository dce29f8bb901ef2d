"""Empty a queue of events: read, make durable, and only then delete.

At any moment of a kill the message is still in the queue, or its events are in the ledger, or both; and what is there
twice is known the second time. What cannot be read is kept in quarantine and deleted, too: else it would come again
until the queue throws it away, and nobody would have seen it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from kakitome.core.errors import KakitomeError, LedgerUnavailable
from kakitome.ingest import ingest, quarantine
from kakitome.ports.clock import Clock
from kakitome.ports.event_queue import EventQueue, QueueUnavailable, Reading, Received
from kakitome.ports.ledger import Ledger

log = logging.getLogger("kakitome.events")

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0

Read = Callable[[str], Reading]


@dataclass(frozen=True, slots=True)
class Drain:
    """A queue and where its events go. `step` hears every named step of the protocol."""

    queue: EventQueue
    read: Read
    ledger: Ledger
    clock: Clock
    step: Callable[[str], None] = lambda _: None

    async def run(self) -> None:
        """For ever, until cancelled. Trouble is said once, and so is its end; pauses between tries grow to a minute."""
        pause = 0.0
        try:
            while True:
                try:
                    await self.take()
                except Exception as error:
                    if not pause:
                        self._say(error)
                    pause = min(max(FIRST_PAUSE_S, pause * 2), LONGEST_PAUSE_S)
                    await self.clock.sleep(pause)
                else:
                    if pause:
                        log.warning("Events come again out of %s.", self.queue.name)
                    pause = 0.0
        finally:
            with suppress(QueueUnavailable, OSError):
                await self.queue.close()

    async def take(self) -> int:
        """One batch; answers how many messages it had. Raises `QueueUnavailable` and `LedgerUnavailable`: then those
        that were not deleted come again."""
        received = await self.queue.receive()
        if received:
            await self._store(received)
            await self.queue.delete(received)
        return len(received)

    async def _store(self, received: Sequence[Received]) -> None:
        readings = [self.read(message.body) for message in received]
        try:
            await self._ingest(readings)
        except LedgerUnavailable:
            raise
        except Exception as error:  # one of them is more than the ledger can bear; the others shall not wait for it
            log.error("A batch of %s is taken one by one: %r", self.queue.name, error)
            readings = [await self._alone(reading) for reading in readings]
        for message, reading in zip(received, readings, strict=True):
            await self._note(message, reading)

    async def _ingest(self, readings: Sequence[Reading]) -> None:
        events = [event for reading in readings for event in reading.events]
        if events:
            await ingest(events, self.ledger, self.clock, self.step)

    async def _alone(self, reading: Reading) -> Reading:
        try:
            await self._ingest([reading])
            return reading
        except LedgerUnavailable:
            raise
        except Exception as error:
            return Reading(unreadable=(*reading.unreadable, f"The ledger could not take it: {error!r}"))

    async def _note(self, message: Received, reading: Reading) -> None:
        for why in reading.unreadable:
            kept = {"queue": self.queue.name, "id": message.id, "message": message.body}
            await quarantine(why, kept, self.ledger, self.clock)
        for topic in reading.greetings:
            data: dict[str, object] = {"topic": topic, "queue": self.queue.name}
            await self.ledger.journal.note("topic_connected", data, self.clock.now())

    def _say(self, error: Exception) -> None:
        if isinstance(error, KakitomeError):
            log.error("%s", error)
        else:
            log.error("Events of %s wait, because of an error of ours.", self.queue.name, exc_info=error)
