"""SES's own statistics of an account in a region: GetSendStatistics of the API v1, asked once and never again.

Points of fifteen minutes over two weeks, in no order, and none for a quarter in which nothing was sent. The keys need
`ses:GetSendStatistics`. Two weeks of XML are more than our own connection for mail takes (`http_line.ANSWER_LIMIT`),
and nothing here must be sent only once: so this is the SDK's, with its repetitions off.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

from kakitome.core.statistics import Point
from kakitome.ports.figures import PointsUnread
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.opening import Unreached
from kakitome.transports.ses import ENDPOINT, SesSettings

PATIENCE: Final = 20.0  # seconds, for all of it


class SesStatistics:
    """See `ports.figures.PointsSource`. Of the settings region, endpoint and `ca` are used."""

    def __init__(self, account: str, settings: SesSettings, credentials: AwsCredentials) -> None:
        self._account = account
        self._settings = settings
        self._credentials = credentials

    async def read(self) -> list[Point]:
        sdk = await asyncio.to_thread(importlib.import_module, "aiobotocore.session")  # half a second
        errors = await asyncio.to_thread(importlib.import_module, "botocore.exceptions")
        network = await asyncio.to_thread(importlib.import_module, "aiohttp")
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._ask(sdk)
        except Unreached as error:
            raise self._unread(error.outcome.reply.text if error.outcome.reply else str(error)) from error
        except errors.ClientError as error:
            told = error.response.get("Error", {})
            raise self._unread(f"SES answered {told.get('Code')}: {told.get('Message')}", told.get("Code")) from error
        except (errors.BotoCoreError, network.ClientError, OSError) as error:
            raise self._unread(f"{type(error).__name__}: {error}") from error
        return [_point(told) for told in answer.get("SendDataPoints", ())]

    async def _ask(self, sdk: Any) -> dict[str, Any]:
        config = await asyncio.to_thread(importlib.import_module, "aiobotocore.config")
        keys, settings = await self._credentials.keys(), self._settings
        client = sdk.AioSession().create_client(
            "ses",
            region_name=settings.region,
            endpoint_url=settings.endpoint or ENDPOINT.format(region=settings.region),
            verify=settings.ca or True,
            aws_access_key_id=keys.access,
            aws_secret_access_key=keys.secret,
            aws_session_token=keys.token,
            config=config.AioConfig(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=PATIENCE),
        )
        async with client as ses:
            found: dict[str, Any] = await ses.get_send_statistics()
        return found

    def _unread(self, why: str, code: object = "") -> PointsUnread:
        helps = "Allow its keys ses:GetSendStatistics." if code == "AccessDenied" else "Our own figures do not need it."
        what = f"SES's statistics of the account {self._account!r} cannot be read: {why.rstrip('.')}."
        return PointsUnread(what, helps, account=self._account)


def _point(told: dict[str, Any]) -> Point:
    figures = (int(told.get(name) or 0) for name in ("DeliveryAttempts", "Bounces", "Complaints", "Rejects"))
    return Point(round(told["Timestamp"].timestamp() * 1000), *figures)
