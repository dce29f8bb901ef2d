"""Whether a person or a machine opened it: by what is known of machines, and in no order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.engagement import (
    BURST_LINKS,
    BURST_MS,
    MOST,
    TOO_FAST_MS,
    Touch,
    agent_reason,
    judged,
    kept,
    touch_of,
)
from kakitome.core.event import Event, EventKind
from kakitome.core.unsubscribe import LENGTH

AT = 1_800_000_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

touches = st.lists(
    st.builds(
        lambda at, key, link, click, reason: Touch(at, f"k{key}", f"https://l/{link}" if click else "", click, reason),
        st.integers(0, 12_000),
        st.integers(0, 10_000),
        st.integers(0, 4),
        st.booleans(),
        st.sampled_from(["", "", "apple", "scanner"]),
    ),
    unique_by=lambda touch: touch.key,
    max_size=12,
)


def event(kind: EventKind, raw: Any = None, link: str | None = None) -> Event:
    return Event(
        key="k",
        kind=kind,
        at=AT,
        provider="ses",
        provider_message_id="p",
        link=link,
        raw=msgspec.Raw(msgspec.json.encode(raw)),
    )


def click(at: int, link: str = "a", reason: str = "") -> Touch:
    return Touch(at, f"{at}-{link}", link, True, reason)


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        ("Mozilla/5.0", "apple"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "google"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "yahoo"),
        ("Barracuda Sentinel (EE)", "scanner"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "scanner"),
        ("python-requests/2.32.3", "scanner"),
        ("curl/8.5.0", "scanner"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36",
            "scanner",
        ),
        (FIREFOX, ""),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile",
            "",
        ),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36 Abbott/1", ""),
        ("", ""),
    ],
)
def test_machines_are_known_by_their_names(agent: str, reason: str) -> None:
    """Mail proxies and scanners name themselves; a reader's browser, and silence, are no machine."""
    assert agent_reason(agent) == reason


@pytest.mark.parametrize(
    ("kind", "raw", "reason"),
    [
        (EventKind.OPENED, {"eventType": "Open", "open": {"userAgent": "Mozilla/5.0"}}, "apple"),
        (EventKind.CLICKED, {"eventType": "Click", "click": {"userAgent": FIREFOX}}, ""),
        (EventKind.OPENED, {"event": "open", "useragent": FIREFOX, "sg_machine_open": True}, "apple"),
        (EventKind.OPENED, {"event": "open", "useragent": FIREFOX, "sg_machine_open": False}, ""),
        (EventKind.CLICKED, {"event": "click", "useragent": "Mimecast", "url": "https://a/"}, "scanner"),
        (EventKind.OPENED, ["not", "an", "object"], ""),
        (EventKind.OPENED, {"open": "not an object", "useragent": 5}, ""),
    ],
)
def test_a_touch_is_read_from_the_providers_own_words(kind: EventKind, raw: Any, reason: str) -> None:
    """SES tells the agent within `open` and `click`, SendGrid at the top; what cannot be read accuses nobody."""
    touch = touch_of(event(kind, raw, "https://a/" if kind is EventKind.CLICKED else None))
    assert touch is not None
    assert touch == Touch(AT, "k", "https://a/" if kind is EventKind.CLICKED else "", kind is EventKind.CLICKED, reason)


def test_other_events_and_head_are_no_touch() -> None:
    """HEAD shows nobody anything; a delivery is no opening."""
    assert touch_of(event(EventKind.OPENED, {"method": "HEAD"})) is None
    assert touch_of(event(EventKind.CLICKED, {"click": {"method": "head"}})) is None
    assert touch_of(event(EventKind.DELIVERED)) is None
    assert touch_of(event(EventKind.OPENED, {"method": "GET"})) is not None


@pytest.mark.parametrize(
    ("at", "reason"), [(AT - 60_000, "too_fast"), (AT + TOO_FAST_MS - 1, "too_fast"), (AT + TOO_FAST_MS, "")]
)
def test_nobody_clicks_within_a_second_of_the_delivery(at: int, reason: str) -> None:
    """Before 1.5 s, and before the delivery itself, it is a gateway; an unknown delivery accuses nobody."""
    assert judged([click(at)], AT) == [reason]
    assert judged([click(at)], None) == [""]
    assert judged([Touch(at, "k")], AT) == [""]


def test_all_links_at_once_is_a_scanner() -> None:
    """Three different links within three seconds; two, or one link many times, or three in more time are a reader."""
    burst = [click(AT, "a"), click(AT + 1, "b"), click(AT + BURST_MS, "c")]
    later = click(AT + 2 * BURST_MS + 1, "d")
    assert judged([*burst, later], None) == ["burst"] * 3 + [""]
    assert judged([click(AT, "a"), click(AT, "b")], None) == ["", ""]
    assert judged([click(AT + n, "a") for n in range(5)], None) == [""] * 5
    assert judged([click(AT, "a"), click(AT + 1, "b"), click(AT + BURST_MS + 1, "c")], None) == [""] * 3


@given(touches, st.integers(0, 12_000) | st.none(), st.randoms())
def test_the_verdict_needs_no_order(given_: list[Touch], delivered: int | None, random: Any) -> None:
    """Each touch is judged the same however they came."""
    verdicts = dict(zip(given_, judged(given_, delivered), strict=True))
    shuffled = random.sample(given_, len(given_))
    assert dict(zip(shuffled, judged(shuffled, delivered), strict=True)) == verdicts


@given(touches, st.integers(0, 12_000) | st.none())
def test_a_burst_is_what_it_says(given_: list[Touch], delivered: int | None) -> None:
    """Clicks called a burst lie in a window with enough links, and clicks in such a window are called a machine's."""
    for touch, reason in zip(given_, judged(given_, delivered), strict=True):
        starts = [t.at for t in given_ if t.click and touch.at - BURST_MS <= t.at <= touch.at]
        windows = [{t.link for t in given_ if t.click and a <= t.at <= a + BURST_MS} for a in starts]
        crowded = touch.click and any(len(links) >= BURST_LINKS for links in windows)
        assert (reason != "") >= crowded
        assert (reason == "burst") <= crowded


@given(touches, touches, st.integers(1, 5))
def test_what_is_kept_stands_for_all(a: list[Touch], b: list[Touch], most: int) -> None:
    """Keeping the first of some touches and adding others loses nothing that would have been kept of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kakitome.core.engagement.MOST", most)
        assert kept((*kept(a), *b)) == kept((*a, *b)) == kept((*b, *kept(a), *a))
        assert len(kept(a)) <= most < MOST


def test_each_readers_way_out_is_one_link() -> None:
    """Figures have a row for each link; a token is one reader's, and whoever sees it may act for them."""
    token = "0123456789abcdefghjkmnpqrstvwxyz0123456789"[:LENGTH]
    found = touch_of(event(EventKind.CLICKED, {}, f"https://mail.example.com/u/{token}"))
    assert found is not None
    assert found.link == "https://mail.example.com/u/…"
    for link in ("https://example.com/u/about", f"https://example.com/{token}", "https://example.com/u/"):
        other = touch_of(event(EventKind.CLICKED, {}, link))
        assert other is not None
        assert other.link == link
