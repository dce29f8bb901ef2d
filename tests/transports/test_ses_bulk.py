"""Mails of lists that share a request to SES: what comes out, who goes alone, and whom a lost answer puts in doubt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import FixedKeys, Scripted, answer, by_api, scripted, serving, simulated

from kakitome.core.content import Attachment, Charset, Content, Mailbox
from kakitome.core.mime import mime
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
from kakitome.testing.parcels import ScriptedWire, outcomes, parcel
from kakitome.transports.ses import SesSettings, SesTransport
from kakitome.transports.ses_bulk import DATA_LIMIT, GROUP, REQUEST_LIMIT, bulk_body, entry
from kakitome.transports.ses_groups import Alone, Groups
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

_U = Unavailability
BULK = b"POST /v2/email/outbound-bulk-emails "
NAME = "山田屋旅館 ご予約・お問い合わせ窓口（年中無休、午前九時から午後十時まで）"


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mailbox")


@pytest.fixture(scope="module")
def running_simulator(mailbox: Path) -> Iterator[Remote]:
    with running("--mailbox", str(mailbox)) as remote:
        yield remote


@pytest.fixture
def simulator(running_simulator: Remote) -> Remote:
    running_simulator.reset()
    return running_simulator


def listed(number: int, **content: Any) -> Parcel:
    """A mail of a list; `content` changes what it says."""
    one = parcel(number)
    changed = msgspec.structs.replace(one.content, **content)
    return msgspec.structs.replace(one, bulk=True, content=changed)


def requests(server: Scripted) -> list[str]:
    return ["bulk" if head.startswith(BULK) else "raw" for head in server.heads]


def results(*each: dict[str, str]) -> bytes:
    return answer(json.dumps({"BulkEmailEntryResults": each}).encode())


def said(mail: EmailMessage) -> dict[str, Any]:
    """What a reader sees of a mail."""
    parts = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
    bodies = {kind: str(part.get_content()).rstrip("\r\n") for kind, part in parts.items() if part is not None}
    own = ("List-Unsubscribe", "List-Unsubscribe-Post", "X-Campaign", "Feedback-ID")
    # The modern parser puts a space between two encoded-words of a name.
    names = ("Subject", "From", "To", "Reply-To", *own)
    fields = {name: _unfolded(mail, name) for name in names if mail[name] is not None}
    return bodies | fields


def _unfolded(mail: EmailMessage, name: str) -> str:
    raw = next(value for key, value in mail.raw_items() if key.lower() == name.lower())
    return str(make_header(decode_header("".join(str(raw).splitlines()))))


def parsed(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


# ── What comes out ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_comes_out_is_what_goes_raw(simulator: Remote, mailbox: Path) -> None:
    """Subject, both bodies, names and own header fields: of a group as of one alone, character by character."""
    says: dict[str, Any] = {
        "sender": Mailbox("news@example.com", NAME),
        "reply_to": (Mailbox("stay@example.com", "受付、本館"), Mailbox("b@example.com")),
        "subject": "髙島様 ①月の「特別プラン」のご案内 & <5,000円> お得な期間限定のお知らせ 😀",
        "text": "一行目\n\n.点で始まる行\nFrom here on\n& < > \" ' }} { {\n",
        "html": '<p class="a">5 < 6 &amp; &lt;b&gt; 「髙」</p>\n<style>p{color:red}</style>',
        "headers": (
            ("List-Unsubscribe", "<https://example.com/u/abc>, <mailto:leave@example.com>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("X-Campaign", "秋のキャンペーン " * 8),
        ),
    }
    alone = listed(1, **says)
    made = mime(alone.content, message_id="<one@example.com>", date=datetime(2026, 1, 2, tzinfo=UTC))
    alone = msgspec.structs.replace(alone, bulk=False, raw=made)
    both = [listed(2, **says), listed(3, **says)]
    for mail in both:
        assert entry(mail) is not None
    sent = simulated(simulator, [alone, *both])
    ids = [one.provider_message_id for one in sent if isinstance(one, Accepted)]
    raw, *grouped = (said(parsed((mailbox / f"{id}.eml").read_bytes())) for id in ids)
    for number, one in zip((2, 3), grouped, strict=True):
        assert one.pop("To") == f"reader-{number}@example.com"
        assert one == {name: value for name, value in raw.items() if name != "To"}
    assert {(taken.message, taken.attempt) for taken in simulator.accepted()} == {
        (mail.correlation["kakitome_message"], "3") for mail in (alone, *both)
    }


@settings(max_examples=40, deadline=None)
@given(
    subject=st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=80),
    text=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200),
)
def test_any_words_fit_into_the_holes(subject: str, text: str) -> None:
    """What stands in the request's data is what was rendered, whatever it is; else the mail goes alone."""
    made = entry(listed(1, subject=subject, text=text))
    if made is None:
        assert "{{" in subject + text
        return
    body = json.loads(bulk_body([made], "set"))
    data = body["BulkEmailEntries"][0]["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"]
    assert json.loads(data) == {"subject": subject, "text": text}


