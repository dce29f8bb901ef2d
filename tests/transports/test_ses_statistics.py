"""SES's statistics, where something else answers in its place."""

from __future__ import annotations

import asyncio

import pytest
from stages import FixedKeys, Scripted, answer, serving

from kakitome.ports.figures import PointsUnread
from kakitome.transports.ses import SesSettings
from kakitome.transports.ses_statistics import SesStatistics


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "502 Bad Gateway"])
def test_a_proxys_page_is_said_and_not_shown(status: str) -> None:
    """SES answers in XML here, and the SDK's error for what is none is not of its own family."""

    async def run() -> None:
        page = answer(b"<!doctype html><p>Who are you?", status, "Content-Type: text/html", "Connection: close")
        async with serving(Scripted(page)) as port:
            settings = SesSettings(region="us-east-1", endpoint=f"http://127.0.0.1:{port}")
            await SesStatistics("tokyo", settings, FixedKeys()).read()

    with pytest.raises(PointsUnread, match="what answered is not SES") as caught:
        asyncio.run(run())
    assert "doctype" not in str(caught.value)
