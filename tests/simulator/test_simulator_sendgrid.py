"""SendGrid, told apart by its own client: requests, refusals, rate limit, signed events."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from playground import HandClock, Stage, Subscriber, stage, subscriber
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import Attachment, Cc, CustomArg, Disposition, FileContent, FileName, FileType, Mail

from kakitome_simulator.clock import Accelerated
from kakitome_simulator.options import OptionError
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.sendgrid_request import Invalid, read

AT_SES = "simulator.amazonses.com"
READER = "reader@example.com"
BODY: dict[str, Any] = {
    "personalizations": [{"to": [{"email": READER}]}],
    "from": {"email": "news@example.com", "name": "News"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Good morning."}],
}


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib, beneath the client, must not ask a proxy of the environment for this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def desk() -> Iterator[Stage]:
    with stage() as it:
        yield it


def client(simulator: Stage, key: str = "SG.key") -> SendGridAPIClient:
    return SendGridAPIClient(key, host=simulator.remote.url)


def message(*to: str, **more: Any) -> Mail:
    mail = Mail("news@example.com", list(to) or [READER], "ご予約", "Good morning.\n", "<p>Good morning.</p>")
    mail.add_custom_arg(CustomArg("kakitome_message", "msg_1"))
    mail.add_custom_arg(CustomArg("kakitome_attempt", "1"))
    return mail


def refused(simulator: Stage, body: object, key: str = "SG.key") -> tuple[int, dict[str, Any]]:
    with pytest.raises(HTTPError) as caught:
        client(simulator, key).client.mail.send.post(request_body=body)
    return caught.value.status_code, json.loads(caught.value.body)["errors"][0]


def fresh(simulator: Stage, *faults: str) -> None:
    simulator.remote.reset()
    simulator.remote.faults(faults)


def test_the_official_client_sends(desk: Stage) -> None:
    """202, no body, an id; and a line for each recipient with the arguments that came along."""
    fresh(desk)
    mail = message(READER)
    mail.add_cc(Cc("second@example.com"))
    answer = client(desk).send(mail)
    assert (answer.status_code, answer.body) == (202, b"")
    lines = desk.simulator.accepted
    assert [line.recipient for line in lines] == [READER, "second@example.com"]
    assert {line.provider_message_id for line in lines} == {answer.headers["X-Message-Id"]}
    assert {(line.provider, line.message, line.attempt, line.subject) for line in lines} == {
        ("sendgrid", "msg_1", "1", "ご予約")
    }
    assert desk.simulator.state["sendgrid"]["mails"] == 1  # type: ignore[index]


def test_a_mailbox_shows_what_readers_see(tmp_path: Path) -> None:
    """One file for each personalization, with attachments and no Bcc."""
    with stage(mailbox=tmp_path) as simulator:
        mail = message(READER)
        mail.add_bcc("hidden@example.com")
        mail.add_attachment(
            Attachment(FileContent("aGVsbG8="), FileName("a.txt"), FileType("text/plain"), Disposition("attachment"))
        )
        client(simulator).send(mail)
    (file,) = tmp_path.glob("*.0.eml")
    seen = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (seen["To"], seen["Subject"], seen["Bcc"]) == (READER, "ご予約", None)
    assert b"hidden" not in file.read_bytes()
    assert [part.get_content() for part in seen.iter_attachments()] == ["hello"]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"personalizations": []}, 400, "personalizations"),
        ({"personalizations": [{"to": [{"email": READER}]}] * 1001}, 400, "personalizations"),
        ({"personalizations": [{"to": [{"email": f"r{n}@example.com"} for n in range(1001)]}]}, 400, None),
        ({"personalizations": [{"cc": [{"email": READER}]}]}, 400, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": READER}], "cc": [{"email": READER.upper()}]}]}, 400, None),
        ({"personalizations": [{"to": [{"email": "a..b@example.com"}]}]}, 400, "personalizations.0.to.email"),
        ({"personalizations": [{"to": [{"email": 5}]}]}, 400, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": READER}], "custom_args": {"k": "v" * 10_000}}]}, 400, None),
        ({"from": {"email": "nobody"}}, 400, "from.email"),
        ({"from": None}, 400, "from"),
        ({"subject": ""}, 400, "subject"),
        ({"content": []}, 400, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, 400, "content.value"),
        ({"content": [{"type": "text/html", "value": "a"}, {"type": "text/plain", "value": "a"}]}, 400, "content"),
        ({"headers": {"Subject": "another"}}, 400, "headers"),
        ({"headers": {"X-One": "a\r\nBcc: b@example.com"}}, 400, "headers"),
        ({"attachments": [{"content": "", "filename": "a"}]}, 400, "attachments"),
        ({"attachments": [{"content": "YQ==", "filename": "a", "disposition": "hidden"}]}, 400, None),
        ({"categories": ["a"] * 2}, 400, "categories"),
        ({"reply_to": {"email": "x"}}, 400, "reply_to.email"),
        ({"template_id": "d-1"}, 400, "template_id"),
    ],
)
def test_what_the_api_checks(change: dict[str, Any], status: int, field: str | None) -> None:
    """A status, a message, and the field that it is about."""
    with pytest.raises(Invalid) as caught:
        read(json.dumps(BODY | change).encode())
    assert caught.value.status == status
    assert field is None or caught.value.field == field
    assert read(json.dumps(BODY).encode()).subject == "Hello"


def test_refusals_have_sendgrids_form(desk: Stage) -> None:
    """`errors` with message, field and help; nothing is accepted."""
    fresh(desk)
    status, error = refused(desk, BODY | {"subject": ""})
    assert (status, error["field"], error["help"]) == (400, "subject", None)
    assert refused(desk, "nonsense")[0] == 400
    assert desk.simulator.accepted == []


def test_too_large_is_413() -> None:
    """30 MB, counted as the mail would be, not as the JSON is."""
    with pytest.raises(Invalid) as caught:
        read(json.dumps(BODY | {"content": [{"type": "text/plain", "value": "a" * (30 * 1024 * 1024 + 1)}]}).encode())
    assert caught.value.status == 413


def test_keys_methods_and_types(desk: Stage) -> None:
    """401 without a key, 405 for a GET, 404 for what is not played, 415 for what is no JSON."""
    fresh(desk)
    host = desk.remote.http
    for method, path, headers, status in [
        ("POST", "/v3/mail/send", {}, 401),
        ("GET", "/v3/mail/send", {"Authorization": "Bearer k"}, 405),
        ("GET", "/v3/stats", {"Authorization": "Bearer k"}, 404),
        ("POST", "/v3/mail/send", {"Authorization": "Bearer k", "Content-Type": "text/plain"}, 415),
    ]:
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(method, path, b"{}", headers)
        assert connection.getresponse().status == status
        connection.close()


def test_only_the_key_of_the_options() -> None:
    """401 with SendGrid's words for any other."""
    with stage(sendgrid_api_key="SG.right") as simulator:
        assert client(simulator, "SG.right").send(message()).status_code == 202
        status, error = refused(simulator, BODY, "SG.wrong")
        assert (status, "invalid, expired, or revoked" in error["message"]) == (401, True)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("throttle", 429, "too many requests"),
        ("daily_quota", 401, "Maximum credits exceeded"),
        ("suspend", 403, "suspended"),
        ("sandbox", 403, "Sender Identity"),
        ("error:500", 500, "500"),
        ("error:MessageRejected", 400, ""),
    ],
)
def test_faults_speak_sendgrid(desk: Stage, fault: str, status: int, words: str) -> None:
    """Refused, and nothing is written down."""
    fresh(desk, f"{fault}@via=sendgrid")
    found, error = refused(desk, BODY)
    assert (found, words in error["message"]) == (status, True)
    assert desk.simulator.accepted == []


