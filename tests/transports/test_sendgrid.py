"""SendGrid by its API: what goes over the wire, whom a request names, and what its headers make us do."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from stages import Scripted, answer, serving

from kakitome.core.content import Attachment, Content, Mailbox
from kakitome.core.errors import ConfigurationError
from kakitome.core.ids import MessageId, SubmissionId, message_text
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
from kakitome.ports.transport import Parcel
from kakitome.testing.parcels import ScriptedWire, outcomes, parcel, parcels
from kakitome.transports.sendgrid import SendGridSettings, SendGridTransport

KEY = "SG.a-very-secret-key"
YES = answer(b"", "202 Accepted", "X-Message-Id: 14c5d75ce93")
TO, CC, BCC, OTHER = (f"{name}@example.com" for name in ("to", "copied", "hidden", "other"))


def mail(**more: Any) -> Content:
    usual: dict[str, Any] = {
        "sender": Mailbox("news@example.com", "宿"),
        "to": (Mailbox(TO, "Aya"),),
        "subject": "ご予約",
    }
    return Content(**usual | {"text": "Hello.", "html": "<p>Hello.</p>"} | more)


def siblings(*recipients: str, content: Content | None = None) -> list[Parcel]:
    """The parcels of one submission."""
    said = content or mail(cc=(Mailbox(CC),))
    return [
        msgspec.structs.replace(
            parcel(number, recipient=recipient),
            content=said,
            siblings=SubmissionId(7),
            correlation={"kakitome_message": message_text(number), "kakitome_attempt": str(number + 2)},
        )
        for number, recipient in enumerate(recipients, 1)
    ]


async def by_sendgrid(port: int, mails: Sequence[Parcel], wire: ScriptedWire | None = None) -> list[Outcome]:
    settings = SendGridSettings(api_key=KEY, endpoint=f"http://127.0.0.1:{port}", connections=1, timeout=5.0)
    transport = SendGridTransport(settings, SystemClock())
    try:
        return await outcomes(transport, mails, wire or ScriptedWire())
    finally:
        await transport.close()


def played(
    mails: Sequence[Parcel], *answers: bytes | None, wire: ScriptedWire | None = None
) -> tuple[list[Outcome], Scripted]:
    """The outcomes, and the server with what it was asked."""
    server = Scripted(*answers)

    async def play() -> list[Outcome]:
        async with serving(server) as port:
            return await by_sendgrid(port, mails, wire)

    return asyncio.run(play()), server


def said(server: Scripted, number: int = 0) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(server.bodies[number])
    return body


def test_a_request_says_what_the_content_says() -> None:
    """Every part in its place, text before html, files in base64; the key in the header only."""
    content = mail(
        reply_to=(Mailbox("stay@example.com", "Hotel"),),
        headers=(("X-Booking", "予約 5"), ("List-Unsubscribe", "<https://example.com/u>")),
        attachments=(Attachment("a.pdf", "application/pdf", b"%PDF"), Attachment("l.png", "image/png", b"PNG", "logo")),
    )
    [outcome], server = played(siblings(TO, content=content), YES)
    assert isinstance(outcome, Accepted)
    assert outcome.provider_message_id == "14c5d75ce93"
    assert server.heads[0].startswith(b"POST /v3/mail/send HTTP/1.1\r\n")
    assert f"authorization: Bearer {KEY}".encode() in server.heads[0]
    assert said(server) == {
        "personalizations": [
            {
                "to": [{"email": TO, "name": "Aya"}],
                "custom_args": {"kakitome_message": message_text(1), "kakitome_attempt": "3"},
            }
        ],
        "from": {"email": "news@example.com", "name": "宿"},
        "reply_to": {"email": "stay@example.com", "name": "Hotel"},
        "subject": "ご予約",
        "content": [{"type": "text/plain", "value": "Hello."}, {"type": "text/html", "value": "<p>Hello.</p>"}],
        "headers": {"X-Booking": "=?utf-8?b?5LqI57SEIDU=?=", "List-Unsubscribe": "<https://example.com/u>"},
        "attachments": [
            {
                "content": base64.b64encode(b"%PDF").decode(),
                "type": "application/pdf",
                "filename": "a.pdf",
                "disposition": "attachment",
            },
            {
                "content": base64.b64encode(b"PNG").decode(),
                "type": "image/png",
                "filename": "l.png",
                "disposition": "inline",
                "content_id": "logo",
            },
        ],
    }


def test_several_answers_and_an_empty_part() -> None:
    """`reply_to_list` for more than one; SendGrid takes no empty part, so it is an empty line, as in `mime`."""
    content = mail(text="", reply_to=(Mailbox("a@example.com"), Mailbox("b@example.com")))
    _, server = played(siblings(TO, content=content), YES)
    assert [one["email"] for one in said(server)["reply_to_list"]] == ["a@example.com", "b@example.com"]
    assert "reply_to" not in said(server)
    [plain, html] = said(server)["content"]
    assert (plain, html["type"]) == ({"type": "text/plain", "value": "\n"}, "text/html")


def test_siblings_go_as_one() -> None:
    """One request for To, Cc and Bcc, each once, with ids and attempts in equal order; one outcome for all."""
    found, server = played(siblings(BCC, CC, TO, content=mail(cc=(Mailbox(CC, "C"), Mailbox(TO)))), YES)
    assert len(server.bodies) == 1
    assert [type(outcome) for outcome in found] == [Accepted] * 3
    assert said(server)["personalizations"] == [
        {
            "to": [{"email": TO, "name": "Aya"}],
            "cc": [{"email": CC, "name": "C"}],
            "bcc": [{"email": BCC}],
            "custom_args": {
                "kakitome_message": " ".join(map(message_text, (1, 2, 3))),
                "kakitome_attempt": "3 4 5",
            },
        }
    ]


@pytest.mark.parametrize(("lost", "kind"), [(None, Uncertain), (answer(b"{}", "400 Bad Request"), Rejected)])
def test_siblings_share_their_outcome(lost: bytes | None, kind: type[Outcome]) -> None:
    """A lost reply puts all in doubt, a refusal refuses all."""
    found, _ = played(siblings(TO, CC, BCC), lost)
    assert [type(outcome) for outcome in found] == [kind] * 3


@pytest.mark.parametrize("question", ["ready", "turn", "begin"])
@pytest.mark.parametrize("withdrawn", [0, 1, 2])
def test_who_is_withdrawn_is_left_out(question: str, withdrawn: int) -> None:
    """At any of the three questions: `Released`, named nowhere in the request, and the others go."""
    mails = siblings(TO, CC, BCC)
    found, server = played(mails, YES, wire=ScriptedWire({withdrawn: question}))
    assert [isinstance(outcome, Released) for outcome in found] == [index == withdrawn for index in range(3)]
    [one] = said(server)["personalizations"]
    named = {person["email"] for kind in ("to", "cc", "bcc") for person in one.get(kind, [])}
    assert named == {m.recipient for index, m in enumerate(mails) if index != withdrawn}
    assert len(one["custom_args"]["kakitome_message"].split()) == 2
    assert mails[withdrawn].recipient.encode() not in server.bodies[0]


def test_when_all_are_withdrawn_nothing_goes() -> None:
    """Also at the last moment."""
    found, server = played(siblings(TO, CC), wire=ScriptedWire({0: "begin", 1: "begin"}))
    assert all(isinstance(outcome, Released) for outcome in found)
    assert server.bodies == []


@pytest.mark.parametrize("alone", [TO, CC, BCC])
def test_a_sibling_alone_still_goes(alone: str) -> None:
    """The others were sent or withdrawn: nobody else is named, and whoever is left stands in To."""
    [outcome], server = played(siblings(alone), YES)
    assert isinstance(outcome, Accepted)
    [one] = said(server)["personalizations"]
    assert [person["email"] for person in one["to"]] == [alone]
    assert set(one) == {"to", "custom_args"}


def test_readers_of_bcc_never_see_each_other() -> None:
    """Without anybody of To and Cc each has a personalization of their own, in the same request."""
    found, server = played(siblings(BCC, OTHER), YES)
    assert [type(outcome) for outcome in found] == [Accepted] * 2
    assert [(one["to"], one["custom_args"]["kakitome_message"]) for one in said(server)["personalizations"]] == [
        ([{"email": BCC}], message_text(1)),
        ([{"email": OTHER}], message_text(2)),
    ]


def test_strangers_go_alone() -> None:
    """Other submissions, rows of a list, and a second parcel for the same mailbox have requests of their own."""
    twice = siblings(TO, TO.replace("to@", "TO@"))
    other = msgspec.structs.replace(siblings(CC)[0], message=MessageId(3), siblings=SubmissionId(8))
    rows = [msgspec.structs.replace(one, message=MessageId(one.message + 10)) for one in parcels(2)]
    found, server = played([*twice, other, *rows], *[YES] * 5)
    assert [type(outcome) for outcome in found] == [Accepted] * 5
    assert len(server.bodies) == 5


def test_a_sibling_with_a_bad_address_costs_nobody_else_their_mail() -> None:
    """It is deferred alone; the request of the others does not name it."""
    good, bad, copied = siblings(TO, OTHER, CC)
    bad = msgspec.structs.replace(bad, recipient="a@b.example, c@d.example")
    found, server = played([good, bad, copied], YES)
    assert [type(outcome) for outcome in found] == [Accepted, Deferred, Accepted]
    assert len(server.bodies) == 1


def test_an_error_is_kept_whole_and_without_secrets() -> None:
    """Status, fields, body, latency, id; a key that the far side repeats is blacked out."""
    body = json.dumps({"errors": [{"message": f"authorization: Bearer {KEY}", "field": "from", "help": None}]}).encode()
    [outcome], _ = played(siblings(TO), answer(body, "400 Bad Request", "X-Request-Id: r1", "X-Token: t"))
    assert isinstance(outcome, Rejected)
    reply = outcome.reply
    assert (reply.code, reply.error, reply.request_id, reply.headers["x-token"]) == (400, "from", "r1", "[redacted]")
    assert reply.latency_ms is not None
    assert KEY not in reply.text and "errors" in reply.text


@pytest.mark.parametrize("body", [b"<html>proxy</html>", b'{"errors":"x"}', b"[" * 5000, b"\xff", b""])
def test_an_unreadable_error_is_an_error_all_the_same(body: bytes) -> None:
    """The status decides."""
    [outcome], _ = played(siblings(TO), answer(body, "409 Conflict"))
    assert isinstance(outcome, Deferred)


def test_a_throttle_stops_until_the_reset() -> None:
    """429: the mail is not to blame, what is behind it goes back, and the window's end is told."""
    reset = int(time.time()) + 30
    throttled = answer(b"", "429 Too Many Requests", f"X-RateLimit-Reset: {reset}", "X-RateLimit-Remaining: 0")
    [first, second], server = played(parcels(2), throttled)
    assert isinstance(first, Unavailable)
    assert (first.reason, first.until) == (Unavailability.THROTTLED, reset * 1000)
    assert isinstance(second, Released)
    assert len(server.bodies) == 1