def test_the_request_is_what_send_bulk_email_asks_for() -> None:
    """Checked against the service model that the SDKs ship; only the parts that there are have a hole."""
    import botocore.session
    from botocore.validate import ParamValidator

    made = [entry(listed(number, html=None, reply_to=(Mailbox("a@example.com"),))) for number in (1, 2)]
    body = json.loads(bulk_body([one for one in made if one is not None], "Marketing"))
    model = botocore.session.get_session().get_service_model("sesv2").operation_model("SendBulkEmail")
    report = ParamValidator().validate(body, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert body["DefaultContent"]["Template"]["TemplateContent"] == {"Subject": "{{subject}}", "Text": "{{text}}"}
    assert body["ConfigurationSetName"] == "Marketing"
    assert [one["Name"] for one in body["BulkEmailEntries"][0]["ReplacementTags"]] == [
        "kakitome_message",
        "kakitome_attempt",
    ]


# ── Who goes alone ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "mail",
    [
        parcel(1),
        listed(1, attachments=(Attachment("a.pdf", "application/pdf", b"%PDF"),)),
        listed(1, charset=Charset.ISO_2022_JP),
        listed(1, cc=(Mailbox("c@example.com"),)),
        listed(1, to=(Mailbox("someone-else@example.com"),)),
        listed(1, to=(Mailbox("reader-1@example.com"), Mailbox("b@example.com"))),
        listed(1, to=()),
        listed(1, html="x" * DATA_LIMIT),
        listed(1, html="<p>{{name}}</p>"),
        listed(1, headers=tuple((f"X-{place}", "x") for place in range(16))),
        listed(1, headers=(("X-Long", "x" * 991),)),
        listed(1, headers=(("X-Long", "長" * 400),)),
        listed(1, sender=Mailbox("news@example.com", "名" * 120)),
    ],
    ids=lambda mail: str(mail.content.to)[:10],
)
def test_what_this_form_cannot_say_goes_raw(mail: Parcel) -> None:
    """Not a list's, attachments, another charset, header and envelope that differ, or beyond a limit of SES."""
    assert entry(mail) is None
    assert entry(listed(1, html="<p>name</p>")) is not None


def test_groups_have_limits() -> None:
    """Fifty at most, a megabyte at most, one author each; nobody is left behind or taken twice."""
    many = [listed(number) for number in range(1, 121)]
    other = [listed(200, sender=Mailbox("other@example.com"))]
    large = [listed(300 + number, html="長" * 80_000) for number in range(6)]
    groups = Groups([*many, *other, *large], Alone())
    taken = iter(groups.take, [])
    found = list(taken)
    assert sorted(index for group in found for index in group) == list(range(127))
    assert all(1 <= len(group) <= GROUP for group in found)
    assert [120] in found
    for group in found:
        assert len(bulk_body(groups.entries(group), "x" * 64)) <= REQUEST_LIMIT


