"""What Amazon SES allows this account in this region: GetAccount of the API v2, asked once at a time and never again.

The keys need `ses:GetAccount`. Rate and quota are raised by AWS at will and count API and SMTP together.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

import msgspec

from kakitome.core.sigv4 import Signer
from kakitome.ports.clock import Clock
from kakitome.ports.limits import AccountLimits, LimitsUnread
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.http_line import Answer, Exchange, NoAnswer
from kakitome.transports.opening import Unreached
from kakitome.transports.ses_settings import CONTENT_TYPE, SERVICE, SesSettings

PATH: Final = "/v2/email/account"
PATIENCE: Final = 10.0  # seconds, from the search for keys to the last byte


class SesAccount:
    """See `ports.limits.LimitsSource`. Neither redirects nor proxies of the environment are followed.

    Of the settings region, endpoint and `ca` are used; `account` is its name in our configuration.
    """

    def __init__(self, account: str, settings: SesSettings, credentials: AwsCredentials, clock: Clock) -> None:
        self._account = account
        self._signer = Signer(settings.region, SERVICE)
        self._endpoint = settings.at
        self._path = self._endpoint.path + PATH
        self._credentials = credentials
        self._clock = clock

    async def read(self) -> AccountLimits:
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._ask()
        except Unreached as error:
            raise self._unread(error.outcome.reply.text if error.outcome.reply else str(error)) from error
        except NoAnswer as error:
            raise self._unread(f"no whole answer ({error.detail or error.reason})") from error
        except TimeoutError as error:
            raise self._unread(f"no answer within {PATIENCE:.0f} seconds") from error
        if answer.status in (401, 403):
            self._credentials.forget()
        if answer.status != 200:
            raise self._refused(answer)
        try:
            return _limits(msgspec.json.decode(answer.body, type=_Account), self._clock.now())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unread(f"the answer is not what SES says ({error})") from error

    async def _ask(self) -> Answer:
        """Raises `Unreached`, `NoAnswer`."""
        keys = await self._credentials.keys()
        connection = await self._endpoint.connect()
        try:
            if not connection.usable:
                raise NoAnswer("connection_lost", "closed as soon as it was open")
            fields = {"content-type": CONTENT_TYPE, "host": self._endpoint.host}
            signed = self._signer.headers(keys, "GET", self._path, fields, b"", self._clock.now())
            return await connection.write(Exchange(self._path, list(signed.items()), b"", "GET"))
        finally:
            await connection.close()

    def _refused(self, answer: Answer) -> LimitsUnread:
        error = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or "an error"
        helps = "Allow its keys ses:GetAccount, or write" if answer.status == 403 else "Write"
        return self._unread(f"SES answered {answer.status}, {error}: {_message(answer.body)}", helps)

    def _unread(self, why: str, helps: str = "Write") -> LimitsUnread:
        return LimitsUnread(
            f"The rate and the quota of the account {self._account!r} cannot be read: {why.rstrip('.')}.",
            f"{helps} numbers into [accounts.{self._account}] where this stays so.",
            account=self._account,
        )


# ── The answer: GetAccount of the API reference ─────────────────────────────────────────────────────────────────────


class _SendQuota(msgspec.Struct, frozen=True, rename="pascal"):
    max_send_rate: float
    max24_hour_send: float
    sent_last24_hours: float | None = None


class _Account(msgspec.Struct, frozen=True, rename="pascal"):
    """What is not said stops nothing."""

    send_quota: _SendQuota
    production_access_enabled: bool = True
    sending_enabled: bool = True


def _limits(account: _Account, now: int) -> AccountLimits:
    """-1 is unlimited. A rate of nothing is no pace that anybody could keep: it is sending switched off."""
    quota = account.send_quota
    silent = quota.max_send_rate == 0
    return AccountLimits(
        rate=None if quota.max_send_rate <= 0 else quota.max_send_rate,
        quota=None if quota.max24_hour_send < 0 else math.floor(quota.max24_hour_send),
        used=None if quota.sent_last24_hours is None else math.ceil(quota.sent_last24_hours),
        sandbox=not account.production_access_enabled,
        sending_enabled=account.sending_enabled and not silent,
        read_at=now,
    )


def _message(body: bytes) -> str:
    """The sentence in an error's JSON; a proxy's page is shortened."""
    try:
        tree = msgspec.json.decode(body)
        told = tree.get("message") or tree.get("Message")
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        told = None
    return str(told or body[:200].decode("utf-8", "replace"))
