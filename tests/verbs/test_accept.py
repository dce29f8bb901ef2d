"""What is handed in becomes messages, or an error and nothing at all, while its caller still listens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from workshop import DAY, HOUR, SECOND, START, Workshop

from kakitome.accept import KEY_LIVES, Desk, Handed, accept
from kakitome.core.content import Attachment
from kakitome.core.errors import (
    AddressError,
    ContentError,
    HeaderError,
    IdempotencyConflict,
    KakitomeError,
    LedgerUnavailable,
    NotFound,
    Refused,
    TemplateError,
)
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted
from kakitome.core.policy import Kind, Policy
from kakitome.core.submission import MOST_RECIPIENTS, MessageRequest
from kakitome.core.template import TemplateSource
from kakitome.core.unsubscribe import Letterhead
from kakitome.rendering.renderer import TemplateRenderer
from kakitome.rendering.stationery import Stationery

NOW = datetime.fromtimestamp(START / 1000, UTC)
JST = timezone(timedelta(hours=9))


def request(**fields: Any) -> MessageRequest:
    values = {"sender": "a@example.com", "to": ["b@example.com"], "subject": "Hi", "text": "x"}
    return MessageRequest(**(values | fields))


async def hand_in(shop: Workshop, *handed: Handed) -> list[Admitted | KakitomeError]:
    return await accept(handed, shop.desk)


async def one(shop: Workshop, key: str | None = None, scope: str = "", **fields: Any) -> Admitted | KakitomeError:
    [answer] = await hand_in(shop, Handed(request(**fields), key, scope))
    return answer


def refused(kind: type[KakitomeError], shop: Workshop | None = None, key: str | None = None, **fields: Any) -> str:
    """What the error says; nothing of the mail is in the ledger."""

    async def run() -> str:
        place = shop or Workshop()
        answer = await one(place, key, **fields)
        assert type(answer) is kind, answer
        assert "admit" not in place.log
        assert place.book.messages == {}
        return str(answer)

    return asyncio.run(run())


def taken(policy: Policy | None = None, **fields: Any) -> Workshop:
    async def run() -> Workshop:
        shop = Workshop(policy)
        answer = await one(shop, **fields)
        assert isinstance(answer, Admitted), answer
        return shop

    return asyncio.run(run())


def addresses(shop: Workshop) -> list[str]:
    return [message.address for message in shop.book.messages.values()]


# ── Recipients ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_message_per_envelope_recipient() -> None:
    """To, Cc and Bcc alike, in the order given."""
    shop = taken(to=["Aoi <a@example.com>", "b@example.com"], cc=["c@example.com"], bcc=["d@example.com"])
    assert addresses(shop) == ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]


def test_who_is_named_twice_gets_one_mail_in_its_first_place() -> None:
    """In any spelling that is the same mailbox's domain, in To and in Bcc."""
    shop = taken(to=["a@example.com", "b@example.com"], cc=["b@EXAMPLE.com"], bcc=["a@example.com", "c@example.com"])
    assert addresses(shop) == ["a@example.com", "b@example.com", "c@example.com"]


def test_fifty_recipients_and_not_one_more() -> None:
    """Counted as they are named, To, Cc and Bcc together."""
    many = [f"r{n}@example.com" for n in range(MOST_RECIPIENTS)]
    assert len(addresses(taken(to=many[:20], cc=many[20:30], bcc=many[30:]))) == 50
    assert "51 recipients" in refused(AddressError, to=many, bcc=["x@example.com"])


def test_a_mail_needs_a_recipient_that_is_an_address() -> None:
    """The error names what was wrong."""
    refused(AddressError, to=[])
    refused(AddressError, to=["nobody"])
    refused(AddressError, to=["b@example.com"], bcc=["c@example.com\r\nBcc: d@example.com"])


