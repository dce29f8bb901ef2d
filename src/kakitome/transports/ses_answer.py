"""What SES answers, as a reply and as an outcome; the rules are `core.classify`'s."""

from __future__ import annotations

from typing import Any

import msgspec

from kakitome.core.classify import ses_outcome
from kakitome.core.outcome import Outcome
from kakitome.core.reply import Reply
from kakitome.transports.http_hand_over import Heard
from kakitome.transports.http_line import Answer


class Told(msgspec.Struct, frozen=True):
    """An answer that came whole. `tree` is its JSON object; proxies on the way answer in HTML, and that tells nothing.
    `seconds` is how long it took."""

    answer: Answer
    tree: dict[str, Any]
    seconds: float

    def text(self, name: str) -> str | None:
        value = self.tree.get(name)
        return value if isinstance(value, str) else None

    @property
    def error(self) -> str | None:
        return self.answer.headers.get("x-amzn-errortype") or self.text("__type")

    @property
    def words(self) -> str:
        return self.answer.body.decode("utf-8", "replace")

    def reply(self, text: str, error: str | None) -> Reply:
        headers = self.answer.headers
        return Reply(
            code=self.answer.status,
            text=text,
            protocol="http",
            error=error,
            request_id=headers.get("x-amzn-requestid"),
            headers=headers,
            latency_ms=round(self.seconds * 1000),
        )


def told(heard: Heard) -> Told:
    try:
        tree = msgspec.json.decode(heard.answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        tree = {}
    return Told(heard.answer, tree if isinstance(tree, dict) else {}, heard.seconds)


def meaning(said: Told, recipient: str, now: int) -> Outcome:
    """What the answer to a request says of a mail in it, as far as it says the same of all."""
    return ses_outcome(
        said.answer.status,
        said.error,
        said.text("message") or said.text("Message") or said.words,
        now=now,
        message_id=said.text("MessageId"),
        recipients=(recipient,),
        reply=said.reply(said.words, said.error),
    )
