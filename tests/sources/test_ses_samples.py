"""Every example of an event in AWS's own documentation gives the events that it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kakitome.core.event import Event, EventKind
from kakitome.sources import CLOCK_SLACK_MS
from kakitome.sources.ses import parse_ses
from kakitome.sources.ses_notice import KINDS

FOLDER = Path(__file__).parents[1] / "samples" / "events" / "ses"
NOW = 1_700_000_000_000
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "expected.json").read_text())
SAMPLES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "expected")


def parsed(name: str) -> list[Event]:
    return parse_ses((FOLDER / f"{name}.json").read_bytes(), NOW)


def test_each_example_has_its_expectation() -> None:
    """None is left out, and every type of the documentation is among them."""
    assert sorted(EXPECTED) == SAMPLES
    types = {json.loads((FOLDER / f"{name}.json").read_text()).get("eventType") for name in SAMPLES}
    assert types - {None} == set(KINDS)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_example_gives_its_events(name: str) -> None:
    """Kind, time, recipient and judgement, one for each recipient that it is about."""
    given = [json.loads(msgspec.json.encode(event)) for event in parsed(name)]
    told = [{field: event.get(field) for field in EXPECTED[name][0]} for event in given]
    assert told == EXPECTED[name]


@pytest.mark.parametrize("name", ["event-open", "event-click"])
def test_who_opened_is_kept(name: str) -> None:
    """Address and user agent stay in `raw`: they tell machines from people."""
    (event,) = parsed(name)
    detail = json.loads(bytes(event.raw))[name.removeprefix("event-")]
    assert detail["ipAddress"] == "192.0.2.1"
    assert detail["userAgent"].startswith("Mozilla/5.0")


def test_a_time_of_tomorrow_is_now() -> None:
    """Time passes as the event stream shows it: an event of tomorrow would make what is still to come look lost. What
    clocks may differ by is left as it is, so that copies stay equal."""
    text = (FOLDER / "event-open.json").read_text()
    at = parsed("event-open")[0].at
    (soon,), (later,) = (parse_ses(text, at - ahead) for ahead in (CLOCK_SLACK_MS, CLOCK_SLACK_MS + 1))
    assert (soon.at, later.at) == (at, at - CLOCK_SLACK_MS - 1)
    assert soon.key == later.key
    assert soon.kind is EventKind.OPENED
