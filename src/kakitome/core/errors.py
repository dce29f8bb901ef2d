"""Every error of Kakitome, in one tree.

    KakitomeError
    ├── ConfigurationError      the instance is set up wrongly; nothing starts
    ├── Refused                 what was handed in cannot be taken; nothing was stored
    │   ├── AddressError        not an address that mail can go to
    │   ├── HeaderError         a header field that would break the message
    │   ├── ContentError        a body, attachment or character set that cannot become a mail
    │   ├── TemplateError       a template that does not compile or does not render (with its line)
    │   ├── ListError           a mailing list that cannot be read
    │   ├── IdempotencyConflict the key was used before for something else
    │   ├── SearchNeedsKey      what was asked for can only be found with something more
    │   └── StateError          the thing exists, but is not in a state that allows this
    ├── NotFound                no such message, campaign, template …
    ├── Pruned                  a message whose finished campaign was thrown away; the campaign's account is there
    ├── EventRefused            an event whose origin is not proved
    └── LedgerUnavailable       the ledger cannot write now; nothing was acknowledged

Each one says what happened (`what`) and what to do about it (`remedy`); data that a program needs is in attributes,
never only in the sentence. `slug` names the kind in HTTP problems (RFC 9457) and in `--json` output.
"""

from __future__ import annotations

from typing import ClassVar


class KakitomeError(Exception):
    """Something went wrong that its reader can do something about."""

    slug: ClassVar[str] = "error"

    def __init__(self, what: str, remedy: str = "", **data: object) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy
        self.data = data

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class ConfigurationError(KakitomeError):
    """The instance is set up wrongly. `data["key"]` is the dotted key, where there is one."""

    slug = "configuration"


class Refused(KakitomeError):
    """What was handed in cannot be taken. Nothing was stored and nothing will be sent."""

    slug = "refused"


class AddressError(Refused):
    slug = "address"


class HeaderError(Refused):
    slug = "header"


class ContentError(Refused):
    slug = "content"


class TemplateError(Refused):
    """`data["line"]` is the line in the template's source, `data["part"]` one of subject, html, text, mjml."""

    slug = "template"


class ListError(Refused):
    slug = "list"


class IdempotencyConflict(Refused):
    slug = "idempotency-conflict"


class SearchNeedsKey(Refused):
    slug = "search-needs-key"


class StateError(Refused):
    slug = "state"


class NotFound(KakitomeError):
    slug = "not-found"


class Pruned(KakitomeError):
    """There was such a message; the rows of its finished campaign were thrown away, the account was not."""

    slug = "pruned"


class EventRefused(KakitomeError):
    """The event's signature, topic or age does not prove where it comes from. Nothing of it was stored."""

    slug = "event-refused"


class LedgerUnavailable(KakitomeError):
    """The ledger cannot write (disk full, read-only, locked too long). Whoever was waiting got no acknowledgement."""

    slug = "ledger-unavailable"
