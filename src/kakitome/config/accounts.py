"""Which account a lane leads into."""

from __future__ import annotations

from kakitome.config.sendgrid import sendgrid_account
from kakitome.config.tables import LaneTable


def account_of(name: str, lane: LaneTable) -> str:
    """The account that the lane is a way into; lanes of one region share it unless they say otherwise."""
    if lane.account is None and lane.provider == "sendgrid":
        return sendgrid_account(lane)
    return lane.account or f"{lane.provider.removesuffix('-smtp')}-{lane.region or lane.host or name}"


def asks(lane: LaneTable) -> bool:
    """Whether the lane's provider can be asked for the account's limits. SES's SMTP endpoint says nothing itself: the
    API of its region does, unless a host of its own says that the lane may lead elsewhere."""
    if lane.provider == "ses-smtp":
        return lane.region is not None and (lane.endpoint is not None or lane.host is None)
    return lane.provider == "ses"
