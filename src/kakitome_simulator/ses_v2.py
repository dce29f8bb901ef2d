"""SES API v2, how mail is handed in: SendEmail and SendBulkEmail.

Signatures are not verified, but a request without one is refused. What is not played is answered as AWS answers an
operation that it does not know.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from .api_error import ApiError, bad_request
from .aws_answer import Answers, asked
from .letter import Letter
from .reception import Reception
from .refusal import bulk_status
from .ses_request import INLINE_LIMIT, MAX_ENTRIES, Entry, SendBulkEmail, SendEmail, letter_of, letter_of_entry
from .templates import Templates

Json = dict[str, object]


class SesV2:
    """The routes below `/v2/email/outbound-…`."""

    def __init__(self, reception: Reception, templates: Templates, answers: Answers) -> None:
        self._reception = reception
        self._templates = templates
        self._answers = answers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/email/outbound-emails", self._send_email),
            web.post("/v2/email/outbound-bulk-emails", self._send_bulk_email),
        ]

    async def unknown(self, request: web.Request) -> web.Response:
        error = ApiError(404, "UnknownOperationException", f"{request.method} {request.path} is not played")
        return self._answers.error(error)

    async def _send_email(self, request: web.Request) -> web.Response:
        sent = letter_of(await asked(request, SendEmail), self._templates)
        decision = self._reception.hand_in(sent, "http", _from(request))
        await _wait(decision.delay)
        return self._answers.decided(request, decision, {"MessageId": decision.message_id})

    async def _send_bulk_email(self, request: web.Request) -> web.Response:
        """Each entry is a mail of its own, with a status of its own; only what is wrong with all is an error."""
        wanted = await asked(request, SendBulkEmail)
        self._check(wanted, len(await request.read()))
        read = [self._read(wanted, entry) for entry in wanted.bulk_email_entries]
        letters = [one for one in read if isinstance(one, Letter)]
        whole, decisions = self._reception.hand_in_together(letters, "http", _from(request))
        await _wait(whole.delay)
        rest = iter(decisions)
        results: list[Json] = []
        for one in read:
            if isinstance(one, ApiError):
                results.append({"Status": "INVALID_PARAMETER", "Error": one.message})
            elif (decision := next(rest, None)) is not None:
                refused = decision.refusal
                results.append(
                    {"Status": "SUCCESS", "MessageId": decision.message_id}
                    if refused is None
                    else {"Status": bulk_status(refused), "Error": refused.message}
                )
        return self._answers.decided(request, whole, {"BulkEmailEntryResults": results})

    def _check(self, wanted: SendBulkEmail, size: int) -> None:
        template = wanted.default_content.template
        if template is None:
            raise bad_request("DefaultContent needs a Template.")
        if not 1 <= len(wanted.bulk_email_entries) <= MAX_ENTRIES:
            raise bad_request(f"BulkEmailEntries must have between 1 and {MAX_ENTRIES} members.")
        if template.template_content is None:
            self._templates.get(template.template_name or "")
        elif size > INLINE_LIMIT:
            raise bad_request("A request with an inline template may have 1 MB.")

    def _read(self, wanted: SendBulkEmail, entry: Entry) -> Letter | ApiError:
        try:
            return letter_of_entry(wanted, entry, self._templates)
        except ApiError as error:
            return error


def _from(request: web.Request) -> str:
    return request.remote or "127.0.0.1"


async def _wait(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
