"""A transport that costs nothing, and what is measured with it: everything else."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import fields
from random import Random

from kakitome.app import Instance
from kakitome.core.ids import RunId
from kakitome.core.outcome import Accepted, Outcome, Released
from kakitome.deliver import deliver
from kakitome.hands import Hands
from kakitome.ports.transport import Capabilities, Parcel, Transport, Wire


class Nowhere:
    """Asks the wire and says yes."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(places=1, events=False, envelope_differs=True, raw=True, timeout=60.0)

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        for index, parcel in enumerate(parcels):
            if await wire.ready(index) and await wire.turn(index) and wire.begin(index):
                yield index, Accepted(f"nowhere-{parcel.message}-{parcel.fence}")
            else:
                yield index, Released("withdrawn")

    async def close(self) -> None:
        return None


class _Unconnected(Instance):
    def transport(self, lane: str) -> Transport:
        return Nowhere()


def unconnected(instance: Instance) -> Instance:
    """The same instance, with `Nowhere` behind every lane."""
    return _Unconnected(**{field.name: getattr(instance, field.name) for field in fields(instance)})


def hands(instance: Instance) -> Hands:
    """A worker's hands without the worker: nothing beats, sweeps or loops beside what is measured."""
    name = f"bench-{secrets.token_hex(4)}"
    return Hands(
        worker=name,
        ledger=instance.ledger,
        renderer=instance.renderer,
        marks=instance.host.begin(name),
        clock=instance.clock,
        random=Random(1),
        step=lambda _: None,
        stopping=lambda: False,
    )


async def deliver_one(instance: Instance, run: RunId, hands: Hands) -> None:
    """One batch of the run through the whole of `deliver`."""
    known = next(one for one in await instance.ledger.runnable.runnable(instance.clock.now()) if one.id == run)
    if not (await deliver(known, instance.lanes["lane"], Nowhere(), hands)).claimed:
        raise RuntimeError("nothing was claimed")