def test_mails_of_both_kinds_go_side_by_side() -> None:
    """One request for those that may share one, one each for the others."""
    mails = [listed(1), parcel(2), listed(3)]
    both = results({"Status": "SUCCESS", "MessageId": "b1"}, {"Status": "SUCCESS", "MessageId": "b3"})
    sent, server = scripted(mails, both, answer(b'{"MessageId":"r2"}'))
    assert [one.provider_message_id for one in sent if isinstance(one, Accepted)] == ["b1", "r2", "b3"]
    assert requests(server) == ["bulk", "raw"]


def test_without_bulk_everything_goes_raw(simulator: Remote) -> None:
    """`[lanes.X] bulk = false`, and the capability says so."""
    assert all(isinstance(one, Accepted) for one in simulated(simulator, [listed(1), listed(2)], bulk=False))
    assert simulator.accepted()[0].size == len(listed(1).raw)
    for bulk, group in ((True, GROUP), (False, 1)):
        transport = SesTransport(SesSettings(region="us-east-1", bulk=bulk), FixedKeys(), SystemClock())
        assert transport.capabilities.group == group


# ── The wire ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("question", ["ready", "turn", "begin"])
def test_whom_the_wire_refuses_is_left_out(simulator: Remote, question: str) -> None:
    """At whichever question: `Released`, and the others of the group go without them."""
    refused = {0, 3, 4}
    sent = simulated(
        simulator, [listed(number) for number in range(1, 7)], ScriptedWire(dict.fromkeys(refused, question))
    )
    assert [isinstance(one, Released) for one in sent] == [index in refused for index in range(6)]
    assert sorted(taken.recipient for taken in simulator.accepted()) == [
        f"reader-{index + 1}@example.com" for index in range(6) if index not in refused
    ]


def test_nothing_is_sent_where_all_are_refused(simulator: Remote) -> None:
    """Not even an empty request."""
    sent = simulated(simulator, [listed(1), listed(2)], ScriptedWire({0: "begin", 1: "begin"}))
    assert all(isinstance(one, Released) for one in sent)
    assert simulator.state()["mails"] == 0


def test_all_begin_directly_before_the_write(simulator: Remote) -> None:
    """Between the first `begin` of a group and the last nothing else is asked, and nobody has any of the mails."""
    early: list[int] = []
    wire = ScriptedWire(watch=lambda index: early.extend([index] * bool(simulator.accepted())))
    simulated(simulator, [listed(number) for number in range(1, 11)], wire)
    assert not early
    questions = [question for question, _ in wire.asked]
    begins = [place for place, question in enumerate(questions) if question == "begin"]
    assert len(begins) == 10
    groups = len({head for head in begins if head - 1 not in begins})
    assert groups <= len([place for place, question in enumerate(questions) if question == "turn"])
    assert sorted(index for question, index in wire.asked if question == "begin") == list(range(10))


class Slots(ScriptedWire):
    """The first five have their turn at once; the others when those are on the wire."""

    def __init__(self) -> None:
        super().__init__()
        self._first = asyncio.Event()
        self._begun = 0

    async def turn(self, index: int) -> bool:
        if index >= 5:
            await self._first.wait()
        return self._answer("turn", index)

    def begin(self, index: int) -> bool:
        self._begun += 1
        if self._begun == 5:
            self._first.set()
        return super().begin(index)


def test_who_has_to_wait_goes_with_the_next_group() -> None:
    """Slots come in groups of the account's rate: the first five are not held up for the sixth's slot."""
    five = [{"Status": "SUCCESS", "MessageId": f"m{place}"} for place in range(5)]

    async def batch() -> list[Outcome]:
        async with serving(server) as port:
            return await by_api(port, [listed(number) for number in range(1, 11)], Slots())

    server = Scripted(results(*five), results(*five))
    sent = asyncio.run(batch())
    assert all(isinstance(one, Accepted) for one in sent)
    assert [len(json.loads(body)["BulkEmailEntries"]) for body in server.bodies] == [5, 5]


