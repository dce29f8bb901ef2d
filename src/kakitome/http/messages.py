"""Mail is handed in, asked about, and withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post

from kakitome.accept import Handed, accept
from kakitome.core.errors import KakitomeError, Refused, StateError
from kakitome.core.ids import MessageId, message_text, submission_text
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted, MessageView
from kakitome.core.submission import MessageRequest
from kakitome.http.body import read_json
from kakitome.http.edge import Asked, edge
from kakitome.http.problems import problem
from kakitome.http.search import Found, search
from kakitome.ports.ledger import Ledger
from kakitome.status import Status, find, status, status_of

MOST_TOGETHER = 500


class Handle(msgspec.Struct, frozen=True):
    """A message as sending answers it."""

    id: str
    recipient: str | None
    status: str


class Submitted(msgspec.Struct, frozen=True):
    """Durable: keep `id` and ask for it at any time."""

    id: str
    messages: list[Handle]


class BatchEntry(MessageRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    idempotency_key: str | None = None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most 500 entries, each read and judged by itself."""

    messages: list[msgspec.Raw]


class BatchAnswer(msgspec.Struct, frozen=True):
    """In the order of the entries: what a single POST would have answered, a problem's members included."""

    results: list[dict[str, Any]]


_FIELDS = [field.encode_name for field in msgspec.structs.fields(MessageRequest)]
_request = msgspec.json.Decoder(MessageRequest)
_batch = msgspec.json.Decoder(Batch)
_entry = msgspec.json.Decoder(BatchEntry)


@post("/messages", status_code=202)
async def send(request: Asked) -> Response[Submitted]:
    """202 says that the mail is durable. With an `Idempotency-Key`, asking again is harmless for seven days."""
    here = edge(request)
    wanted = read_json(await request.body(), _request, _FIELDS)
    (answer,) = await accept([Handed(wanted, _key(request), request.auth)], here.desk)
    if isinstance(answer, KakitomeError):
        raise answer
    (submitted,) = await _submitted([answer], here.instance.ledger)
    return Response(submitted, status_code=202, headers={"Location": f"/v1/messages/{submitted.id}"})


@post("/messages/batch", status_code=200)
async def send_batch(request: Asked) -> BatchAnswer:
    """One durable write for all entries that are good; the others say what is wrong with them."""
    here = edge(request)
    if "idempotency-key" in request.headers:
        raise Refused("A batch has no key of its own.", "Give each entry its `idempotency_key`.")
    entries = read_json(await request.body(), _batch).messages
    if len(entries) > MOST_TOGETHER:
        raise Refused(f"A batch has at most {MOST_TOGETHER} entries; this one has {len(entries)}.", "Divide it.")
    read = [_read_entry(entry, request.auth) for entry in entries]
    answers = iter(await accept([item for item in read if isinstance(item, Handed)], here.desk))
    all_answers = [next(answers) if isinstance(item, Handed) else item for item in read]
    admitted = [answer for answer in all_answers if isinstance(answer, Admitted)]
    good = iter(await _submitted(admitted, here.instance.ledger))
    return BatchAnswer(
        [
            problem(answer)
            if isinstance(answer, KakitomeError)
            else {"status": 202, **msgspec.structs.asdict(next(good))}
            for answer in all_answers
        ]
    )


def _key(request: Asked) -> str | None:
    """The header in UTF-8, so that 予約/123 is the same key here and in a batch; other bytes as they are."""
    given = request.headers.get("idempotency-key")
    try:
        return None if given is None else given.encode("latin-1").decode()
    except UnicodeError:
        return given


def _read_entry(entry: msgspec.Raw, scope: str) -> Handed | KakitomeError:
    try:
        read = read_json(entry, _entry, [*_FIELDS, "idempotency_key"])
    except KakitomeError as error:
        return error
    # As a plain request: the same mail with the same key is the same, whichever way it comes.
    fields = {name: getattr(read, name) for name in MessageRequest.__struct_fields__}
    return Handed(MessageRequest(**fields), read.idempotency_key, scope)


async def _submitted(admitted: Sequence[Admitted], ledger: Ledger) -> list[Submitted]:
    """As the ledger has them: after a repetition the mail may long be delivered."""
    views = {view.id: view for view in await ledger.reads.messages([id for one in admitted for id in one.messages])}
    return [
        Submitted(submission_text(one.submission), [_handle(id, views.get(id)) for id in one.messages])
        for one in admitted
    ]


def _handle(id: MessageId, view: MessageView | None) -> Handle:
    if view is None:
        return Handle(message_text(id), None, "queued")
    return Handle(message_text(id), view.address, status_of(view))


@get("/messages")
async def look_for(request: Asked) -> Found:
    return await search(request.query_params, edge(request).instance.ledger)


@get("/messages/{asked:str}")
async def tell(request: Asked) -> Status:
    """`asked` is a submission, a message, or what a provider calls it."""
    return await status(request.path_params["asked"], edge(request).instance.ledger)


@post("/messages/{asked:str}/cancel", status_code=200)
async def cancel(request: Asked) -> Status:
    """Withdraw what is not out yet; a second time changes nothing. 409 where nothing could be withdrawn."""
    instance, asked = edge(request).instance, request.path_params["asked"]
    views = await find(asked, instance.ledger)
    who = f"api:{request.auth}"
    concerned = await instance.ledger.messages.cancel([view.id for view in views], who, instance.clock.now())
    if not concerned and not any(view.state is State.CANCELLED for view in views):
        words = ", ".join(sorted({status_of(view) for view in views}))
        raise StateError(f"Nothing of it can be withdrawn any more; it is {words}.", "Ask for its status.")
    return await status(asked, instance.ledger)
