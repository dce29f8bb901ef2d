"""A provider's own suppression list of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec


class Listed(msgspec.Struct, frozen=True):
    """`at` is when it came onto the list or was changed there, in milliseconds."""

    address: str
    reason: Literal["bounce", "complaint"]
    at: int


class AccountList(Protocol):
    """Each method asks the provider once and never again by itself, at most once a second. Raises `ListUnread`."""

    @property
    def name(self) -> str:
        """The account, for people and for the source of what comes from there."""
        ...

    def read(self) -> AsyncIterator[Listed]:
        """All of it, page by page."""
        ...

    async def put(self, address: str, reason: Literal["bounce", "complaint"]) -> None:
        """Whoever is on the list already stays there, with this reason."""
        ...

    async def delete(self, address: str) -> None:
        """Whoever is not on the list is no error."""
        ...
