"""Mail goes in over HTTP, comes out at the provider, and what the provider says comes back."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from house import House, configuration, house, mail

from kakitome_simulator.accepted import Accepted
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote


def accepted(provider: Remote, *recipients: str) -> list[Accepted]:
    return [line for line in provider.accepted() if line.recipient in recipients]


def told(serving: House, id: str) -> dict[str, Any]:
    answer: dict[str, Any] = serving.get(f"/{id}").json["messages"][0]
    return answer


def test_a_mail_goes_out_and_its_delivery_comes_back(serving: House, provider: Remote) -> None:
    """202 with ids; the judge has it once, with our id; GET says delivered, and tells the story in order."""
    with serving.steps.awaited(after_fold=2, after_batch=1):
        answer = serving.post(mail("Hanako 髙橋 <hanako@example.jp>", reference="booking/7"))
    assert answer.status == 202
    sent = answer.json
    assert answer.headers["location"] == f"/v1/messages/{sent['id']}"
    (line,) = accepted(provider, "hanako@example.jp")
    assert (line.message, line.subject) == (sent["messages"][0]["id"], "ご予約")
    message = told(serving, sent["id"])
    assert (message["status"], message["state"], message["delivery"]) == ("delivered", "sent", "delivered")
    assert (message["recipient"], message["attempts"], message["reference"]) == ("hanako@example.jp", 1, "booking/7")
    timeline = message["timeline"]
    assert [moment["kind"] for moment in timeline[:2]] == ["accepted", "attempt"]
    assert {moment["event"] for moment in timeline if moment["kind"] == "event"} == {"sent", "delivered"}
    assert [moment["at"] for moment in timeline] == sorted(moment["at"] for moment in timeline)
    attempt = timeline[1]
    assert (attempt["lane"], attempt["outcome"], attempt["reply"]["code"]) == ("ses", "accepted", 250)
    assert attempt["provider_message_id"] == line.provider_message_id


def test_every_id_finds_it(serving: House, provider: Remote) -> None:
    """Submission, message, the provider's id, and the Message-ID that the recipient sees."""
    with serving.steps.awaited(after_fold=2, after_batch=1):
        sent = serving.post(mail("every.id@example.com")).json
    (line,) = accepted(provider, "every.id@example.com")
    ids = (sent["id"], sent["messages"][0]["id"], line.provider_message_id)
    for id in (*ids, f"%3C{line.provider_message_id}@email.amazonses.com%3E"):
        assert told(serving, id)["recipient"] == "every.id@example.com"


def test_a_bounce_is_told_and_the_address_is_suppressed(serving: House, provider: Remote) -> None:
    """After a permanent bounce nothing more goes to the address; the next mail says so."""
    with serving.steps.awaited(after_fold=2, after_batch=1):
        sent = serving.post(mail("bounce@simulator.amazonses.com")).json
    message = told(serving, sent["id"])
    assert (message["status"], message["state"]) == ("bounced", "sent")
    bounce = next(m for m in message["timeline"] if m.get("event") == "bounced")
    assert (bounce["permanence"], bounce["bounce_class"]) == ("permanent", "invalid_recipient")
    assert [s.reason for s in serving.suppressions() if s.address == "bounce@simulator.amazonses.com"] == ["bounce"]
    with serving.steps.awaited(after_batch=1):
        again = serving.post(mail("Bounce@Simulator.AmazonSES.com")).json
    assert told(serving, again["id"])["status"] == "suppressed"
    assert len(accepted(provider, "bounce@simulator.amazonses.com", "Bounce@Simulator.AmazonSES.com")) == 1


def test_the_same_key_is_the_same_mail(serving: House, provider: Remote) -> None:
    """Repetition answers the first ids, also by way of a batch; another body under the key is refused."""
    wanted = mail("same.key@example.com")
    key = "予約/123"
    as_header = key.encode().decode("latin-1")
    with serving.steps.awaited(after_fold=2, after_batch=1):
        first = serving.post(wanted, Idempotency_Key=as_header)
    second = serving.post(wanted, Idempotency_Key=as_header)
    batch = serving.ask("POST", "/v1/messages/batch", {"messages": [{**wanted, "idempotency_key": key}]})
    ids = {answer["id"] for answer in (first.json, second.json, batch.json["results"][0])}
    assert len(ids) == 1
    assert second.json["messages"][0]["status"] == "delivered"
    assert len(accepted(provider, "same.key@example.com")) == 1
    other = serving.post({**wanted, "subject": "Another"}, Idempotency_Key=as_header)
    assert (other.status, other.json["type"]) == (409, "idempotency-conflict")


def test_fifty_recipients_are_fifty_messages(serving: House, provider: Remote) -> None:
    """Each envelope recipient has a message of its own; one more than fifty is refused, and nothing of it stored."""
    named = [f"guest{n}@example.com" for n in range(50)]
    with serving.steps.awaited(after_fold=100, after_batch=1):
        answer = serving.post(mail(named[:40], cc=named[40:49], bcc=named[49:]))
    messages = answer.json["messages"]
    assert [message["recipient"] for message in messages] == named
    assert {line.message for line in accepted(provider, *named)} == {message["id"] for message in messages}
    refused = serving.post(mail([*named, "guest50@example.com"]))
    assert (refused.status, refused.json["type"]) == (422, "address")
    assert serving.get("?recipient=guest50@example.com").json["messages"] == []


