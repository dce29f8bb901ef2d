"""What SES says over SMTP, command by command; no sockets here.

Replies and their codes are those of "SMTP response codes returned by Amazon SES". Both 454 texts, and all that SES
finds wrong with a mail rather than with a command, come after the data.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from enum import Enum
from typing import ClassVar

import msgspec

from . import refusal
from .reception import MAX_RECIPIENTS, MAX_SIZE, Decision, Ending
from .smtp_address import is_address, path

Reception = Callable[[str, tuple[str, ...], bytes], Decision]


class Next(Enum):
    """What the connection does after a reply."""

    COMMAND = "command"
    DATA = "data"
    TLS = "tls"
    CLOSE = "close"
    RESET = "reset"


class Reply(msgspec.Struct, frozen=True):
    """`text` has its line end; it is sent after `delay` seconds and nothing of the client is read before."""

    text: bytes = b""
    then: Next = Next.COMMAND
    delay: float = 0.0


class Manners(msgspec.Struct, frozen=True):
    """What the server asks of its clients."""

    tls_offered: bool
    require_tls: bool
    require_authentication: bool
    credentials: tuple[str, str] | None  # None: any that are not empty


def _reply(text: str, then: Next = Next.COMMAND) -> Reply:
    return Reply(text.encode("ascii", "backslashreplace") + b"\r\n", then)


GREETING = _reply("220 email-smtp.amazonaws.com ESMTP kakitome-simulator")
TOO_LONG_LINE = _reply("500 Line too long", Next.CLOSE)
SIMPLE = {
    "NOOP": _reply("250 Ok"),
    "QUIT": _reply("221 Bye", Next.CLOSE),
    "VRFY": _reply("252 Cannot verify"),
}
OK = _reply("250 Ok")
GO_AHEAD = _reply("354 End data with <CR><LF>.<CR><LF>", Next.DATA)
BAD_SEQUENCE = _reply("503 Error: bad sequence of commands")
NO_TLS = _reply("530 Must issue a STARTTLS command first")
NO_AUTHENTICATION = _reply("530 Authentication required")
AUTHENTICATED = _reply("235 Authentication successful.")
WRONG_CREDENTIALS = _reply("535 Authentication Credentials Invalid")
INVALID_ADDRESS = _reply("553 Invalid email address")
TOO_LONG = _reply(refusal.TOO_LONG.smtp)


class Dialogue:
    """One connection's conversation. `hand_in` takes envelope and bytes of a whole mail."""

    def __init__(self, manners: Manners, hand_in: Reception, *, secure: bool) -> None:
        self._manners = manners
        self._hand_in = hand_in
        self._secure = secure
        self._expects: Callable[[bytes], Reply] | None = None  # an answer to AUTH
        self._greet_again()

    def command(self, line: bytes) -> Reply:
        """Answer one line without its line end."""
        if self._expects is not None:
            answer, self._expects = self._expects, None
            return answer(line)
        try:
            verb, _, argument = line.decode("ascii").partition(" ")
        except UnicodeDecodeError:
            return INVALID_ADDRESS
        verb = verb.upper()
        known = self._VERBS.get(verb)
        if known is None:
            return SIMPLE.get(verb) or _reply(f"502 Error: command {verb[:20]!r} not implemented")
        return known(self, argument)

    def content(self, data: bytes | None) -> Reply:
        """Answer a mail's bytes, dot-stuffing undone; `None` if there were more than are allowed."""
        recipients, reverse_path = tuple(self._recipients), self._reverse_path
        self._forget()
        if data is None:
            return TOO_LONG
        assert reverse_path is not None, "DATA comes after MAIL"
        decision = self._hand_in(reverse_path, recipients, data)
        if decision.ending is Ending.RESET:
            return Reply(b"", Next.RESET, decision.delay)
        if decision.ending is Ending.CLOSE or decision.status is not None:
            return Reply(b"", Next.CLOSE, decision.delay)
        text = f"250 Ok {decision.message_id}" if decision.refusal is None else decision.refusal.smtp
        return Reply(_reply(text).text, Next.COMMAND, decision.delay)

    def secured(self) -> None:
        """TLS is up: whatever was said before is forgotten (RFC 3207 §4.2)."""
        self._secure = True
        self._greet_again()

    def _greet_again(self) -> None:
        self._greeted = False
        self._authenticated = not self._manners.require_authentication
        self._expects = None
        self._forget()

    def _forget(self) -> None:
        self._reverse_path: str | None = None
        self._recipients: list[str] = []

    def _helo(self, argument: str) -> Reply:
        self._greeted = True
        self._forget()
        return _reply("250 email-smtp.amazonaws.com")

    def _ehlo(self, argument: str) -> Reply:
        self._greeted = True
        self._forget()
        offers = ["email-smtp.amazonaws.com", "8BITMIME", "PIPELINING", f"SIZE {MAX_SIZE}"]
        if self._manners.tls_offered and not self._secure:
            offers.append("STARTTLS")
        return _reply("\r\n".join(f"250-{offer}" for offer in [*offers, "AUTH PLAIN LOGIN"]) + "\r\n250 Ok")

    def _starttls(self, argument: str) -> Reply:
        if self._secure or not self._manners.tls_offered:
            return BAD_SEQUENCE
        return _reply("220 Ready to start TLS", Next.TLS)

    def _auth(self, argument: str) -> Reply:
        if self._manners.require_tls and not self._secure:
            return NO_TLS
        if not self._greeted or self._reverse_path is not None:
            return BAD_SEQUENCE
        mechanism, _, initial = argument.partition(" ")
        steps = {"PLAIN": (self._plain, "334 "), "LOGIN": (self._login_name, "334 VXNlcm5hbWU6")}
        if mechanism.upper() not in steps:
            return _reply("504 Unrecognized authentication type")
        step, prompt = steps[mechanism.upper()]
        if initial:
            return step(initial.encode())
        self._expects = step
        return _reply(prompt)

    def _plain(self, line: bytes) -> Reply:
        """RFC 4616: authorization identity, NUL, user, NUL, password."""
        _, _, rest = _unwrapped(line).partition("\0")
        user, _, password = rest.partition("\0")
        return self._check(user, password)

    def _login_name(self, line: bytes) -> Reply:
        user = _unwrapped(line)
        self._expects = lambda password: self._check(user, _unwrapped(password))
        return _reply("334 UGFzc3dvcmQ6")

    def _check(self, user: str, password: str) -> Reply:
        wanted = self._manners.credentials
        right = bool(user and password) if wanted is None else (user, password) == wanted
        self._authenticated = right
        return AUTHENTICATED if right else WRONG_CREDENTIALS

    def _mail(self, argument: str) -> Reply:
        if self._manners.require_tls and not self._secure:
            return NO_TLS
        if not self._authenticated:
            return NO_AUTHENTICATION
        if not self._greeted or self._reverse_path is not None:
            return BAD_SEQUENCE
        given = path(argument[5:]) if argument[:5].upper() == "FROM:" else None
        if given is None or not given[0]:  # SES wants an address that bounces can go to
            return _reply("501 Invalid MAIL FROM address provided")
        address, parameters = given
        if not is_address(address):
            return INVALID_ADDRESS
        size = parameters.get("SIZE", "0")
        if not size.isdigit() or int(size) > MAX_SIZE:
            return TOO_LONG
        self._reverse_path = address
        return OK

    def _rcpt(self, argument: str) -> Reply:
        if self._reverse_path is None:
            return BAD_SEQUENCE
        given = path(argument[3:]) if argument[:3].upper() == "TO:" else None
        if given is None:
            return _reply("501 Invalid RCPT TO address provided")
        if not is_address(given[0]):
            return INVALID_ADDRESS
        if len(self._recipients) <= MAX_RECIPIENTS:  # one too many is enough for the refusal after the data
            self._recipients.append(given[0])
        return OK

    def _data(self, argument: str) -> Reply:
        if self._reverse_path is None or not self._recipients:
            return BAD_SEQUENCE
        return GO_AHEAD

    def _rset(self, argument: str) -> Reply:
        self._forget()
        return OK

    _VERBS: ClassVar[dict[str, Callable[[Dialogue, str], Reply]]] = {
        "HELO": _helo,
        "EHLO": _ehlo,
        "STARTTLS": _starttls,
        "AUTH": _auth,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
    }


def _unwrapped(line: bytes) -> str:
    """Base64 of an AUTH exchange as text; what is none becomes empty and so no credentials."""
    try:
        return base64.b64decode(line, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