def test_only_bcc_is_enough() -> None:
    """Also with a template: nobody stands in To, and the mail is made all the same."""

    async def run() -> None:
        shop = Workshop()
        await template(shop)
        bcc: dict[str, Any] = {"to": [], "bcc": ["b@example.com"]}
        plain = await one(shop, **bcc)
        filled = await one(shop, **bcc, subject=None, text=None, template="hello", variables={"name": "Aoi"})
        assert isinstance(plain, Admitted)
        assert isinstance(filled, Admitted), filled
        shop.numbers |= {id: n for n, id in enumerate((*plain.messages, *filled.messages))}
        await shop.deliver()
        assert await shop.states([*plain.messages, *filled.messages]) == [State.SENT] * 2
        assert [p.content.to for p in shop.transport.written] == [(), ()]

    asyncio.run(run())


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_key_and_body_are_the_same_message() -> None:
    """However often; other fields' order and another batch do not matter."""

    async def run() -> None:
        shop = Workshop()
        first = await one(shop, "order-1", variables={"a": 1, "b": 2})
        again = await one(shop, "order-1", variables={"b": 2, "a": 1})
        assert isinstance(first, Admitted)
        assert again == msgspec.structs.replace(first, fresh=False)
        assert len(shop.book.messages) == 1

    asyncio.run(run())


def test_the_same_key_and_another_body_is_a_conflict() -> None:
    """And stores nothing."""

    async def run() -> None:
        shop = Workshop()
        await one(shop, "order-1")
        assert isinstance(await one(shop, "order-1", subject="Other"), IdempotencyConflict)
        assert len(shop.book.messages) == 1

    asyncio.run(run())


def test_keys_of_two_callers_never_meet() -> None:
    """A key is scoped to who uses it."""

    async def run() -> None:
        shop = Workshop()
        first, second = await one(shop, "1", "hotel"), await one(shop, "1", "restaurant", subject="Other")
        assert isinstance(first, Admitted)
        assert isinstance(second, Admitted)
        assert first.messages != second.messages

    asyncio.run(run())


def test_a_key_lives_for_seven_days() -> None:
    """Then it names another mail."""

    async def run() -> None:
        shop = Workshop()
        first = await one(shop, "order-1")
        shop.clock.jump(KEY_LIVES - 1)
        known = await one(shop, "order-1")
        shop.clock.jump(1)
        fresh = await one(shop, "order-1")
        assert isinstance(first, Admitted)
        assert isinstance(known, Admitted)
        assert isinstance(fresh, Admitted)
        assert (known.messages == first.messages, fresh.messages == first.messages) == (True, False)
        assert KEY_LIVES == 7 * DAY

    asyncio.run(run())


@pytest.mark.parametrize("key", ["", "k" * 257])
def test_a_key_has_1_to_256_characters(key: str) -> None:
    """An empty header is no key by mistake."""
    refused(Refused, key=key)


def test_without_a_key_every_hand_over_is_a_mail() -> None:
    """Equal mails may be meant."""

    async def run() -> None:
        shop = Workshop()
        for _ in range(2):
            await one(shop)
        assert len(shop.book.messages) == 2

    asyncio.run(run())


# ── Times ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_send_at_is_when_it_is_due() -> None:
    """In whatever offset it was written; before that nobody sends it."""

    async def run() -> None:
        shop = Workshop()
        answer = await one(shop, send_at=(NOW + timedelta(hours=1)).astimezone(JST))
        assert isinstance(answer, Admitted)
        [view] = await shop.views(answer.messages)
        assert view.due == START + HOUR
        assert (await shop.deliver()).claimed == 0

    asyncio.run(run())


def test_a_time_without_an_offset_is_refused() -> None:
    """Nine hours too early is not what was meant."""
    for name in ("send_at", "expires_at"):
        naive: dict[str, Any] = {name: datetime(2030, 1, 1)}
        assert name in refused(Refused, **naive)


