"""What an alert says: what happened, whose mail it is, why, what it means for the mail, and what to press.

No addresses of recipients and nothing of a mail's content: a chat keeps for ever what it was told.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from kakitome.core.alert import Alert, Facts, Kind, Late, Level, Stopped, Why


class Owner(msgspec.Struct, frozen=True):
    """Whose mail it is, and the one person to ask."""

    unit: str = ""
    person: str = ""


class Text(msgspec.Struct, frozen=True):
    """`facts` are label and value, `press` the commands that help."""

    title: str
    facts: tuple[tuple[str, str], ...]
    press: tuple[str, ...] = ()


def plain(text: Text) -> str:
    lines = [text.title, *(f"{label}: {value}" for label, value in text.facts)]
    return "\n".join([*lines, *(f"  {command}" for command in text.press)])


def line(text: Text) -> str:
    """For a log, where a message is one line."""
    return " ".join([f"{text.title}.", *(f"{label}: {value.rstrip('.')}." for label, value in text.facts)])


def wording(alert: Alert, part: str, owners: Mapping[str, Owner], config: str | None = None) -> Text:
    """`part` is `raised` or `ended`; `config` the file that the commands must name."""
    whose = ", ".join(_owner(name, owners.get(name, Owner())) for name in alert.facts.owners)
    make = {Kind.LATE: _late, Kind.DEAD: _dead, Kind.LANE: _lane}.get(alert.kind, _news)
    text = make(alert, part == "ended")
    facts = (("Whose", whose), *text.facts) if whose else text.facts
    return Text(text.title, facts, tuple(f"{c} --config {shlex.quote(config)}" if config else c for c in text.press))


def _owner(name: str, owner: Owner) -> str:
    unit = owner.unit or name
    return f"{unit} (ask {owner.person})" if owner.person else unit


# ── late ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _late(alert: Alert, over: bool) -> Text:
    facts = alert.facts
    names = ", ".join(_name(run, late) for run, late in sorted(facts.were.items()))
    if over:
        ended = alert.ended or alert.raised
        told = (
            ("It lasted", f"{span(ended - alert.since)}, from {moment(alert.since)} to {moment(ended)}"),
            ("Sent since", f"{facts.gone:,}"),
            ("Still waiting", f"{facts.count:,}" if facts.count else "none"),
        )
        return Text(f"Over: mail of {names} is late no more", told)
    count = sum(late.count for late in facts.were.values())
    quiet = alert.level is Level.INFORMATION
    title = f"{'For information: m' if quiet else 'M'}ail is late: {count:,} wait in {names}"
    told = (
        ("Since", f"{moment(alert.since)} ({span(alert.raised - alert.since)} ago)"),
        ("Likely cause", cause(facts)),
        ("What it means", _MEANS_QUOTA if facts.why == Why.QUOTA else _MEANS),
    )
    return Text(title, told, _press(facts))


_MEANS = (
    "Nothing is lost and nothing is sent twice: it waits in the ledger and goes as soon as the cause is gone. Only "
    "mail whose stream sets expires_after may become too old meanwhile; it then shows as expired."
)
_MEANS_QUOTA = (
    "Nothing is lost: it goes on by itself as the rolling 24 hours free the quota. Nobody has to do anything."
)


def cause(facts: Facts) -> str:
    """Them or us, and how we know."""
    if facts.why == Why.PROVIDER or (facts.why == Why.QUOTA and facts.stopped):
        whose = "a person here" if all(gate.until is None for gate in facts.stopped) else "the provider"
        return f"{whose}. " + " ".join(_gate(gate) for gate in facts.stopped)
    last = f"; the last one spoke at {moment(facts.last_beat)}" if facts.last_beat is not None else ""
    return {
        Why.QUOTA: "the quota of the rolling 24 hours is used up, by our own count.",
        Why.NO_WORKER: f"us: no worker is alive{last}.",
        Why.HELD: "us: this ledger was restored from a backup and sends nothing until a person releases it.",
        Why.LEDGER: "us: the ledger takes seconds to answer. Look at its disk, and at what else uses it.",
    }.get(Why(facts.why or Why.UNKNOWN), "us: workers run, no lane is stopped, and they have not come to it.")


def _gate(gate: Stopped) -> str:
    gone = f"The {gate.gate.replace(':', ' ')} has been stopped since {moment(gate.since)}"
    since = f"{gone}: {gate.reason.replace('_', ' ')}."
    return f"{since} Its last answer: {gate.detail}" if gate.detail else since


def _press(facts: Facts) -> tuple[str, ...]:
    if facts.why == Why.NO_WORKER:
        return ("kakitome worker",)
    if facts.why == Why.HELD:
        return ("kakitome ledger release --who YOU",)
    if facts.why == Why.PROVIDER:
        return ("kakitome lane list", *(f"kakitome lane resume {gate.gate}" for gate in facts.stopped))
    return ("kakitome lane list",) if facts.why == Why.QUOTA else ("kakitome unsent",)


def _name(run: str, late: Late) -> str:
    return f"campaign {run} (stream {late.stream})" if late.campaign else f"stream {late.stream}"


# ── lane, dead, news ────────────────────────────────────────────────────────────────────────────────────────────────


def _lane(alert: Alert, over: bool) -> Text:
    account = ", ".join(alert.facts.causes)
    if over:
        ended = alert.ended or alert.raised
        lasted = f"{span(ended - alert.since)}, from {moment(alert.since)} to {moment(ended)}"
        return Text(f"Over: the account {account} sends again", (("It lasted", lasted),))
    gates = alert.facts.stopped
    names = ", ".join(gate.gate.replace(":", " ") for gate in gates)
    of = "" if names == f"account {account}" else f" (account {account})"
    told = (
        ("Why", " ".join(_gate(gate) for gate in gates)),
        ("Who mends it", "a person" if any(gate.person for gate in gates) else "the provider; it is tried by itself"),
        ("What it means", "Nothing is lost. Mail with another lane in its route goes there; the rest waits."),
    )
    press = ("kakitome lane list", *(f"kakitome lane resume {gate.gate}" for gate in gates))
    quiet = "For information: " if alert.level is Level.INFORMATION else ""
    return Text(f"{quiet}Stopped: {names}{of}", told, press)


def _dead(alert: Alert, over: bool) -> Text:
    facts = alert.facts
    if over:
        return Text(f"Over: nothing of stream {facts.stream} waits for a decision any more", ())
    told = [
        (label, ", ".join(f"{n:,} of {run.removeprefix('stream:')}" for run, n in sorted(by_run.items())))
        for label, by_run in (("Gave up", facts.dead), ("Nobody knows whether it went", facts.unresolved))
        if by_run
    ]
    told.append(("What it means", "It is kept, and is sent again or closed only when a person says so."))
    title = f"{facts.count:,} {'mail needs' if facts.count == 1 else 'mails need'} a decision in stream {facts.stream}"
    return Text(title, tuple(told), ("kakitome unsent", *(("kakitome doubt list",) if facts.unresolved else ())))


def _news(alert: Alert, over: bool) -> Text:
    facts = alert.facts
    if alert.kind is Kind.QUARANTINE:
        told = (
            ("Why", facts.what),
            (
                "What it means",
                "It is kept whole in the ledger's journal. The mail is not concerned; its status may lack it.",
            ),
        )
        return Text(f"{facts.count:,} event{'s' if facts.count != 1 else ''} could not be read: quarantine", told)
    return _guard(facts, alert.key.startswith("guard_paused"))


NAMED = 10
"""Runs that are named with a command each; of more, `stream list` has them."""


def _guard(facts: Facts, paused: bool) -> Text:
    names = ", ".join(_name(run, late) for run, late in facts.were.items())
    means = "What was not sent waits until a person resumes it." if paused else "It goes on. Look before it is paused."
    if facts.whole:
        means = "What was not sent waits until a person resumes it, each by its name." if paused else means
        stopped = (("Paused", names),) if len(facts.were) <= NAMED else (("Paused", f"{len(facts.were):,} runs"),)
        title = f"{'Paused' if paused else 'Warning'}: bounces or complaints of all of stream {facts.stream} together"
        told = (("Why", facts.what), *(stopped if paused else ()), ("What it means", means))
        many = not paused or len(facts.were) > NAMED
        return Text(title, told, ("kakitome stream list",) if many else _resume(facts))
    title = f"{'Paused' if paused else 'Warning'}: bounces or complaints of {names}"
    reports = tuple(f"kakitome campaign report {shlex.quote(run)}" for run, late in facts.were.items() if late.campaign)
    return Text(title, (("Why", facts.what), ("What it means", means)), _resume(facts) if paused else reports)


def _resume(facts: Facts) -> tuple[str, ...]:
    kinds = ((("campaign", run) if late.campaign else ("stream", late.stream)) for run, late in facts.were.items())
    return tuple(f"kakitome {kind} resume {shlex.quote(name)}" for kind, name in kinds)


def moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def span(ms: int) -> str:
    minutes = max(0, ms) // 60_000
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