def test_attachments_arrive(certificate: Path, tmp_path: Path) -> None:
    """A Japanese file name, an inline image and every byte are in the mail that the provider took."""
    image, bill = bytes(range(256)), "領収書".encode()
    inline = {"filename": "logo.png", "content_type": "image/png", "content_id": "logo", "content": _base64(image)}
    attached = {"filename": "領収書.txt", "content_type": "text/plain", "content": _base64(bill)}
    box = tmp_path / "mailbox"
    own = tmp_path / "certificate.pem"
    with running("--mailbox", str(box), "--certificate", str(own)) as provider:
        assert provider.smtp is not None
        file = configuration(tmp_path, own, port=int(provider.smtp.rpartition(":")[2]))
        with house(file) as it, it.steps.awaited(after_batch=1):
            html = '<p>Hello <img src="cid:logo"></p>'
            it.post(mail("attached@example.com", html=html, attachments=[inline, attached]))
    (letter,) = box.iterdir()
    parsed = message_from_bytes(letter.read_bytes(), policy=policy.default)
    parts = {part.get_filename(): part for part in parsed.walk() if part.get_filename()}
    assert parts["logo.png"].get_payload(decode=True) == image
    assert parts["logo.png"]["Content-ID"] == "<logo>"
    assert parts["領収書.txt"].get_payload(decode=True) == bill


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "Hello\r\nBcc: victim@example.com"},
        {"headers": {"X-Note": "a\nBcc: victim@example.com"}},
        {"headers": {"X-Note\r\nBcc": "victim@example.com"}},
        {"headers": {"Bcc": "victim@example.com"}},
        {"from": "A\r\nBcc: victim@example.com <a@example.com>"},
        {"to": ["a@example.com\r\nRCPT TO:<victim@example.com>"]},
        {"to": ["a@example.com, victim@example.com"]},
        {"reply_to": ["a@example.com\nBcc: victim@example.com"]},
        {"attachments": [{"filename": "a\r\nX: y", "content_type": "text/plain", "content": ""}]},
        {"attachments": [{"filename": "a", "content_type": "text/plain\r\nX: y", "content": ""}]},
    ],
)
def test_header_injection_is_refused(serving: House, provider: Remote, wrong: dict[str, object]) -> None:
    """No line break becomes a header field or a command; the caller hears it while listening."""
    answer = serving.post(mail("injected@example.com") | wrong)
    assert answer.status == 422
    assert answer.json["type"] in {"header", "address", "content"}
    assert accepted(provider, "victim@example.com", "injected@example.com") == []


def test_a_batch_answers_entry_by_entry(serving: House, provider: Remote) -> None:
    """Good ones are taken, each of the others says what is wrong with it, in order; one durable write for all."""
    entries = [
        mail("batch1@example.com"),
        mail("not an address"),
        {"to": 5},
        mail("batch2@example.com", idempotency_key="batch/2"),
        mail("batch2@example.com", idempotency_key="batch/2", subject="Another"),
    ]
    before = serving.steps.heard("before_admit")
    with serving.steps.awaited(after_fold=4, after_batch=1):
        answer = serving.ask("POST", "/v1/messages/batch", {"messages": entries})
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["status"] for result in results] == [202, 422, 400, 202, 409]
    assert results[2]["errors"] == [{"detail": "Expected `array`, got `int`, at $.to.", "path": "$.to"}]
    assert {line.recipient for line in accepted(provider, "batch1@example.com", "batch2@example.com")} == {
        "batch1@example.com",
        "batch2@example.com",
    }
    assert serving.steps.heard("before_admit") == before + 1


def test_a_batch_has_a_limit_and_no_key_of_its_own(serving: House) -> None:
    """More than 500 entries, or a key for all of them, are refused whole."""
    assert serving.ask("POST", "/v1/messages/batch", {"messages": [{}] * 501}).status == 422
    answer = serving.ask("POST", "/v1/messages/batch", {"messages": []}, Idempotency_Key="x")
    assert (answer.status, answer.json["type"]) == (422, "refused")


def test_a_stream_lends_its_sender(serving: House, provider: Remote) -> None:
    """Without `from`, the stream's own is taken; a stream that nobody configured is refused with those there are."""
    wanted = mail("streams@example.com", stream="invoices")
    del wanted["from"]
    with serving.steps.awaited(after_fold=2, after_batch=1):
        assert serving.post(wanted).status == 202
    assert [line.sender for line in accepted(provider, "streams@example.com")] == ["invoices@example.com"]
    answer = serving.post(mail("streams@example.com", stream="invoice"))
    assert answer.status == 404
    assert "invoices" in answer.json["detail"]
