"""SendGrid's events come in over HTTP: proved, durable, once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import Answer, House, configuration, house

from kakitome.core.errors import ConfigurationError, LedgerUnavailable
from kakitome_simulator.sendgrid_event import SIGNATURE, TIMESTAMP, EventSigner

READER = "reader@example.com"
HOUR = 60 * 60 * 1000


@pytest.fixture(scope="module")
def signers() -> tuple[EventSigner, EventSigner]:
    """The old and the new key of one webhook."""
    return EventSigner(), EventSigner()


def trusting(folder: Path, *signers: EventSigner, **settings: str) -> Path:
    """A configuration that takes these keys."""
    file = configuration(folder, folder / "none")
    references = []
    for number, signer in enumerate(signers):
        (folder / f"sendgrid-{number}").write_text(signer.public_key)
        references.append(f"file:{folder}/sendgrid-{number}")
    lines = [f"sendgrid_keys = {json.dumps(references)}", *(f'{key} = "{value}"' for key, value in settings.items())]
    text = file.read_text().replace('trust = "simulator"', "\n".join(lines))
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("simulator_certificate")))
    return file


@pytest.fixture
def listening(signers: tuple[EventSigner, EventSigner], tmp_path: Path) -> Iterator[House]:
    with house(trusting(tmp_path, *signers)) as it:
        yield it


def told(event: str, id: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": READER,
        "timestamp": 1_700_000_000,
        "sg_event_id": id,
        "sg_message_id": "x.1",
        **more,
    }


def post(it: House, signer: EventSigner, *events: object, ago: int = 0, body: bytes | None = None) -> Answer:
    signed = json.dumps(events).encode() if body is None else body
    headers = signer.headers(signed, time.time_ns() // 1_000_000 - ago)
    return it.ask("POST", "/events/sendgrid", signed, **{name.replace("-", "_"): v for name, v in headers.items()})


BOUNCE = told("bounce", "1", type="bounce", status="5.1.1", reason="550 5.1.1 user unknown")


def test_a_batch_is_taken_once(listening: House, signers: tuple[EventSigner, EventSigner]) -> None:
    """Signed with either key; a copy is known; the bounce suppresses although the mail is not ours."""
    for signer, answer in zip(signers, ({"fresh": 2, "unmatched": 2}, {"known": 2}), strict=True):
        answered = post(listening, signer, BOUNCE, told("open", "2"))
        assert (answered.status, answered.json) == (200, answer)
    assert [suppression.address for suppression in listening.suppressions()] == [READER]


@pytest.mark.parametrize("way", ["foreign key", "changed", "no header", "too old", "too new"])
def test_what_is_not_proved_is_403_and_leaves_nothing(
    listening: House, signers: tuple[EventSigner, EventSigner], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All are refused with the same words, which do not say why; the log does."""
    body = json.dumps([BOUNCE]).encode()
    headers = signers[0].headers(body, time.time_ns() // 1_000_000)
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    with caplog.at_level("WARNING", "kakitome.http.events"):
        answer = {
            "foreign key": lambda: post(listening, EventSigner(), BOUNCE),
            "changed": lambda: listening.ask("POST", "/events/sendgrid", body + b" ", **named),
            "no header": lambda: listening.ask("POST", "/events/sendgrid", body),
            "too old": lambda: post(listening, signers[0], BOUNCE, ago=26 * HOUR),
            "too new": lambda: post(listening, signers[0], BOUNCE, ago=-26 * HOUR),
        }[way]()  # fmt: skip
    assert (answer.status, answer.json["type"]) == (403, "event-refused")
    assert "why" not in answer.json
    assert "does not hold" in caplog.text
    assert listening.suppressions() == [] and listening.journal("event_unmatched") == []
    assert {SIGNATURE, TIMESTAMP} <= set(headers)


def test_without_keys_nobody_is_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """403, and the log says which setting wants to be set."""
    with house(trusting(tmp_path)) as it, caplog.at_level("WARNING", "kakitome.http.events"):
        assert post(it, EventSigner(), BOUNCE).status == 403
    assert "events.sendgrid_keys" in caplog.text


def test_a_late_repetition_is_taken_and_told_of(
    listening: House, signers: tuple[EventSigner, EventSigner], caplog: pytest.LogCaptureFixture
) -> None:
    """SendGrid repeats for a day: age alone loses no event, and the log says so once it is unusual."""
    with caplog.at_level("WARNING", "kakitome.http.events"):
        assert post(listening, signers[0], BOUNCE, ago=4 * 60 * 1000).status == 200
        assert caplog.text == ""
        assert post(listening, signers[0], told("open", "late"), ago=24 * HOUR).json == {"fresh": 1, "unmatched": 1}
    [ago] = re.findall(r"was signed (\d+) s ago", caplog.text)
    assert int(ago) >= 86_400  # and as long as the post was on its way


def test_the_limit_is_configuration(tmp_path: Path, signers: tuple[EventSigner, EventSigner]) -> None:
    """Who knows how SendGrid signs repetitions may be stricter."""
    with house(trusting(tmp_path, signers[0], sendgrid_oldest="10m")) as it:
        assert post(it, signers[0], BOUNCE, ago=HOUR).status == 403
        assert post(it, signers[0], BOUNCE).status == 200


def test_a_ledger_that_is_down_lets_sendgrid_come_again(
    listening: House, signers: tuple[EventSigner, EventSigner]
) -> None:
    """503 until the events are durable; the repetition is then taken as the first."""
    listening.steps.broken["before_fold"] = LedgerUnavailable("The ledger cannot be used now.")
    assert post(listening, signers[0], BOUNCE).status == 503
    listening.steps.broken.clear()
    assert post(listening, signers[0], BOUNCE).json == {"fresh": 1, "unmatched": 1}


def test_the_readable_ones_of_a_batch_are_taken(listening: House, signers: tuple[EventSigner, EventSigner]) -> None:
    """The others go into quarantine with their bytes; the post is acknowledged, since repeating helps nobody."""
    answer = post(listening, signers[0], told("open", "3"), {"event": 5}, told("click", "4"))
    assert (answer.status, answer.json) == (200, {"fresh": 2, "unmatched": 2, "quarantined": True})
    (entry,) = listening.journal("event_quarantined")
    assert (entry.data["message"], entry.data["topic"]) == ('{"event": 5}', "/events/sendgrid")


@pytest.mark.parametrize("poison", [b"{", b"{}", b"", b"[" * 5000, b"\xff"])
def test_a_post_that_is_no_array(listening: House, signers: tuple[EventSigner, EventSigner], poison: bytes) -> None:
    """SendGrid signed it and nobody can read it: kept whole."""
    assert post(listening, signers[0], body=poison).json == {"quarantined": True}
    (entry,) = listening.journal("event_quarantined")
    assert entry.data["message"] == poison.decode("utf-8", "backslashreplace")


def test_too_large_a_post_is_not_read(listening: House) -> None:
    """Five megabytes, signed or not."""
    assert listening.ask("POST", "/events/sendgrid", b"x" * (5 * 1024 * 1024 + 1)).status == 413


@pytest.mark.parametrize("way", ["absent", "no key"])
def test_a_key_that_is_not_there_stops_the_start(tmp_path: Path, way: str) -> None:
    """Before anything is served, with the key of the configuration."""
    file = trusting(tmp_path, EventSigner())
    if way == "absent":
        (tmp_path / "sendgrid-0").unlink()
    else:
        (tmp_path / "sendgrid-0").write_text("hello")
    with pytest.raises(ConfigurationError) as caught, house(file):
        pass
    assert "events.sendgrid_keys" in str(caught.value)
