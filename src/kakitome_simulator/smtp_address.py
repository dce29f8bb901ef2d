"""Paths and their parameters as they stand in MAIL and RCPT (RFC 5321 §4.1.2), in the strictness of SES.

SES has no SMTPUTF8: an address is ASCII. Consecutive dots, or a dot before the `@`, are only right inside a quoted
local part (`"a..b."@docomo.ne.jp`).
"""

from __future__ import annotations

import re

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATEXT}(?:\.{_ATEXT})*|{_QUOTED})@(?P<domain>{_LABEL}(?:\.{_LABEL})+)")

# The path may have a quoted string with a `>` in it; what follows it are the parameters.
_ARGUMENT = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">])*)>(?:\s+(.*))?')


def is_address(text: str) -> bool:
    """Whether it is a Mailbox with lengths of RFC 5321 §4.5.3.1; a domain has at least one dot."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and len(match["local"]) <= 64 and len(match["domain"]) <= 255


def path(argument: str) -> tuple[str, dict[str, str]] | None:
    """Read `<path> KEY=value …`; keys come back in upper case. `None` if there is no path in angle brackets."""
    match = _ARGUMENT.fullmatch(argument.strip())
    if match is None:
        return None
    pairs = (word.partition("=") for word in (match[2] or "").split())
    return match[1], {key.upper(): value for key, _, value in pairs}