@pytest.mark.parametrize("fault", ["error_after_accept:503", "lose_reply"])
def test_faults_after_the_accept(desk: Stage, fault: str) -> None:
    """The client hears an error or nothing, and the mail is there."""
    fresh(desk, fault)
    with pytest.raises((HTTPError, http.client.RemoteDisconnected, urllib.error.URLError)):
        client(desk).send(message())
    assert [line.recipient for line in desk.simulator.accepted] == [READER]


def test_a_reset_takes_nothing(desk: Stage) -> None:
    """The connection is gone, and so is the mail."""
    fresh(desk, "reset")
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected, urllib.error.URLError)):
        client(desk).send(message())
    assert desk.simulator.accepted == []


def test_faults_of_the_other_way_in_do_not_hit(desk: Stage) -> None:
    """`@via=http` is SES's API."""
    fresh(desk, "error:500@via=http")
    assert client(desk).send(message()).status_code == 202
    with pytest.raises(OptionError):
        desk.simulator._faults.arm(["error:500@via=mailgun"], 0)


def test_the_rate_limit_counts_requests_and_tells() -> None:
    """So many in a window, `Remaining` down to 0, then 429 until `Reset`; in the next window they are taken again."""
    clock = HandClock()
    with stage(clock, sendgrid_rate=2, sendgrid_window=30.0) as simulator:
        answers = [client(simulator).send(message()) for _ in range(2)]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0"]
        assert answers[0].headers["X-RateLimit-Limit"] == "2"
        assert int(answers[1].headers["X-RateLimit-Reset"]) == clock.now() // 1000 + 30
        with pytest.raises(HTTPError) as caught:
            client(simulator).send(message())
        assert (caught.value.status_code, caught.value.headers["X-RateLimit-Remaining"]) == (429, "0")
        clock.seconds = 30.0
        assert client(simulator).send(message()).headers["X-RateLimit-Remaining"] == "1"


