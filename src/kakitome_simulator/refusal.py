"""Why the provider does not take a mail, in the words of each protocol.

Texts and codes are those of the SES developer guide ("SMTP response codes", "Errors related to the sending quotas")
and of the API reference of SES v2. A refusal is certain: nothing was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """`smtp` is a whole reply without its line end; the rest is the API's answer."""

    smtp: str
    status: int  # HTTP
    error: str  # x-amzn-ErrorType
    message: str
    status_name: str | None = None  # of an entry of SendBulkEmail, where the error does not say which

    @property
    def name(self) -> str:
        """What it is counted under in the simulator's state."""
        return f"{self.smtp[:3]} {self.error}"


THROTTLED = Refusal(
    "454 Throttling failure: Maximum sending rate exceeded",
    429,
    "TooManyRequestsException",
    "Maximum sending rate exceeded.",
)
QUOTA = Refusal(
    "454 Throttling failure: Daily message quota exceeded",
    429,
    "TooManyRequestsException",
    "Daily message quota exceeded.",
    "ACCOUNT_DAILY_QUOTA_EXCEEDED",
)
SUSPENDED = Refusal(
    "554 Message rejected: Sending paused for this account.",
    400,
    "AccountSuspendedException",
    "The account's ability to send email has been permanently restricted.",
)
PAUSED = Refusal(
    "554 Message rejected: Sending paused for this account.",
    400,
    "SendingPausedException",
    "Sending paused for this account. For more information, please check the inbox of the email address associated "
    "with your AWS account.",
)
SET_PAUSED = Refusal(
    "554 Message rejected: Sending is paused for this configuration set.",
    400,
    "SendingPausedException",
    "Sending is paused for this configuration set.",
    "CONFIGURATION_SET_SENDING_PAUSED",
)
# The simulator's own trouble (disk full): it must never say yes to what it could not write down.
UNAVAILABLE = Refusal("451 Temporary service failure", 503, "ServiceUnavailable", "Service unavailable.")
TOO_LONG = Refusal(
    "552 Message is too long.", 400, "MessageRejected", "Message length is more than 41943040 bytes long."
)
TOO_MANY = Refusal(
    "554 Transaction failed: Recipient count exceeds 50.",
    400,
    "MessageRejected",
    "Recipient count exceeds 50.",
)

_ERRORS_OF_STATUS = {
    400: "BadRequestException",
    403: "AccessDeniedException",
    404: "NotFoundException",
    413: "RequestEntityTooLarge",
    429: "TooManyRequestsException",
    500: "InternalFailure",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}

# Named errors of SendEmail: HTTP status and the reply that SMTP gives for the same thing.
_STATUS_AND_REPLY = {
    "AccountSuspendedException": (400, SUSPENDED.smtp),
    "BadRequestException": (400, "554 Transaction failed: Invalid input"),
    "LimitExceededException": (400, "454 Temporary service failure"),
    "MailFromDomainNotVerifiedException": (400, "554 Message rejected: MAIL FROM domain is not verified"),
    "MessageRejected": (400, "554 Message rejected: Bad content"),
    "NotFoundException": (404, "554 Transaction failed: Configuration set does not exist"),
    "SendingPausedException": (400, SUSPENDED.smtp),
    "TooManyRequestsException": (429, THROTTLED.smtp),
}

# What an entry of SendBulkEmail says where SendEmail has an error of that name. More statuses than errors: those
# without an error of their own can be asked for by their names.
_BULK_STATUSES = {
    "AccountSuspendedException": "ACCOUNT_SUSPENDED",
    "BadRequestException": "INVALID_PARAMETER",
    "MailFromDomainNotVerifiedException": "MAIL_FROM_DOMAIN_NOT_VERIFIED",
    "MessageRejected": "MESSAGE_REJECTED",
    "NotFoundException": "CONFIGURATION_SET_NOT_FOUND",
    "SendingPausedException": "ACCOUNT_SENDING_PAUSED",
    "ServiceUnavailable": "TRANSIENT_FAILURE",
    "TooManyRequestsException": "ACCOUNT_THROTTLED",
}
_ONLY_BULK = {
    "CONFIGURATION_SET_SENDING_PAUSED": (400, "SendingPausedException"),
    "FAILED": (400, "LimitExceededException"),
    "INVALID_SENDING_POOL_NAME": (400, "BadRequestException"),
    "TEMPLATE_NOT_FOUND": (404, "NotFoundException"),
    "TRANSIENT_FAILURE": (503, "ServiceUnavailable"),
}

_TEXTS_OF_REPLY = {
    421: "Too many concurrent SMTP connections",
    451: "Temporary service failure",
    454: "Temporary service failure",
    530: "Authentication required",
    535: "Authentication Credentials Invalid",
    552: "Message is too long.",
    554: "Transaction failed",
}


def not_verified(addresses: Iterable[str]) -> Refusal:
    text = "Email address is not verified. The following identities failed the check in region US-EAST-1: " + ", ".join(
        addresses
    )
    return Refusal(f"554 Message rejected: {text}", 400, "MessageRejected", text)


def no_set(name: str) -> Refusal:
    text = f"Configuration set <{name}> does not exist."
    return Refusal(f"554 Transaction failed: {text}", 404, "NotFoundException", text)


def bulk_status(refused: Refusal) -> str:
    """The status of an entry of SendBulkEmail."""
    if refused.status_name is not None:
        return refused.status_name
    return _BULK_STATUSES.get(refused.error, "FAILED")


def is_of_request(code: str) -> bool:
    """Whether a code stands for the request itself and not for a mail in it: the numbers do."""
    return code.isdigit()


def of(code: str) -> Refusal:
    """The refusal that a fault asks for by a number (4xx, 5xx) or by the name of an SES error or bulk status.

    A number is used as it is on both ways in: `451` as an HTTP status is as odd as `429` as an SMTP reply, and a
    client has to live with either. Raises `ValueError` for anything else.
    """
    if code in _STATUS_AND_REPLY:
        status, reply = _STATUS_AND_REPLY[code]
        return Refusal(reply, status, code, f"Simulated {code}.")
    if code in _ONLY_BULK:
        status, error = _ONLY_BULK[code]
        return Refusal("451 Temporary service failure", status, error, f"Simulated {code}.", code)
    if not code.isascii() or not code.isdigit() or not 400 <= int(code) <= 599:
        raise ValueError(f"{code!r} is neither 400…599 nor one of {', '.join([*_STATUS_AND_REPLY, *_ONLY_BULK])}")
    status = int(code)
    error = _ERRORS_OF_STATUS.get(status, "BadRequestException" if status < 500 else "InternalFailure")
    text = _TEXTS_OF_REPLY.get(status, "Simulated failure")
    return Refusal(f"{code} {text}", status, error, f"Simulated failure {code}.")
