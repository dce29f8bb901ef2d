"""What a lane to SendGrid and its events must have."""

from __future__ import annotations

import hashlib

from kakitome.config.tables import EventsTable, LaneTable
from kakitome.config.values import check_reference, is_safe
from kakitome.core.errors import ConfigurationError

REGIONS = ("global", "eu")


def sendgrid_account(lane: LaneTable) -> str:
    """One account for each region and key. The key itself is not read: where it is kept names the account."""
    kept_at = hashlib.sha256((lane.api_key or "").encode()).hexdigest()
    return f"sendgrid-{lane.region or REGIONS[0]}-{kept_at[:6]}"


def check_sendgrid(at: str, lane: LaneTable) -> None:
    """Raises `ConfigurationError`, which never shows what stands where a secret should not."""
    if lane.api_key is None:
        what = f"{at} has no api_key."
        raise ConfigurationError(what, 'Say where it is: api_key = "env:SENDGRID_API_KEY".', key=f"{at}.api_key")
    check_reference(f"{at}.api_key", lane.api_key, "key")
    if lane.region not in (None, *REGIONS):
        what = f"{at}.region = {lane.region!r} is no region of SendGrid's."
        raise ConfigurationError(what, 'Write "global" or "eu".', key=f"{at}.region")
    if lane.endpoint is not None and not is_safe(lane.endpoint):
        raise ConfigurationError(
            f"{at}.endpoint is not an https:// address: the key and the mail would cross the network in the clear.",
            "Leave it out for SendGrid's own; http:// is for this machine only.",
            key=f"{at}.endpoint",
        )


def check_sendgrid_events(events: EventsTable) -> None:
    for reference in events.sendgrid_keys:
        check_reference("events.sendgrid_keys", reference, "key")
