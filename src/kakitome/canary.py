"""Canaries: mails to the provider's own test address, sent where otherwise somebody's mail would have to try.

    a lane is half open         a canary finds out whether it works again
    a doubt waits for events    time passes only as events show it; where no mail goes any more, a canary's do

A canary is a mail like any other, of a stream of its own, through the one lane it is for. It is not news when one does
not arrive: it expires, and its doubts are closed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from kakitome.accept import Desk, Handed, accept
from kakitome.core.errors import KakitomeError
from kakitome.core.lane import Lane, canary_stream
from kakitome.core.policy import MINUTE, SECOND, InDoubt, Kind, Policy
from kakitome.core.submission import MessageRequest

log = logging.getLogger("kakitome.canary")

EVERY = MINUTE
POLICY = Policy(
    kind=Kind.TRANSACTIONAL,
    in_doubt=InDoubt.RESEND,  # twice does no harm, and tries twice
    attempts=100,
    first_delay=10 * SECOND,
    longest_delay=MINUTE,
    expires_after=5 * MINUTE,
)


class Canary(msgspec.Struct, frozen=True):
    """From whom, and to which address of the provider's (SES: developer guide, mailbox simulator)."""

    sender: str
    recipient: str


class Canaries:
    """Those of all lanes that have one. Several workers may ask for the same: one goes, and another a minute later.
    Each stop has its own: a lane that stops twice within a minute does not stand still for the rest of it."""

    def __init__(self, canaries: Mapping[str, Canary], lanes: Mapping[str, Lane], desk: Desk) -> None:
        self._canaries = canaries
        self._lanes = lanes
        self._desk = desk

    async def fly(self, silent: Iterable[str]) -> None:
        """One through each of the `silent` lanes, and through those that are half open."""
        if not self._canaries:
            return
        now = self._desk.clock.now()
        wanted = dict.fromkeys(silent, f"silence/{now // EVERY}") | {
            lane: f"probe/{since}/{(now - since) // EVERY}" for lane, since in (await self._half_open(now)).items()
        }
        handed = [
            Handed(_mail(lane, self._canaries[lane]), f"{lane}/{why}", "canary")
            for lane, why in wanted.items()
            if lane in self._canaries
        ]
        answers = await accept(handed, self._desk) if handed else []
        for error in (answer for answer in answers if isinstance(answer, KakitomeError)):
            log.error("A canary cannot be sent, so the lane it is for stays shut: %s", error)

    async def _half_open(self, now: int) -> dict[str, int]:
        """The lanes, and since when the last one of their gates is stopped."""
        gates = {
            gate.gate: gate.since
            for gate in await self._desk.ledger.accounts.stopped(now)
            if gate.until is not None and gate.until <= now
        }
        stops = {
            name: [gates[gate] for gate in (f"lane:{name}", f"account:{lane.account}") if gate in gates]
            for name, lane in self._lanes.items()
        }
        return {name: max(since) for name, since in stops.items() if since}


def _mail(lane: str, canary: Canary) -> MessageRequest:
    return MessageRequest(
        sender=canary.sender,
        to=[canary.recipient],
        subject="A canary of Kakitome",
        text=f"Sent to find out whether the lane {lane} works. Nobody needs to read this.\n",
        stream=canary_stream(lane),
    )
