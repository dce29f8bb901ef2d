"""SES's own statistics of an account in a region: GetSendStatistics of the API v1, asked once and never again.

Points of fifteen minutes over two weeks, in no order, and none for a quarter in which nothing was sent. The keys need
`ses:GetSendStatistics`. Two weeks of XML are more than our own connection for mail takes (`http_line.ANSWER_LIMIT`),
and nothing here must be sent only once: so this is the SDK's, with its repetitions off.
"""

from __future__ import annotations

from typing import Any, Final

from kakitome.core.statistics import Point
from kakitome.ports.figures import PointsUnread
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.ses import SesSettings
from kakitome.transports.ses_sdk import Unasked, ask

PATIENCE: Final = 20.0  # seconds, for all of it


class SesStatistics:
    """See `ports.figures.PointsSource`. Of the settings region, endpoint and `ca` are used."""

    def __init__(self, account: str, settings: SesSettings, credentials: AwsCredentials) -> None:
        self._account = account
        self._settings = settings
        self._credentials = credentials

    async def read(self) -> list[Point]:
        try:
            answer = await ask("ses", "get_send_statistics", self._settings, self._credentials, PATIENCE)
        except Unasked as error:
            raise self._unread(error.why, error.code) from error
        return [_point(told) for told in answer.get("SendDataPoints", ())]

    def _unread(self, why: str, code: str | None) -> PointsUnread:
        helps = "Allow its keys ses:GetSendStatistics." if code == "AccessDenied" else "Our own figures do not need it."
        what = f"SES's statistics of the account {self._account!r} cannot be read: {why.rstrip('.')}."
        return PointsUnread(what, helps, account=self._account)


def _point(told: dict[str, Any]) -> Point:
    figures = (int(told.get(name) or 0) for name in ("DeliveryAttempts", "Bounces", "Complaints", "Rejects"))
    return Point(round(told["Timestamp"].timestamp() * 1000), *figures)
