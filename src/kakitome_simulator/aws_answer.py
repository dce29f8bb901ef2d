"""Answers in the form of AWS's JSON protocols, and errors on their way to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from . import refusal
from .api_error import ApiError, bad_request
from .reception import Decision, Ending
from .refusal import Refusal
from .ses_smtp import reset

_Asked = TypeVar("_Asked")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def asked(request: web.Request, kind: type[_Asked]) -> _Asked:
    """The request's JSON. Raises `ApiError` for what is none, or is not signed; who signed is not looked at."""
    authorized(request)
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(str(error)) from error


def authorized(request: web.Request) -> None:
    if "Authorization" not in request.headers:
        raise ApiError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")


def interrupted(request: web.Request, decision: Decision) -> web.Response | None:
    """What is seen where a decision does something to the connection; `None` where it is to be answered."""
    if decision.ending is Ending.REPLY:
        return None
    transport = request.transport
    if transport is not None:  # else the client has gone
        if decision.ending is Ending.RESET:
            reset(transport)
        else:
            transport.close()
    return web.Response()  # goes nowhere


def refused(decision: Decision) -> Refusal | None:
    """What a decision that is to be answered pretends or really is: an error, or nothing of the kind."""
    return decision.refusal if decision.status is None else refusal.of(str(decision.status))


class Answers:
    """Makes answers; each has a request id of its own."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def json(self, body: object, status: int = 200) -> web.Response:
        return web.Response(
            body=msgspec.json.encode(body),
            status=status,
            content_type="application/json",
            headers={"x-amzn-RequestId": self._new_id()},
        )

    def error(self, error: ApiError | Refusal) -> web.Response:
        answer = self.json({"message": error.message}, error.status)
        answer.headers["x-amzn-ErrorType"] = error.error
        return answer

    @web.middleware
    async def explain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware: an `ApiError` becomes its answer."""
        try:
            return await handler(request)
        except ApiError as error:
            return self.error(error)

    def decided(self, request: web.Request, decision: Decision, body: object) -> web.Response:
        """`body` where the decision has nothing else to say."""
        if (gone := interrupted(request, decision)) is not None:
            return gone
        wrong = refused(decision)
        return self.json(body) if wrong is None else self.error(wrong)