# ── The answer ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["lose_reply", "reset", "error:500", "error_after_accept:502"])
def test_a_lost_answer_puts_exactly_its_group_in_doubt(simulator: Remote, fault: str) -> None:
    """All that shared the request are in doubt and nobody else; what SES has, it has once."""
    simulator.faults([f"{fault}@recipient=reader-7@*"])
    wire = ScriptedWire()
    mails = [*(listed(number) for number in range(1, 13)), parcel(20), listed(21, sender=Mailbox("b@example.com"))]
    sent = simulated(simulator, mails, wire)
    doubted = {index for index, one in enumerate(sent) if isinstance(one, Uncertain)}
    assert doubted == set(range(12))
    assert all(isinstance(one, Accepted) for one in sent[12:])
    taken = [one.recipient for one in simulator.accepted()]
    assert len(set(taken)) == len(taken) == (2 if fault in ("reset", "error:500") else 14)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("MESSAGE_REJECTED", Rejected),
        ("MAIL_FROM_DOMAIN_NOT_VERIFIED", _U.IDENTITY),
        ("CONFIGURATION_SET_NOT_FOUND", _U.CONFIGURATION),
        ("TEMPLATE_NOT_FOUND", _U.CONFIGURATION),
        ("ACCOUNT_SUSPENDED", _U.SUSPENDED),
        ("ACCOUNT_THROTTLED", _U.THROTTLED),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", _U.QUOTA),
        ("INVALID_SENDING_POOL_NAME", _U.CONFIGURATION),
        ("ACCOUNT_SENDING_PAUSED", _U.PAUSED),
        ("CONFIGURATION_SET_SENDING_PAUSED", _U.PAUSED),
        ("INVALID_PARAMETER", Deferred),
        ("TRANSIENT_FAILURE", Deferred),
        ("FAILED", Deferred),
        ("A_STATUS_OF_TOMORROW", Uncertain),
        ("SUCCESS", Uncertain),
        (None, Uncertain),
    ],
)
def test_each_entry_has_an_outcome_of_its_own(status: str | None, expected: Unavailability | type[Outcome]) -> None:
    """By its status; one without an id is a doubt, whatever is said of the others."""
    odd = {"Error": "words"} | ({"Status": status} if status else {})
    sent, _ = scripted([listed(1), listed(2)], results(odd, {"Status": "SUCCESS", "MessageId": "m2"}))
    assert isinstance(sent[1], Accepted)
    assert sent[1].provider_message_id == "m2"
    if isinstance(expected, Unavailability):
        assert isinstance(sent[0], Unavailable)
        assert sent[0].reason is expected
    else:
        assert isinstance(sent[0], expected)


