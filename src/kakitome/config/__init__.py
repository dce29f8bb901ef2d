"""Configuration: a TOML file and the environment, checked whole before anything starts.

tables      what may be set
reading     the file, the environment over it, and keys that are not known
checks      what makes no sense together
accounts    which account a lane leads into, and whether it can be asked for its limits
ledger      what only a ledger of one kind can do
mailing     what a list needs, and whether mail leaves this machine
pacing      which recipients' domains have a pace of their own
queue       where the doorbell is
values      durations, places, secrets
"""

from kakitome.config.accounts import account_of, asks
from kakitome.config.mailing import public_url, stays_here
from kakitome.config.pacing import paces_of
from kakitome.config.queue import place_of
from kakitome.config.reading import load
from kakitome.config.tables import (
    AccountTable,
    Config,
    EventsTable,
    EvidenceTable,
    GuardsTable,
    HttpTable,
    LaneTable,
    LedgerTable,
    OwnerTable,
    PacingTable,
    QueueTable,
    RetentionTable,
    SenderTable,
    StreamTable,
    SuppressionTable,
)
from kakitome.config.values import is_loopback, milliseconds, secret

__all__ = [
    "AccountTable",
    "Config",
    "EventsTable",
    "EvidenceTable",
    "GuardsTable",
    "HttpTable",
    "LaneTable",
    "LedgerTable",
    "OwnerTable",
    "PacingTable",
    "QueueTable",
    "RetentionTable",
    "SenderTable",
    "StreamTable",
    "SuppressionTable",
    "account_of",
    "asks",
    "is_loopback",
    "load",
    "milliseconds",
    "paces_of",
    "place_of",
    "public_url",
    "secret",
    "stays_here",
]
