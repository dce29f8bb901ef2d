"""SMTP, verb by verb: what is certain, what is a doubt, and that nothing is said in the clear that TLS should hide."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from smtp_stage import SmtpScript, by_smtp

from kakitome.core.errors import ConfigurationError
from kakitome.core.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.hosts.clock import SystemClock
from kakitome.testing.parcels import ScriptedWire, outcomes, parcel, parcels
from kakitome.transports.smtp import SmtpSettings, SmtpTransport
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

_U = Unavailability
CLOSE = b"(close)"


def _is(outcome: Outcome, expected: Unavailability | type[Outcome]) -> bool:
    if isinstance(expected, Unavailability):
        return isinstance(outcome, Unavailable) and outcome.reason is expected
    return isinstance(outcome, expected)


@pytest.mark.parametrize(
    ("verb", "words", "expected"),
    [
        ("CONNECT", b"554 5.3.2 Not today\r\n", _U.REFUSED_CONNECTION),
        ("CONNECT", b"421 4.7.0 Too many of you\r\n", _U.TOO_MANY_CONNECTIONS),
        ("CONNECT", CLOSE, _U.REFUSED_CONNECTION),
        ("EHLO", b"550 5.7.1 Who?\r\n", _U.CONFIGURATION),
        ("EHLO", CLOSE, _U.REFUSED_CONNECTION),
        ("MAIL", b"451 4.3.0 Later\r\n", Deferred),
        ("MAIL", b"550 5.7.1 Never\r\n", Rejected),
        ("MAIL", CLOSE, _U.REFUSED_CONNECTION),
        ("RCPT", b"450 4.2.1 Later\r\n", Deferred),
        ("RCPT", b"550 5.1.1 Nobody here\r\n", Rejected),
        ("RCPT", b"what?\r\n", _U.REFUSED_CONNECTION),
        ("RCPT", CLOSE, _U.REFUSED_CONNECTION),
        ("DATA", b"451 4.3.0 Later\r\n", Deferred),
        ("DATA", b"250 Ok\r\n", Deferred),
        ("DATA", CLOSE, _U.REFUSED_CONNECTION),
        ("BODY", b"451 4.3.0 Later\r\n", Deferred),
        ("BODY", b"554 5.6.0 Never\r\n", Rejected),
        ("BODY", b"421 4.3.2 Going down\r\n", _U.TOO_MANY_CONNECTIONS),
        ("BODY", b"250 2.0.0 O", Uncertain),
        ("BODY", b"what?\r\n", Uncertain),
        ("BODY", CLOSE, Uncertain),
    ],
)
def test_what_each_reply_means_where_it_comes(
    verb: str, words: bytes, expected: Unavailability | type[Outcome]
) -> None:
    """Only behind the final dot is silence a doubt. A mail that is refused takes no other with it."""
    server, wire = SmtpScript({verb: words}), ScriptedWire()
    first, second = asyncio.run(by_smtp(server, parcels(2), wire=wire))
    assert _is(first, expected), first
    assert isinstance(second, Released if isinstance(expected, Unavailability) else Accepted)
    assert (("begin", 0) in wire.asked) == (verb == "BODY")


@pytest.mark.parametrize(
    ("words", "reason"), [(b"what?\r\n", "unreadable_reply"), (CLOSE, "connection_lost"), (b"250 O", "connection_lost")]
)
def test_a_doubt_says_what_was_missed(words: bytes, reason: str) -> None:
    """With the time it took, for whoever has to judge it later."""
    (outcome,) = asyncio.run(by_smtp(SmtpScript({"BODY": words}), parcels(1)))
    assert isinstance(outcome, Uncertain)
    assert outcome.reason == reason
    assert outcome.reply is not None
    assert outcome.reply.latency_ms is not None


def test_a_refused_mail_is_forgotten_before_the_next() -> None:
    """RSET, and the next mail goes over the same connection; where the server does not, over another one."""
    server = SmtpScript({"RCPT": b"550 5.1.1 Nobody here\r\n"})
    asyncio.run(by_smtp(server, parcels(2)))
    assert server.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "BODY", "QUIT"]
    stubborn = SmtpScript({"RCPT": b"550 5.1.1 Nobody here\r\n"}, RSET=b"500 5.5.1 What?\r\n")
    asyncio.run(by_smtp(stubborn, parcels(2)))
    assert stubborn.connections == 2


@pytest.mark.parametrize("farewell", [CLOSE, b"421 4.4.2 You were idle\r\n"])
def test_a_connection_given_up_while_idle_is_replaced(farewell: bytes) -> None:
    """Closed, or 421, at the first word of the next mail: nothing was said of it yet, so it goes over a new one."""

    class Patience(SmtpScript):
        async def _next(self, reader: asyncio.StreamReader, said: bytes) -> str:
            if said.startswith(b"250 2.0.0 Ok: queued") and self.connections == 1:
                self._once["MAIL"] = farewell
            return await super()._next(reader, said)

    server = Patience()
    first, second = asyncio.run(by_smtp(server, [parcel(1)], [parcel(2)]))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (server.connections, len(server.mails)) == (2, 2)


def test_a_connection_that_dies_before_the_turn_is_no_doubt() -> None:
    """Closed between 354 and the mail's slot: `begin` is not asked, and it is certain."""

    class UntilItDies(ScriptedWire):
        async def turn(self, index: int) -> bool:
            await died.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            return await super().turn(index)

    class Dying(SmtpScript):
        async def _next(self, reader: asyncio.StreamReader, said: bytes) -> str:
            if said.startswith(b"354"):
                self.writer.transport.abort()
                died.set()
            return await super()._next(reader, said)

        async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writer = writer
            await super().__call__(reader, writer)

    died, wire = asyncio.Event(), UntilItDies()
    (outcome,) = asyncio.run(by_smtp(Dying(), parcels(1), wire=wire))
    assert _is(outcome, _U.REFUSED_CONNECTION)
    assert wire.questions(0) == ["ready", "turn"]


