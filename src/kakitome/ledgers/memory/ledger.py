"""The ledger in memory: its ports, over one book."""

from __future__ import annotations

from kakitome.core.suppression import TransientLimit
from kakitome.ledgers.memory.accounts import MemoryAccounts
from kakitome.ledgers.memory.alerts import MemoryAlerts, MemoryLookout
from kakitome.ledgers.memory.book import Book
from kakitome.ledgers.memory.events import MemoryEvents
from kakitome.ledgers.memory.figures import MemoryFigures
from kakitome.ledgers.memory.guards import MemoryGuards
from kakitome.ledgers.memory.messages import MemoryMessages
from kakitome.ledgers.memory.reads import MemoryReads
from kakitome.ledgers.memory.records import MemoryJournal, MemoryTemplates
from kakitome.ledgers.memory.rows import MemoryRows
from kakitome.ledgers.memory.runs import MemoryRuns
from kakitome.ledgers.memory.suppressions import MemorySuppressions
from kakitome.ledgers.memory.sweeps import MemorySweeps
from kakitome.ledgers.memory.workers import MemoryRunnable, MemoryWorkers


class MemoryLedger:
    """For tests and for reading. `hash_key` is the key for address hashes."""

    def __init__(self, hash_key: bytes = bytes(32), transient: TransientLimit | None = None) -> None:
        book = Book(hash_key, transient)
        self.messages = MemoryMessages(book)
        self.sweeps = MemorySweeps(book)
        self.runs = MemoryRuns(book)
        self.rows = MemoryRows(book)
        self.runnable = MemoryRunnable(book)
        self.workers = MemoryWorkers(book)
        self.accounts = MemoryAccounts(book)
        self.templates = MemoryTemplates(book)
        self.suppressions = MemorySuppressions(book)
        self.events = MemoryEvents(book)
        self.journal = MemoryJournal(book)
        self.guards = MemoryGuards(book)
        self.figures = MemoryFigures(book)
        self.reads = MemoryReads(book)
        self.alerts = MemoryAlerts(book)
        self.lookout = MemoryLookout(book)

    async def close(self) -> None:
        """Nothing stays open."""
