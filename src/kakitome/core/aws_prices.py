"""What AWS asks for, by its price list: the one place where these figures stand.

List prices in USD, without free tiers, discounts and taxes, of the on-demand kind; where a price falls with the volume
it is the first and highest one. To renew them: read the pages that are named here, change the amounts and `AS_OF`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

AS_OF: Final = "2026-09-18"
CURRENCY: Final = "USD"
REGIONS: Final = ("us-east-1", "ap-northeast-1")

MILLION: Final = 1_000_000


class Unit(StrEnum):
    """What is counted. A GB is 2^30 octets where memory is meant, and what AWS's bill says elsewhere."""

    WRITE = "dynamodb.write_unit"
    READ = "dynamodb.read_unit"
    STREAM_READ = "dynamodb.stream_read"  # GetRecords by a process of ours; Lambda's own are free
    STORED = "dynamodb.gb_month"
    RECOVERY = "dynamodb.recovery_gb_month"
    SQS = "sqs.request"  # 64 KB each; what SNS puts into a queue counts, too
    SNS = "sns.publish"  # 64 KB each; its deliveries to SQS and Lambda are free
    CALL = "lambda.request"
    ARM = "lambda.arm_gb_second"
    X86 = "lambda.x86_gb_second"
    TRANSITION = "states.transition"
    EXPRESS = "states.express_request"
    EXPRESS_TIME = "states.express_gb_second"
    S3_GET = "s3.get"
    S3_PUT = "s3.put"
    MAIL = "ses.recipient"
    ATTACHED = "ses.attachment_gb"
    LOGGED = "logs.gb"


class Listed(NamedTuple):
    """`amounts` for every `per` units, in the order of `REGIONS`; `page` is its name at AWS."""

    page: str
    per: int
    amounts: tuple[Decimal, Decimal]


def _listed(page: str, per: int, *amounts: str) -> Listed:
    first, second = map(Decimal, amounts)
    return Listed(page, per, (first, second))


_DYNAMODB = "Amazon DynamoDB pricing, on-demand capacity"
_LAMBDA = "AWS Lambda pricing"
_STATES = "AWS Step Functions pricing"
_S3 = "Amazon S3 pricing, requests of S3 Standard"
_SES = "Amazon Simple Email Service pricing"

PRICES: Final[dict[Unit, Listed]] = {
    Unit.WRITE: _listed(_DYNAMODB, MILLION, "0.625", "0.715"),
    Unit.READ: _listed(_DYNAMODB, MILLION, "0.125", "0.1425"),
    Unit.STREAM_READ: _listed(_DYNAMODB, 100_000, "0.02", "0.0228"),
    Unit.STORED: _listed(_DYNAMODB, 1, "0.25", "0.285"),
    Unit.RECOVERY: _listed(_DYNAMODB, 1, "0.20", "0.228"),
    Unit.SQS: _listed("Amazon SQS pricing, standard queues", MILLION, "0.40", "0.40"),
    Unit.SNS: _listed("Amazon SNS pricing, standard topics", MILLION, "0.50", "0.50"),
    Unit.CALL: _listed(_LAMBDA, MILLION, "0.20", "0.20"),
    Unit.ARM: _listed(_LAMBDA, 1, "0.0000133334", "0.0000133334"),
    Unit.X86: _listed(_LAMBDA, 1, "0.0000166667", "0.0000166667"),
    Unit.TRANSITION: _listed(_STATES, 1_000, "0.025", "0.025"),
    Unit.EXPRESS: _listed(_STATES, MILLION, "1.00", "1.00"),
    Unit.EXPRESS_TIME: _listed(_STATES, 1, "0.00001667", "0.00001667"),
    Unit.S3_GET: _listed(_S3, 1_000, "0.0004", "0.00037"),
    Unit.S3_PUT: _listed(_S3, 1_000, "0.005", "0.0047"),
    Unit.MAIL: _listed(_SES, 1_000, "0.10", "0.10"),
    Unit.ATTACHED: _listed(_SES, 1, "0.12", "0.12"),
    Unit.LOGGED: _listed("Amazon CloudWatch pricing, logs", 1, "0.50", "0.76"),
}


def price(unit: Unit, region: str) -> Fraction:
    """Of one unit. Raises `KeyError` for a region whose prices are not here: another region's would be wrong."""
    if region not in REGIONS:
        raise KeyError(region)
    listed = PRICES[unit]
    return Fraction(listed.amounts[REGIONS.index(region)]) / listed.per
