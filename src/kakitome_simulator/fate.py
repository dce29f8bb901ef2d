"""What becomes of a mail, told by its recipient's address.

The addresses of SES's mailbox simulator ("Using the mailbox simulator" in its developer guide) act with or without a
`+label`. At `simulator.example`, and at the domains that a person names, the words `bounce`, `complaint`, `soft`,
`delay` and `reject` act only with a label: a real list may have an address `bounce@`. Everybody else gets their mail.
"""

from __future__ import annotations

from enum import Enum

from .account import SIMULATOR_DOMAIN

PLAY_DOMAIN = "simulator.example"


class Turn(Enum):
    """One thing that happens to a mail for one recipient; `ses_event` says it in SES's words."""

    SEND = "send"
    DELIVERY = "delivery"
    DELAY = "delay"
    BOUNCE = "bounce"
    SOFT_BOUNCE = "soft_bounce"
    OUT_OF_OFFICE = "out_of_office"
    SUPPRESSED = "suppressed"
    COMPLAINT = "complaint"
    OPEN = "open"
    CLICK = "click"
    ON_LIST = "on_account_suppression_list"
    REJECT = "reject"
    RENDERING_FAILURE = "rendering_failure"
    SUBSCRIPTION = "subscription"


_MAILBOX_SIMULATOR = {
    "success": (Turn.DELIVERY,),
    "bounce": (Turn.BOUNCE,),
    "complaint": (Turn.DELIVERY, Turn.COMPLAINT),
    "ooto": (Turn.DELIVERY, Turn.OUT_OF_OFFICE),
    "suppressionlist": (Turn.SUPPRESSED,),
}
_PLAY = {
    "bounce": (Turn.BOUNCE,),
    "complaint": (Turn.DELIVERY, Turn.COMPLAINT),
    "soft": (Turn.SOFT_BOUNCE,),
    "delay": (Turn.DELAY, Turn.DELIVERY),
    "reject": (Turn.REJECT,),
}


def fate(recipient: str, play: frozenset[str]) -> tuple[Turn, ...]:
    """What happens after the provider took the mail, in order. `play` are lower-case domains."""
    local, _, domain = recipient.lower().rpartition("@")
    word, plus, _ = local.partition("+")
    if domain == SIMULATOR_DOMAIN:
        return _MAILBOX_SIMULATOR.get(word, (Turn.DELIVERY,))
    if plus and (domain == PLAY_DOMAIN or domain in play):
        return _PLAY.get(word, (Turn.DELIVERY,))
    return (Turn.DELIVERY,)
