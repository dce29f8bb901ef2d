"""What is refused is refused in one form, says why, and gives nothing away."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from house import Answer, House, mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kakitome.core.errors
from kakitome.core.errors import KakitomeError, LedgerUnavailable
from kakitome.http import health
from kakitome.http.problems import TABLE, problem
from kakitome.http.server import BODY_LIMIT


def is_problem(answer: Answer) -> bool:
    members = answer.json
    return (
        answer.headers["content-type"] == "application/problem+json"
        and members["status"] == answer.status
        and all(isinstance(members[name], str) and members[name] for name in ("type", "title", "detail"))
    )


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (b"", "$", "not JSON"),
        (b'{"to": [', "$", "not JSON"),
        (b"\xff\xfe", "$", "not JSON"),
        (b"[]", "$", "Expected `object`"),
        (b'{"to": ["a@example.com", 5]}', "$.to[1]", "Expected `str`"),
        (b'{"sbject": "x"}', "$", "Did you mean subject?"),
        (b'{"attachments": [{"filename":"a","content_type":"b","content":"?"}]}', "$.attachments[0].content", "base64"),
        (b'{"to": [], "send_at": "tomorrow"}', "$.send_at", "RFC3339"),
        (b'{"to": [], "charset": "latin-1"}', "$.charset", "enum"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where(serving: House, body: bytes, path: str, says: str) -> None:
    """400, with the place in the JSON and a hint where a name is nearly right."""
    answer = serving.ask("POST", "/v1/messages", body)
    assert answer.status == 400 and is_problem(answer)
    assert answer.json["errors"][0]["path"] == path
    assert says in answer.json["detail"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"to": []}, "address"),
        ({"to": ["nobody"]}, "address"),
        ({"subject": None}, "content"),
        ({"text": None}, "content"),
        ({"headers": {"Date": "now"}}, "header"),
        ({"template": "x"}, "content"),
    ],
)
def test_what_cannot_become_a_mail_is_422(serving: House, change: dict[str, object], kind: str) -> None:
    """Well-formed and still no mail."""
    answer = serving.post(mail("refused@example.com") | change)
    assert (answer.status, answer.json["type"]) == (422, kind) and is_problem(answer)


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_an_idempotency_key_has_a_size(serving: House, key: str) -> None:
    """An empty key would be everybody's."""
    assert serving.post(mail("key@example.com"), Idempotency_Key=key).status == 422


def test_routes_and_methods_that_are_not_there(serving: House) -> None:
    """Problems, too, with the methods that there are."""
    assert is_problem(answer := serving.ask("GET", "/v1/nothing")) and answer.status == 404
    assert answer.json["type"] == "no-such-route"
    assert is_problem(answer := serving.ask("DELETE", "/v1/messages")) and answer.status == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


