"""What must hold at the moment of the completing write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from kakitome.core.lane import Lane
from kakitome.core.message import Claimed
from kakitome.core.outcome import Accepted, Outcome, Released, Unavailable, Uncertain
from kakitome.core.pacing import Slots
from kakitome.hands import Hands
from kakitome.ports.transport import Parcel
from kakitome.ports.workers import MarkKind

CHECK_LASTS = 1.0  # seconds; "at most 1 s before the completing write"
CHECK_AGAIN = 0.5

More = Callable[[int], Awaitable[tuple[Sequence[float], float | None]]]
"""Asks for so many other slots. Answers them; or none, and when to ask again (None: not at all). Monotonic seconds."""


class Permission:
    """The permission to write, given parcel by parcel at the last moment."""

    def __init__(
        self,
        slots: Sequence[float] | None,
        lease_ends: float,
        lane: Lane,
        hands: Hands,
        more: More,
        probing: bool = False,
        group: int = 1,
    ) -> None:
        """All in monotonic seconds. `slots` None: as soon as there is a place. `probing`: the lane was stopped, and
        these mails show whether it works again. `group`: so many of them share a slot."""
        self.probing = probing
        self.parcels: list[Parcel] = []
        self._claims: list[Claimed] = []
        self._hands = hands
        self._slots = None if slots is None else Slots(slots)
        self._latest_start = lease_ends - lane.timeout / 1000
        self._checked = float("-inf")
        self._withdrawn: dict[int, str] = {}
        self._places: dict[int, int] = {}
        self._turned_away = 0
        self._checking = asyncio.Lock()
        self._more = more
        self._group = group
        self._asking = asyncio.Lock()
        self._is_over = False
        self._is_stopped = False

    def take(self, claimed: Claimed, parcel: Parcel) -> None:
        self._claims.append(claimed)
        self.parcels.append(parcel)

    @property
    def begun(self) -> int:
        return len(self._places)

    @property
    def spent(self) -> int:
        """How many the provider may have counted; none that it turned away for the account's or the lane's sake."""
        return len(self._places) - self._turned_away

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    def end(self) -> None:
        """Nothing begins any more: from here on the claims are settled, and may be somebody else's."""
        self._is_over = True

    def stop(self) -> None:
        """The lane was found not to work: what has not begun goes back."""
        self._is_stopped = True

    async def ready(self, index: int) -> bool:
        return self._has(index, self._slot(index)) and await self._looked_at(index)

    async def turn(self, index: int) -> bool:
        """Waits for the parcel's slot, having looked just before: looking into a far ledger takes longer than a slot
        waits."""
        clock, early = self._hands.clock, min(CHECK_AGAIN, self._hands.tempo.look(len(self._claims)))
        looked = False
        while True:
            slot = self._slot(index)
            if slot is None:
                if not await self._another(index):
                    return self._has(index, None)
                looked = False
            elif not looked and slot - early <= clock.monotonic():
                if not await self._looked_at(index):
                    return False
                looked = True
            elif (wait := slot - (0.0 if looked else early) - clock.monotonic()) > 0:
                await clock.sleep(wait)  # and again, where a timer fired early
            else:
                return True

    async def _another(self, index: int) -> bool:
        """Another slot, for who stands before the completing write. To begin anew would miss it again where the way
        to the server (three replies over SMTP) is longer than a slot waits."""
        async with self._asking:
            while self._slot(index) is None:
                if self._is_over or self._is_stopped or self._hands.stopping():
                    return False
                slots, again = await self._more(min(self._group, len(self._claims) - len(self._places)))
                if slots and self._slots is not None:
                    self._slots.add(slots)
                elif again is None or again > self._latest_start:
                    return False
                else:
                    await self._hands.clock.sleep(max(0.0, again - self._hands.clock.monotonic()))
        return True

    def _slot(self, index: int) -> float | None:
        """When the parcel may begin. None where no slot is left that one could still begin."""
        return float("-inf") if self._slots is None else self._slots.take(index, self._hands.clock.monotonic())

    def _has(self, index: int, slot: float | None) -> bool:
        """Whether there is a slot; else the parcel goes back."""
        if slot is None:
            self._withdrawn.setdefault(index, "slot")
        return slot is not None

    async def _looked_at(self, index: int) -> bool:
        async with self._checking:  # those who come while one looks need not look again
            if not self._is_stopped and self._hands.clock.monotonic() - self._checked > CHECK_AGAIN:
                await self._check()
        return not self._is_stopped and index not in self._withdrawn

    async def _check(self) -> None:
        """One read for all that are not on the wire yet. "An attempt starts" means this read."""
        began = self._hands.clock.monotonic()
        rest = {c.id: k for k, c in enumerate(self._claims) if k not in self._places and k not in self._withdrawn}
        pairs = [(self._claims[k].id, self._claims[k].fence) for k in rest.values()]
        stopped = await self._hands.ledger.messages.check(pairs, self._hands.clock.now())
        self._hands.tempo.checked(len(pairs), self._hands.clock.monotonic() - began)
        self._withdrawn.update({rest[id]: cause.value for id, cause in stopped.items()})
        self._checked = began
        self._hands.step("after_check")

    def begin(self, index: int) -> bool:
        claimed = self._claims[index]
        self._hands.step("before_mark")
        if (refusal := self._refusal(index, self._hands.clock.monotonic())) is not None:
            self._withdrawn[index] = refusal
            return False
        self._places[index] = self._hands.marks.mark(claimed.id, claimed.fence, self._hands.clock.now())
        self._hands.step("after_mark")
        return True

    def _refusal(self, index: int, now: float) -> str | None:
        if index in self._withdrawn:
            return self._withdrawn[index]
        if self._is_over or self._hands.stopping():
            return "stopping"
        if self._is_stopped:
            return "stopped"
        if now > self._latest_start:
            return "lease"  # this process may have been stopped for an hour: somebody else decides by now
        if now - self._checked > CHECK_LASTS:
            return "check"
        if self._slots is not None and self._slots.missed(index, now):
            return "slot"
        return None

    def reply(self, index: int, outcome: Outcome) -> int | None:
        """Note the reply beside the mark, at once: the ledger hears of it a batch later. Answers the mark's place."""
        place = self._places.get(index)
        if place is not None and isinstance(outcome, Unavailable):
            self._turned_away += 1
        if place is not None and not isinstance(outcome, Uncertain):
            accepted = isinstance(outcome, Accepted)
            self._hands.marks.note(
                place,
                MarkKind.ACCEPTED if accepted else MarkKind.REFUSED,
                outcome.provider_message_id if isinstance(outcome, Accepted) else "",
            )
        return place

    def unanswered(self, claimed: Claimed) -> tuple[Outcome, int | None]:
        """The outcome of a claim for which nobody gave one."""
        place = next((place for index, place in self._places.items() if self._claims[index] is claimed), None)
        return (Released("not begun") if place is None else Uncertain("no_outcome")), place

    def verdict(self, index: int, outcome: Outcome) -> Outcome:
        """What the transport gave back unsent, with the reason that it cannot know."""
        if isinstance(outcome, Released) and index in self._withdrawn:
            return Released(self._withdrawn[index])
        return outcome
