"""`send` and `status`: one mail."""

from __future__ import annotations

import mimetypes
from argparse import Namespace
from pathlib import Path

from kakitome.accept import Handed, accept
from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import Out, exact
from kakitome.core.content import Attachment
from kakitome.core.errors import ContentError, KakitomeError
from kakitome.core.ids import message_text, submission_text
from kakitome.core.message import Admitted, MessageView
from kakitome.core.submission import MessageRequest
from kakitome.status import MessageStatus, status_of
from kakitome.status import status as asking
from kakitome.story import words


async def send(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        await hand_in(_request(args), args.idempotency_key, instance, out)
        await session.say_if_idle(instance, args, out)
    return 0


async def hand_in(request: MessageRequest, key: str | None, instance: Instance, out: Out) -> None:
    """Accept, and answer as the API does."""
    answer = (await accept([Handed(request, key, scope="cli")], instance.desk()))[0]
    if isinstance(answer, KakitomeError):
        raise answer
    views = await instance.ledger.reads.messages(answer.messages)
    if out.json:
        out.document(_answer(answer, views))
        return
    out.line(submission_text(answer.submission) + ("" if answer.fresh else "  (handed in before with this key)"))
    out.table(("", "", ""), [(message_text(v.id), v.address or "–", status_of(v)) for v in views])


def _answer(admitted: Admitted, views: list[MessageView]) -> dict[str, object]:
    return {
        "id": submission_text(admitted.submission),
        "messages": [{"id": message_text(v.id), "recipient": v.address, "status": status_of(v)} for v in views],
    }


def _request(args: Namespace) -> MessageRequest:
    return MessageRequest(
        sender=args.sender,
        to=args.to,
        cc=args.cc,
        bcc=args.bcc,
        reply_to=args.reply_to,
        subject=args.subject,
        text=args.text,
        html=args.html,
        template=args.template,
        variables=dict(args.var),
        headers=dict(args.header),
        attachments=[_attachment(Path(name)) for name in args.attach],
        stream=args.stream,
        reference=args.reference,
        send_at=args.send_at,
        expires_at=args.expires_at,
    )


def _attachment(path: Path) -> Attachment:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContentError(f"{path} cannot be attached: {error.strerror}.", "Look at the path.") from error
    kind, encoding = mimetypes.guess_type(path.name)
    return Attachment(path.name, kind if kind and not encoding else "application/octet-stream", content)


async def status(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        found = await asking(args.id, instance.ledger)
    if out.json:
        out.document(found)
        return 0
    for message in found.messages:
        _show(message, out)
    return 0


def _show(message: MessageStatus, out: Out) -> None:
    out.line(f"{message.id}  {message.recipient or '–'}: {message.status.replace('_', ' ')}\n")
    lines = [line for moment in message.timeline for line in words(moment)]
    out.table(("", ""), [(exact(at), what) for at, what in sorted(lines, key=lambda line: line[0])])
    if message.copies_possible:
        out.line("\n  More than one copy may have gone out.")
    out.line()
