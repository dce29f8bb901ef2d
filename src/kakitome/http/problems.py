"""Errors as RFC 9457 problems: one table says which status each kind of error has."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from kakitome.core.errors import (
    AddressError,
    ConfigurationError,
    ContentError,
    EventRefused,
    HeaderError,
    IdempotencyConflict,
    KakitomeError,
    LedgerUnavailable,
    ListError,
    NotFound,
    Pruned,
    Refused,
    SearchNeedsKey,
    StateError,
    TemplateError,
)
from kakitome.sources.certificates import CertificateUnavailable
from kakitome.sources.sns_confirmation import SubscriptionUnconfirmed

log = logging.getLogger("kakitome.http")

RETRY_AFTER = 5  # seconds


class Malformed(KakitomeError):
    """The request cannot be read as what it should be. `data["path"]` is where, in JSON or in the query."""

    slug: ClassVar[str] = "malformed"


class KeyRefused(KakitomeError):
    """There is no API key with the request, or not one of ours."""

    slug: ClassVar[str] = "api-key"


class StrangeOrigin(KakitomeError):
    """A page in somebody's browser asks, where no key would keep it out."""

    slug: ClassVar[str] = "strange-origin"


TABLE: dict[type[KakitomeError], tuple[int, str]] = {
    Malformed: (400, "The request cannot be read"),
    KeyRefused: (401, "This needs an API key"),
    StrangeOrigin: (403, "Web pages may not ask here"),
    EventRefused: (403, "The event does not prove where it comes from"),
    NotFound: (404, "There is no such thing"),
    Pruned: (410, "Its rows were thrown away"),
    IdempotencyConflict: (409, "The idempotency key was used for another mail"),
    StateError: (409, "Its state does not allow this"),
    AddressError: (422, "An address that mail cannot go to"),
    HeaderError: (422, "A header field that would break the mail"),
    ContentError: (422, "A content that cannot become a mail"),
    TemplateError: (422, "The template cannot be rendered"),
    ListError: (422, "The list cannot be read"),
    SearchNeedsKey: (422, "The search names too little"),
    Refused: (422, "This cannot be taken"),
    ConfigurationError: (500, "The instance is set up wrongly"),
    LedgerUnavailable: (503, "The ledger cannot write now"),
    CertificateUnavailable: (503, "The event cannot be verified now"),
    SubscriptionUnconfirmed: (503, "The topic cannot be connected now"),
    KakitomeError: (500, "An error of ours"),
}
"""The first class of an error's own line of descent that stands here."""

_SILENT = (EventRefused,)
"""What a stranger learns nothing from: data stay in the log."""

_SLUGS = {404: "no-such-route", 413: "too-large"}

_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "errors"})


def problem(error: KakitomeError) -> dict[str, Any]:
    """The problem's members. `type` is the error's slug; `errors` has the data of what was handed in wrongly."""
    status, title = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    told: dict[str, Any] = {"type": error.slug, "title": title, "status": status, "detail": str(error)}
    if isinstance(error, (Refused, Malformed)) and error.data:
        told["errors"] = [{"detail": error.what, **error.data}]
    elif not isinstance(error, _SILENT):
        told |= {name: value for name, value in error.data.items() if name not in _MEMBERS}
    return told


def refuse(_: Request[Any, Any, Any], error: KakitomeError) -> Response[bytes]:
    told = problem(error)
    if told["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s", error)
    return _answer(told, {})


def refuse_request(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework found: no such route, no such method, too large a body."""
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return fail(request, error)
    slug = _SLUGS.get(status) or status.phrase.lower().replace(" ", "-")
    told = {"type": slug, "title": status.phrase, "status": int(status), "detail": status.description or error.detail}
    return _answer(told, error.headers or {})


def fail(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: the log has all of it, the caller nothing."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    told = {
        "type": "internal",
        "title": "An error of ours",
        "status": 500,
        "detail": "Nothing was acknowledged. The log of the instance says more. Try again with the same key.",
    }
    return _answer(told, {})


def _answer(told: dict[str, Any], headers: Mapping[str, str]) -> Response[bytes]:
    own = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_AFTER)}}.get(told["status"], {})
    return Response(
        content=msgspec.json.encode(told, enc_hook=str),
        status_code=told["status"],
        media_type="application/problem+json",
        headers={**headers, **own},
    )