def told(inbox: Subscriber, simulator: Stage, count: int) -> list[dict[str, Any]]:
    """So many events, out of posts whose signature SendGrid's own helper finds right."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        headers, body = inbox.post()
        checker = EventWebhook(simulator.simulator.sendgrid_key)
        signature = headers["x-twilio-email-event-webhook-signature"]
        timestamp = headers["x-twilio-email-event-webhook-timestamp"]
        assert checker.verify_signature(body.decode(), signature, timestamp)
        assert not checker.verify_signature(body.decode() + " ", signature, timestamp)
        found += json.loads(body)
    return found


def test_events_are_signed_and_carry_our_arguments() -> None:
    """processed and delivered for each recipient, custom arguments at the top, ids that begin with X-Message-Id."""
    with subscriber() as inbox, stage(sendgrid_events=(inbox.url,)) as simulator:
        id = client(simulator).send(message("a@example.com", "b@example.com")).headers["X-Message-Id"]
        events = told(inbox, simulator, 4)
        assert simulator.remote.sendgrid_key() == simulator.simulator.sendgrid_key
        assert simulator.remote.state()["sendgrid"]["key"] == simulator.simulator.sendgrid_key
    assert sorted((event["email"], event["event"]) for event in events) == [
        (f"{name}@example.com", kind) for name in "ab" for kind in ("delivered", "processed")
    ]
    assert {(event["kakitome_message"], event["kakitome_attempt"]) for event in events} == {("msg_1", "1")}
    assert all(event["sg_message_id"].startswith(f"{id}.") for event in events)
    assert len({event["sg_event_id"] for event in events}) == 4


@pytest.mark.parametrize(
    ("recipient", "kinds"),
    [
        (f"bounce@{AT_SES}", ["processed", "bounce"]),
        (f"complaint@{AT_SES}", ["processed", "delivered", "spamreport"]),
        (f"suppressionlist@{AT_SES}", ["processed", "dropped"]),
        (f"ooto@{AT_SES}", ["processed", "delivered"]),
        ("soft+1@simulator.example", ["processed", "bounce"]),
        ("delay+1@simulator.example", ["processed", "deferred", "delivered"]),
    ],
)
def test_fates_are_those_of_its_other_half(recipient: str, kinds: list[str]) -> None:
    """The same addresses, in SendGrid's words."""
    with subscriber() as inbox, stage(sendgrid_events=(inbox.url,)) as simulator:
        client(simulator).send(message(recipient))
        assert sorted(event["event"] for event in told(inbox, simulator, len(kinds))) == sorted(kinds)


