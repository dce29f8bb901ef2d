"""SES API v2, suppressed destinations: put, get, list, delete."""

from __future__ import annotations

from datetime import datetime

import msgspec
from aiohttp import web

from .api_error import ApiError, bad_request, not_found
from .aws_answer import Answers, asked, authorized
from .clock import Clock
from .smtp_address import is_address
from .suppression import Reason, Suppressed, Suppression

ADDRESSES = "/v2/email/suppression/addresses"
MAX_PAGE = 1000
Json = dict[str, object]


class Put(msgspec.Struct, rename="pascal"):
    email_address: str
    reason: Reason


class SesSuppression:
    def __init__(self, suppression: Suppression, clock: Clock, answers: Answers) -> None:
        self._suppression = suppression
        self._clock = clock
        self._answers = answers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put(ADDRESSES, self._put),
            web.get(ADDRESSES, self._list),
            web.get(ADDRESSES + "/{address}", self._get),
            web.delete(ADDRESSES + "/{address}", self._delete),
        ]

    async def _put(self, request: web.Request) -> web.Response:
        wanted = await asked(request, Put)
        if not is_address(wanted.email_address):
            raise bad_request(f"{wanted.email_address[:320]} is not a valid address")
        self._suppression.put(Suppressed(wanted.email_address, wanted.reason, self._clock.now()))
        return self._answers.json({})

    async def _get(self, request: web.Request) -> web.Response:
        found = self._suppression.get(self._address(request))
        if found is None:
            raise _unknown(request)
        told = _told(found)
        if found.message_id is not None:
            told["Attributes"] = {"MessageId": found.message_id, "FeedbackId": found.feedback_id}
        return self._answers.json({"SuppressedDestination": told})

    async def _delete(self, request: web.Request) -> web.Response:
        if not self._suppression.remove(self._address(request)):
            raise _unknown(request)
        return self._answers.json({})

    async def _list(self, request: web.Request) -> web.Response:
        """In pages; the token is the place of the next."""
        authorized(request)
        query = request.query
        reasons = query.getall("Reason", [])
        size, start = int(query.get("PageSize", MAX_PAGE)), query.get("NextToken", "0")
        if not start.isdigit():
            raise ApiError(400, "InvalidNextTokenException", "The specified request includes an invalid next token.")
        if not 1 <= size <= MAX_PAGE:
            raise bad_request(f"PageSize is between 1 and {MAX_PAGE}.")
        begin, until = (_time(query.get(name)) for name in ("StartDate", "EndDate"))
        found = [
            one
            for one in self._suppression.all()
            if (not reasons or one.reason in reasons) and (begin or 0) <= one.at <= (until or one.at)
        ]
        end = int(start) + size
        told: Json = {"SuppressedDestinationSummaries": [_told(one) for one in found[int(start) : end]]}
        return self._answers.json(told | ({"NextToken": str(end)} if end < len(found) else {}))

    def _address(self, request: web.Request) -> str:
        authorized(request)
        return request.match_info["address"]


def _unknown(request: web.Request) -> ApiError:
    return not_found(f"Email address {request.match_info['address']} does not exist on your suppression list.")


def _time(text: str | None) -> int | None:
    """Milliseconds. Raises `ApiError`."""
    if text is None:
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        raise bad_request(f"{text[:40]} is no time.") from error


def _told(found: Suppressed) -> Json:
    return {"EmailAddress": found.address, "Reason": found.reason, "LastUpdateTime": found.at / 1000}
