"""Who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, configuration, house, mail

from kakitome.core.errors import ConfigurationError
from kakitome.http.keys import KEYLESS, read_keys
from kakitome.http.problems import KeyRefused
from kakitome_simulator.remote import Remote

FIRST, SECOND = "key-of-the-hotel", "key-of-the-restaurant"


@pytest.fixture(scope="module")
def locked(certificate: Path, provider: Remote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An instance with two keys in files."""
    folder = tmp_path_factory.mktemp("locked")
    for name, key in (("first", FIRST), ("second", SECOND)):
        (folder / name).write_text(f"{key}\n")
    keys = f'["file:{folder}/first", "file:{folder}/second"]'
    with house(configuration(folder, certificate, keys=keys)) as it:
        yield it


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "header",
    [{}, bearer("wrong"), bearer(""), {"Authorization": FIRST}, {"Authorization": f"Basic {FIRST}"}, bearer(FIRST[:-1]),
     bearer(f"{FIRST} {SECOND}"), {"Authorization": "Bearer \xe9\xff"}],
)  # fmt: skip
def test_without_a_key_nothing_is_told_or_taken(locked: House, header: dict[str, str]) -> None:
    """401 that says how, on every route of the API, before the body is looked at."""
    for method, path in (("POST", "/v1/messages"), ("POST", "/v1/messages/batch"), ("GET", "/v1/messages"),
                         ("GET", "/v1/messages/msg_1"), ("POST", "/v1/messages/msg_1/cancel")):  # fmt: skip
        answer = locked.ask(method, path, b"{", **header)
        assert (answer.status, answer.json["type"]) == (401, "api-key")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert FIRST.encode() not in answer.body


def test_either_key_opens(locked: House) -> None:
    """Two at once, so that one can be changed without a pause; the scheme's case does not matter."""
    for key in (FIRST, SECOND):
        assert locked.get("", **bearer(key)).status == 200
    assert locked.get("", Authorization=f"bearer {FIRST}").status == 200


def test_two_callers_keys_never_meet(locked: House) -> None:
    """The same idempotency key under two API keys names two mails."""
    wanted = mail("scope@example.com", send_at="2099-01-01T00:00:00Z")
    ids = {locked.post(wanted, Idempotency_Key="1", **bearer(key)).json["id"] for key in (FIRST, SECOND, FIRST)}
    assert len(ids) == 2


def test_health_needs_no_key(locked: House) -> None:
    """Nor do events, which prove themselves, nor the description of the API."""
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert locked.ask("GET", path).status == 200
    assert locked.ask("POST", "/events/ses", b"{}").status == 403


@pytest.mark.parametrize(
    "header",
    [{"Host": "kakitome.evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
     {"Host": "127.0.0.1.evil.example:80"}, {"Origin": "http://[::1"}],
)  # fmt: skip
def test_without_any_key_pages_may_not_ask(serving: House, header: dict[str, str]) -> None:
    """On an open loopback address, a page in a browser of this machine is a stranger: rebound names, other origins."""
    answer = serving.post(mail("page@example.com"), **header)
    assert (answer.status, answer.json["type"]) == (403, "strange-origin")
    assert serving.get("?recipient=page@example.com").json["messages"] == []


@pytest.mark.parametrize("host", ["localhost:8700", "127.0.0.1", "[::1]:8700"])
def test_programs_of_this_machine_may(serving: House, host: str) -> None:
    """Under each of its names."""
    assert serving.get("", Host=host, Origin=f"http://{host}").status == 200


def test_a_missing_key_is_no_key() -> None:
    """A variable that is not set, or empty, opens nothing and is named; a key itself in the file is refused."""
    keys = read_keys(["env:A", "env:B", "env:C"], {"A": "secret", "B": "  "})
    assert keys.missing == ("env:B", "env:C")
    with pytest.raises(KeyRefused):
        keys.scope({"authorization": "Bearer "})
    assert keys.scope({"authorization": "Bearer secret"}) not in {KEYLESS, "secret"}
    with pytest.raises(ConfigurationError) as caught:
        read_keys(["the-key-itself"], {})
    assert "the-key-itself" not in str(caught.value)
