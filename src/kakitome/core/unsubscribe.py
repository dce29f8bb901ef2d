"""The link by which a reader leaves a list: what it looks like, and who can make one.

A token names a message, and thereby address and list; the address is not in it. It is `generation, message id, MAC` in
40 digits of base32 without the letters that are read wrongly: no case, no `-` or `_` at the end that a mail program
would cut off. The MAC is HMAC-SHA256 (RFC 2104), cut to 128 bits (its §5). Tokens do not end: a mail is kept for years.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from kakitome.core.ids import MessageId

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {digit: n for n, digit in enumerate(_DIGITS)}
_MAC = 16
_BYTES = 1 + 8 + _MAC
LENGTH = _BYTES * 8 // 5
GENERATIONS = 255

PATH = "/u/"
VARIABLE = "unsubscribe_url"
ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""RFC 8058 §3.1: the one pair of key and value that the POST has."""


class Leaving(StrEnum):
    """What an unsubscription from a stream's mail ends: that stream, everything of this instance, or nothing."""

    STREAM = "stream"
    ALL = "all"
    NONE = "none"

    def scope(self, stream: str) -> str | None:
        """The suppression's scope, None where there is nothing to leave."""
        return {Leaving.STREAM: f"stream:{stream}", Leaving.ALL: "all"}.get(self)


class Signer:
    """Makes and reads tokens. `secret` is the ledger's; each generation has a key of its own, derived from it.

    `newest` signs; it and all before it are read, so that a key can be replaced and old mails go on working.
    """

    def __init__(self, secret: bytes, newest: int = 1) -> None:
        if not 1 <= newest <= GENERATIONS:
            raise ValueError(f"Generations are numbered from 1 to {GENERATIONS}.")
        self._newest = newest
        self._keys = {
            n: hmac.digest(secret, b"kakitome unsubscribe %d" % n, hashlib.sha256) for n in range(1, newest + 1)
        }

    def token(self, message: MessageId) -> str:
        said = bytes([self._newest]) + message.to_bytes(8, "big")
        number = int.from_bytes(said + self._mac(self._newest, said), "big")
        return "".join(_DIGITS[number >> 5 * k & 31] for k in reversed(range(LENGTH)))

    def message(self, token: str) -> MessageId | None:
        """The message that the token names, None for what no key of ours signed. The MACs are compared in constant
        time."""
        if len(token) != LENGTH or not _VALUES.keys() >= set(token.lower()):
            return None
        number = 0
        for digit in token.lower():
            number = number << 5 | _VALUES[digit]
        whole = number.to_bytes(_BYTES, "big")
        said, mac = whole[:-_MAC], whole[-_MAC:]
        if said[0] not in self._keys or not hmac.compare_digest(mac, self._mac(said[0], said)):
            return None
        return MessageId(int.from_bytes(said[1:], "big"))

    def _mac(self, generation: int, said: bytes) -> bytes:
        return hmac.digest(self._keys[generation], said, hashlib.sha256)[:_MAC]


def one_way_out(link: str) -> str:
    """A link in figures, where each reader's way out is the same one: its token is theirs alone, and whoever has it may
    act. Other links stay as they are."""
    before, path, token = link.rpartition(PATH)
    return f"{before}{path}…" if path and len(token) == LENGTH and _VALUES.keys() >= set(token.lower()) else link


class Letterhead(msgspec.Struct, frozen=True, kw_only=True):
    """What every mail of a stream carries beside what its author wrote.

    `public` is where readers reach this instance (`https://mail.example.com`). `listed`: the mail goes to a list, and
    says in its header how one leaves it. `given` are variables of every template: `sender_name` and its like.
    """

    public: str
    listed: bool = False
    given: Mapping[str, str] = {}

    def link(self, token: str) -> str:
        return f"{self.public}{PATH}{token}"

    def variables(self, link: str) -> dict[str, str]:
        return {**self.given, VARIABLE: link}

    def fields(self, link: str) -> tuple[tuple[str, str], ...]:
        """List-Unsubscribe (RFC 2369 §3.2) and List-Unsubscribe-Post (RFC 8058 §3.1)."""
        if not self.listed:
            return ()
        return (("List-Unsubscribe", f"<{link}>"), ("List-Unsubscribe-Post", "=".join(ONE_CLICK)))

    @property
    def sample(self) -> str:
        """A link that leads nowhere, for mails that are only looked at."""
        return self.link("0" * LENGTH)


Letterheads = Callable[[str], Letterhead]
"""By the name of the stream; "" for a mail whose stream is not known yet."""


def with_fields(
    headers: tuple[tuple[str, str], ...], fields: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Header values with these in place of others of the same name: a mail never has two List-Unsubscribe fields."""
    ours = {name.lower() for name, _ in fields}
    return (*(pair for pair in headers if pair[0].lower() not in ours), *fields)