@pytest.mark.parametrize("question", ["turn", "begin"])
def test_what_is_withdrawn_behind_354_never_gets_its_dot(question: str) -> None:
    """The connection is cut: whatever the server has of the mail, it is no whole one."""
    server = SmtpScript()
    first, second = asyncio.run(by_smtp(server, parcels(2), wire=ScriptedWire({0: question})))
    assert isinstance(first, Released)
    assert isinstance(second, Accepted)
    assert len(server.mails) == 1
    assert not any(server.cut)


def test_the_envelope_is_the_parcels() -> None:
    """MAIL with the size, RCPT as the parcel says it; where the server offers DSN (RFC 3461), it is asked for reports
    that name message and attempt and bring no body back."""
    server = SmtpScript(EHLO=b"250-mx.example\r\n250-SIZE\r\n250 DSN\r\n")
    mail = parcel(7, recipient='"a..b."@docomo.ne.jp')
    asyncio.run(by_smtp(server, [mail]))
    size = len(server.mails[0])
    assert server.heard[1] == f"MAIL FROM:<news@example.com> SIZE={size} RET=HDRS ENVID=msg_7.3"
    asked = 'NOTIFY=FAILURE,DELAY ORCPT=rfc822;"a..b."@docomo.ne.jp'
    assert server.heard[2] == f'RCPT TO:<"a..b."@docomo.ne.jp> {asked}'


