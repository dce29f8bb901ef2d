"""Accepting: what a caller hands in becomes messages in the ledger, or an error and nothing at all.

Everything that can be wrong with a mail is found here, while its caller still listens. The answer comes only after
the durable write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kakitome.core.address import Address, address_hash, canonical, parse_address, parse_mailbox
from kakitome.core.content import Content, Mailbox
from kakitome.core.errors import AddressError, ContentError, KakitomeError, NotFound, Refused, TemplateError
from kakitome.core.ids import RunId
from kakitome.core.message import Admitted, NewMessage, Submission
from kakitome.core.mime import mime
from kakitome.core.pacing import Paces
from kakitome.core.policy import HOUR, Policy
from kakitome.core.submission import MOST_RECIPIENTS, MessageRequest, Stored, body_hash
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.queue import Queue
from kakitome.ports.renderer import Renderer

KEY_LIVES = 7 * 24 * HOUR
LONGEST_KEY = 256

StreamOf = Callable[[str], tuple[Policy, str | None]]
"""A stream's policy and its own From; raises `NotFound` for a stream that the configuration does not name."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where mail is handed in."""

    ledger: Ledger
    renderer: Renderer
    queue: Queue
    clock: Clock
    stream: StreamOf
    step: Callable[[str], None] = lambda _: None
    paces: Paces = field(default_factory=Paces)


@dataclass(frozen=True, slots=True)
class Handed:
    """A request with its idempotency key. `scope` is who owns the key: two callers' keys never meet."""

    request: MessageRequest
    key: str | None = None
    scope: str = ""


async def accept(handed: Sequence[Handed], desk: Desk) -> list[Admitted | KakitomeError]:
    """Each request's ids, or what is wrong with it, in order. All good ones are durable when this returns.

    Raises `LedgerUnavailable`: then nothing was acknowledged and the same keys may be handed in again.
    """
    answers: dict[int, Admitted | KakitomeError] = {}
    good: dict[int, Submission] = {}
    hash_key = await desk.ledger.reads.hash_key()
    for index, item in enumerate(handed):
        try:
            good[index] = await _submission(item, hash_key, desk)
        except KakitomeError as error:
            answers[index] = error
    if good:
        desk.step("before_admit")
        admitted = await desk.ledger.messages.admit(list(good.values()), desk.clock.now())
        desk.step("after_admit")
        answers |= dict(zip(good, admitted, strict=True))
        for kind in {desk.stream(handed[index].request.stream)[0].kind for index in good}:
            with suppress(Exception):  # what is acknowledged stays so: workers look for themselves, too
                await desk.queue.ring(kind.value)
    return [answers[index] for index in range(len(handed))]


async def _submission(item: Handed, hash_key: bytes, desk: Desk) -> Submission:
    request, now = item.request, desk.clock.now()
    policy, sender = desk.stream(request.stream)
    if item.key is not None and not 1 <= len(item.key) <= LONGEST_KEY:
        raise Refused(f"An idempotency key has 1 to {LONGEST_KEY} characters.")
    recipients = _recipients(request)
    stored = await _stored(request, sender, desk)
    due, expires = _times(request, policy, now)
    return Submission(
        run=await _run(request.stream, policy, desk),
        messages=tuple(NewMessage(a.given, address_hash(hash_key, canonical(a)), desk.paces.of(a)) for a in recipients),
        content=msgspec.json.encode(stored),
        key=None if item.key is None else f"{item.scope}:{item.key}",
        body_hash=body_hash(request),
        key_until=now + KEY_LIVES,
        due=due,
        expires=expires,
        reference=request.reference,
    )


def _recipients(request: MessageRequest) -> list[Address]:
    """One per envelope recipient; an address that is named twice gets one mail."""
    named = [*request.to, *request.cc, *request.bcc]
    if not named:
        raise AddressError("The mail has no recipient.", "Name at least one in `to`.")
    if len(named) > MOST_RECIPIENTS:
        raise AddressError(
            f"The mail has {len(named)} recipients; one submission takes at most {MOST_RECIPIENTS}.",
            "Send a list as a campaign, or hand in several submissions.",
        )
    first: dict[str, Address] = {}
    for text in named:
        address = parse_address(parse_mailbox(text).address)
        first.setdefault(canonical(address), address)
    return list(first.values())


