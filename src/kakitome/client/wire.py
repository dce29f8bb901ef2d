"""One request over HTTP, and again where that is safe and may help."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import HTTPException
from itertools import chain
from typing import Any, cast
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from kakitome.client.answers import KakitomeApiError

AGAIN = frozenset({502, 503, 504})
"""The server, or a proxy before it, cannot take it now. Whether it was taken after all, the key will tell."""

LONGEST_WAIT = 30.0  # seconds of a Retry-After that are waited for

Json = dict[str, Any]


class Wire:
    """`ask` does a request until there is an answer to keep."""

    def __init__(
        self, url: str, key: str | None, timeout: float, backoff: tuple[float, ...], sleep: Callable[[float], object]
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is not the address of an HTTP server")
        self._url = url.rstrip("/")
        self._key = None if key is None else _value(f"Bearer {key}", "The API key")
        self._timeout = timeout
        self._backoff = backoff
        self._sleep = sleep
        self._opener = build_opener(_NoRedirects)

    def ask(self, method: str, path: str, body: Json | None = None, idempotency_key: str | None = None) -> Json:
        """The JSON that a 2xx answers. Raises `KakitomeApiError` for everything else."""
        request = self._request(method, path, body, idempotency_key)
        for pause in chain(self._backoff, [None]):
            try:
                return self._once(request)
            except HTTPError as refusal:
                error = _refused(refusal, idempotency_key)
                after = refusal.headers.get("Retry-After", "")
                wait = min(float(after), LONGEST_WAIT) if after.isascii() and after.isdigit() else 0.0
                if refusal.code not in AGAIN or pause is None:
                    raise error from None
            except (OSError, HTTPException, UnicodeDecodeError, json.JSONDecodeError) as trouble:  # or cut off half-way
                if pause is None:
                    raise self._no_answer(trouble, idempotency_key) from trouble
                wait = 0.0
            self._sleep(max(pause, wait))
        raise AssertionError("the last try returns or raises")

    def _once(self, request: Request) -> Json:
        with self._opener.open(request, timeout=self._timeout) as answer:
            return cast(Json, json.loads(answer.read()))

    def _request(self, method: str, path: str, body: Json | None, idempotency_key: str | None) -> Request:
        headers: dict[str, str | bytes] = {"Accept": "application/json", "User-Agent": "kakitome-client"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._key is not None:
            headers["Authorization"] = self._key
        if idempotency_key is not None:
            headers["Idempotency-Key"] = _value(idempotency_key, "The idempotency key")
        data = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        url = self._url + path
        return Request(url, data=data, headers=cast(dict[str, str], headers), method=method)  # noqa: S310 - checked above

    def _no_answer(self, trouble: Exception, idempotency_key: str | None) -> KakitomeApiError:
        detail = f"{self._url} gave no answer ({trouble})."
        return KakitomeApiError(0, {"type": "no-answer", "detail": detail}, idempotency_key)


def _value(text: str, name: str) -> bytes:
    """In UTF-8, as the server reads it. Raises `ValueError`, which does not repeat what may be a secret."""
    if not text.isprintable():
        raise ValueError(f"{name} has a line break or another control character")
    return text.encode()


def _refused(refusal: HTTPError, idempotency_key: str | None) -> KakitomeApiError:
    with refusal:
        try:
            problem = json.loads(refusal.read())
        except (OSError, HTTPException, ValueError):
            problem = None
    if not isinstance(problem, dict):  # a proxy's own page
        problem = {"type": "about:blank", "title": refusal.reason, "status": refusal.code}
    return KakitomeApiError(refusal.code, problem, idempotency_key)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an answer like any other: the key is for one address only."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
