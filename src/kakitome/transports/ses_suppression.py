"""SES's account-level suppression list (API v2), asked once a second and never again for the same.

The keys need `ses:ListSuppressedDestinations`, `ses:PutSuppressedDestination` and `ses:DeleteSuppressedDestination`. It
holds for one account in one region, and knows no reasons but BOUNCE and COMPLAINT.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar, Final, Literal

from kakitome.core.errors import KakitomeError
from kakitome.ports.account_list import Listed
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.ses import SesSettings
from kakitome.transports.ses_sdk import Unasked, ask

PACE: Final = 1.0  # seconds between requests
PATIENCE: Final = 20.0  # seconds for each
PAGE: Final = 1_000  # the most that ListSuppressedDestinations gives


class ListUnread(KakitomeError):
    """SES's list could not be read or changed. What was done before stays done; the next run goes on."""

    slug: ClassVar[str] = "account-list"


class SesSuppression:
    """See `ports.account_list.AccountList`. Of the settings region, endpoint and `ca` are used."""

    def __init__(
        self,
        account: str,
        settings: SesSettings,
        credentials: AwsCredentials,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._account = account
        self._settings = settings
        self._credentials = credentials
        self._pause = pause
        self._asked = False

    @property
    def name(self) -> str:
        return self._account

    async def read(self) -> AsyncIterator[Listed]:
        token: dict[str, str] = {}
        while True:
            answer = await self._ask("list_suppressed_destinations", PageSize=PAGE, **token)
            for told in answer.get("SuppressedDestinationSummaries", ()):
                reason: Literal["bounce", "complaint"] = "complaint" if told["Reason"] == "COMPLAINT" else "bounce"
                yield Listed(told["EmailAddress"], reason, round(told["LastUpdateTime"].timestamp() * 1000))
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    async def put(self, address: str, reason: Literal["bounce", "complaint"]) -> None:
        await self._ask("put_suppressed_destination", EmailAddress=address, Reason=reason.upper())

    async def delete(self, address: str) -> None:
        try:
            await self._ask("delete_suppressed_destination", EmailAddress=address)
        except ListUnread as error:
            if error.data.get("code") != "NotFoundException":
                raise

    async def _ask(self, operation: str, **words: Any) -> dict[str, Any]:
        if self._asked:
            await self._pause(PACE)
        self._asked = True
        try:
            return await ask("sesv2", operation, self._settings, self._credentials, PATIENCE, **words)
        except Unasked as error:
            raise self._unread(error.why, error.code) from error

    def _unread(self, why: str, code: str | None) -> ListUnread:
        what = f"SES's suppression list of the account {self._account!r} cannot be asked: {why.rstrip('.')}."
        denied = code in ("AccessDeniedException", "AccessDenied")
        helps = "Allow its keys the three operations …SuppressedDestination(s)." if denied else "Run it again."
        return ListUnread(what, helps, account=self._account, code=code)
