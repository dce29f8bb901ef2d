"""SES API v2, the account: what it may, and whom it does not write to."""

from __future__ import annotations

import msgspec
from aiohttp import web

from .account import Account
from .aws_answer import Answers, asked, authorized
from .clock import Clock
from .suppression import Reason, Suppression

UNLIMITED_RATE = 10_000.0  # a second; what the account reports when nothing is limited


class Sending(msgspec.Struct, rename="pascal"):
    sending_enabled: bool = False


class Suppressing(msgspec.Struct, rename="pascal"):
    suppressed_reasons: list[Reason] = []


class SesAccount:
    """The routes at `/v2/email/account`."""

    def __init__(self, account: Account, suppression: Suppression, clock: Clock, answers: Answers) -> None:
        self._account = account
        self._suppression = suppression
        self._clock = clock
        self._answers = answers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/email/account", self._get),
            web.put("/v2/email/account/sending", self._put_sending),
            web.put("/v2/email/account/suppression", self._put_suppression),
        ]

    async def _get(self, request: web.Request) -> web.Response:
        authorized(request)
        account = self._account
        account.told += 1
        quota, rate = account.quota, account.rate
        return self._answers.json(
            {
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": "SHUTDOWN" if account.suspended else "HEALTHY",
                "ProductionAccessEnabled": not account.sandbox,
                "SendQuota": {
                    "Max24HourSend": -1.0 if quota is None else float(quota),  # -1: unlimited
                    "MaxSendRate": UNLIMITED_RATE if rate is None else float(rate),
                    "SentLast24Hours": float(account.today.at(self._clock.ticks())),
                },
                "SendingEnabled": not (account.suspended or account.paused),
                "SuppressionAttributes": {"SuppressedReasons": sorted(self._suppression.reasons)},
            }
        )

    async def _put_sending(self, request: web.Request) -> web.Response:
        self._account.paused = not (await asked(request, Sending)).sending_enabled
        return self._answers.json({})

    async def _put_suppression(self, request: web.Request) -> web.Response:
        self._suppression.reasons = frozenset((await asked(request, Suppressing)).suppressed_reasons)
        return self._answers.json({})
