"""What a ledger in one file does not need, or cannot do; in words."""

from __future__ import annotations

from kakitome.core.errors import StateError
from kakitome.ports.reads import Recounted


class InOneFile:
    async def recount(self, now: int) -> Recounted:
        """Raises `StateError`: a counter changes together with its mail."""
        raise StateError(
            "Counters in the ledger's file change together with their mails, and cannot miss any. Nothing was changed.",
            "Where ledger verify finds something, the file was changed by others: restore it from a backup.",
        )

    async def prune(self, campaign: str, who: str, window: int, now: int) -> str:
        """Raises `StateError`: rows of all campaigns lie in one file."""
        raise StateError(
            "The rows of all campaigns lie in the ledger's file, among each other. Nothing was deleted.",
            "Campaigns on DynamoDB with a table of their own can be thrown away as a whole.",
        )
