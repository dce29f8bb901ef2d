"""`/u/{token}`: where readers leave a list (RFC 8058). GET and HEAD show a page and change nothing: scanners open every
link of a mail. POST acts, without login, cookie or redirect, and answers when the ledger has it."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import minijinja
from litestar import Response, post, route
from litestar.enums import HttpMethod

from kakitome.app import Instance
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.unsubscribe import ONE_CLICK, PATH
from kakitome.http.edge import Asked, edge
from kakitome.http.leaving_words import EVERYTHING, FACTS, WORDS, State, language
from kakitome.http.problems import RETRY_AFTER
from kakitome.unsubscribe import Exit, Subscription, come_back, leave, look

log = logging.getLogger("kakitome.http.unsubscribe")

BODY_LIMIT = 16 * 1024
COME_BACK = ("Kakitome-Subscribe", "Again")

_PAGES = files("kakitome.http") / "pages"
_STYLE = (_PAGES / "unsubscribe.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_SECURE = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-robots-tag": "noindex",
    "vary": "Accept-Language",
}
_page = minijinja.Environment(
    templates={"page": (_PAGES / "unsubscribe.html").read_text("utf-8")},
    auto_escape_callback=lambda _: True,
    undefined_behavior="strict",
)

Verb = Callable[[str, Exit], Awaitable[Subscription | None]]
_STATUS: dict[State, int] = {"unknown": 404, "trouble": 503, "unclear": 400}


@route(PATH + "{token:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def show_way_out(request: Asked) -> Response[bytes]:
    return await _answer(request, look)


@post(PATH + "{token:str}", status_code=200, request_max_body_size=BODY_LIMIT)
async def take_way_out(request: Asked) -> Response[bytes]:
    """200 once it is durable, as often as one likes; 404 for what is not ours; 503 while the ledger cannot write."""
    said = {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}
    verb = {ONE_CLICK: leave, COME_BACK: come_back}
    wanted = next((verb[pair] for pair in verb if said.get(pair[0]) == pair[1]), None)
    return _shown(request, "unclear") if wanted is None else await _answer(request, wanted)


async def _answer(request: Asked, verb: Verb) -> Response[bytes]:
    try:
        found = await verb(str(request.path_params["token"]), edge(request).instance.exit())
    except LedgerUnavailable as error:
        log.error("%s", error)
        return _shown(request, "trouble")
    return _shown(request, "unknown" if found is None else _state(found), found)


def _state(found: Subscription) -> State:
    if found.scope is None:
        return "single"
    if found.left:
        return "barred" if found.barred else "left"
    return "ask_all" if found.scope == "all" else "ask"


def _shown(request: Asked, state: State, found: Subscription | None = None) -> Response[bytes]:
    tongue = language(request.headers.get("accept-language", ""))
    words = WORDS[tongue][state]
    field, value = COME_BACK if state == "left" else ONE_CLICK
    page = _page.render_template(
        "page",
        language=tongue,
        style=_STYLE,
        heading=words.heading,
        lines=words.lines,
        facts=_facts(edge(request).instance, found, tongue) if found else [],
        button=words.button,
        note=words.note,
        quiet=state == "left",
        field=field,
        value=value,
    )
    status = _STATUS.get(state, 200)
    headers: dict[str, Any] = _SECURE | ({"retry-after": str(RETRY_AFTER)} if status == 503 else {})
    return Response(page.encode(), status_code=status, media_type="text/html", headers=headers)


def _facts(instance: Instance, found: Subscription, tongue: str) -> list[tuple[str, str]]:
    """Who sends, which list, to whom: as much as the mail itself says, and less of the address."""
    mailing = instance.mailing
    sender = mailing.imprint(found.stream).name or instance.sender(found.stream) or ""
    everything = EVERYTHING[tongue] if found.scope == "all" else ""
    values = (sender, everything or mailing.title(found.stream) or found.stream, _veiled(found.address))
    shown = zip(FACTS[tongue], values, strict=True)
    return [(name, value) for k, (name, value) in enumerate(shown) if value and (found.scope or k != 1)]


def _veiled(address: str) -> str:
    """`t…@example.org`: enough to know one's own, not enough to learn another's from a mail that was passed on."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
