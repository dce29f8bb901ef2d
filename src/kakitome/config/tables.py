"""What may be set, table by table. `docs/configuration.md` has a row for each key."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from kakitome.config.values import Duration


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class LedgerTable(Table, frozen=True, kw_only=True):
    """`folder` is for what a worker leaves on its machine; `feed`: who folds a table's stream into its counters;
    `campaign_tables`: where a new campaign's rows are."""

    url: str = "sqlite:///kakitome-data/ledger.db"
    provider_ids: bool = True
    """Whether mail in a table is found by its provider's id."""
    folder: str | None = None
    feed: Literal["reader", "elsewhere"] = "reader"
    campaign_tables: Literal["shared", "own"] = "shared"


class RetentionTable(Table, frozen=True, kw_only=True):
    """`events`: how long after the end of a campaign bounces and complaints of it are waited for."""

    events: Duration = "14d"


class QueueTable(Table, frozen=True, kw_only=True):
    """The doorbell. `look` is how often a worker looks by itself; unset: 250 ms embedded, else 5 s. `password` is a
    reference (`env:NAME`), `ca` a file; both are for Redis."""

    url: str = "embedded:"
    look: Duration | None = None
    password: str | None = None
    ca: str | None = None


class AccountTable(Table, frozen=True, kw_only=True):
    """`rate` in recipients a second, `quota` in recipients per rolling 24 hours. Unset: what the provider says, where
    it can be asked (`asks`) every `look`, else unlimited. `reserve` is the share of the quota that lists leave to
    single mails."""

    rate: float | Literal["provider", "unlimited"] | None = None
    quota: int | Literal["provider", "unlimited"] | None = None
    reserve: float = 0.05
    look: str = "1m"
    price: Decimal | None = None  # of `per` recipients, in `currency`
    per: int = 1000
    currency: str = "USD"


class LaneTable(Table, frozen=True, kw_only=True):
    """One way into an account. `provider` says which of the other keys mean something. `timeout` is how long the
    completing write may wait for its reply, `margin` what the lease of a claim has beyond it."""

    provider: Literal["ses", "ses-smtp", "smtp", "sendgrid", "outbox"]
    account: str | None = None
    region: str | None = None
    configuration_set: str | None = None
    bulk: bool = True
    credentials: str = "aws"
    assume_role: str | None = None
    endpoint: str | None = None
    host: str | None = None
    port: int | None = None
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    api_key: str | None = None
    ca: str | None = None
    connections: int | None = None
    timeout: Duration | None = None
    margin: Duration = "1m"
    horizon: Duration | None = None
    sender: str | None = None
    canary: str | None = None
    canary_to: str | None = None
    success_reports: bool = False
    folder: str | None = None


class StreamTable(Table, frozen=True, kw_only=True, rename={"sender": "from"}):
    kind: Literal["transactional", "bulk"] = "transactional"
    route: list[str] | None = None
    in_doubt: Literal["evidence", "resend", "hold"] = "evidence"
    expires_after: Duration | None = None
    attempts: int = 12
    first_delay: Duration = "30s"
    longest_delay: Duration = "2h"
    owner: str | None = None
    sender: str | None = None
    title: str = ""
    unsubscribe: Literal["stream", "all", "none"] | None = None
    law: Literal["jp", "warn", "off"] | None = None
    guard: Literal["pause", "warn", "off"] | None = None


class OwnerTable(Table, frozen=True, kw_only=True):
    unit: str = ""
    person: str = ""
    slack: str | None = None
    sender_name: str = ""
    sender_address: str = ""
    sender_contact: str = ""
    sender_page: str = ""


class PacingTable(Table, frozen=True, kw_only=True):
    """What goes to these domains goes at `rate` mails a second at most, through all lanes together."""

    domains: list[str]
    rate: float


class SenderTable(Table, frozen=True, kw_only=True):
    """Who sends, as mails show it."""

    name: str = ""
    address: str = ""
    contact: str = ""
    page: str = ""


class HttpTable(Table, frozen=True, kw_only=True):
    """`keys` are references to bearer keys (`env:NAME`)."""

    address: str = "127.0.0.1:8700"
    keys: list[str] = msgspec.field(default_factory=lambda: ["env:KAKITOME_API_KEY"])
    public_url: str | None = None
    unsubscribe_key: int = 1


class EventsTable(Table, frozen=True, kw_only=True):
    """`trust = "simulator"` takes the simulator's certificate, and is refused unless every endpoint is loopback.
    `dsn_directory` and `dsn_address` are the doors for bounces of SMTP lanes (RFC 3464)."""

    trust: Literal["aws", "simulator"] = "aws"
    topics: list[str] = []
    simulator_certificate: str | None = None
    oldest: Duration = "1h"
    signature_versions: list[Literal[1, 2]] = msgspec.field(default_factory=lambda: [2])
    confirm: bool = False  # say yes to the topics of the list when they ask
    queues: list[str] = []  # addresses of SQS queues
    endpoint: str | None = None  # where AWS is spoken to for both, if not at AWS
    dsn_directory: str | None = None
    dsn_address: str | None = None
    sendgrid_keys: list[str] = []
    sendgrid_oldest: Duration = "25h"


class SuppressionTable(Table, frozen=True, kw_only=True):
    """So many messages that came back for passing reasons within the window suppress an address; 0: never."""

    transient_limit: int = 5
    transient_window: Duration = "30d"


class EvidenceTable(Table, frozen=True, kw_only=True):
    """How long silence must last before it counts, and how wide the neighbourhood of an attempt is."""

    horizon: Duration = "15m"
    neighbourhood: Duration = "2m"


class GuardsTable(Table, frozen=True, kw_only=True):
    """Limits in percent of what was sent; `core.guard` says why these."""

    bounces_warn: float = 4.0
    bounces_pause: float = 5.0
    bounces_least: int = 20
    complaints_warn: float = 0.08
    complaints_pause: float = 0.1
    complaints_least: int = 3
    sample: int = 100
    window: Duration = "7d"
    every: Duration = "5s"


class AlertsTable(Table, frozen=True, kw_only=True):
    """Who is told, and after how long. `slack`, `webhook` and `webhook_secret` are references (`env:NAME`)."""

    slack: str | None = None
    webhook: str | None = None
    webhook_secret: str | None = None
    late_after: Duration = "10m"
    lane_after: Duration = "10m"
    dead: bool = True
    again: Duration = "1h"
    every: Duration = "15s"


class Config(Table, frozen=True, kw_only=True):
    ledger: LedgerTable = LedgerTable()
    queue: QueueTable = QueueTable()
    accounts: dict[str, AccountTable] = {}
    lanes: dict[str, LaneTable] = {}
    streams: dict[str, StreamTable] = {}
    pacing: dict[str, PacingTable] = {}
    owners: dict[str, OwnerTable] = {}
    sender: SenderTable = SenderTable()
    guards: GuardsTable = GuardsTable()
    http: HttpTable = HttpTable()
    events: EventsTable = EventsTable()
    suppression: SuppressionTable = SuppressionTable()
    evidence: EvidenceTable = EvidenceTable()
    alerts: AlertsTable = AlertsTable()
    retention: RetentionTable = RetentionTable()
