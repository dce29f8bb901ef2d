"""What is an address that mail can go to, and under which key do we remember it?

An address has four forms, and no form is ever rebuilt from another by guessing:

- `given`     as a person wrote it; shown to people, never compared;
- `envelope`  what goes into RCPT TO (RFC 5321 §4.1.2): ASCII, the local part quoted where it is not a dot-string;
- canonical   the key for duplicates, suppression and search: lower case, unquoted. Dots and +labels are never folded:
              for the receiving server they may well be two people;
- hash        what ledgers index in place of the canonical form.

Deviations from RFC 5321, each for a reason:

- A local part with two dots in a row or a dot before the @ (`a..b.@docomo.ne.jp`) is taken as it is and quoted on the
  wire. Japanese carriers handed such addresses out until 2009, under many domains; they still have owners.
- No SMTPUTF8 (RFC 6531): our providers do not speak it, so a local part beyond ASCII is refused here, in words, and
  not by a provider, in a number. Domains beyond ASCII become A-labels (RFC 5891, mapped after UTS #46).
- Address literals and, unless asked for, domains without a dot are refused: nobody subscribes from one.

The common address is decided by one regular expression; everything else takes the slow way, whose purpose is less to
accept the rare address than to tell its owner what is wrong with the broken one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import NoReturn

import idna
import msgspec

from .content import Mailbox
from .errors import AddressError

LOCAL_OCTETS = 64  # RFC 5321 §4.5.3.1.1, counted as on the wire, with quotes
TOTAL_OCTETS = 254  # RFC 5321 §4.5.3.1.3 less the angle brackets (RFC 3696, erratum 1690); keeps every domain below 255
GIVEN_CHARACTERS = 1_000  # whatever is longer is not looked at: no address escapes or maps down from there to 254

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL = r"(?!-|..--)[A-Za-z0-9-]{1,63}+(?<!-)"  # hyphens in places 3 and 4 are reserved (RFC 5891 §4.2.3.1)
_TOP = r"(?!-|..--)[A-Za-z0-9-]{0,62}[A-Za-z]"  # ends in a letter, as every top-level domain, A-labels included, does
_A_TOP = r"[Xx][Nn]--[A-Za-z0-9-]{0,58}[A-Za-z]"

_ORDINARY = re.compile(rf"([{_ATEXT}]++(?:\.[{_ATEXT}]++)*+)@((?:{_LABEL}\.)+{_TOP})").fullmatch
_DOMAIN = re.compile(rf"(?:(?:{_LABEL}|[Xx][Nn]--[A-Za-z0-9-]{{1,59}})\.)*(?:{_TOP}|{_A_TOP})").fullmatch
_DOT_STRING = re.compile(rf"[{_ATEXT}]++(?:\.[{_ATEXT}]++)*+").fullmatch
_CARRIER_LOCAL = re.compile(rf"[{_ATEXT}][.{_ATEXT}]*").fullmatch
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\[ -~])*)"@(.*)').fullmatch
_NOT_IN_DOMAIN = re.compile(r"[^A-Za-z0-9.-]").search
_BETWEEN_ADDRESSES = re.compile(r"[,;、\s]").search


class Address(msgspec.Struct, frozen=True, gc=False):
    """An address that mail can go to. Made by `parse_address` only, which vouches for every field.

    `given` is trimmed and NFC; `local` is unquoted and unescaped, its case kept; `domain` is lower-case A-labels.
    (A Struct because a million are made in a run: 0.07 µs each, a frozen slotted dataclass takes 0.32.)
    """

    given: str
    local: str
    domain: str

    @property
    def envelope(self) -> str:
        """The address as RCPT TO takes it (RFC 5321 §4.1.2), without the angle brackets. Always printable ASCII."""
        return f"{_on_the_wire(self.local)}@{self.domain}"


def parse_address(text: str, *, allow_local_domain: bool = False) -> Address:
    """Read one address (an addr-spec, no name). Spaces and tabs around it do not matter.

    `allow_local_domain` takes domains without a dot, such as `localhost`.
    Raises AddressError with what is wrong in plain words; `data["address"]` is the text.
    """
    text = text.strip(" \t")
    ordinary = _ORDINARY(text)
    if ordinary is not None and len(text) <= TOTAL_OCTETS and ordinary.end(1) <= LOCAL_OCTETS:
        return Address(text, ordinary[1], ordinary[2].lower())
    try:
        return _parse_unusual(text, allow_local_domain)
    except AddressError as error:
        error.data["address"] = text[:GIVEN_CHARACTERS]
        raise


def canonical(address: Address) -> str:
    """The key under which we remember an address: equal for all spellings that reach the same mailbox by RFC 5321,
    and for spellings that differ in case only, which no server of today tells apart."""
    return f"{address.local.lower()}@{address.domain}"


def address_hash(key: bytes, canonical: str) -> int:
    """A keyed hash of a canonical address as a signed 64-bit integer (a ledger's integer column).

    BLAKE2b with 8 octets of digest. Without the key nobody can tell whose address it is by trying names.
    Raises ValueError unless `key` has 16 to 64 octets.
    """
    if not 16 <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise ValueError("the key of address hashes has 16 to 64 octets")
    return int.from_bytes(hashlib.blake2b(canonical.encode(), digest_size=8, key=key).digest(), "big", signed=True)


def parse_mailbox(text: str, *, allow_local_domain: bool = False) -> Mailbox:
    """Read `Name <addr>`, `"Name, Inc." <addr>`, `<addr>` or a bare address (RFC 5322 §3.4, `mailbox`).

    More lenient than the RFC: a name in any script needs no quotes unless it has one of `" , ; < >`. Encoded-words
    are taken literally. Raises AddressError; never returns a name that could break a header line.
    """
    text = text.strip(" \t")
    if len(text) > GIVEN_CHARACTERS:
        _refuse("The name and address are far too long.", f"Keep them within {GIVEN_CHARACTERS} characters.")
    _refuse_unprintable(text)
    if not text.endswith(">"):
        return Mailbox(parse_address(text, allow_local_domain=allow_local_domain).given)
    # The last "<" opens the address, unless an address with a quoted local part contains one: `"a<b"@example.com`.
    quoted = re.fullmatch(r'(.*?)<("(?:[^"\\]|\\.)*"@[^<>"]*)>', text)
    name, spec = (quoted[1], quoted[2]) if quoted else text[:-1].rpartition("<")[::2]
    address = parse_address(spec, allow_local_domain=allow_local_domain)
    return Mailbox(address.given, _display_name(name.strip(" \t")))


def _display_name(text: str) -> str:
    if re.fullmatch(r'"(?:[^"\\]|\\.)*"', text):
        return re.sub(r"\\(.)", r"\1", text[1:-1]).strip()
    special = re.search(r'[",;<>]', text)
    if special:
        _refuse(f"The name has a “{special[0]}” outside quotes.", 'Write it as "Name, Inc." <name@example.com>.')
    return text


def _on_the_wire(local: str) -> str:
    if _DOT_STRING(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parse_unusual(text: str, allow_local_domain: bool) -> Address:
    if not text:
        _refuse("The address is empty.")
    if len(text) > GIVEN_CHARACTERS:
        _refuse("The address is far too long.", f"An address has at most {TOTAL_OCTETS} characters.")
    _refuse_full_width(text)
    _refuse_unprintable(text)
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    quoted = _QUOTED(text)
    if quoted:
        local, domain = re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2]
        if not local:
            _refuse("There is nothing before the @.")
    else:
        _refuse_more_than_one(text)
        local, at, domain = text.partition("@")
        if not at:
            _refuse("There is no @ in it.", "An address looks like name@example.com.")
        _check_local(local)
    address = Address(text, local, _read_domain(domain, allow_local_domain))
    if len(_on_the_wire(local)) > LOCAL_OCTETS:
        _refuse(f"The part before the @ is longer than {LOCAL_OCTETS} characters.")
    if len(address.envelope) > TOTAL_OCTETS:
        _refuse(f"The address is longer than {TOTAL_OCTETS} characters.")
    return address


def _refuse(what: str, remedy: str = "") -> NoReturn:
    raise AddressError(what, remedy)


def _refuse_full_width(text: str) -> None:
    """Name the full-width twin of an ASCII character: in an input method it is one key away, on the screen invisible.

    UTS #46 would map them silently in a domain, but not before the @; one rule for the whole address is easier told.
    """
    for character in text:
        if "\uff01" <= character <= "\uff5e":
            half = chr(ord(character) - 0xFEE0)
            _refuse(f"“{character}” is a full-width character.", f"Write it half-width, as “{half}”.")
        if character in "。｡":
            _refuse(f"“{character}” is a Japanese full stop.", "Write it as “.”.")
        if character == "\u3000":
            _refuse("There is a full-width (ideographic) space in it.", "Take the space out.")


def _refuse_unprintable(text: str) -> None:
    for character in text:
        category = unicodedata.category(character)
        code = f"U+{ord(character):04X}"
        if character in "\r\n" or category in ("Zl", "Zp"):
            _refuse(f"There is a line break in it ({code}).", "Take it out.")
        if category in ("Cc", "Cs"):
            _refuse(f"There is a control character or a broken character in it ({code}).", "Take it out.")


def _refuse_more_than_one(text: str) -> None:
    if text.startswith("@") and ":" in text:
        _refuse("It has a source route (RFC 5321 §4.1.2).", "Give only the address that follows the colon.")
    if text.count("@") > 1 and _BETWEEN_ADDRESSES(text):
        _refuse("There is more than one address in it.", "Give each address a place of its own.")
    if "<" in text or ">" in text:
        _refuse("There are angle brackets in it.", "Give only the address, without a name and without < and >.")
    if text.count("@") > 1:
        _refuse("There is more than one @ in it.")


def _check_local(local: str) -> None:
    if not local:
        _refuse("There is nothing before the @.")
    if _CARRIER_LOCAL(local):
        return
    if local.startswith("."):
        _refuse("It begins with a dot.")
    _refuse_space_or_invisible(local)
    if not local.isascii():
        foreign = next(c for c in local if not c.isascii())
        _refuse(
            f"“{foreign}” stands before the @; only ASCII can be sent there.",
            "Providers do not take internationalised local parts (SMTPUTF8); ask the owner for an ASCII address.",
        )
    bad = next(c for c in local if not _CARRIER_LOCAL(f"a{c}"))
    _refuse(f"“{bad}” may not stand before the @.", "If it truly belongs there, quote that part (RFC 5321 §4.1.2).")


def _refuse_space_or_invisible(text: str) -> None:
    for character in text:
        category = unicodedata.category(character)
        if category == "Zs" or character == "\t":
            _refuse("There is a space in it.", "Take the space out.")
        if category == "Cf" and character not in "\u200c\u200d":  # joiners are letters' business in some scripts
            _refuse(f"There is an invisible character in it (U+{ord(character):04X}).", "Type the address anew.")


def _read_domain(text: str, allow_local_domain: bool) -> str:
    if text.startswith("["):
        _refuse("It ends in an address literal, not in a domain.", "Give a domain name after the @.")
    if not text:
        _refuse("There is nothing after the @.")
    _refuse_space_or_invisible(text)
    domain = text.lower()
    if not domain.isascii() or domain.startswith("xn--") or ".xn--" in domain:
        domain = _a_labels(text)
    if _DOMAIN(domain) is None:
        _refuse_domain(domain)
    if "." not in domain and not allow_local_domain:
        _refuse("The domain has no dot, so it is no domain of the internet.", "Look for a missing .com or .jp.")
    return domain


def _a_labels(domain: str) -> str:
    """A-labels, lower case. An A-label that is given must be one that the mapping itself would have made."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except UnicodeError:
        _refuse(f"“{domain}” is not an internationalised domain name (IDNA 2008).")


def _refuse_domain(domain: str) -> NoReturn:
    bad = _NOT_IN_DOMAIN(domain)
    if bad:
        _refuse(f"“{bad[0]}” may not stand in a domain.")
    labels = domain.split(".")
    if "" in labels:
        where = "begins" if not labels[0] else "ends" if not labels[-1] else ""
        _refuse(f"The domain {where} with a dot." if where else "The domain has two dots in a row.")
    for label in labels:
        if len(label) > 63:
            _refuse("A part of the domain is longer than 63 characters.")
        if label.startswith("-") or label.endswith("-") or label[2:4] == "--":
            _refuse(f"The hyphens in “{label}” are in places where a domain may not have them.")
    _refuse(f"No top-level domain is called “{labels[-1]}”.", "Look at the end of the address.")
