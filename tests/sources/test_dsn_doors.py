"""Bounces of plain SMTP lanes, from the mail that went out to the address that is not written to again."""

from __future__ import annotations

import asyncio
import os
import smtplib
import socket
from pathlib import Path

import aiosmtplib
import pytest
from relay import READER, SENDER, Relay, fate, worked
from reports import plain_mail, report
from returned import bounce, intake_of, noted, played, suppressed

from kakitome.app import Instance
from kakitome.config import load
from kakitome.core.errors import ConfigurationError, LedgerUnavailable
from kakitome.ports.reads import Search
from kakitome.sources.dsn_directory import DsnDirectory
from kakitome.sources.dsn_smtp import DsnServer


@pytest.mark.parametrize("dsn", [True, False])
def test_a_bounce_comes_back_through_the_directory(tmp_path: Path, dsn: bool) -> None:
    """By the envelope id where the server takes one, else by our Message-ID: the worker takes it in, the status is
    bounced, the address is suppressed, and the file is moved."""

    async def story(instance: Instance, relay: Relay) -> None:
        inbox = tmp_path / "bounces-in"
        (inbox / "1.eml").write_bytes(bounce(relay))
        await worked(instance, until="bounced")
        assert await suppressed(instance) == [(READER, "bounce", "smtp")]
        assert [p.name for p in (inbox / "taken").iterdir()] == ["1.eml"]
        assert [p for p in inbox.iterdir() if p.is_file()] == []

    played(tmp_path, story, dsn)


def test_a_bounce_comes_back_by_smtp(tmp_path: Path) -> None:
    """For the lane's reverse-path and nobody else; 250 says that it is durable."""

    async def story(instance: Instance, relay: Relay) -> None:
        async with DsnServer("127.0.0.1", 0, [SENDER], intake_of(instance), tmp_path / "kept").listening() as port:
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
            await client.connect()
            await client.ehlo()
            await client.mail("")
            with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
                await client.rcpt("someone@elsewhere.example")
            assert refused.value.code == 550
            await client.rcpt("Bounces@Mail.Example.com")
            assert (await client.data(bounce(relay))).code == 250
            assert (await fate(instance)).status == "bounced"
            assert await suppressed(instance) == [(READER, "bounce", "smtp")]
            await client.quit()
        assert not (tmp_path / "kept").exists()

    played(tmp_path, story)


def test_nothing_is_acknowledged_while_the_ledger_is_down(tmp_path: Path) -> None:
    """451 by SMTP, and in the directory the file stays where it is, until it can be written down."""

    async def story(instance: Instance, relay: Relay) -> None:
        broken = intake_of(instance, broken=True)
        async with DsnServer("127.0.0.1", 0, [SENDER], broken, tmp_path).listening() as port:
            assert await _said(port, bounce(relay)) == 451
        inbox = tmp_path / "bounces-in"
        (inbox / "1.eml").write_bytes(bounce(relay))
        with pytest.raises(LedgerUnavailable):
            await DsnDirectory(inbox, broken, instance.clock).look()
        assert (inbox / "1.eml").exists()
        assert await DsnDirectory(inbox, intake_of(instance), instance.clock).look() == 1
        assert (await fate(instance)).status == "bounced"

    played(tmp_path, story)


def test_an_error_of_ours_does_not_bounce_the_bounce(tmp_path: Path) -> None:
    """Whatever goes wrong, the sender comes again."""

    async def story(instance: Instance, relay: Relay) -> None:
        (tmp_path / "file").write_text("in the way")
        server = DsnServer("127.0.0.1", 0, [SENDER], intake_of(instance), tmp_path / "file")
        async with server.listening() as port:
            assert await _said(port, plain_mail()) == 451

    played(tmp_path, story)


