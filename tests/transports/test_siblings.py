"""Which parcels go together, and one wire for all of them."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.ids import SubmissionId
from kakitome.ports.transport import Parcel
from kakitome.testing.parcels import ScriptedWire, parcel
from kakitome.transports.siblings import GroupWire, groups


def of(submission: int | None, recipient: str) -> Parcel:
    said = parcel(1)
    ids = None if submission is None else SubmissionId(submission)
    return msgspec.structs.replace(said, recipient=recipient, siblings=ids)


PARCELS = st.builds(
    of, st.none() | st.integers(1, 3), st.sampled_from(["a@b.example", "A@b.example", "c@b.example", "x"])
)


@given(st.lists(PARCELS, max_size=20))
def test_each_parcel_is_in_one_group_of_its_own_kind(parcels: list[Parcel]) -> None:
    """Nobody is left out or named twice; a group has one submission, and no mailbox two times."""
    found = groups(parcels)
    assert sorted(index for group in found for index in group) == list(range(len(parcels)))
    for group in found:
        if len(group) > 1:
            assert len({parcels[index].siblings for index in group}) == 1
            mailboxes = [parcels[index].recipient.lower() for index in group]
            assert len(set(mailboxes)) == len(mailboxes) and "x" not in mailboxes
    assert [group[0] for group in found] == sorted(group[0] for group in found)


def test_what_says_something_else_goes_alone() -> None:
    """Rendered anew from a template that cannot be equal: then the copies would differ."""
    first, second = of(1, "a@b.example"), of(1, "c@b.example")
    other = msgspec.structs.replace(second, content=msgspec.structs.replace(second.content, subject="Another"))
    assert groups([first, second]) == [[0, 1]]
    assert groups([first, other]) == [[0], [1]]


def test_whoever_is_refused_is_not_asked_again() -> None:
    """Each question goes to those who are left; a group ends where nobody is."""
    wire = ScriptedWire({0: "ready", 1: "turn", 2: "begin"})
    together = GroupWire(wire, [[0, 1, 2], [3]])

    async def ask() -> tuple[bool, bool, bool]:
        return await together.ready(0), await together.turn(0), together.begin(0)

    assert asyncio.run(ask()) == (True, True, False)
    assert wire.asked == [("ready", 0), ("ready", 1), ("ready", 2), ("turn", 1), ("turn", 2), ("begin", 2)]
    assert together.members(0) == [] and together.members(1) == [3]
