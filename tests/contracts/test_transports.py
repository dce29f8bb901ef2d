"""Every transport keeps the contract: to a folder, to SES by SMTP and by API, and to a server that is not ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import far_sides
import msgspec
import pytest
from far_sides import PASSWORD, USER, Aiosmtpd, Folder, SimulatedSendGrid, SimulatedSes

from kakitome.core.outcome import Outcome
from kakitome.hosts.clock import SystemClock
from kakitome.ports.transport import Parcel, Transport, Wire
from kakitome.testing.parcels import FarSide, ScriptedWire
from kakitome.testing.providers import ProviderContract
from kakitome.testing.transports import TransportContract
from kakitome.transports import http_endpoint, http_line
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.http_line import Connection
from kakitome.transports.outbox import OutboxTransport
from kakitome.transports.sendgrid import SendGridSettings, SendGridTransport
from kakitome.transports.ses import SesSettings, SesTransport
from kakitome.transports.smtp import SmtpSettings, SmtpTransport
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls") / "authority.pem"


@pytest.fixture(scope="module")
def simulator(authority: Path) -> Iterator[Remote]:
    """One process for all: SES by API, by SMTP with STARTTLS and in the clear, and by SMTP under TLS."""
    options = ["--smtps", "127.0.0.1:0", "--tls-certificate", str(authority), "--credentials", f"{USER}:{PASSWORD}"]
    with running(*options) as remote:
        yield remote


@pytest.fixture(scope="module")
def foreign() -> Iterator[Aiosmtpd]:
    with far_sides.aiosmtpd() as far:
        yield far


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and on which nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class TestOutbox(TransportContract):
    """A folder: takes everything."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self._path = tmp_path
        self._recipients: dict[str, str] = {}

    def transport(self, *, places: int = 4, timeout: float = 10.0) -> Transport:
        recipients = self._recipients

        class Noting(OutboxTransport):
            """A file names no envelope: who was meant is noted on the way."""

            def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
                recipients.update((far_sides.stem(one), one.recipient) for one in parcels)
                return super().send(parcels, wire)

        return Noting(self._path)

    def far_side(self) -> FarSide:
        return Folder(self._path, self._recipients)


class SmtpContract(ProviderContract):
    """What the SMTP transports have in common; subclasses say where to and how."""

    TLS: Literal["implicit", "starttls", "none"]
    PROVIDER: Literal["smtp", "ses"]

    @pytest.fixture(autouse=True)
    def _closed(self, closed_port: int) -> None:
        self._closed_port = closed_port

    def port(self) -> int:
        raise NotImplementedError

    def settings(self, **more: Any) -> SmtpSettings:
        ours: dict[str, Any] = {"host": "127.0.0.1", "tls": self.TLS, "provider": self.PROVIDER}
        return SmtpSettings(**ours | {"port": self.port(), "username": USER, "password": PASSWORD} | more)

    def transport(self, *, places: int = 4, timeout: float = 10.0) -> Transport:
        return SmtpTransport(self.settings(connections=places, timeout=timeout), SystemClock())

    def nowhere(self) -> Transport:
        return SmtpTransport(self.settings(port=self._closed_port), SystemClock())

    def stranger(self) -> Transport:
        return SmtpTransport(self.settings(password="another"), SystemClock())


class SesSmtpContract(SmtpContract):
    """SES's SMTP endpoint, as the simulator plays it."""

    PROVIDER = "ses"
    remote: Remote
    ca: Path

    @pytest.fixture(autouse=True)
    def _simulated(self, simulator: Remote, authority: Path) -> None:
        simulator.reset()
        self.remote, self.ca = simulator, authority

    def port(self) -> int:
        return _port(self.remote.smtps if self.TLS == "implicit" else self.remote.smtp)

    def settings(self, **more: Any) -> SmtpSettings:
        return super().settings(**{"ca": str(self.ca)} | more)

    def far_side(self) -> FarSide:
        return SimulatedSes(self.remote, deferring="error:451")

    def handed_in(self, parcel: Parcel) -> bytes:
        tags = ", ".join(f"{name}={value}" for name, value in parcel.correlation.items())
        return f"X-SES-MESSAGE-TAGS: {tags}\r\n".encode() + parcel.raw


class TestSesSmtpInTheClear(SesSmtpContract):
    """Only ever to this machine itself."""

    TLS = "none"


class TestSesSmtpStartTls(SesSmtpContract):
    """Port 587."""

    TLS = "starttls"


