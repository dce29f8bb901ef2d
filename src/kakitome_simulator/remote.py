"""A running simulator from outside: its addresses and its controls, for tests of any kind."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from .accepted import Accepted

Json = dict[str, Any]


@dataclass(frozen=True)
class Remote:
    """`http`, `smtp` and `smtps` are `HOST:PORT`, as the simulator printed them. Every method is one request."""

    http: str
    smtp: str | None = None
    smtps: str | None = None

    @property
    def url(self) -> str:
        return f"http://{self.http}"

    def accepted(self) -> list[Accepted]:
        return [msgspec.json.decode(line, type=Accepted) for line in self._ask("accepted").splitlines()]

    def state(self) -> Json:
        return self._json("state")

    def limit(self, **limits: int | bool | None) -> Json:
        """Change `rate`, `quota`, `sandbox`, `suspended`, `paused` or `sent`; answers the state behind the change."""
        return self._json("state", limits)

    def faults(self, specs: Sequence[str], *, add: bool = False) -> None:
        """Arm these instead of, or in addition to, those that are armed."""
        self._ask("faults", {"faults": list(specs), "add": add})

    def reset(self) -> None:
        self._ask("reset", {})

    def events_to(self, *urls: str) -> None:
        self._ask("events-url", {"urls": list(urls)})

    def sendgrid_events_to(self, *urls: str) -> None:
        self._ask("sendgrid-events", {"urls": list(urls)})

    def sendgrid_key(self) -> str:
        """What SendGrid's webhooks are verified with."""
        return self._ask("sendgrid-key").decode()

    def play(self, event: str, *, message_id: str | None = None, recipient: str | None = None, **more: str) -> int:
        """Let `event` happen to an accepted mail; returns the number of events, raises `HTTPError` 404 if unknown."""
        asked = {"event": event, "message_id": message_id, "recipient": recipient} | more
        return int(self._json("play", asked)["events"])

    def find_identity(self, name: str, status: str = "SUCCESS") -> None:
        """What SES finds in the DNS of an identity that was created."""
        self._ask("identities", {"name": name, "status": status})

    def events_as(self, **form: object) -> None:
        """`signature_version`, `raw_delivery`, `event_form`; what is not said is as usual."""
        self._ask("events-form", form)

    def ask_to_confirm(self, url: str, topic: str) -> int:
        """Post a SubscriptionConfirmation to the URL; returns the status of its answer."""
        return int(self._json("subscriptions", {"url": url, "topic": topic})["status"])

    def subscriptions(self) -> list[Json]:
        """Who was asked, with `confirmed`, and `fetched` where the SubscribeURL was followed."""
        return cast(list[Json], self._json("subscriptions")["subscriptions"])

    def certificate(self) -> bytes:
        return self._ask("certificate.pem")

    def _json(self, what: str, body: object = None) -> Json:
        return cast(Json, json.loads(self._ask(what, body)))

    def _ask(self, what: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        with _DIRECT.open(f"{self.url}/_simulator/{what}", data=data, timeout=30) as answer:
            return cast(bytes, answer.read())


# An HTTP proxy of the environment must not come between a test and its own machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