def test_every_status_of_the_service_model_has_a_meaning() -> None:
    """None of those that botocore knows comes out as a doubt."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sesv2")
    statuses = set(model.shape_for("BulkEmailStatus").enum) - {"SUCCESS"}
    sent, _ = scripted(
        [listed(number + 1) for number in range(len(statuses))], results(*({"Status": s} for s in statuses))
    )
    assert not [one for one in sent if isinstance(one, Uncertain | Accepted)]


@pytest.mark.parametrize(
    "words",
    [
        results({"Status": "SUCCESS", "MessageId": "m1"}),
        answer(b"{}"),
        answer(b"<html>Welcome to this hotel's network</html>"),
        answer(b'{"BulkEmailEntryResults":[1,null]}'),
        answer(b"", "204 No Content"),
    ],
)
def test_an_answer_that_names_not_each_is_a_doubt_for_all(words: bytes) -> None:
    """Fewer results than entries, or something else altogether: nobody knows whose they are."""
    sent, _ = scripted([listed(1), listed(2)], words)
    assert all(isinstance(one, Uncertain) for one in sent)


def test_a_group_that_is_refused_as_a_request_fails_nobody() -> None:
    """Which mail is at fault shows alone: all are deferred, and next time none of them shares a request."""
    refusal = answer(b'{"message":"Invalid input"}', "400 Bad Request", "X-Amzn-ErrorType: BadRequestException")

    async def batches() -> tuple[list[Outcome], list[Outcome]]:
        async with serving(server) as port:
            settings = SesSettings(region="us-east-1", endpoint=f"http://127.0.0.1:{port}", connections=1)
            transport = SesTransport(settings, FixedKeys(), SystemClock())
            try:
                first = await outcomes(transport, mails, ScriptedWire())
                return first, await outcomes(transport, [*mails, listed(9)], ScriptedWire())
            finally:
                await transport.close()

    mails = [listed(1), listed(2)]
    server = Scripted(refusal, answer(), refusal, results({"Status": "SUCCESS", "MessageId": "m9"}))
    first, again = asyncio.run(batches())
    assert all(isinstance(one, Deferred) for one in first)
    assert [type(one) for one in again] == [Accepted, Rejected, Accepted]
    assert requests(server) == ["bulk", "raw", "raw", "bulk"]


def test_keys_that_may_not_send_groups_send_alone() -> None:
    """`ses:SendEmail` is allowed and the other is not: deferred once, and from then on everything goes raw."""
    denied = answer(b'{"message":"not authorized"}', "403 Forbidden", "X-Amzn-ErrorType: AccessDeniedException")

    async def batches() -> tuple[list[Outcome], list[Outcome]]:
        async with serving(server) as port:
            settings = SesSettings(region="us-east-1", endpoint=f"http://127.0.0.1:{port}", connections=1)
            transport = SesTransport(settings, FixedKeys(), SystemClock())
            try:
                first = await outcomes(transport, [listed(1)], ScriptedWire())
                return first, await outcomes(transport, [listed(1), listed(2)], ScriptedWire())
            finally:
                await transport.close()

    server = Scripted(denied, answer(), answer(b'{"MessageId":"2"}'))
    first, again = asyncio.run(batches())
    assert isinstance(first[0], Deferred)
    assert all(isinstance(one, Accepted) for one in again)
    assert requests(server) == ["bulk", "raw", "raw"]


def test_a_throttled_group_stops_the_lane(simulator: Remote) -> None:
    """Who was taken is taken, who was throttled waits, and no further request is made of the batch."""
    simulator.limit(rate=3)
    try:
        sent = simulated(simulator, [*(listed(number) for number in range(1, 6)), parcel(7)])
    finally:
        simulator.limit(rate=None)
    assert [isinstance(one, Accepted) for one in sent] == [True] * 3 + [False] * 3
    assert isinstance(sent[-1], Released)
    assert {one.reason for one in sent if isinstance(one, Unavailable)} == {_U.THROTTLED}


def test_a_lane_that_is_not_there_is_told_of_each() -> None:
    """Nobody listens: certain for the whole group, and nothing has begun."""
    wire = ScriptedWire()
    sent = asyncio.run(by_api(9, [listed(1), listed(2)], wire))
    assert all(isinstance(one, Unavailable) for one in sent)
    assert "begin" not in {question for question, _ in wire.asked}


def test_the_unverified_recipient_of_a_sandbox_is_told_apart(simulator: Remote) -> None:
    """The words of an entry count as those of SendEmail do."""
    simulator.limit(sandbox=True, rate=100)
    try:
        (sent,) = simulated(simulator, [listed(1)])
    finally:
        simulator.limit(sandbox=False, rate=None)
    assert isinstance(sent, Unavailable)
    assert sent.reason is _U.SANDBOX


def test_content_is_a_struct_of_what_is_said() -> None:
    """Whoever adds a part to `Content` says here whether a group can carry it."""
    assert set(Content.__struct_fields__) == {
        "sender", "to", "subject", "text", "html", "cc", "reply_to", "headers", "attachments", "charset",
    }  # fmt: skip
