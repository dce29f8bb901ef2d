"""Slack's incoming webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

from __future__ import annotations

from typing import Any

import msgspec

from kakitome.core.alert import Alert
from kakitome.observe.post import post
from kakitome.observe.wording import Text

HEADER_LIMIT, SECTION_LIMIT = 150, 3_000  # characters, https://docs.slack.dev/reference/block-kit/blocks


class Slack:
    """A channel. `url` is a secret: who knows it may write there."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def tell(self, text: Text, alert: Alert, part: str, now: int) -> str:
        return await post(self._url, msgspec.json.encode(message(text)), {"content-type": "application/json"})


def message(text: Text) -> dict[str, Any]:
    """`text` is what a notification shows, `blocks` what the channel does."""
    facts = "\n".join(f"*{escaped(label)}:* {escaped(value)}" for label, value in text.facts)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": text.title[:HEADER_LIMIT], "emoji": False}}
    ]
    if facts:
        blocks.append(_section(facts))
    if text.press:
        blocks.append(_section("\n".join(f"`{escaped(command.replace('`', ' '))}`" for command in text.press)))
    return {"text": escaped(text.title), "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION_LIMIT]}}


def escaped(text: str) -> str:
    """The three characters that mean something to Slack: `<!channel>` in a provider's answer rings nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