async def _stored(request: MessageRequest, stream_sender: str | None, desk: Desk) -> Stored:
    """What will be rendered, rendered once now: an error belongs to the caller, not to the worker."""
    if request.template is not None:
        return await _from_template(request, stream_sender, desk)
    if request.subject is None or (request.text is None and request.html is None):
        raise ContentError("The mail needs a subject, and text or html.", "Or name a `template`.")
    sender = request.sender or stream_sender
    if sender is None:
        raise ContentError("The mail has no sender.", "Give `from`, or set `from` for its stream.")
    content = _content(request, parse_mailbox(sender), request.subject, request.text, request.html)
    _dry_run(content)
    return Stored(content=content, tags=request.tags)


async def _from_template(request: MessageRequest, stream_sender: str | None, desk: Desk) -> Stored:
    if (request.subject, request.text, request.html) != (None, None, None):
        raise ContentError("The mail has both a template and a subject, text or html of its own.", "Choose one.")
    assert request.template is not None
    template = await desk.ledger.templates.get(request.template)
    if template is None:
        raise NotFound(f"There is no template {request.template!r}.", "kakitome template list shows those there are.")
    try:
        preview = desk.renderer.of(request.stream).preview(
            template, _texts(request.variables), parse_mailbox([*request.to, *request.cc, *request.bcc][0])
        )
    except TemplateError as error:
        raise TemplateError(f"Template {template.name!r}: {error.what}", error.remedy, **error.data) from error
    sender = request.sender or stream_sender
    kept = _content(request, parse_mailbox(sender) if sender else preview.sender, preview.subject, preview.text, None)
    _dry_run(msgspec.structs.replace(kept, html=preview.html))
    envelope = msgspec.structs.replace(kept, subject="", text="")
    return Stored(content=envelope, template=template.id, variables=request.variables, tags=request.tags)


def _texts(variables: Mapping[str, object]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else str(value) for name, value in variables.items()}


def _content(request: MessageRequest, sender: Mailbox, subject: str, text: str | None, html: str | None) -> Content:
    return Content(
        sender=sender,
        to=tuple(map(parse_mailbox, request.to)),
        cc=tuple(map(parse_mailbox, request.cc)),
        reply_to=tuple(map(parse_mailbox, request.reply_to)),
        subject=subject,
        text=text,
        html=html,
        headers=tuple(request.headers.items()),
        attachments=tuple(request.attachments),
        charset=request.charset,
    )


def _dry_run(content: Content) -> None:
    """Raises what `mime` raises: a header with a line break, a body that cannot be written."""
    mime(content, message_id="<dry-run@kakitome.invalid>", date=datetime.fromisoformat("2000-01-01T00:00:00+00:00"))


def _times(request: MessageRequest, policy: Policy, now: int) -> tuple[int, int | None]:
    due = now if request.send_at is None else _millis(request.send_at, "send_at")
    if request.expires_at is not None:
        expires: int | None = _millis(request.expires_at, "expires_at")
    else:
        expires = max(due, now) + policy.expires_after if policy.expires_after else None
    if expires is not None and expires <= max(due, now):
        raise Refused("The mail would expire before it may be sent.", "Give a later `expires_at`.")
    return due, expires


def _millis(at: datetime, name: str) -> int:
    if at.tzinfo is None:
        raise Refused(f"`{name}` has no offset.", "Write 2026-12-01T09:00:00+09:00 or …Z.")
    return round(at.timestamp() * 1000)


async def _run(stream: str, policy: Policy, desk: Desk) -> RunId:
    found = await desk.ledger.runs.find(f"stream:{stream}")
    if found is None or found.policy != policy:
        found = await desk.ledger.runs.stream(stream, policy, desk.clock.now())
    return found.id
