"""What the rig plays, and how Kakitome is set up for it."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from dynamo_rig import REGION, asked, emulated
from kakitome.config import (
    AccountTable,
    Config,
    EventsTable,
    EvidenceTable,
    LaneTable,
    LedgerTable,
    StreamTable,
)
from kakitome.ledgers.dynamodb import schema
from kakitome_simulator.remote import Remote


class Plan(msgspec.Struct, kw_only=True):
    """`events`: all, none, or a share that is lost. With a `step`, every life ends there instead of at a time."""

    folder: Path
    ledger: str = "sqlite"  # or: dynamodb, which outlives everybody
    lane: str = "ses-smtp"
    events: str = "all"
    kills: int = 75
    seed: int = 1
    in_doubt: str = "evidence"
    kind: str = "bulk"
    step: str = ""
    shortest_ms: int = 4
    longest_ms: int = 150
    first_mail: bool = False  # these begin when the first mail of a life was handed in
    feed: int = 1_000
    horizon: str = "3s"
    neighbourhood: str = "2s"
    faults: list[str] = []
    play: str = "kills"  # or: stopped, naive
    door_step: str = ""
    door_kills: int = 0
    workers: int = 1  # how many live at the same time
    margin: str = "1m"
    timeout: str = "5s"


def configuration(plan: Plan, remote: Remote) -> Config:
    host, _, port = (remote.smtp or "").rpartition(":")
    lane = (
        LaneTable(
            provider="ses",
            account="provider",
            region="us-east-1",
            endpoint=remote.url,
            credentials="aws",
            timeout=plan.timeout,
            margin=plan.margin,
        )
        if plan.lane == "ses"
        else LaneTable(
            provider="sendgrid",
            account="provider",
            endpoint=remote.url,
            api_key="env:RIG_API_KEY",
            horizon=plan.horizon,
            timeout=plan.timeout,
            margin=plan.margin,
        )
        if plan.lane == "sendgrid"
        else LaneTable(
            provider="smtp" if plan.lane == "smtp" else "ses-smtp",
            account="provider",
            host=host,
            port=int(port),
            tls="none",
            timeout=plan.timeout,
            margin=plan.margin,
        )
    )
    return Config(
        ledger=ledger(plan),
        accounts={"provider": AccountTable(rate="unlimited", quota="unlimited")},  # a life is too short to ask
        lanes={"lane": lane},
        streams={
            "faults": StreamTable(
                kind=plan.kind,  # type: ignore[arg-type]
                route=["lane"],
                in_doubt=plan.in_doubt,  # type: ignore[arg-type]
                first_delay="100ms",
                longest_delay="1s",
            )
        },
        events=EventsTable(trust="simulator", simulator_certificate=str(plan.folder / "sns.pem")),
        evidence=EvidenceTable(horizon=plan.horizon, neighbourhood=plan.neighbourhood),
    )


def ledger(plan: Plan) -> LedgerTable:
    if plan.ledger == "sqlite":
        return LedgerTable(url=f"sqlite:///{plan.folder / 'ledger.db'}")
    asked("CreateTable", **schema.definition("faults"))
    return LedgerTable(url=f"dynamodb://faults?region={REGION}&endpoint={emulated()}", folder=str(plan.folder))
