"""Saying yes to a topic, by the API and with our own keys. The address that the topic names is never opened."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import ClassVar, Final

from kakitome.core.errors import KakitomeError
from kakitome.sources import aws_client

Confirm = Callable[[str, str], Awaitable[str]]
"""Topic and token → the subscription's ARN."""

_ARN: Final = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]{3,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
_ANSWER_S: Final = 10.0  # SNS waits 15 s for us


class SubscriptionUnconfirmed(KakitomeError):
    """AWS did not take our yes, so no events come yet. SNS asks a few times more; a person can say it for 3 days."""

    slug: ClassVar[str] = "subscription-unconfirmed"


def confirming(endpoint: str | None = None) -> Confirm:
    """ConfirmSubscription in the topic's own region. From then on only the topic's owner or the subscriber may end the
    subscription (`AuthenticateOnUnsubscribe`), no longer the link in each envelope. `endpoint` is for emulators."""

    async def confirm(topic: str, token: str) -> str:
        place = _ARN.fullmatch(topic)
        if place is None:
            raise SubscriptionUnconfirmed(f"{topic!r} is not the ARN of a topic.")
        try:
            async with AsyncExitStack() as stack:
                client = await aws_client.connect(stack, "sns", place[1], endpoint, _ANSWER_S)
                answer = await client.confirm_subscription(
                    TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true"
                )
        except aws_client.errors() as error:
            code, words = aws_client.why(error)
            raise SubscriptionUnconfirmed(
                f"{topic} could not be connected ({code}: {words})." if code else f"{topic}: {words}.",
                "The keys need sns:ConfirmSubscription on the topic; or say yes yourself: " + by_hand(topic, token),
                topic=topic,
            ) from error
        return str(answer.get("SubscriptionArn", ""))

    return confirm


def by_hand(topic: str, token: str) -> str:
    """The command with which a person says yes."""
    return f"aws sns confirm-subscription --topic-arn {topic} --token {token} --authenticate-on-unsubscribe true"
