"""SES by its API: what each answer of SES comes to, and that one request is all there ever is."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import KEYS, FixedKeys, Scripted, answer, by_api, request, scripted, serving, simulated

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
from kakitome.testing.parcels import SENDER, ScriptedWire, outcomes, parcel, parcels
from kakitome.transports import http_endpoint
from kakitome.transports.http_line import Connection, connect
from kakitome.transports.ses import SesSettings, SesTransport
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

_U = Unavailability


@pytest.fixture(scope="module")
def simulator() -> Iterator[Remote]:
    with running() as remote:
        yield remote


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("error:TooManyRequestsException", _U.THROTTLED),
        ("throttle", _U.THROTTLED),
        ("daily_quota", _U.QUOTA),
        ("error:LimitExceededException", _U.QUOTA),
        ("error:AccountSuspendedException", _U.SUSPENDED),
        ("suspend", _U.SUSPENDED),
        ("error:SendingPausedException", _U.PAUSED),
        ("error:MailFromDomainNotVerifiedException", _U.IDENTITY),
        ("error:NotFoundException", _U.CONFIGURATION),
        ("sandbox", _U.SANDBOX),
        ("error:403", _U.CREDENTIALS),
        ("error:MessageRejected", Rejected),
        ("error:BadRequestException", Rejected),
        ("error:413", Deferred),
        ("error:500", Uncertain),
        ("error:503", Uncertain),
        ("error_after_accept:502", Uncertain),
        ("lose_reply", Uncertain),
        ("reset", Uncertain),
    ],
)
def test_what_each_answer_of_ses_means(simulator: Remote, fault: str, expected: Unavailability | type[Outcome]) -> None:
    """Errors that SES returns are certain; whether the mail, the lane or the account is at fault is in the outcome."""
    simulator.reset()
    simulator.faults([fault])
    (outcome,) = simulated(simulator, parcels(1))
    if isinstance(expected, Unavailability):
        assert isinstance(outcome, Unavailable)
        assert outcome.reason is expected
    else:
        assert isinstance(outcome, expected)
    assert not isinstance(outcome, Uncertain) or outcome.reason != "timeout"
    assert len(simulator.accepted()) == (fault in ("error_after_accept:502", "lose_reply"))


def _outcomes(*answers: bytes | None, **more: Any) -> tuple[list[Outcome], Scripted]:
    """As many parcels as answers, one behind the other, and what the server heard."""
    return scripted(parcels(len(answers)), *answers, **more)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (answer(b"{}"), "no_message_id"),
        (answer(b'{"MessageId":""}'), "no_message_id"),
        (answer(b'{"MessageId":7}'), "no_message_id"),
        (answer(b"<html>Welcome to this hotel's network</html>"), "no_message_id"),
        (answer(b"", "204 No Content"), "no_message_id"),
        (answer(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:9/elsewhere"), "http_307"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\nX-Cut: @close\r\n\r\n" + b'{"MessageId":"0100-1"}', "truncated"),
        (b"220 mail.example.com ESMTP\r\n\r\n", "unreadable"),
        (answer(b'{"MessageId":"' + b"x" * 70_000 + b'"}'), "too_long"),
        (None, "connection_lost"),
    ],
)
def test_what_is_no_valid_answer_is_a_doubt(words: bytes | None, reason: str) -> None:
    """And the next mail goes its way: on a new connection where the old one is no good."""
    (first, second), server = _outcomes(words, answer(b'{"MessageId":"0100-2"}'))
    assert isinstance(first, Uncertain)
    assert first.reason == reason
    assert isinstance(second, Accepted)
    assert second.provider_message_id == "0100-2"
    assert len(server.heads) == 2


def test_the_whole_answer_is_kept_and_its_secrets_are_not() -> None:
    """Status, body, header fields, request id and latency: a person can see later what SES said."""
    body = json.dumps({"message": f"The canonical string:\nx-amz-security-token:{KEYS.token}\nhost:x"}).encode()
    refused = answer(body, "403 Forbidden", "X-Amzn-RequestId: r-7", "X-Amzn-ErrorType: InvalidSignatureException:http")
    (outcome,), _ = _outcomes(refused)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason is _U.CREDENTIALS
    reply = outcome.reply
    assert reply is not None
    assert (reply.code, reply.protocol, reply.request_id) == (403, "http", "r-7")
    assert reply.error == "InvalidSignatureException:http"
    assert reply.headers["content-length"] == str(len(body))
    assert reply.latency_ms is not None
    assert "canonical string" in reply.text
    assert KEYS.token is not None
    assert KEYS.token not in repr(reply)


def test_the_request_says_what_send_email_asks_for() -> None:
    """Our bytes, one recipient, the correlation, and no From address: SES would write it over the From field."""
    _, server = _outcomes(answer(), configuration_set="Marketing")
    mail = parcel(1)
    assert json.loads(server.bodies[0]) == {
        "Content": {"Raw": {"Data": base64.b64encode(mail.raw).decode()}},
        "Destination": {"ToAddresses": [mail.recipient]},
        "EmailTags": [
            {"Name": "kakitome_message", "Value": mail.correlation["kakitome_message"]},
            {"Name": "kakitome_attempt", "Value": "3"},
        ],
        "ConfigurationSetName": "Marketing",
    }
    assert server.heads[0].startswith(b"POST /v2/email/outbound-emails HTTP/1.1\r\n")


def test_a_reverse_path_of_its_own_is_where_bounces_are_forwarded_to() -> None:
    """SES makes MAIL FROM itself; what we can say is where it shall tell of bounces."""

    async def batch() -> None:
        async with serving(server) as port:
            await by_api(port, [msgspec.structs.replace(parcel(1), sender="bounces@example.com")])

    server = Scripted(answer())
    asyncio.run(batch())
    assert json.loads(server.bodies[0])["FeedbackForwardingEmailAddress"] == "bounces@example.com" != SENDER


class Prompt(ScriptedWire):
    """A wire that never lets the loop look at its sockets, as without a rate."""

    async def turn(self, index: int) -> bool:
        return self._answer("turn", index)


def test_a_server_that_closes_in_silence_costs_no_doubts() -> None:
    """Closed behind each answer, without saying so: the next mail finds that out before its `begin`."""

    async def batch() -> list[Outcome]:
        async with serving(server) as port:
            return await by_api(port, parcels(5), Prompt())

    server = Scripted(*[answer()] * 5, then_close=True)
    assert all(isinstance(outcome, Accepted) for outcome in asyncio.run(batch()))
    assert len(server.heads) == server.connections == 5


def test_a_server_that_says_it_will_close_is_believed() -> None:
    """`Connection: close`: the next request does not go into a connection that is about to end."""
    sent, server = _outcomes(answer(b'{"MessageId":"1"}', "200 OK", "Connection: close"), answer())
    assert all(isinstance(outcome, Accepted) for outcome in sent)
    assert server.connections == 2


def test_a_request_on_a_dying_connection_is_sent_once() -> None:
    """The server closes a kept connection on our request, its patience being at an end: a doubt, no second copy."""
    (first, second, third), server = _outcomes(answer(), None, answer())
    assert isinstance(first, Accepted)
    assert isinstance(second, Uncertain)
    assert isinstance(third, Accepted)
    assert (len(server.heads), server.connections) == (3, 2)


def test_a_connection_that_dies_before_the_turn_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed while the mail waits for its slot: certain, and `turn` is asked again for the new connection."""
    opened: list[Connection] = []

    async def noted(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
        opened.append(await connect(host, port, tls))
        return opened[-1]

    class UntilItDies(ScriptedWire):
        async def turn(self, index: int) -> bool:
            while len(opened) == 1 and opened[0].usable:  # noqa: ASYNC110 - it is the loop that has to look
                await asyncio.sleep(0)
            return await super().turn(index)

    async def hangs_up_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(peers) > 0:
            await server(reader, writer)
        peers.append(writer)

    async def batch() -> list[Outcome]:
        async with serving(hangs_up_once) as port:
            return await by_api(port, parcels(1), wire)

    peers: list[asyncio.StreamWriter] = []
    server, wire = Scripted(answer()), UntilItDies()
    monkeypatch.setattr(http_endpoint, "connect", noted)
    (outcome,) = asyncio.run(batch())
    assert isinstance(outcome, Accepted)
    assert wire.questions(0) == ["ready", "turn", "turn", "begin"]
    assert len(server.heads) == 1


def test_as_many_requests_as_places_are_under_way() -> None:
    """Four places, four requests at once: nobody is answered before all four have come."""

    async def together(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            await four.wait()
            writer.write(answer())

    async def batch() -> list[Outcome]:
        async with serving(together) as port:
            return await by_api(port, parcels(8), connections=4)

    four = asyncio.Barrier(4)
    assert all(isinstance(outcome, Accepted) for outcome in asyncio.run(batch()))


def test_a_slow_answer_is_a_doubt_and_is_not_waited_for() -> None:
    """The timeout holds over the whole answer, also where it comes drop by drop."""

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(answer()[:-5])
        await reader.read()

    async def batch() -> list[Outcome]:
        async with serving(dripping) as port:
            return await by_api(port, parcels(1), timeout=0.1)

    (outcome,) = asyncio.run(batch())
    assert isinstance(outcome, Uncertain)
    assert outcome.reason == "timeout"
    assert outcome.reply is not None
    assert outcome.reply.code == 200


@settings(max_examples=30, deadline=None)
@given(words=st.binary(max_size=60), status=st.integers(200, 599))
def test_any_answer_becomes_an_outcome(words: bytes, status: int) -> None:
    """Whatever stands in the body: an outcome, and `Accepted` only with an id."""
    (outcome,), _ = _outcomes(answer(words, f"{status} Whatever"))
    assert not isinstance(outcome, Accepted | Released)
    if status >= 500 or status < 400:
        assert isinstance(outcome, Uncertain)


def test_an_answer_before_the_whole_request_ends_the_connection() -> None:
    """What is still unsent must not run into the next request."""
    connections = 0

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await server(reader, writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"{}", "413 Content Too Large"))
        await cut_off.wait()

    async def batch() -> list[Outcome]:
        async with serving(impatient) as port:
            return await by_api(port, [parcel(1, text="x" * 20_000_000), parcel(2)])

    cut_off, server = asyncio.Event(), Scripted(answer())
    first, second = asyncio.run(batch())
    assert isinstance(first, Deferred)
    assert isinstance(second, Accepted)
    assert connections == 2


def test_tls_is_verified() -> None:
    """Another authority, or another name: `Unavailable` (tls), and no request. The right certificate: sent."""
    ours, other = trustme.CA(), trustme.CA()
    right, foreign, wrong_name = (
        ours.issue_cert("127.0.0.1"),
        other.issue_cert("127.0.0.1"),
        ours.issue_cert("ses.example"),
    )

    async def batch(certificate: trustme.LeafCert, ca: str) -> tuple[Outcome, Scripted, ScriptedWire]:
        tls, server, wire = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Scripted(answer()), ScriptedWire()
        certificate.configure_cert(tls)
        async with serving(server, tls) as port:
            (outcome,) = await by_api(port, parcels(1), wire, endpoint=f"https://127.0.0.1:{port}", ca=ca)
        return outcome, server, wire

    with ours.cert_pem.tempfile() as ca:
        for certificate in (foreign, wrong_name):
            outcome, server, wire = asyncio.run(batch(certificate, ca))
            assert isinstance(outcome, Unavailable)
            assert outcome.reason is _U.TLS
            assert not server.heads
            assert ("begin", 0) not in wire.asked
        outcome, server, _ = asyncio.run(batch(right, ca))
        assert isinstance(outcome, Accepted)
        assert b"\r\nhost: 127.0.0.1:" in server.heads[0]


def test_keys_that_were_refused_are_looked_for_again() -> None:
    """A person puts them right over there, and nothing here needs a restart."""

    async def batch() -> int:
        async with serving(Scripted(answer(b"{}", "403 Forbidden"))) as port:
            keys = FixedKeys()
            transport = SesTransport(
                SesSettings(region="us-east-1", endpoint=f"http://127.0.0.1:{port}"), keys, SystemClock()
            )
            await outcomes(transport, parcels(1), ScriptedWire())
            await transport.close()
            return keys.forgotten

    assert asyncio.run(batch()) == 1


@pytest.mark.parametrize("endpoint", ["ses.example", "ftp://ses.example", "https://", "https://ses.example:port"])
def test_an_endpoint_is_a_web_address(endpoint: str) -> None:
    """Anything else is said when the lane is made, not with the first mail."""
    with pytest.raises(ConfigurationError):
        SesTransport(SesSettings(region="us-east-1", endpoint=endpoint), FixedKeys(), SystemClock())
