"""Five lanes, and what arrives at the end of each, read by the standard library alone."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

Person = tuple[str, str]  # display name, address without the quotes that a wire may need


@dataclass(frozen=True)
class Arrived:
    """One copy. `recipients` are those of the envelope, or of whoever has none: all that the request names."""

    recipients: tuple[str, ...]
    subject: str
    sender: Person
    to: tuple[Person, ...]
    text: str | None
    html: str | None
    cc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[tuple[str, str, bytes], ...] = ()

    def without_token(self) -> Arrived:
        """Each message has a link of its own to unsubscribe by."""
        return replace(self, headers={k: re.sub(r"/u/[^>]+", "/u/TOKEN", v) for k, v in self.headers.items()})

    @property
    def shown(self) -> set[str]:
        """The addresses that a reader sees."""
        return {address for _, address in (*self.to, *self.cc)}


OWN = ("X-Booking", "List-Unsubscribe", "List-Unsubscribe-Post")


def bare(address: str) -> str:
    return address.replace('"', "")


def of_bytes(recipients: tuple[str, ...], raw: bytes) -> Arrived:
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage) and not any(part.defects for part in mail.walk())
    assert mail["Bcc"] is None
    files = [
        (f.get_filename() or "", f.get_content_type(), f.get_payload(decode=True)) for f in mail.iter_attachments()
    ]

    def people(name: str) -> tuple[Person, ...]:
        return tuple((a.display_name, bare(a.addr_spec)) for a in mail[name].addresses) if mail[name] else ()

    def body(kind: str) -> str | None:
        part = mail.get_body((kind,))
        return None if part is None else lines(part.get_content())

    return Arrived(
        recipients=tuple(map(bare, recipients)),
        subject=str(mail["Subject"]),
        sender=people("From")[0],
        to=people("To"),
        cc=people("Cc"),
        reply_to=people("Reply-To"),
        text=body("plain"),
        html=body("html"),
        headers={name: str(mail[name]) for name in OWN if mail[name] is not None},
        attachments=tuple((name, kind, data) for name, kind, data in files if isinstance(data, bytes)),
    )


def of_json(body: bytes) -> list[Arrived]:
    """One for each personalization of SendGrid's request: it is what makes a mail of its own."""
    mail = json.loads(body)

    def people(them: list[dict[str, str]]) -> tuple[Person, ...]:
        return tuple((one.get("name", ""), bare(one["email"])) for one in them)

    parts = {part["type"]: lines(part["value"]) for part in mail["content"]}
    answers = [mail["reply_to"]] if "reply_to" in mail else mail.get("reply_to_list", [])
    return [
        Arrived(
            recipients=tuple(bare(p["email"]) for kind in ("to", "cc", "bcc") for p in one.get(kind, [])),
            subject=mail["subject"],
            sender=people([mail["from"]])[0],
            to=people(one["to"]),
            cc=people(one.get("cc", [])),
            reply_to=people(answers),
            text=parts.get("text/plain"),
            html=parts.get("text/html"),
            headers={name: str(make_header(decode_header(value))) for name, value in mail.get("headers", {}).items()},
            attachments=tuple(
                (file["filename"], file["type"], base64.b64decode(file["content"]))
                for file in mail.get("attachments", [])
            ),
        )
        for one in mail["personalizations"]
    ]


def lines(text: str) -> str:
    """A mail's text ends in one line end, whoever adds it."""
    return re.sub(r"\r\n?", "\n", text).rstrip("\n") + "\n"


@dataclass(frozen=True)
class Far:
    """The far end of a lane: what to configure, what has arrived, and the requests (path, body) if it takes any."""

    lane: str
    arrived: Callable[[], list[Arrived]]
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def copies(self) -> list[str]:
        return sorted(address for one in self.arrived() for address in one.recipients)


class _Between(ThreadingHTTPServer):
    """Passes requests on as they are, and keeps those that were taken."""

    daemon_threads = True

    def __init__(self, remote: Remote) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.host, _, self.port = remote.http.partition(":")
        self.taken: list[tuple[str, bytes]] = []


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Between

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = HTTPConnection(self.server.host, int(self.server.port), timeout=30)
        there.request(self.command, self.path, body, dict(self.headers.items()))
        answer = there.getresponse()
        data = answer.read()
        there.close()
        if body and answer.status < 300:
            self.server.taken.append((self.path, body))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("date", "server", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _between(remote: Remote) -> Iterator[_Between]:
    with _Between(remote) as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            it.shutdown()
            thread.join()


@contextmanager
def ses_api(folder: Path, more: str = "bulk = false") -> Iterator[Far]:
    with running("--mailbox", str(folder / "mailbox"), "--no-authentication") as remote, _between(remote) as it:
        lane = f'provider = "ses"\nregion = "us-east-1"\nendpoint = "http://127.0.0.1:{it.server_port}"\n{more}\n'
        yield Far(lane, lambda: _mailbox(remote, folder), it.taken)


@contextmanager
def ses_bulk(folder: Path) -> Iterator[Far]:
    with ses_api(folder, "") as far:
        yield far


@contextmanager
def ses_smtp(folder: Path) -> Iterator[Far]:
    with running("--mailbox", str(folder / "mailbox"), "--no-authentication") as remote:
        port = (remote.smtp or "").rpartition(":")[2]
        lane = f'provider = "ses-smtp"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
        yield Far(lane, lambda: _mailbox(remote, folder))


def _mailbox(remote: Remote, folder: Path) -> list[Arrived]:
    lines = remote.accepted()
    return [of_bytes((x.recipient,), (folder / "mailbox" / f"{x.provider_message_id}.eml").read_bytes()) for x in lines]


class _Receiver:
    def __init__(self) -> None:
        self.taken: list[Arrived] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.original_content, bytes)
        self.taken.append(of_bytes(tuple(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 Ok"


class _Anywhere(Controller):
    """On whatever port is free; the library would look for itself at port 0."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def plain_smtp(_: Path) -> Iterator[Far]:
    """aiosmtpd: a receiver that shares no code with us."""
    receiver = _Receiver()
    door = _Anywhere(receiver, hostname="127.0.0.1", port=0)
    door.start()
    try:
        lane = f'provider = "smtp"\nhost = "127.0.0.1"\nport = {door.port}\ntls = "none"\n'
        yield Far(lane, lambda: list(receiver.taken))
    finally:
        door.stop()


@contextmanager
def sendgrid(folder: Path) -> Iterator[Far]:
    (folder / "api-key").write_text("SG.right\n")
    with running("--sendgrid-api-key", "SG.right") as remote, _between(remote) as it:
        lane = f'provider = "sendgrid"\napi_key = "file:{folder}/api-key"\nendpoint = "http://127.0.0.1:{it.server_port}"\n'
        yield Far(lane, lambda: [one for _, body in it.taken for one in of_json(body)], it.taken)


LANES: dict[str, Any] = {
    "ses": ses_api,
    "ses-bulk": ses_bulk,
    "ses-smtp": ses_smtp,
    "smtp": plain_smtp,
    "sendgrid": sendgrid,
}