def test_success_is_reported_on_request() -> None:
    """And what is special in xtext is written in hex."""
    server = SmtpScript(EHLO=b"250-mx.example\r\n250 DSN\r\n")
    asyncio.run(by_smtp(server, [parcel(7, recipient="a+b=c@example.jp")], success_reports=True))
    assert server.heard[2].endswith(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb+3Dc@example.jp")


def test_without_dsn_no_report_is_asked_for() -> None:
    """A server that does not know the words would refuse the mail for them; SES tells by events."""
    choices: list[dict[str, Any]] = [{}, {"provider": "ses"}]
    for settings in choices:
        server = SmtpScript(EHLO=b"250-mx.example\r\n250 DSN\r\n" if settings else b"250 mx.example\r\n")
        asyncio.run(by_smtp(server, [parcel(7)], **settings))
        assert not [line for line in server.heard if "RET=" in line or "NOTIFY=" in line]


def test_ses_is_told_what_only_ses_reads() -> None:
    """Tags and configuration set stand before our bytes."""
    server = SmtpScript()
    asyncio.run(by_smtp(server, [parcel(7)], provider="ses", configuration_set="Marketing"))
    assert server.mails[0] == (
        b"X-SES-MESSAGE-TAGS: kakitome_message=msg_7, kakitome_attempt=3\r\n"
        b"X-SES-CONFIGURATION-SET: Marketing\r\n" + parcel(7).raw + b".\r\n"
    )


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _nothing_said(server: SmtpScript, outcome: Outcome) -> None:
    assert _is(outcome, _U.TLS), outcome
    assert not {"AUTH", "MAIL"} & set(server.verbs())


@pytest.mark.parametrize(
    "offer",
    [
        {"EHLO": b"250 mx.example\r\n"},
        {"EHLO": b"250-mx.example\r\n250 STARTTLS\r\n", "STAR": b"454 4.7.0 Not now\r\n"},
        {"EHLO": b"250-mx.example\r\n250 STARTTLS\r\n", "STAR": b"220 Go ahead\r\n250 no TLS here\r\n"},
    ],
)
def test_stripped_starttls_says_nothing_more(offer: dict[str, bytes]) -> None:
    """Not offered, refused, or answered without TLS: `Unavailable` (tls), and neither password nor mail is said."""
    server = SmtpScript(None, **offer)
    settings: dict[str, Any] = {"tls": "starttls", "username": "user", "password": "secret"}
    (outcome,) = asyncio.run(by_smtp(server, parcels(1), **settings))
    _nothing_said(server, outcome)


def test_what_was_offered_in_the_clear_is_forgotten() -> None:
    """RFC 3207 §4.2: EHLO again under TLS, and only its extensions count."""
    ours = trustme.CA()
    server = SmtpScript({"EHLO": b"250-mx.example\r\n250-DSN\r\n250 STARTTLS\r\n"}, STAR=b"220 Go ahead\r\n")
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(server.tls)
    with ours.cert_pem.tempfile() as ca:
        (outcome,) = asyncio.run(by_smtp(server, parcels(1), tls="starttls", ca=ca))
    assert isinstance(outcome, Accepted)
    assert server.verbs()[:4] == ["EHLO", "STAR", "EHLO", "MAIL"]
    assert "SIZE=" in server.heard[3]
    assert "ENVID" not in server.heard[3]


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_must_be_right(known: bool) -> None:
    """For another name, or of another authority: `Unavailable` (tls), and nothing is said."""
    ours, other = trustme.CA(), trustme.CA()
    certificate = ours.issue_cert("mail.example") if known else other.issue_cert("127.0.0.1")
    tls, server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), SmtpScript()
    certificate.configure_cert(tls)
    with ours.cert_pem.tempfile() as ca:
        (outcome,) = asyncio.run(by_smtp(server, parcels(1), tls="implicit", ca=ca, server_tls=tls))
    _nothing_said(server, outcome)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Remote]:
    with running("--smtps", "127.0.0.1:0", "--require-tls") as remote:
        yield remote


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_the_systems_authorities_do_not_know_the_simulator(simulator: Remote, tls: Any) -> None:
    """Without `ca`, a server that only says it is SES gets no mail: in both ways into TLS."""
    address = simulator.smtps if tls == "implicit" else simulator.smtp
    assert address is not None
    settings = SmtpSettings(host="127.0.0.1", port=int(address.rsplit(":", 1)[1]), tls=tls, username="u", password="p")

    async def batch() -> list[Outcome]:
        transport = SmtpTransport(settings, SystemClock())
        try:
            return await outcomes(transport, parcels(1), ScriptedWire())
        finally:
            await transport.close()

    (outcome,) = asyncio.run(batch())
    assert _is(outcome, _U.TLS)
    assert not simulator.accepted()


def test_a_server_without_auth_is_a_matter_of_configuration() -> None:
    """Credentials that nobody asks for: a person has to look, and no mail is sent without them."""
    server = SmtpScript()
    (outcome,) = asyncio.run(by_smtp(server, parcels(1), username="user", password="secret"))
    assert _is(outcome, _U.CONFIGURATION)
    assert "MAIL" not in server.verbs()


def test_a_file_that_holds_no_certificates_is_said_at_the_start(tmp_path: Path) -> None:
    """Not with the first mail."""
    for ca in (tmp_path / "nothing.pem", tmp_path):
        with pytest.raises(ConfigurationError):
            SmtpTransport(SmtpSettings(host="mx.example", port=465, tls="implicit", ca=str(ca)), SystemClock())


def test_settings_do_not_show_the_password() -> None:
    """In a log or a traceback."""
    assert "secret" not in repr(SmtpSettings(host="mx.example", port=587, username="user", password="secret"))
