"""A line to SES: one connection, over which a mail goes, or a group of them.

The completing write is the request itself. It is one write on an open connection, directly behind `wire.begin`, so
whatever goes wrong before (name, connection, certificate, keys) is certain, and whatever is not a whole answer after
it is a doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from kakitome.core.outcome import Deferred, Outcome, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Parcel, Wire
from kakitome.transports import ses_bulk, ses_raw
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.http_line import Connection, Exchange, NoAnswer
from kakitome.transports.lines import WITHDRAWN
from kakitome.transports.opening import Unreached
from kakitome.transports.ses_answer import Told, doubt, meaning, told, turned_away
from kakitome.transports.ses_groups import Groups, Share
from kakitome.transports.ses_settings import SesSettings
from kakitome.transports.sigv4 import Signer

IDLE_LIMIT: Final = 10.0  # seconds; an older connection may have been forgotten on its way, and opening one is cheap
PATIENCE: Final = 0.01  # seconds that the first of a group waits for the turns of the others


class Far:
    """Where requests go and what they have in common; shared by the lines."""

    def __init__(self, settings: SesSettings, credentials: AwsCredentials, clock: Clock) -> None:
        self.settings = settings
        self.credentials = credentials
        self.clock = clock
        self._signer: Signer | None = None
        self.endpoint = settings.at

    async def signer(self) -> Signer:
        """Raises `Unreached` where there are no keys."""
        keys = await self.credentials.keys()
        if self._signer is None or self._signer.keys != keys:
            self._signer = Signer(keys, self.settings.region)
        return self._signer

    def exchange(self, path: str, body: bytes, signer: Signer) -> Exchange:
        path = self.endpoint.path + path
        return Exchange(path, signer.headers(self.endpoint.host, path, body, self.clock.now()), body)


class SesLine:
    """See `lines.Line`."""

    def __init__(self, far: Far) -> None:
        self._far = far
        self._connection: Connection | None = None

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        if isinstance(parcel, Share):
            async with parcel.groups.next() as taken:
                return await self._hand_over_group(taken, parcel.groups, wire)
        if not await wire.ready(index):
            return WITHDRAWN
        signer = await self._far.signer()
        body = ses_raw.raw_body(parcel, self._far.settings.configuration_set)
        connection = await self._opened()
        if not await wire.turn(index):
            return WITHDRAWN
        if not connection.usable:  # closed while the mail waited for its slot
            connection = await self._opened()
            if not await wire.turn(index):
                return WITHDRAWN
        exchange = self._far.exchange(ses_raw.PATH, body, signer)
        if not connection.usable:
            raise turned_away()
        if not wire.begin(index):
            return WITHDRAWN
        said = await self._answered(connection, exchange)
        return self._learned(said if isinstance(said, Uncertain) else meaning(said, parcel.recipient, self._now()))

    # ── Groups ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _hand_over_group(self, taken: list[int], groups: Groups, wire: Wire) -> Outcome:
        """One group's way: what became of each is told to `groups`, the answer is what it means for the lane."""
        going = [index for index in taken if index in groups.ready or await wire.ready(index)]
        groups.ready.update(going)
        groups.tell(dict.fromkeys(set(taken) - set(going), WITHDRAWN))
        try:
            return await self._send_group(going, groups, wire) if going else WITHDRAWN
        except Unreached as error:
            self.drop()
            groups.tell(dict.fromkeys(going, error.outcome))
            return error.outcome
        except Exception as error:  # the wire's, which `lines` knows, or ours: nothing has begun
            groups.tell(dict.fromkeys(going, Deferred(Reply(code=0, text=f"{type(error).__name__}: {error}"))))
            raise

    async def _send_group(self, going: list[int], groups: Groups, wire: Wire) -> Outcome:
        """`going` is kept up: who is told of, or given back, goes no more. Raises `Unreached` before `begin` only."""
        signer = await self._far.signer()
        connection = await self._opened()
        await _turns(going, groups, wire)
        if going and not connection.usable:
            connection = await self._opened()
            await _turns(going, groups, wire)
        if not going:
            return WITHDRAWN
        exchange = self._bulk(going, groups, signer)
        if not connection.usable:
            raise turned_away()
        begun = [index for index in going if wire.begin(index)]
        if begun != going:  # somebody was withdrawn at the last moment: nobody writes to them
            groups.tell(dict.fromkeys(set(going) - set(begun), WITHDRAWN))
            if not begun:
                return WITHDRAWN
            exchange = self._bulk(begun, groups, signer)
        outcomes = await self._outcomes(begun, groups, connection, exchange)
        groups.tell(outcomes)
        ill = (outcome for outcome in outcomes.values() if isinstance(outcome, Unavailable))
        return self._learned(next(ill, WITHDRAWN))

    def _bulk(self, indices: Sequence[int], groups: Groups, signer: Signer) -> Exchange:
        body = ses_bulk.bulk_body(groups.entries(indices), self._far.settings.configuration_set)
        return self._far.exchange(ses_bulk.PATH, body, signer)

    async def _outcomes(
        self, begun: Sequence[int], groups: Groups, connection: Connection, exchange: Exchange
    ) -> dict[int, Outcome]:
        """One lost answer puts all of them in doubt."""
        try:
            said = await self._answered(connection, exchange)
            if not isinstance(said, Uncertain):
                if ses_bulk.not_allowed(said):
                    groups.give_up()
                return ses_bulk.outcomes(said, groups.parcels(begun), self._now())
        except Exception as error:  # ours, and behind `begin`
            self.drop()
            said = Uncertain(f"error:{type(error).__name__}")
        return dict.fromkeys(begun, said)

    # ── Both ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _now(self) -> int:
        return self._far.clock.now()

    async def _answered(self, connection: Connection, exchange: Exchange) -> Told | Uncertain:
        """The completing write, and its answer: silence means doubt. Nothing is awaited before the write."""
        clock = self._far.clock
        answering, began = connection.write(exchange), clock.monotonic()
        try:
            async with asyncio.timeout(self._far.settings.timeout):
                return told(await answering, clock.monotonic() - began)
        except NoAnswer as silence:
            return doubt(silence.reason, silence.detail, silence.status, clock.monotonic() - began)
        except TimeoutError:
            self.drop()
            return doubt("timeout", "", exchange.status, clock.monotonic() - began)

    def _learned(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Unavailable) and outcome.reason is Unavailability.CREDENTIALS:
            self._far.credentials.forget()
        return outcome

    async def _opened(self) -> Connection:
        """A connection that is open as far as this machine can know. Raises `Unreached`."""
        # A close that has come in already must be seen: the first turn of the loop polls, the second one tells.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        there = self._connection
        if there is not None and there.usable and asyncio.get_running_loop().time() - there.idle_since < IDLE_LIMIT:
            return there
        self.drop()
        self._connection = await self._far.endpoint.connect()
        return self._connection

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


async def _turns(going: list[int], groups: Groups, wire: Wire) -> None:
    """Wait for the turn of the first, and take with it whose turn it is then: the slots of a group come together.

    Who would have to wait on is given back; waiting for them would make the first miss their slot.
    """
    left = list(going)
    going.clear()
    while left and not going:
        await _turn(left.pop(0), going, groups, wire)
    try:
        async with asyncio.timeout(PATIENCE) as patience:
            while left:
                await _turn(left[0], going, groups, wire)
                del left[0]
    except TimeoutError:
        if not patience.expired():
            raise
        groups.give_back(left)


async def _turn(index: int, going: list[int], groups: Groups, wire: Wire) -> None:
    if await wire.turn(index):
        going.append(index)
    else:
        groups.tell({index: WITHDRAWN})
