"""Siblings as one: the parcels of one mail go in one request, and whoever the wire refuses is left out of it.

groups(parcels)     which parcels go together
GroupWire           the wire as the lines see it: one question for a group, asked of each of its members
"""

from __future__ import annotations

from collections.abc import Sequence

from kakitome.core.address import canonical, parse_address
from kakitome.core.errors import AddressError
from kakitome.ports.transport import Parcel, Wire

Group = list[int]


def groups(parcels: Sequence[Parcel]) -> list[Group]:
    """Indices of the parcels that go together, in the order of their first. Each stands in exactly one group.

    Together go those of one submission that say the same and go to different mailboxes. An address that the wire
    would not take stays alone: it costs nobody else their mail.
    """
    found: list[Group] = []
    open_groups: dict[int, tuple[Group, set[str]]] = {}
    for index, parcel in enumerate(parcels):
        mailbox = _mailbox(parcel)
        together = open_groups.get(parcel.siblings) if parcel.siblings is not None and mailbox else None
        if together and mailbox not in together[1] and parcels[together[0][0]].content == parcel.content:
            together[0].append(index)
            together[1].add(mailbox or "")
            continue
        group = [index]
        found.append(group)
        if parcel.siblings is not None and mailbox and together is None:
            open_groups[parcel.siblings] = (group, {mailbox})
    return found


def _mailbox(parcel: Parcel) -> str | None:
    try:
        address = parse_address(parcel.recipient, allow_local_domain=True)
    except AddressError:
        return None
    return canonical(address) if address.envelope == parcel.recipient else None


class GroupWire:
    """See `ports.transport.Wire`; an index is that of a group. `members` are those that nobody has refused so far."""

    def __init__(self, wire: Wire, grouped: Sequence[Group]) -> None:
        self._wire = wire
        self._left = [list(group) for group in grouped]

    def members(self, group: int) -> list[int]:
        return self._left[group]

    async def ready(self, group: int) -> bool:
        self._left[group] = [index for index in self._left[group] if await self._wire.ready(index)]
        return bool(self._left[group])

    async def turn(self, group: int) -> bool:
        self._left[group] = [index for index in self._left[group] if await self._wire.turn(index)]
        return bool(self._left[group])

    def begin(self, group: int) -> bool:
        self._left[group] = [index for index in self._left[group] if self._wire.begin(index)]
        return bool(self._left[group])
