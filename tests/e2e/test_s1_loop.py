"""S1's loop: a service gets an id at once, keeps it in its own database, and asks by it whenever it likes."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException
from serving import Relay, configured, process, relay

from kakitome import Client, KakitomeApiError
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

GUEST = "guest@example.com"


@pytest.fixture(scope="module")
def provider() -> Iterator[Remote]:
    with running() as remote:
        yield remote


@pytest.fixture(scope="module")
def events(provider: Remote) -> Iterator[Relay]:
    with relay() as it:
        provider.events_to(it.url)
        yield it


@pytest.fixture(scope="module")
def kakitome(provider: Remote, events: Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with process(configured(tmp_path_factory.mktemp("kakitome"), provider)) as (_, url):
        events.target = f"{url}/events/ses"
        yield Client(url)


def until(events: Relay, kind: str, recipient: str) -> None:
    """Until Kakitome has acknowledged this event about this recipient."""
    while True:
        event = events.acknowledged.get(timeout=20)
        if event["eventType"] == kind and event["mail"]["destination"] == [recipient]:
            return


def booking_service(kakitome: Client, database: Path, before_storing: Callable[[], None] = lambda: None) -> FastAPI:
    """A service as its owners would write it: a dozen lines that concern mail."""
    app = FastAPI()
    with closing(sqlite3.connect(database)) as db:
        db.execute("create table booking (number integer primary key, guest text, mail text)")

    @app.post("/bookings/{number}")
    def book(number: int, guest: str) -> dict[str, str]:
        sent = kakitome.send(
            sender="hotel@example.com",
            to=guest,
            subject=f"ご予約 {number}",
            text="Your room is booked.",
            idempotency_key=f"booking/{number}",
        )
        before_storing()
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("insert or replace into booking values (?, ?, ?)", (number, guest, sent.id))
        return {"mail": sent.id}

    @app.get("/bookings/{number}/mail")
    def mail(number: int) -> dict[str, str]:
        with closing(sqlite3.connect(database)) as db:
            row = db.execute("select mail from booking where number = ?", (number,)).fetchone()
        try:
            (message,) = kakitome.status(row[0] if row else "sub_0").messages
        except KakitomeApiError as error:
            raise HTTPException(error.status, error.problem) from error
        return {"status": message.status}

    return app


class Service:
    """The running service, from outside."""

    def __init__(self, port: int) -> None:
        self._port = port

    def book(self, number: int, guest: str) -> dict[str, str]:
        status, told = self._ask("POST", f"/bookings/{number}?guest={guest}")
        assert status == 200
        return {name: str(value) for name, value in told.items()}

    def mail(self, number: int) -> tuple[int, dict[str, Any]]:
        return self._ask("GET", f"/bookings/{number}/mail")

    def _ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


@contextmanager
def running_service(app: FastAPI) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Service(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def test_the_service_asks_by_the_id_that_it_stored(kakitome: Client, events: Relay, tmp_path: Path) -> None:
    """Sent, stored, delivered, asked: and a repetition of the booking sends no second mail."""
    with running_service(booking_service(kakitome, tmp_path / "bookings.db")) as service:
        first = service.book(1, GUEST)
        until(events, "Delivery", GUEST)
        assert service.mail(1) == (200, {"status": "delivered"})
        assert service.book(1, GUEST) == first


def test_an_event_may_come_before_the_id_is_stored(
    kakitome: Client, events: Relay, provider: Remote, tmp_path: Path
) -> None:
    """The service dawdles between sending and storing; the event waits for nobody, and the answer is the same."""
    guest = "early@example.com"
    app = booking_service(kakitome, tmp_path / "bookings.db", lambda: until(events, "Delivery", guest))
    with running_service(app) as service:
        service.book(2, guest)
        assert service.mail(2) == (200, {"status": "delivered"})
    assert [line.recipient for line in provider.accepted()].count(guest) == 1


def test_a_bounce_reaches_the_service(kakitome: Client, events: Relay, tmp_path: Path) -> None:
    """The hotel sees that its guest's address is wrong."""
    guest = "bounce@simulator.amazonses.com"
    with running_service(booking_service(kakitome, tmp_path / "bookings.db")) as service:
        service.book(3, guest)
        until(events, "Bounce", guest)
        assert service.mail(3) == (200, {"status": "bounced"})


def test_an_unknown_id_is_404(kakitome: Client, tmp_path: Path) -> None:
    """A booking that nobody made: no mail, and no guess."""
    with running_service(booking_service(kakitome, tmp_path / "bookings.db")) as service:
        status, told = service.mail(404)
    assert (status, told["detail"]["type"]) == (404, "not-found")
