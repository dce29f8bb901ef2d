"""What a renderer needs for letterheads: each stream's, and the key that signs the links in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kakitome.core.unsubscribe import Letterhead, Letterheads, Signer


class Stationery:
    """`secret` is the ledger's, asked for once; `newest` the generation of the key that signs."""

    def __init__(self, letterhead: Letterheads, secret: Callable[[], Awaitable[bytes]], newest: int = 1) -> None:
        self.letterhead = letterhead
        self._secret = secret
        self._newest = newest
        self._signer: Signer | None = None

    async def signer(self) -> Signer:
        """Raises `LedgerUnavailable`."""
        if self._signer is None:
            self._signer = Signer(await self._secret(), self._newest)
        return self._signer


async def _no_secret() -> bytes:
    return b""


NO_STATIONERY = Stationery(lambda _: Letterhead(public="http://127.0.0.1"), _no_secret)
"""For those who render and send nothing."""