class TestSesSmtpImplicitTls(SesSmtpContract):
    """Port 465."""

    TLS = "implicit"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
class TestForeignSmtp(SmtpContract):
    """aiosmtpd."""

    TLS = "none"
    PROVIDER = "smtp"

    @pytest.fixture(autouse=True)
    def _aiosmtpd(self, foreign: Aiosmtpd) -> None:
        foreign.forget()
        self._foreign = foreign

    def port(self) -> int:
        return self._foreign.port

    def far_side(self) -> FarSide:
        return self._foreign


class TestSesApi(ProviderContract):
    """SES API v2, as the simulator plays it; the keys come through the SDK's own chain."""

    @pytest.fixture(autouse=True)
    def _simulated(self, simulator: Remote, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        simulator.reset()
        self._remote, self._closed_port, self._opened = simulator, closed_port, 0
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        connect = http_line.connect

        async def counting(*arguments: Any) -> Connection:
            self._opened += 1
            return await connect(*arguments)

        monkeypatch.setattr(http_endpoint, "connect", counting)

    def _to(self, endpoint: str, places: int = 4, timeout: float = 10.0) -> Transport:
        settings = SesSettings(region="us-east-1", endpoint=endpoint, connections=places, timeout=timeout)
        return SesTransport(settings, AwsCredentials(), SystemClock())

    def transport(self, *, places: int = 4, timeout: float = 10.0) -> Transport:
        return self._to(self._remote.url, places, timeout)

    def nowhere(self) -> Transport:
        return self._to(f"http://127.0.0.1:{self._closed_port}")

    def stranger(self) -> Transport:
        self._remote.faults(["error:403"])
        return self.transport()

    def far_side(self) -> FarSide:
        return SimulatedSes(self._remote, deferring="error:413", opened=lambda: self._opened)


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mailbox")


@pytest.fixture(scope="module")
def sendgrid(mailbox: Path) -> Iterator[Remote]:
    with running("--mailbox", str(mailbox), "--sendgrid-api-key", PASSWORD.replace(" ", "-")) as remote:
        yield remote


class TestSendGrid(ProviderContract):
    """SendGrid v3, as the simulator plays it. It takes parts, not bytes: what readers see is compared."""

    @pytest.fixture(autouse=True)
    def _simulated(self, sendgrid: Remote, mailbox: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        sendgrid.reset()
        self._remote, self._mailbox, self._closed_port, self._opened = sendgrid, mailbox, closed_port, 0
        connect = http_line.connect

        async def counting(*arguments: Any) -> Connection:
            self._opened += 1
            return await connect(*arguments)

        monkeypatch.setattr(http_endpoint, "connect", counting)

    def _to(self, endpoint: str, places: int = 4, timeout: float = 10.0, key: str = PASSWORD) -> Transport:
        settings = SendGridSettings(
            api_key=key.replace(" ", "-"), endpoint=endpoint, connections=places, timeout=timeout
        )
        return SendGridTransport(settings, SystemClock())

    def transport(self, *, places: int = 4, timeout: float = 10.0) -> Transport:
        return self._to(self._remote.url, places, timeout)

    def nowhere(self) -> Transport:
        return self._to(f"http://127.0.0.1:{self._closed_port}")

    def stranger(self) -> Transport:
        return self._to(self._remote.url, key="another")

    def far_side(self) -> FarSide:
        return SimulatedSendGrid(self._remote, self._mailbox, opened=lambda: self._opened)


class TestSesBulk(TestSesApi):
    """The same, where mails of a list share requests and others of the batch go alone.

    Of two mails the first is a list's: so each trouble meets one request, and the next mail is in another.
    """

    listed = True

    def send(
        self, mails: Sequence[Parcel], wire: ScriptedWire | None = None, *, places: int = 4, timeout: float = 10.0
    ) -> list[Outcome]:
        mixed = [msgspec.structs.replace(mail, bulk=self.listed and place % 4 != 1) for place, mail in enumerate(mails)]
        return super().send(mixed, wire, places=places, timeout=timeout)

    def test_bytes_arrive_as_they_are(self) -> None:
        """Only where they go alone: of a group SES makes the bytes itself (`tests/transports/test_ses_bulk.py`)."""
        self.listed = False
        super().test_bytes_arrive_as_they_are()

    def test_dots_at_line_starts_survive(self) -> None:
        """The same."""
        self.listed = False
        super().test_dots_at_line_starts_survive()


def _port(address: str | None) -> int:
    assert address is not None
    return int(address.rsplit(":", 1)[1])
