"""Why did this person (not) get it? One answer for every word of status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import SENDER, Terminal, ses

from kakitome import verdict
from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.event import BounceClass, Event, EventKind, Permanence
from kakitome.core.ids import MessageId, from_text
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Settlement
from kakitome.core.policy import HOUR
from kakitome.ingest import ingest
from kakitome.ports.workers import WorkerRecord
from kakitome.recover import LATE, Choice, choose, unsent
from kakitome_simulator.remote import Remote

READER = "reader0@example.com"
WORDS = (
    "queued, sending, sent, delivered, delayed, bounced, complained, failed, suppressed, cancelled, expired, "
    "needs_attention"
)


def within(terminal: Terminal, act: Callable[[Instance], Awaitable[object]]) -> None:
    async def run() -> None:
        async with opened(load(terminal.config, {})) as instance:
            await act(instance)

    asyncio.run(run())


def sent(sending: Terminal, provider: Remote) -> str:
    """One mail at the provider; its id there."""
    sending.put()
    sending.start(sending.list(1))
    return provider.accepted()[0].provider_message_id


def tell(terminal: Terminal, id: str, kind: EventKind, diagnostic: str = "", **more: Any) -> None:
    event = Event(
        key=f"{id}{kind}",
        kind=kind,
        at=1_800_000_000_000,
        provider="ses",
        provider_message_id=id,
        recipient=READER,
        diagnostic=diagnostic,
        **more,
    )
    within(terminal, lambda instance: ingest([event], instance.ledger, instance.clock))


def test_every_word_of_status_has_a_verdict() -> None:
    """None may be left without an answer."""
    assert set(verdict._VERDICTS) == set(WORDS.split(", "))


def test_a_permanent_bounce(sending: Terminal, provider: Remote) -> None:
    """No; why; since when nothing is sent to it; how to undo that."""
    id = sent(sending, provider)
    tell(
        sending,
        id,
        EventKind.BOUNCED,
        "smtp; 550 5.1.1 user unknown",
        permanence=Permanence.PERMANENT,
        bounce_class=BounceClass.INVALID_RECIPIENT,
    )
    told = sending.json("explain", "Reader0@Example.com")
    assert (told["status"], told["messages"]) == ("bounced", 1)
    assert told["verdict"].startswith("No: “news” came back")
    assert "permanent" in told["reason"] and "550 5.1.1 user unknown" in told["reason"]
    assert [s["reason"] for s in told["suppressions"]] == ["bounce"]
    assert any("kakitome suppression remove" in one for one in told["advice"])
    assert any(line["what"].endswith("bounced (permanent): smtp; 550 5.1.1 user unknown") for line in told["history"])
    said = sending.run("explain", READER)
    assert said.code == 0 and "what to do" in said.out


@pytest.mark.parametrize(
    ("kind", "more", "begins"),
    [
        (EventKind.DELIVERED, {}, "Yes: “news” arrived; the recipient's server took it"),
        (EventKind.OPENED, {}, "Yes: “news” arrived; its reader opened it"),
        (EventKind.DELAYED, {}, "Not yet: the recipient's server"),
        (EventKind.COMPLAINED, {"complaint": "abuse"}, "Yes, and its reader reported"),
        (EventKind.REJECTED, {}, "No: the provider took “news” and then would not send it"),
        (EventKind.BOUNCED, {"permanence": Permanence.TRANSIENT}, "No: “news” came back"),
    ],
)
def test_what_an_event_tells(
    sending: Terminal, provider: Remote, kind: EventKind, more: dict[str, Any], begins: str
) -> None:
    """The verdict follows what became of it."""
    id = sent(sending, provider)
    assert sending.json("explain", READER)["verdict"].startswith("It was sent")
    tell(sending, id, kind, **more)
    assert sending.json("explain", READER)["verdict"].startswith(begins)


def test_a_suppressed_address(here: Terminal) -> None:
    """Before and after something was handed in for it."""
    here.run("suppression", "add", READER, "--note", "asked on the telephone", "--who", "Hanako")
    told = here.json("explain", READER)
    assert told["status"] is None and "would not be sent either" in told["reason"]
    here.put()
    here.start(here.list(1))
    told = here.json("explain", READER)
    assert (told["status"], told["verdict"].partition(":")[0]) == ("suppressed", "No")
    assert "Hanako" in told["reason"] and "telephone" in told["reason"]
    here.run("suppression", "remove", READER)
    assert "removed since" in here.json("explain", READER)["reason"]


def test_an_unknown_address(here: Terminal) -> None:
    """Nothing was handed in, and where to look; what is no address is refused."""
    told = here.json("explain", "nobody@example.com")
    assert (told["status"], told["history"]) == (None, [])
    assert told["verdict"].startswith("No: nothing was ever handed in") and told["advice"]
    assert here.json("explain", "nobody", code=1)["error"] == "address"


def test_what_waits(here: Terminal) -> None:
    """For a worker, for its time, for a paused campaign; and what was withdrawn."""
    mail = ("send", "--from", SENDER, "--subject", "x", "--text", "y", "--to")
    here.run(*mail, "one@example.com")
    assert any("kakitome worker" in one for one in here.json("explain", "one@example.com")["advice"])
    here.run(*mail, "two@example.com", "--send-at", "2099-01-01T00:00:00Z")
    assert "2099-01-01" in here.json("explain", "two@example.com")["reason"]
    here.put()
    here.run("campaign", "start", "--list", here.list(1), "--template", "news", "--detach")
    here.run("campaign", "pause", "news")
    assert here.json("explain", READER)["advice"] == ["kakitome campaign resume news"]
    here.run("campaign", "cancel", "news")
    assert "withdrawn" in here.json("explain", READER)["verdict"]


def test_what_was_refused_in_doubt_or_too_late(
    provider: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The provider's own words are the reason."""
    terminal = Terminal(tmp_path, capsys, ses(provider))
    terminal.put()
    provider.faults(
        ["error:554@recipient=reader0@example.com", "lose_reply@recipient=reader1@example.com", "lose_events"]
    )
    terminal.start(terminal.list(2), code=3)
    told = terminal.json("explain", READER)
    assert (told["status"], told["verdict"].partition(":")[0]) == ("failed", "No") and "554" in told["reason"]
    told = terminal.json("explain", "reader1@example.com")
    assert told["status"] == "needs_attention" and told["verdict"].startswith("Nobody knows")
    assert "doubt resolve msg_" in told["advice"][0]