def test_other_mail_bounces_nothing_and_is_kept(tmp_path: Path) -> None:
    """An out-of-office notice, a cut report, one about no mail of ours: kept apart through either door, with a note
    that has no address in it."""

    async def story(instance: Instance, relay: Relay) -> None:
        away = plain_mail(Auto_Submitted="auto-replied", To=SENDER)
        foreign = report(envelope="msg_zzz.1", returned="msg_zzz@mail.example.com")
        mails = {"away": away, "cut": bounce(relay)[:900], "foreign": foreign}
        inbox = tmp_path / "bounces-in"
        for name, raw in mails.items():
            (inbox / name).write_bytes(raw)
            os.utime(inbox / name, (1, 1))
        assert await DsnDirectory(inbox, intake_of(instance), instance.clock).look() == 3
        assert [p.name for p in (inbox / "ignored").iterdir()] == ["away"]
        assert sorted(p.name for p in (inbox / "quarantine").iterdir()) == ["cut", "foreign"]
        kept = tmp_path / "kept"
        async with DsnServer("127.0.0.1", 0, [SENDER], intake_of(instance), kept).listening() as port:
            assert [await _said(port, raw) for raw in mails.values()] == [250] * 3
        assert [p.read_bytes() for p in (kept / "ignored").iterdir()] == [away]
        assert len(list((kept / "quarantine").iterdir())) == 2
        notes = await noted(instance)
        assert [kind for kind, _ in notes] == ["bounce_ignored", "bounce_quarantined", "bounce_quarantined"] * 2
        assert not any("@" in why for _, why in notes)
        assert (await fate(instance)).status == "sent"
        assert await suppressed(instance) == []

    played(tmp_path, story)


OTHER = {"recipient": "president@example.jp", "diagnostic": "smtp; 550 5.1.1 user unknown"}


@pytest.mark.parametrize("more", [{}, {"Original_Recipient": "rfc822;president@example.jp"}, {"written_to": "x@y.jp"}])
def test_who_guesses_a_mails_id_says_nothing(tmp_path: Path, more: dict[str, str]) -> None:
    """Ids are numbered: whoever got one mail of a list knows the next one's. He does not know its recipient, and nobody
    is suppressed by his word."""

    async def story(instance: Instance, relay: Relay) -> None:
        assert (await intake_of(instance).take(bounce(relay, **OTHER, **more))).shelf == "quarantine"
        assert (await fate(instance)).status == "sent"
        assert await suppressed(instance) == []

    played(tmp_path, story)


@pytest.mark.parametrize(
    "more",
    [{"Original_Recipient": f"rfc822;{READER.upper()}"}, {"written_to": f"Yamada <{READER}>, president@example.jp"}],
)
def test_a_report_says_something_of_its_mails_recipient_only(tmp_path: Path, more: dict[str, str]) -> None:
    """An alias may have led it elsewhere: it is about whom we wrote to. Whoever forges one cannot have another person's
    address suppressed."""

    async def story(instance: Instance, relay: Relay) -> None:
        assert (await intake_of(instance).take(bounce(relay, **OTHER, **more))).shelf == "taken"
        assert [address for address, *_ in await suppressed(instance)] == [READER]

    played(tmp_path, story)


def test_both_doors_and_twice_is_once(tmp_path: Path) -> None:
    """A copy is the same event, through whichever door it comes."""

    async def story(instance: Instance, relay: Relay) -> None:
        intake, raw = intake_of(instance), bounce(relay)
        for _ in range(3):
            await intake.take(raw)
        [view] = await instance.ledger.reads.search(Search())
        assert len(await instance.ledger.events.of(view.id)) == 1
        assert len(await suppressed(instance)) == 1

    played(tmp_path, story)


def test_a_port_that_is_taken_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The worker does not die of it: another worker has the door."""

    async def story(instance: Instance, _: Relay) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            door = DsnServer("127.0.0.1", taken.getsockname()[1], [SENDER], intake_of(instance), tmp_path)
            running = asyncio.create_task(door.run())
            async with asyncio.timeout(20):
                while not any("cannot be taken" in said.message for said in caplog.records):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert not running.done()
            running.cancel()

    played(tmp_path, story)


def test_a_door_for_nobody_is_refused(tmp_path: Path) -> None:
    """`dsn_address` without a lane that has a reverse-path, or without a port, is said at the start."""
    file = tmp_path / "kakitome.toml"
    lane = '[lanes.office]\nprovider = "smtp"\nhost = "smtp.example.com"\n'
    for more, address in (("", "127.0.0.1:2525"), ('sender = "b@example.com"\n', "127.0.0.1")):
        file.write_text(f'{lane}{more}[events]\ndsn_address = "{address}"\n')
        with pytest.raises(ConfigurationError) as refused:
            load(file, {})
        assert refused.value.data["key"] == "events.dsn_address"


async def _said(port: int, raw: bytes) -> int:
    """The code behind the final dot."""

    def ask() -> int:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.ehlo()
            client.mail("")
            client.rcpt(SENDER)
            return client.data(raw)[0]

    return await asyncio.to_thread(ask)
