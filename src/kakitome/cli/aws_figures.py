"""What a campaign costs on AWS where the ledger is there: ledger and functions, without the provider's price."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from kakitome.config import Config
from kakitome.core.aws_cost import usd
from kakitome.core.aws_forms import STARTED, Setting, ours
from kakitome.core.aws_prices import AS_OF, CURRENCY, REGIONS
from kakitome.core.cost import amount_text, exact_text
from kakitome.ledgers.dynamodb.place import place


class AwsCost(msgspec.Struct, frozen=True, kw_only=True):
    """By list prices. Both amounts are None, with `why_not`, where the region's prices are not known here."""

    region: str
    sending: Fraction | None = None
    events: Fraction | None = None
    why_not: str = ""


def aws_cost(config: Config, mails: int, rate: float | None) -> AwsCost | None:
    """None where the ledger is not on AWS. `rate`: of the lane, in mails a second; functions that wait for it are paid
    for. Two events a mail are reckoned with (Send and Delivery)."""
    if not config.ledger.url.startswith("dynamodb://"):
        return None
    region = place(config.ledger.url).region
    if region not in REGIONS:
        return AwsCost(region=region, why_not=f"the price list here has {' and '.join(REGIONS)}, not {region}")
    form = ours(Setting(rate=rate), STARTED)
    return AwsCost(region=region, sending=mails * usd(form.sending, region), events=mails * usd(form.events, region))


def aws_document(found: AwsCost | None) -> dict[str, object]:
    if found is None:
        return {"aws_cost": None}
    amounts = {
        name: None if amount is None else exact_text(amount)
        for name, amount in (("sending", found.sending), ("events", found.events))
    }
    told = {"region": found.region, **amounts, "currency": CURRENCY, "prices_of": AS_OF}
    return {"aws_cost": told | {"why_not": found.why_not or None}}


def aws_lines(found: AwsCost | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    if found.sending is None or found.events is None:
        return [("cost on AWS", f"– {found.why_not}")]
    sending, events = amount_text(found.sending), amount_text(found.events)
    return [("cost on AWS", f"{sending} {CURRENCY}, events {events} {CURRENCY}  (list prices of {AS_OF})")]