def test_nothing_begins_when_the_window_is_used_up() -> None:
    """`Remaining: 0` behind a yes: the next mail is not begun, and the account waits for the reset."""
    reset = int(time.time()) + 30
    wire = ScriptedWire()
    last = answer(b"", "202 Accepted", "X-Message-Id: a", "X-RateLimit-Remaining: 0", f"X-RateLimit-Reset: {reset}")
    [first, second, third], server = played(parcels(3), last, wire=wire)
    assert isinstance(first, Accepted)
    assert isinstance(second, Unavailable)
    assert second.until == reset * 1000
    assert isinstance(third, Released)
    assert len(server.bodies) == 1
    assert ("begin", 1) not in wire.asked


def test_a_window_that_is_over_is_forgotten() -> None:
    """A reset in the past holds nobody up."""
    over = answer(b"", "202 Accepted", "X-Message-Id: a", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1")
    found, _ = played(parcels(2), over, YES)
    assert [type(outcome) for outcome in found] == [Accepted] * 2


@pytest.mark.parametrize("key", ["", "two\nlines", "鍵"])
def test_a_key_that_no_header_can_carry(key: str) -> None:
    """Said when the lane is made, without the key."""
    with pytest.raises(ConfigurationError) as caught:
        SendGridTransport(SendGridSettings(api_key=key), SystemClock())
    assert not key or key not in str(caught.value)


def test_settings_do_not_show_the_key() -> None:
    """In a log or a traceback."""
    assert KEY not in repr(SendGridSettings(api_key=KEY))