def test_too_large_a_body_is_refused_before_it_is_read(serving: House) -> None:
    """By its announced length: nobody sends 40 MB in vain."""
    with closing(HTTPConnection(serving.address, timeout=10)) as connection:
        connection.putrequest("POST", "/v1/messages")
        connection.putheader("Content-Length", str(BODY_LIMIT + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["type"] == "too-large"


def test_a_ledger_that_cannot_write_acknowledges_nothing(unsent: House) -> None:
    """503, when to come again, and afterwards the same key works."""
    unsent.steps.broken["before_admit"] = LedgerUnavailable("The ledger cannot be used now (disk full).", "Make room.")
    answer = unsent.post(mail("full@example.com"), Idempotency_Key="a")
    assert answer.status == 503 and is_problem(answer)
    assert int(answer.headers["retry-after"]) > 0
    unsent.steps.broken.clear()
    assert unsent.post(mail("full@example.com"), Idempotency_Key="a").status == 202
    assert len(unsent.get("?recipient=full@example.com").json["messages"]) == 1


def test_a_fault_of_ours_shows_nothing_of_itself(unsent: House, caplog: pytest.LogCaptureFixture) -> None:
    """500 without a trace; the log has it."""
    unsent.steps.broken["before_admit"] = RuntimeError("the password is 12345")
    with caplog.at_level(logging.ERROR, "kakitome.http"):
        answer = unsent.post(mail("fault@example.com"))
    assert (answer.status, answer.json["type"]) == (500, "internal") and is_problem(answer)
    assert b"12345" not in answer.body and b"Traceback" not in answer.body
    assert "12345" in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/v1/messages", "/nothing", "/v1/messages/x", "/openapi.json"])
def test_every_answer_is_safe_in_a_browser(serving: House, path: str) -> None:
    """No sniffing, no scripts, no frames, nothing kept: on answers and refusals alike."""
    answer = serving.ask("GET", path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


def test_alive_and_ready(serving: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready ends where the ledger's disk is nearly full; alive goes on."""
    assert serving.ask("GET", "/readyz").json == {"status": "ready"}
    monkeypatch.setattr(health, "LEAST_ROOM", 1 << 62)
    assert serving.ask("GET", "/readyz").status == 503
    assert serving.ask("GET", "/healthz").json == {"status": "alive"}


def kinds() -> list[type[KakitomeError]]:
    found = vars(kakitome.core.errors).values()
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, KakitomeError)]


@pytest.mark.parametrize("kind", kinds())
def test_every_error_of_the_core_has_its_row(kind: type[KakitomeError]) -> None:
    """A new error without a decision about its status is noticed here; data never hide a member."""
    assert kind in TABLE
    told = problem(kind("What.", "Remedy.", status="x", line=3))
    assert (told["type"], told["status"], told["detail"]) == (kind.slug, TABLE[kind][0], "What. Remedy.")


_PLAUSIBLE = st.sampled_from(["a@example.com", "2030-01-01T00:00:00Z", "utf-8"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _PLAUSIBLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_NAMES = ["from", "to", "cc", "subject", "text", "html", "variables", "headers", "attachments", "stream", "reference",
          "tags", "send_at", "expires_at", "charset"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_a_fault(unsent: House, change: dict[str, Any]) -> None:
    """Whatever JSON says, the answer is about it: never 500."""
    answer = unsent.post(mail("fuzz@example.com", send_at="2099-01-01T00:00:00Z") | change)
    assert answer.status in {202, 400, 404, 422}, answer.body


@pytest.mark.parametrize(
    ("member", "statuses"),
    [
        (b'"subject": "\\ud800"', {400}),
        (b'"reference": ' + b"[" * 100_000, {400}),
        (b'"text": "\\u0000"', {202, 422}),
        (b'"reference": "\\u0000"', {202}),
        (b'"variables": {"n": 1e999}', {400}),
        (b'"variables": {"n": ' + b"9" * 400 + b"}", {202, 400}),
        (b'"send_at": "0001-01-01T00:00:00+14:00"', {202}),
        (b'"expires_at": "9999-12-31T23:59:59-14:00"', {202}),
    ],
)
def test_spiteful_json(unsent: House, member: bytes, statuses: set[int]) -> None:
    """Half characters, NUL, depth, numbers and years beyond all bounds: judged, never a fault."""
    body = json.dumps(mail("spite@example.com")).encode()[:-1] + b", " + member + b"}"
    assert unsent.ask("POST", "/v1/messages", body).status in statuses
    answer = unsent.ask("POST", "/v1/messages/batch", b'{"messages": [' + body + b"]}")
    assert (answer.json["results"][0]["status"] if answer.status == 200 else answer.status) in statuses


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda t: json.dumps(t).encode()))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_a_fault(unsent: House, body: bytes) -> None:
    """Nor do bytes, mostly no JSON at all, at any door."""
    for path in ("/v1/messages", "/v1/messages/batch", "/events/ses"):
        assert unsent.ask("POST", path, body).status in {400, 403, 422}