@pytest.mark.parametrize(
    ("fields", "expires"),
    [
        ({}, START + HOUR),
        ({"send_at": NOW + timedelta(hours=5)}, START + 6 * HOUR),
        ({"send_at": NOW - timedelta(hours=5)}, START + HOUR),
        ({"expires_at": NOW + timedelta(seconds=1)}, START + SECOND),
    ],
    ids=["by the stream", "from when it may be sent", "and not from the past", "by its own word"],
)
def test_when_a_mail_expires(fields: dict[str, Any], expires: int) -> None:
    """By its own word, else by its stream's, counted from when it may be sent."""
    shop = taken(Policy(expires_after=HOUR), **fields)
    assert [message.expires for message in shop.book.messages.values()] == [expires]


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_at": NOW},
        {"expires_at": NOW - timedelta(seconds=1)},
        {"send_at": NOW + timedelta(hours=2), "expires_at": NOW + timedelta(hours=1)},
    ],
)
def test_what_would_expire_before_it_may_go_is_refused(fields: dict[str, Any]) -> None:
    """Its caller hears of it now, not its reader never."""
    refused(Refused, **fields)


# ── Contents ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def template(shop: Workshop) -> None:
    """A template `hello` that reads `name`."""
    source = TemplateSource(name="hello", sender="t@example.com", subject="Hello {{ name }}", text="Dear {{ name }},\n")
    await shop.ledger.templates.put("hello", "d", msgspec.json.encode(source), START)


def from_template(variables: dict[str, Any], **fields: Any) -> tuple[Workshop, Admitted | KakitomeError]:
    async def run() -> tuple[Workshop, Admitted | KakitomeError]:
        shop = Workshop()
        await template(shop)
        values = {"subject": None, "text": None, "sender": None, "template": "hello"}
        return shop, await one(shop, **(values | {"variables": variables} | fields))

    return asyncio.run(run())


def test_a_template_is_run_dry() -> None:
    """An error in it, or a variable that it lacks, is the caller's to hear, with its name."""
    shop, answer = from_template({"nom": "Aoi"})
    assert isinstance(answer, TemplateError)
    assert "hello" in str(answer)
    assert "name" in str(answer)
    assert shop.book.messages == {}
    assert isinstance(from_template({"name": "Aoi"})[1], Admitted)


def test_a_template_may_say_who_the_streams_owner_is() -> None:
    """`sender_…` is each stream's own: taken where its owner has one, refused where nobody has."""

    async def secret() -> bytes:
        return b"a secret"

    def letterhead(stream: str) -> Letterhead:
        given = {"sender_name": "Kakitome Inn"} if stream == "inn" else {}
        return Letterhead(public="https://mail.example.com", given=given)

    async def run() -> None:
        shop = Workshop()
        shop.renderer = TemplateRenderer(shop.ledger.templates, shop.ledger.messages, Stationery(letterhead, secret))
        source = TemplateSource(name="hello", sender="t@example.com", subject="Hello", text="{{ sender_name }}\n")
        await shop.ledger.templates.put("hello", "d", msgspec.json.encode(source), START)
        mail: dict[str, Any] = {"subject": None, "text": None, "sender": None, "template": "hello"}
        assert isinstance(await one(shop, stream="inn", **mail), Admitted)
        nobodys = await one(shop, stream="other", **mail)
        assert isinstance(nobodys, TemplateError) and "sender_name" in str(nobodys)

    asyncio.run(run())


def test_what_a_template_makes_of_its_variables_must_be_a_mail() -> None:
    """A line break in the subject is found now."""
    shop, answer = from_template({"name": "Aoi\r\nBcc: everyone@example.com"})
    assert isinstance(answer, HeaderError | TemplateError)
    assert shop.book.messages == {}


def test_the_version_is_pinned() -> None:
    """What was run dry is what goes out, though the template is changed meanwhile."""

    async def run() -> None:
        shop = Workshop()
        await template(shop)
        ids = await shop.mail(subject=None, text=None, template="hello", variables={"name": "Aoi"})
        changed = TemplateSource(name="hello", sender="t@example.com", subject="Changed {{ nom }}", text="{{ nom }}")
        await shop.ledger.templates.put("hello", "e", msgspec.json.encode(changed), START)
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT]
        [parcel] = shop.transport.written
        assert (parcel.content.subject, parcel.content.text) == ("Hello Aoi", "Dear Aoi,\n")

    asyncio.run(run())


