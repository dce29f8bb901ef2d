"""xtext (RFC 3461 §4): how a value travels as an SMTP parameter, and comes back in a report."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(r"[^!-*,-<>-~]")  # anything but printable ASCII without +, = and the space
_HEX: Final = re.compile(r"\+([0-9A-F]{2})")


def to_xtext(text: str) -> str:
    """`text`, printable ASCII, as xtext."""
    return _UNSAFE.sub(lambda found: f"+{ord(found[0]):02X}", text)


def from_xtext(text: str) -> str:
    """What was meant; a + that begins no pair of hex digits stays as it is, and never an error."""
    return _HEX.sub(lambda found: chr(int(found[1], 16)), text)
