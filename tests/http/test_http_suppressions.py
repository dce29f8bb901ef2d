"""Suppressions over HTTP: the same as on the command line."""

from __future__ import annotations

from house import House


def _of(house: House, address: str) -> list[tuple[str, str]]:
    answer = house.ask("GET", f"/v1/suppressions?address={address}")
    assert answer.status == 200, answer
    return [(s["scope"], s["reason"]) for s in answer.json["suppressions"]]


def _add(house: House, *addresses: str, **fields: str) -> dict[str, int]:
    answer = house.ask("POST", "/v1/suppressions", {"addresses": list(addresses), **fields})
    assert answer.status == 200, answer
    found: dict[str, int] = answer.json
    return found


def test_added_asked_and_removed(unsent: House) -> None:
    """Twice is once; by scope; who and why stay in the journal; removing what is not there is 404."""
    assert _add(unsent, "a@example.com", "b@example.com", who="Hanako") == {"added": 2, "known": 0}
    assert _add(unsent, "A@example.com", reason="bounce") == {"added": 0, "known": 1}
    _add(unsent, "a@example.com", scope="stream:invoices", reason="unsubscribe")
    assert _of(unsent, "a@example.com") == [("all", "manual"), ("stream:invoices", "unsubscribe")]
    path = "/v1/suppressions?address=a@example.com&who=Hanako&note=asked"
    assert unsent.ask("DELETE", path).status == 204
    assert unsent.ask("DELETE", path).status == 404
    assert _of(unsent, "a@example.com") == [("stream:invoices", "unsubscribe")]
    [entry] = unsent.journal("released_address")
    assert (entry.data["who"], entry.data["note"]) == ("Hanako", "asked")
    assert _of(unsent, "nobody@example.com") == []


def test_pages_skip_nothing(unsent: House) -> None:
    """By address, with a cursor while there may be more."""
    addresses = [f"r{n:03}@example.com" for n in range(230)]
    _add(unsent, *addresses)
    seen: list[str] = []
    path: str | None = "/v1/suppressions"
    while path:
        page = unsent.ask("GET", path).json
        seen += [s["address"] for s in page["suppressions"]]
        path = f"/v1/suppressions?cursor={page['cursor']}" if page["cursor"] else None
    assert seen == addresses


def test_what_makes_no_sense_is_refused(unsent: House) -> None:
    """An address that is none leaves the others out, too; unknown scopes and fields are named."""
    assert unsent.ask("POST", "/v1/suppressions", {"addresses": ["a@example.com", "nonsense"]}).status == 422
    assert unsent.ask("POST", "/v1/suppressions", {"addresses": []}).status == 400
    for scope in ("streams:x", "stream:", "stream: x", "none"):
        assert unsent.ask("POST", "/v1/suppressions", {"addresses": ["a@x.jp"], "scope": scope}).status == 400
    assert unsent.ask("GET", "/v1/suppressions?adress=a@example.com").status == 400
    assert unsent.ask("DELETE", "/v1/suppressions").status == 400
    assert _of(unsent, "a@example.com") == []