def test_more_can_be_played() -> None:
    """An open and a click of a mail that was accepted, by its reader or its id."""
    with subscriber() as inbox, stage(sendgrid_events=(inbox.url,)) as simulator:
        id = client(simulator).send(message()).headers["X-Message-Id"]
        assert simulator.remote.play("open", recipient=READER) == 1
        assert simulator.remote.play("click", message_id=id, link="https://example.com/a") == 1
        events = {event["event"]: event for event in told(inbox, simulator, 4)}
        with pytest.raises(urllib.error.HTTPError):
            simulator.remote.play("open", recipient="nobody@example.com")
    assert events["click"]["url"] == "https://example.com/a"
    assert events["open"]["sg_machine_open"] is False


def test_events_are_lost_doubled_delayed_and_reordered() -> None:
    """The event faults of the other half; a copy has the same sg_event_id."""
    with subscriber() as inbox, stage(sendgrid_events=(inbox.url,)) as simulator:
        simulator.remote.faults(["duplicate_events:1", "reorder_events", "delay_events:0.01"])
        client(simulator).send(message())
        events = told(inbox, simulator, 4)
        assert len({event["sg_event_id"] for event in events}) == 2
        simulator.remote.faults(["lose_events"])
        client(simulator).send(message())
        assert simulator.remote.state()["sendgrid"]["events"]["lost"] == 2


def test_events_wait_by_the_simulators_clock() -> None:
    """As SES's do: an hour of delay is short where the clock runs fast, and what is still to come counts as waiting."""
    with subscriber() as inbox, stage(sendgrid_events=(inbox.url,), event_delay=3600) as simulator:
        client(simulator).send(message())
        assert simulator.remote.state()["sendgrid"]["events"]["waiting"] == 2
    fast = Accelerated(36_000)
    with subscriber() as inbox, stage(clock=fast, sendgrid_events=(inbox.url,), event_delay=3600) as simulator:
        client(simulator).send(message())
        assert [event["event"] for event in told(inbox, simulator, 2)] == ["processed", "delivered"]


def test_what_one_subscriber_refuses_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind its quick tries a post waits its turn as undelivered, unchanged, and still comes."""
    monkeypatch.setattr("kakitome_simulator.delivery.SLOW_PAUSE", 0.01)
    with subscriber(*[500] * 6) as ill, subscriber() as well, stage(sendgrid_events=(ill.url, well.url)) as simulator:
        client(simulator).send(message())
        assert len(told(well, simulator, 2)) == 2
        assert len({ill.post()[1] for _ in range(7)}) <= 2


def test_a_post_that_is_refused_comes_again() -> None:
    """The same bytes with the same signature."""
    with subscriber(503, 500) as inbox, stage(sendgrid_events=(inbox.url,)) as simulator:
        client(simulator).send(message())
        assert len({(body, headers["x-twilio-email-event-webhook-signature"]) for headers, body in posts(inbox)}) == 1


def posts(inbox: Subscriber) -> list[tuple[dict[str, str], bytes]]:
    """The first post, whole, as often as it came."""
    first = inbox.post()
    found = [first]
    while len(found) < 3:
        again = inbox.post()
        if again[1] == first[1]:
            found.append(again)
    return found


def test_the_process_writes_its_key(tmp_path: Path) -> None:
    """`--sendgrid-key FILE` is what `/_simulator/sendgrid-key` shows; subscribers can be named while it runs."""
    file = tmp_path / "sendgrid.key"
    with subscriber() as inbox, running("--sendgrid-key", str(file)) as remote:
        assert file.read_text() == remote.sendgrid_key()
        remote.sendgrid_events_to(inbox.url)
        SendGridAPIClient("k", host=remote.url).send(message())
        assert {event["event"] for event in json.loads(inbox.post()[1])} <= {"processed", "delivered"}
