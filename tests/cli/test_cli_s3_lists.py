"""Campaigns whose list is in S3: planned, sent once, never from two versions. The provider's record is the judge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal, recipients, sums

import kakitome.cli.start as starting
from kakitome import campaign
from kakitome.lists import s3
from kakitome_simulator.remote import Remote
from s3_store import PLAIN, VERSIONED, Store, store


@pytest.fixture(scope="module")
def _held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store(tmp_path_factory.mktemp("s3")) as held:
        yield held


@pytest.fixture
def held(_held: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    _held.environment(monkeypatch)
    return _held


def people(n: int, name: str = "reader") -> bytes:
    return "\n".join(["email,name", *(f"{name}{k}@example.com,Reader {k}" for k in range(n)), ""]).encode()


def test_a_list_in_s3_from_plan_to_account(sending: Terminal, provider: Remote, held: Store, tmp_path: Path) -> None:
    """The plan is that of the same list on disk; each gets one mail; bad rows come to this machine; again, also with
    the same bytes put anew, sends nothing."""
    sending.put()
    data = people(12) + b"nobody\n" + people(2).partition(b"\n")[2]
    (tmp_path / "list.csv").write_bytes(data)
    path = held.put(data)
    plans = [
        sending.json("campaign", "plan", "--template", "news", "--list", where)
        for where in (str(tmp_path / "list.csv"), path)
    ]
    disk, there = ({name: said for name, said in plan.items() if name not in ("path", "version")} for plan in plans)
    assert there == disk and there["to_send"] == 12
    assert plans[1]["path"] == path and plans[1]["version"] and not plans[0]["version"]

    account = sending.start(path)
    rows = account["rows"]
    assert (rows["read"], rows["sent"], rows["invalid"], rows["duplicate"]) == (15, 12, 1, 2) and sums(rows)
    assert account["rejects"] == str(tmp_path / "data" / "rejects" / "news.csv")
    assert recipients(provider) == sorted(f"reader{k}@example.com" for k in range(12))

    held.put(data)
    assert "All 12 addresses of the list already have it" in sending.run(*start(path)).err
    assert "All 12 addresses" in sending.run(*start(str(tmp_path / "list.csv"))).err
    assert len(provider.accepted()) == 12


def start(path: str, *words: str) -> tuple[str, ...]:
    return ("campaign", "start", "--list", path, "--template", "news", *words)


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """`change()` happens between the plan and the import of one start."""
    taking = campaign.take_in

    async def take_in(*words: Any) -> Any:
        change()
        return await taking(*words)

    monkeypatch.setattr(starting, "take_in", take_in)


@pytest.mark.parametrize("requests", [0, 4])
def test_a_list_that_is_replaced_is_not_sent(
    sending: Terminal, provider: Remote, held: Store, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    """Between plan and import, or in the middle of the import: an error, and no mail. Its bytes put anew, it goes on
    where it stopped; then the other one follows. Nobody gets two."""
    for module, name, value in ((s3, "PART", 500), (s3, "CHUNK", 200), (campaign, "CHUNK", 5)):
        monkeypatch.setattr(module, name, value)
    sending.put()
    path = held.put(people(60))

    def change() -> None:
        begun = len(held.front.asked)
        held.front.then = lambda n: held.put(people(60, "other")) if n == begun + requests + 1 else None

    with monkeypatch.context() as patch:
        meanwhile(patch, change)
        said = sending.run(*start(path))
    assert said.code == 1 and f"{path} has changed since it was opened" in said.err
    rows = sending.json("campaign", "status", "news")["rows"]
    assert (rows["importing"] > 0) == (requests > 0) and rows["importing"] < 60
    assert provider.accepted() == []

    for name, sent in (("reader", 60), ("other", 120)):
        rows = sending.start(held.put(people(60, name)))["rows"]
        assert rows["sent"] == sent and sums(rows)
    assert recipients(provider) == sorted(f"{name}{k}@example.com" for name in ("reader", "other") for k in range(60))


def test_where_versions_are_kept_the_planned_one_is_sent(
    sending: Terminal, provider: Remote, held: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is put meanwhile; and a version that a plan named can be started by its name."""
    sending.put()
    path = held.put(people(3), bucket=VERSIONED)
    version = sending.json("campaign", "plan", "--list", path, "--template", "news")["version"]
    assert f"(version {version})" in sending.run("campaign", "plan", "--list", path, "--template", "news").out
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: held.put(people(9, "other"), bucket=VERSIONED))
        assert sending.start(path)["rows"]["sent"] == 3
    assert sending.start(f"{path}?versionId={version}", "--name", "second")["rows"]["sent"] == 3
    assert set(recipients(provider)) == {f"reader{k}@example.com" for k in range(3)}


def test_what_is_missing_sends_nothing(here: Terminal, held: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The error is a document with the place; rejects cannot be written to S3, and that is said before anything."""
    here.put()
    told = here.json("campaign", "start", "--list", f"s3://{PLAIN}/no.csv", "--template", "news", code=1)
    assert (told["error"], told["path"]) == ("list", f"s3://{PLAIN}/no.csv")
    path = held.put(people(1))
    assert "Reader 0" in here.run("template", "preview", "news", "--list", path).out
    with pytest.raises(SystemExit):
        here.run(*start(path, "--rejects", f"s3://{PLAIN}/rejects.csv"))
    assert "rejects are written on this machine" in capsys.readouterr().err
