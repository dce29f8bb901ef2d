"""Opens and clicks: what a person did, and what a machine did before or instead of one.

A touch is one open or click. `judged` says of each touch of a message why it is a machine's, or "" for a person. It
looks at the set of touches and at the time of delivery only, so no order of arrival changes the verdict; and a verdict
may change when more becomes known, in both directions. Nothing is thrown away: the events keep the provider's words.

What is known of machines, and from where:

    apple     Mail Privacy Protection fetches images ahead, as "Mozilla/5.0" and nothing more; SendGrid says so itself
              (`sg_machine_open`; Event Webhook reference)
    google    "… (via ggpht.com GoogleImageProxy)": Gmail's image proxy
    yahoo     "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
    scanner   names itself: a gateway's link check, a crawler, a program's HTTP library
    too_fast  a click before 1.5 s after the delivery: nobody has read anything by then
    burst     several links of one mail within seconds: somebody tries them all

A proxy may stand for a reader and may not; nobody outside can tell. Both are counted apart, by their reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kakitome.core.event import Event, EventKind
from kakitome.core.unsubscribe import one_way_out

TOO_FAST_MS: Final = 1_500
BURST_MS: Final = 3_000
BURST_LINKS: Final = 3
MOST: Final = 200
"""Touches of one message that are counted, the earliest ones: a script at a tracking pixel must not fill the ledger."""

# CUBOT is a maker of telephones.
_AGENTS: Final = (
    ("google", re.compile(r"GoogleImageProxy")),
    ("yahoo", re.compile(r"YahooMailProxy", re.I)),
    (
        "scanner",
        re.compile(
            r"barracuda|mimecast|proofpoint|forcepoint|symantec|messagelabs|ironport|fireeye|trend ?micro|sophos|mcafee"
            r"|fortimail|bitdefender|kaspersky|virustotal|urlscan|safelinks|headlesschrome|phantomjs"
            r"|(?<!cu)bot([/;)]|$)|crawler|spider|^curl/|^wget/|python-(requests|urllib)|aiohttp/|go-http-client|okhttp|^java/"
            r"|libwww|apache-httpclient",
            re.I,
        ),
    ),
    ("apple", re.compile(r"^Mozilla/5\.0$")),
)


class Touch(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One open or click. `reason` is what the touch itself says of a machine, "" for nothing."""

    at: int
    key: str
    link: str = ""
    click: bool = False
    reason: str = ""


def touch_of(event: Event) -> Touch | None:
    """The touch in an event; None for other kinds, and for HEAD, by which nobody has seen anything."""
    if event.kind not in (EventKind.OPENED, EventKind.CLICKED):
        return None
    agent, machine, method = _told(event.raw)
    if method.upper() == "HEAD":
        return None
    clicked = event.kind is EventKind.CLICKED
    reason = "apple" if machine else agent_reason(agent)
    return Touch(event.at, event.key, one_way_out(event.link or "") if clicked else "", clicked, reason)


def agent_reason(agent: str) -> str:
    """Why this user agent is a machine's; "" where it may be a person's."""
    return next((reason for reason, found in _AGENTS if found.search(agent.strip())), "")


def _told(raw: msgspec.Raw) -> tuple[str, bool, str]:
    """User agent, "a machine opened it", and method: SES has them in `open` or `click`, SendGrid at the top."""
    try:
        tree: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return "", False, ""
    if not isinstance(tree, dict):
        return "", False, ""
    inner = tree.get("open") or tree.get("click")
    detail = inner if isinstance(inner, dict) else tree
    agent = detail.get("userAgent") or detail.get("useragent") or ""
    return str(agent), detail.get("sg_machine_open") is True, str(detail.get("method") or "")


def kept(touches: Iterable[Touch]) -> tuple[Touch, ...]:
    """The touches of a message that count: each once, in order, the earliest `MOST`.

    kept(kept(a) + b) == kept(a + b): what is left of a message's touches may be kept in place of all.
    """
    return tuple(sorted(set(touches))[:MOST])


def judged(touches: Sequence[Touch], delivered: int | None) -> list[str]:
    """For each touch, in its order, the reason why it is a machine's, or ""."""
    burst = _burst(touches)
    return [
        touch.reason or ("too_fast" if _too_fast(touch, delivered) else "burst" if touch in burst else "")
        for touch in touches
    ]


def _too_fast(touch: Touch, delivered: int | None) -> bool:
    """Also before the delivery: gateways try links before they take the mail."""
    return touch.click and delivered is not None and touch.at < delivered + TOO_FAST_MS


def _burst(touches: Sequence[Touch]) -> set[Touch]:
    """Clicks that lie in some window of `BURST_MS` with `BURST_LINKS` different links."""
    clicks = sorted(touch for touch in touches if touch.click)
    found: set[Touch] = set()
    inside: Counter[str] = Counter()
    first = 0
    for last, click in enumerate(clicks):
        inside[click.link] += 1
        while clicks[first].at < click.at - BURST_MS:
            inside[clicks[first].link] -= 1
            inside += Counter()
            first += 1
        if len(inside) >= BURST_LINKS:
            found.update(clicks[first : last + 1])
    return found
