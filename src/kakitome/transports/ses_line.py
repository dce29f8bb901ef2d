"""A line to SES: one connection, over which a mail goes, or a group of them; `http_hand_over` keeps the order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from kakitome.core.outcome import Deferred, Outcome, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply
from kakitome.core.sigv4 import Keys, Signer
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Parcel, Wire
from kakitome.transports import ses_bulk, ses_raw
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.http_hand_over import Heard, HttpLine
from kakitome.transports.http_line import Exchange
from kakitome.transports.lines import WITHDRAWN
from kakitome.transports.opening import Unreached
from kakitome.transports.ses_answer import meaning, told
from kakitome.transports.ses_groups import Groups, Share
from kakitome.transports.ses_settings import CONTENT_TYPE, SERVICE, SesSettings

PATIENCE: Final = 0.01  # seconds that the first of a group waits for the turns of the others


class Far:
    """Where requests go and what they have in common; shared by the lines."""

    def __init__(self, settings: SesSettings, credentials: AwsCredentials, clock: Clock) -> None:
        self.settings = settings
        self.credentials = credentials
        self.clock = clock
        self.endpoint = settings.at
        self._signer = Signer(settings.region, SERVICE)

    def exchange(self, path: str, body: bytes, keys: Keys) -> Exchange:
        path = self.endpoint.path + path
        fields = {"content-type": CONTENT_TYPE, "host": self.endpoint.host}
        signed = self._signer.headers(keys, "POST", path, fields, body, self.clock.now())
        return Exchange(path, list(signed.items()), body)


class SesLine(HttpLine):
    """See `lines.Line`."""

    def __init__(self, far: Far) -> None:
        super().__init__(far.endpoint, far.clock, far.settings.timeout)
        self._far = far

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        if isinstance(parcel, Share):
            async with parcel.groups.next() as taken:
                return await self._hand_over_group(taken, parcel.groups, wire)
        if not await wire.ready(index):
            return WITHDRAWN
        said = await self.exchanged(_Raw(index, parcel, wire, self._far, await self._far.credentials.keys()))
        if not isinstance(said, Heard):
            return said
        return self._learned(meaning(told(said), parcel.recipient, self._far.clock.now()))

    async def _hand_over_group(self, taken: list[int], groups: Groups, wire: Wire) -> Outcome:
        """One group's way: what became of each is told to `groups`, the answer is what it means for the lane."""
        going = [index for index in taken if index in groups.ready or await wire.ready(index)]
        groups.ready.update(going)
        groups.tell(dict.fromkeys(set(taken) - set(going), WITHDRAWN))
        try:
            outcomes = await self._outcomes(going, groups, wire) if going else {}
        except Unreached as error:
            self.drop()
            groups.tell(dict.fromkeys(going, error.outcome))
            return error.outcome
        except Exception as error:  # the wire's, which `lines` knows, or ours: nothing has begun
            groups.tell(dict.fromkeys(going, Deferred(Reply(code=0, text=f"{type(error).__name__}: {error}"))))
            raise
        groups.tell(outcomes)
        ill = (outcome for outcome in outcomes.values() if isinstance(outcome, Unavailable))
        return self._learned(next(ill, WITHDRAWN))

    async def _outcomes(self, going: list[int], groups: Groups, wire: Wire) -> dict[int, Outcome]:
        """What became of those that began: one lost answer puts all of them in doubt. Raises only where none did."""
        group = _Group(going, groups, wire, self._far, await self._far.credentials.keys())
        try:
            said = await self.exchanged(group)
            if isinstance(said, Heard):
                answer = told(said)
                if ses_bulk.not_allowed(answer):
                    groups.give_up()
                return ses_bulk.outcomes(answer, groups.parcels(group.begun), self._far.clock.now())
        except Exception as error:
            if not group.begun:
                raise
            self.drop()  # ours, and behind `begin`
            said = Uncertain(f"error:{type(error).__name__}")
        return dict.fromkeys(group.begun, said)

    def _learned(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Unavailable) and outcome.reason is Unavailability.CREDENTIALS:
            self._far.credentials.forget()
        return outcome


class _Raw:
    """See `http_hand_over.Request`: one mail."""

    def __init__(self, index: int, parcel: Parcel, wire: Wire, far: Far, keys: Keys) -> None:
        self._index = index
        self._wire = wire
        self._far = far
        self._keys = keys
        self._body = ses_raw.raw_body(parcel, far.settings.configuration_set)

    async def turn(self) -> bool:
        return await self._wire.turn(self._index)

    def exchange(self) -> Exchange:
        return self._far.exchange(ses_raw.PATH, self._body, self._keys)

    def begin(self, made: Exchange) -> Exchange | None:
        return made if self._wire.begin(self._index) else None


class _Group:
    """See `http_hand_over.Request`: a group of mails. `going` is kept up, and shared with who made this: who is told
    of, or given back, goes no more. `begun` is who went."""

    def __init__(self, going: list[int], groups: Groups, wire: Wire, far: Far, keys: Keys) -> None:
        self.begun: list[int] = []
        self._going = going
        self._groups = groups
        self._wire = wire
        self._far = far
        self._keys = keys

    async def turn(self) -> bool:
        await _turns(self._going, self._groups, self._wire)
        return bool(self._going)

    def exchange(self) -> Exchange:
        return self._bulk(self._going)

    def begin(self, made: Exchange) -> Exchange | None:
        self.begun = [index for index in self._going if self._wire.begin(index)]
        if self.begun == self._going:
            return made
        # Somebody was withdrawn at the last moment: nobody writes to them.
        self._groups.tell(dict.fromkeys(set(self._going) - set(self.begun), WITHDRAWN))
        return self._bulk(self.begun) if self.begun else None

    def _bulk(self, indices: Sequence[int]) -> Exchange:
        body = ses_bulk.bulk_body(self._groups.entries(indices), self._far.settings.configuration_set)
        return self._far.exchange(ses_bulk.PATH, body, self._keys)


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
