"""SIGKILL of a serving process under load: what was answered with 202 is not lost, and not sent twice."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from serving import Relay, configured, process, relay

from kakitome import Client, KakitomeApiError
from kakitome_simulator.pytest_plugin import running

THREADS = 4
ENOUGH = 150
"""Acknowledgements before the kill; the load goes on into it."""

PATIENCE = 60


class Load:
    """Threads that hand mail in until the server is gone, and keep every id that was acknowledged."""

    def __init__(self, url: str) -> None:
        self._client = Client(url, backoff=())
        self._numbers = count()
        self.ids: dict[str, str] = {}  # message → recipient
        self.enough = threading.Event()

    def run(self) -> None:
        while True:
            recipient = f"load{next(self._numbers)}@example.com"
            try:
                sent = self._client.send(sender="a@example.com", to=recipient, subject="x", text="y")
            except KakitomeApiError:
                return
            self.ids[sent.messages[0].id] = recipient
            if len(self.ids) >= ENOUGH:
                self.enough.set()


def acknowledged_before_the_kill(file: Path, events: Relay) -> dict[str, str]:
    with process(file) as (it, url), ThreadPoolExecutor(THREADS) as threads:
        events.target = f"{url}/events/ses"
        load = Load(url)
        for _ in range(THREADS):
            threads.submit(load.run)
        assert load.enough.wait(PATIENCE)
        it.kill()
    return load.ids


def out(events: Relay) -> Iterator[str]:
    """Messages, as the events of their sending come."""
    while True:
        event = events.acknowledged.get(timeout=1)
        if event["eventType"] == "Send":
            yield event["mail"]["tags"]["kakitome_message"][0]


def test_a_kill_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Every id of a 202 reaches the judge's file exactly once; one that was on the wire at the kill may instead be
    in doubt, in the ledger, where a person or an event finds it."""
    options = ("--accepted", str(tmp_path / "accepted.jsonl"), "--fault", "slow:0.05")
    with running(*options) as provider, relay() as events:
        provider.events_to(events.url)
        file = configured(tmp_path, provider)
        ids = acknowledged_before_the_kill(file, events)
        assert 0 < len(provider.accepted()) < len(ids), "the kill must come in the middle"
        with process(file) as (_, url):
            events.target = f"{url}/events/ses"
            in_doubt = settled(ids, events, Client(url))
        times = Counter(line.message for line in provider.accepted())
    assert max(times.values()) == 1, "somebody got a mail twice"
    assert {id for id in ids if times[id] == 0} <= in_doubt, "an acknowledged mail is lost"
    assert len(in_doubt) <= 2 * 8, "a kill leaves in doubt only what was on the wire"


def settled(ids: dict[str, str], events: Relay, client: Client) -> set[str]:
    """Wait until each is sent or in doubt; the ids of the latter."""
    waiting = set(ids)
    for _ in range(PATIENCE):
        try:
            for id in out(events):
                waiting.discard(id)
                if not waiting:
                    return set()
        except queue.Empty:
            states = {id: client.status(id).messages[0].state for id in waiting}
            waiting = {id for id, state in states.items() if state not in ("sent", "in_doubt", "unresolved")}
            if not waiting:
                return {id for id, state in states.items() if state != "sent"}
    raise AssertionError(f"{len(waiting)} messages are neither sent nor in doubt")