def test_what_expired_can_be_recovered_on_request(here: Terminal) -> None:
    """Mail that is too late stays where it is unless somebody asks for it by name."""
    id = here.json(
        "send",
        "--from",
        SENDER,
        "--subject",
        "x",
        "--text",
        "y",
        "--to",
        READER,
        "--expires-at",
        "2099-01-01T00:00:00Z",
    )["messages"][0]["id"]

    async def later(instance: Instance) -> None:
        await instance.ledger.sweeps.expire(10, 4_100_000_000_000)

    within(here, later)
    told = here.json("explain", READER)
    assert told["status"] == "expired" and "--include-expired" in told["advice"][0]
    assert here.json("recover", "--id", id)["expired"] == [id]
    assert [m["id"] for m in here.json("recover", "--id", id, "--include-expired")["queued"]] == [id]
    assert here.json("explain", READER)["status"] == "queued"


def test_what_is_paused_says_how_it_goes_on(here: Terminal) -> None:
    """A stream's mail by its stream, a campaign's by the campaign, whose name may have spaces."""
    here.run("send", "--from", SENDER, "--subject", "x", "--text", "y", "--to", READER)
    here.run("stream", "pause", "transactional")
    told = here.json("explain", READER)
    assert (told["reason"], told["advice"]) == ("The stream is paused.", ["kakitome stream resume transactional"])
    assert here.run(*told["advice"][0].split()[1:]).code == 0
    here.put()
    here.start(here.list(1), "--name", "spring sale", "--detach")
    here.run("campaign", "pause", "spring sale")
    told = here.json("explain", READER)
    assert told["advice"] == ["kakitome campaign resume 'spring sale'"]
    again = here.start(here.list(1), "--name", "spring sale", code=1)
    assert again["remedy"] == "kakitome campaign resume 'spring sale'"


def test_only_what_is_in_its_way_is_why_it_waits(here: Terminal) -> None:
    """Another stream's lane that is stopped is no reason; its own one is, and whether it is tried again by now."""
    here.run("send", "--from", SENDER, "--subject", "x", "--text", "y", "--to", READER)

    def stopped(gate: str, lasts: int) -> str:
        async def act(instance: Instance) -> None:
            now = instance.clock.now()
            await instance.ledger.accounts.stop(gate, "tls", now + lasts, "what a certificate", now)

        within(here, act)
        return str(here.json("explain", READER)["reason"])

    assert stopped("lane:other", HOUR).startswith("It has been due since")
    assert stopped("lane:outbox", -HOUR).startswith("The lane outbox is tried again, one mail at a time: tls.")
    why = stopped("lane:outbox", HOUR)
    assert why.startswith("The lane outbox is stopped until") and why.endswith("what a certificate")


def test_what_gave_up_and_is_past_its_date_is_left_out_too(here: Terminal) -> None:
    """A booking that gave up and whose day is over goes only if a person asks for what expired; `unsent` closes it."""
    words = ("--from", SENDER, "--subject", "x", "--text", "y", "--to", READER, "--expires-at", "2099-01-01T00:00:00Z")
    id = here.json("send", *words)["messages"][0]["id"]

    async def give_up(instance: Instance) -> None:
        ledger, now = instance.ledger, instance.clock.now()
        message = MessageId(from_text("msg", id))
        worker = WorkerRecord("w", "h", "b", now)
        await ledger.workers.begin(worker)
        (claimed,) = await ledger.messages.claim([message], "w", "outbox", now + 60_000, now)
        await ledger.messages.settle([Settlement(id=message, fence=claimed.fence, cause=Cause.EXHAUSTED)], now)
        for hour, stale in ((now, False), (4_100_000_000_000, True)):
            chosen = await choose(Choice(ids=[id]), ledger, hour)
            assert [view.id for view in (chosen.expired if stale else chosen.views)] == [message]
            (group,) = await unsent(ledger, False, hour)
            assert (
                group.count == 1 and ("--close" in group.command, "Its time is over." in group.sentence) == (stale,) * 2
            )
        asked = await choose(Choice(ids=[id], include_expired=True), ledger, 4_100_000_000_000)
        assert [view.id for view in asked.views] == [message]

    within(here, give_up)


@pytest.mark.parametrize("pacing", ["", '[pacing.readers]\ndomains = ["example.com"]\nrate = 5\n'])
def test_late_mail_is_unsent(here: Terminal, pacing: str) -> None:
    """Due for ten minutes and nobody has come: named with the command that sends it, whatever its domain's pace."""
    here.config.write_text(here.config.read_text("utf-8") + pacing, "utf-8")
    here.run("send", "--from", SENDER, "--subject", "x", "--text", "y", "--to", READER)
    assert here.run("unsent").out == "Nothing waits for a person.\n"

    async def ten_minutes_later(instance: Instance) -> None:
        (group,) = await unsent(instance.ledger, False, instance.clock.now() + LATE)
        assert (group.kind, group.cause, group.count, group.command) == ("late", "no-worker", 1, ("worker",))

    within(here, ten_minutes_later)