def test_a_template_that_is_not_there_and_a_stream_that_is_not_there() -> None:
    """Named, so that the slip of the pen is seen."""
    assert "“" not in refused(NotFound, subject=None, text=None, template="helo")
    refused(NotFound, stream="unknown")


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": None},
        {"text": None},
        {"sender": None},
        {"template": "hello"},
        {"text": "half a surrogate \ud800"},
        {"attachments": [Attachment("a.pdf", "not a type", b"x")]},
        {"attachments": [Attachment("a.eml", "message/rfc822", b"x")]},
    ],
    ids=["no subject", "no body", "no sender", "both", "surrogate", "content type", "a mail as a part"],
)
def test_what_cannot_become_a_mail_is_refused(fields: dict[str, Any]) -> None:
    """Now, and with what is missing."""
    refused(ContentError, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "Hi\r\nBcc: everyone@example.com"},
        {"headers": {"X-A": "b\nBcc: everyone@example.com"}},
        {"headers": {"Bcc": "everyone@example.com"}},
        {"attachments": [Attachment("a\r\nX: y.pdf", "application/pdf", b"x")]},
    ],
    ids=["subject", "header", "a header of ours", "file name"],
)
def test_no_header_is_smuggled_in(fields: dict[str, Any]) -> None:
    """Whatever field it hides in."""
    refused(HeaderError, **fields)


def test_attachments_travel_as_they_are() -> None:
    """Byte by byte, to every recipient."""
    data = bytes(range(256))

    async def run() -> None:
        shop = Workshop()
        await shop.mail(to=["b@example.com", "c@example.com"], attachments=[Attachment("é.bin", "a/b", data)])
        await shop.deliver()
        assert [p.content.attachments for p in shop.transport.written] == [(Attachment("é.bin", "a/b", data),)] * 2

    asyncio.run(run())


# ── Batches and the durable write ───────────────────────────────────────────────────────────────────────────────────


def test_each_of_a_batch_succeeds_or_fails_by_itself() -> None:
    """In order, and the good ones in one write."""

    async def run() -> None:
        shop = Workshop()
        answers = await hand_in(
            shop, Handed(request()), Handed(request(to=["nobody"])), Handed(request(), "k"), Handed(request(), "k")
        )
        assert [type(answer) for answer in answers] == [Admitted, AddressError, Admitted, Admitted]
        assert answers[2].messages == answers[3].messages  # type: ignore[union-attr]
        assert shop.log.count("admit") == 1

    asyncio.run(run())


def test_without_the_ledger_nothing_is_acknowledged() -> None:
    """Whoever hands in is told so, and may come again with the same keys."""

    async def run() -> None:
        shop = Workshop()
        shop.watched.trouble["admit"] = [LedgerUnavailable("The disk is full.")]
        with pytest.raises(LedgerUnavailable):
            await one(shop, "k")
        assert isinstance(await one(shop, "k"), Admitted)
        assert len(shop.book.messages) == 1

    asyncio.run(run())


def test_the_bell_rings_behind_the_write() -> None:
    """Once for the kind of mail that came; a bell for what is not there yet would be heard too early."""

    async def run() -> None:
        shop = Workshop(Policy(kind=Kind.BULK))
        ring = shop.queue.ring

        async def ringing(bell: str) -> None:
            shop.log.append(f"ring {bell}")
            await ring(bell)

        shop.queue.ring = ringing  # type: ignore[method-assign]
        await hand_in(shop, Handed(request()), Handed(request()))
        assert shop.log[-2:] == ["admit", "ring bulk"]

    asyncio.run(run())


def test_a_bell_that_does_not_work_does_not_unsay_what_was_taken() -> None:
    """The queue may lose, and the ledger has it: an error would make its caller hand it in again."""

    async def run() -> None:
        shop = Workshop()

        class Broken:
            idle = 1.0

            async def ring(self, bell: str) -> None:
                raise ConnectionError("The queue is gone.")

            async def wait(self, bell: str, seconds: float) -> bool:
                return False

            async def close(self) -> None:
                return None

        desk = Desk(shop.ledger, shop.renderer, Broken(), shop.clock, shop.stream_of)
        [answer] = await accept([Handed(request())], desk)
        assert isinstance(answer, Admitted)

    asyncio.run(run())
