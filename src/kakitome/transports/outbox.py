"""A folder instead of a provider: nothing leaves this machine. For a first look, and as the smallest example of a
transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from kakitome.core.ids import message_text
from kakitome.core.outcome import Accepted, Outcome, Released
from kakitome.ports.transport import Capabilities, Parcel, Wire


class OutboxTransport:
    """Each mail becomes `<message id>.eml`; a second attempt writes the same file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(places=1, events=False, envelope_differs=True, raw=True, timeout=60.0)

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        for index, parcel in enumerate(parcels):
            if not (await wire.ready(index) and await wire.turn(index) and wire.begin(index)):
                yield index, Released("withdrawn")
                continue
            name = message_text(parcel.message)
            await asyncio.to_thread(self._write, self._folder / f"{name}.eml", parcel.raw)
            yield index, Accepted(f"outbox-{name}")

    @staticmethod
    def _write(path: Path, raw: bytes) -> None:
        half = path.with_suffix(".part")
        half.write_bytes(raw)
        half.replace(path)

    async def close(self) -> None:
        return None
