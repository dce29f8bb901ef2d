"""The far sides of the transports' contract: a folder, the simulator, and an SMTP server that is not ours."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kakitome.core.ids import message_text
from kakitome.ports.transport import Parcel
from kakitome.testing.parcels import Taken, Trouble
from kakitome_simulator.remote import Remote

USER, PASSWORD = "user", "a password"


def _taken(raw: bytes, recipient: str, message: str | None = None) -> Taken:
    subject = message_from_bytes(raw, policy=policy.default)["subject"]
    return Taken(
        recipient=recipient,
        message=message,
        attempt=None,
        subject=str(subject),
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
    )


class Folder:
    """What an outbox wrote. It knows no envelope, so it is asked for the recipients that were meant."""

    def __init__(self, folder: Path, recipients: dict[str, str]) -> None:
        self._folder = folder
        self._recipients = recipients

    def accepted(self) -> Sequence[Taken]:
        files = self._folder.glob("*.eml")
        return [_taken(file.read_bytes(), self._recipients.get(file.stem, file.stem), file.stem) for file in files]

    def connections(self) -> int:
        return 0

    def trouble(self, trouble: Trouble) -> None:
        raise AssertionError("a folder gives no trouble")


_FAULTS = {
    Trouble.REFUSED: "error:MessageRejected",
    Trouble.THROTTLED: "throttle",
    Trouble.RESET: "reset",
    Trouble.REPLY_LOST: "lose_reply",
    Trouble.ERROR_AFTER_ACCEPT: "error_after_accept:500",
    Trouble.SLOW: "slow:3600",
}


class SimulatedSes:
    """The simulator by SMTP or by API; the API's connections are counted where they are opened."""

    def __init__(self, remote: Remote, deferring: str, opened: Callable[[], int] | None = None) -> None:
        self.remote = remote
        self._faults = _FAULTS | {Trouble.DEFERRED: deferring}
        self._opened = opened

    def accepted(self) -> Sequence[Taken]:
        names = [name for name in Taken.__struct_fields__ if name != "text"]
        return [Taken(**{name: getattr(one, name) for name in names}) for one in self.remote.accepted()]

    def connections(self) -> int:
        return self._opened() if self._opened else int(self.remote.state()["smtp"]["connections"])

    def trouble(self, trouble: Trouble) -> None:
        self.remote.faults([f"{self._faults[trouble]}@count=1"])


class SimulatedSendGrid(SimulatedSes):
    """The simulator's other half. What readers see is looked up in its mailbox."""

    def __init__(self, remote: Remote, mailbox: Path, opened: Callable[[], int]) -> None:
        super().__init__(remote, deferring="error:409", opened=opened)
        self._mailbox = mailbox

    def accepted(self) -> Sequence[Taken]:
        return [
            msgspec.structs.replace(taken, text=self._text(line.provider_message_id))
            for taken, line in zip(super().accepted(), self.remote.accepted(), strict=True)
        ]

    def _text(self, id: str) -> str:
        seen = message_from_bytes((self._mailbox / f"{id}.0.eml").read_bytes(), policy=policy.default)
        body = seen.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


class _Session(SMTP):
    """aiosmtpd takes the quotes off a local part; here the path is kept as it was said."""

    recipient = ""

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        self.recipient = (arg or "").partition("<")[2].rpartition(">")[0]
        await super().smtp_RCPT(arg)


class Aiosmtpd:
    """aiosmtpd in a thread of its own: a receiver that shares no code with us."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._taken: list[Taken] = []
        self._next: Trouble | None = None
        self._opened = 0
        self.port = 0

    def accepted(self) -> Sequence[Taken]:
        return list(self._taken)

    def connections(self) -> int:
        return self._opened

    def trouble(self, trouble: Trouble) -> None:
        self._next = trouble

    def forget(self) -> None:
        self._taken.clear()
        self._next = None

    def session(self) -> SMTP:
        self._opened += 1
        return _Session(self, auth_required=True, auth_require_tls=False, authenticator=self._knows, loop=self._loop)

    def _knows(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        known = data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        trouble, self._next = self._next, None
        match trouble:
            case Trouble.REFUSED:
                return "550 5.7.1 We do not want this mail"
            case Trouble.DEFERRED:
                return "451 4.3.0 Try again later"
            case Trouble.THROTTLED:
                return "421 4.7.0 Too many of you"
            case Trouble.RESET:
                return self._hang_up(server)
        assert isinstance(server, _Session)
        assert isinstance(envelope.original_content, bytes)
        self._taken.append(_taken(envelope.original_content, server.recipient))
        if trouble is Trouble.SLOW:
            await asyncio.Event().wait()
        if trouble is not None:
            return self._hang_up(server)
        return f"250 2.0.0 Ok: queued as 4cHk5n{len(self._taken)}"

    def _hang_up(self, server: SMTP) -> str:
        assert isinstance(server.transport, asyncio.WriteTransport)
        server.transport.abort()
        return "250 said to nobody"


@contextmanager
def aiosmtpd() -> Iterator[Aiosmtpd]:
    loop = asyncio.new_event_loop()
    far = Aiosmtpd(loop)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        listening = asyncio.run_coroutine_threadsafe(loop.create_server(far.session, "127.0.0.1", 0), loop).result(10)
        far.port = listening.sockets[0].getsockname()[1]
        yield far
        loop.call_soon_threadsafe(listening.close)
    finally:
        asyncio.run_coroutine_threadsafe(_end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end() -> None:
    """Whatever still waits in the loop is cancelled; its connections go with it."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def stem(parcel: Parcel) -> str:
    """The name of the file that an outbox gives to the parcel."""
    return message_text(parcel.message)
