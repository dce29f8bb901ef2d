"""Every row of the providers' tables: what an answer means for the mail, for the lane, and for the address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.bounce import classify_bounce
from kakitome.core.classify import Stage, ses_outcome, smtp_outcome
from kakitome.core.event import BounceClass as B
from kakitome.core.event import Permanence
from kakitome.core.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.core.reply import Reply, parse_smtp_reply

NOW = 1_700_000_000_000
TEN_MINUTES = 600_000
ID = "0100017d2f0b1a2c-5e3f8c1a-4a1f-4c52-9a60-6e8c2f9d1e11-000000"
DENIED = "Access denied: User `arn:aws:iam::123456789012:user/x` is not authorized to perform `ses:SendRawEmail`"
UNVERIFIED = "Email address is not verified. The following identities failed the check in region AP-NORTHEAST-1: "


def _name(outcome: Outcome) -> str:
    """`deferred`, `rejected`, `uncertain`, `accepted`, or why it is unavailable."""
    return str(outcome.reason) if isinstance(outcome, Unavailable) else type(outcome).__name__.lower()


def _smtp(stage: Stage, code: int, text: str, provider: str = "smtp", to: str = "to@example.jp") -> Outcome:
    reply = parse_smtp_reply(code, text)
    outcome = smtp_outcome(stage, reply, "ses" if provider == "ses" else "smtp", now=NOW, recipients=[to])
    assert not isinstance(outcome, Released) and outcome.reply is reply
    return outcome


# ── SES by SMTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stage", "code", "text", "expected"),
    [
        (Stage.CONNECT, 421, "Too many concurrent SMTP connections", "too_many_connections"),
        (Stage.BODY, 421, "Too many concurrent SMTP connections", "too_many_connections"),
        (Stage.BODY, 451, "Temporary service failure", "deferred"),
        (Stage.BODY, 451, "Timeout waiting for data from client", "deferred"),
        (Stage.BODY, 454, "Throttling failure: Maximum sending rate exceeded", "throttled"),
        (Stage.BODY, 454, "Throttling failure: Daily message quota exceeded", "quota"),
        (Stage.AUTH, 454, "Temporary authentication failure", "credentials"),
        (Stage.BODY, 454, "Temporary service failure", "deferred"),
        (Stage.MAIL, 530, "Authentication required", "credentials"),
        (Stage.MAIL, 530, "Must issue a STARTTLS command first", "tls"),
        (Stage.AUTH, 535, "Authentication Credentials Invalid", "credentials"),
        (Stage.AUTH, 535, "Account not subscribed to SES", "credentials"),
        (Stage.BODY, 552, "Message is too long.", "rejected"),
        (Stage.RCPT, 553, "Invalid email address", "rejected"),
        (Stage.BODY, 554, DENIED, "credentials"),
        (Stage.BODY, 554, f"Message rejected: {UNVERIFIED}from@example.com", "identity"),
        (Stage.BODY, 554, f"Message rejected: {UNVERIFIED}to@example.jp", "sandbox"),
        (Stage.BODY, 554, f"Message rejected: {UNVERIFIED}Shop <from@example.com>, to@example.jp", "identity"),
        (Stage.BODY, 554, "Message rejected: Sending paused for this account.", "paused"),
        (Stage.BODY, 554, "Message rejected: Sending suspended for this account.", "suspended"),
        (Stage.BODY, 554, "Transaction failed: Configuration set does not exist", "configuration"),
        (Stage.BODY, 554, "Message rejected: MAIL FROM domain is not verified", "identity"),
        (Stage.BODY, 554, "Transaction failed: Missing start boundary", "rejected"),
    ],
)
def test_what_ses_says_over_smtp(stage: Stage, code: int, text: str, expected: str) -> None:
    """Each reply of SES's SMTP interface, read by its words first."""
    assert _name(_smtp(stage, code, text, "ses")) == expected


def test_ses_gives_its_id_with_the_reply() -> None:
    """`250 Ok <id>` after the final dot is the acceptance and names the mail."""
    outcome = _smtp(Stage.BODY, 250, f"Ok {ID}", "ses")
    assert isinstance(outcome, Accepted)
    assert outcome.provider_message_id == ID


def test_a_used_up_quota_has_an_end() -> None:
    """Ten minutes, as AWS says; a throttle names no time and is left to pacing."""
    quota = _smtp(Stage.BODY, 454, "Throttling failure: Daily message quota exceeded", "ses")
    throttle = _smtp(Stage.BODY, 454, "Throttling failure: Maximum sending rate exceeded", "ses")
    assert isinstance(quota, Unavailable) and quota.until == NOW + TEN_MINUTES
    assert isinstance(throttle, Unavailable) and throttle.until is None


# ── Any SMTP server ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stage", "code", "text", "expected"),
    [
        (Stage.CONNECT, 554, "No SMTP service here", "refused_connection"),
        (Stage.CONNECT, 450, "busy", "refused_connection"),
        (Stage.EHLO, 550, "bad name", "configuration"),
        (Stage.EHLO, 451, "later", "refused_connection"),
        (Stage.STARTTLS, 454, "TLS not available due to temporary reason", "tls"),
        (Stage.STARTTLS, 502, "not implemented", "tls"),
        (Stage.AUTH, 504, "mechanism not supported", "credentials"),
        (Stage.AUTH, 451, "directory is away", "refused_connection"),
        (Stage.AUTH, 432, "A password transition is needed", "credentials"),
        (Stage.AUTH, 534, "mechanism too weak", "credentials"),
        (Stage.AUTH, 538, "Encryption required for requested authentication mechanism", "tls"),
        (Stage.MAIL, 452, "insufficient storage", "deferred"),
        (Stage.RCPT, 450, "4.2.0 greylisted", "deferred"),
        (Stage.RCPT, 550, "5.1.1 user unknown", "rejected"),
        (Stage.RCPT, 552, "too many recipients", "deferred"),
        (Stage.RCPT, 504, "5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "configuration"),
        (Stage.DATA, 451, "try again", "deferred"),
        (Stage.DATA, 554, "no valid recipients", "rejected"),
        (Stage.BODY, 550, "5.7.1 spam", "rejected"),
        (Stage.BODY, 451, "4.3.0 try again", "deferred"),
        (Stage.BODY, 354, "out of step", "deferred"),
        (Stage.BODY, -1, "\x16\x03\x01", "uncertain"),
        (Stage.DATA, -1, "\x16\x03\x01", "deferred"),
        # SES's words from somebody else's server mean nothing special
        (Stage.BODY, 554, "Sending paused for this account", "rejected"),
    ],
)
def test_what_any_server_says(stage: Stage, code: int, text: str, expected: str) -> None:
    """Before MAIL it is about the lane, afterwards about the mail, and what is unknown is temporary."""
    assert _name(_smtp(stage, code, text)) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("2.0.0 Ok: queued as 4XkQ1m2bHz", "4XkQ1m2bHz"),
        ("OK id=1qKx9B-0004Ux-2T", "1qKx9B-0004Ux-2T"),
        ("2.6.0 Queued mail for delivery", ""),
        ("ok", ""),
    ],
)
def test_other_servers_may_name_the_mail(text: str, named: str) -> None:
    """Accepted is accepted, with or without an id."""
    outcome = _smtp(Stage.BODY, 250, text)
    assert isinstance(outcome, Accepted)
    assert outcome.provider_message_id == named


@pytest.mark.parametrize("stage", Stage)
def test_421_is_about_connections_everywhere(stage: Stage) -> None:
    """RFC 5321 §3.8: 421 may answer any command."""
    assert _name(_smtp(stage, 421, "4.7.0 closing")) == "too_many_connections"


@given(st.sampled_from(Stage), st.integers(200, 599), st.text(max_size=60), st.sampled_from(["smtp", "ses"]))
def test_a_reply_leaves_no_doubt(stage: Stage, code: int, text: str, provider: str) -> None:
    """Any reply, even after the final dot, is certain; only 2yz to the body is acceptance; 4yz never loses a mail."""
    outcome = _smtp(stage, code, text, provider)
    assert not isinstance(outcome, Uncertain)
    assert isinstance(outcome, Accepted) == (stage is Stage.BODY and code < 300)
    assert not (isinstance(outcome, Rejected) and code < 500)


# ── SES by API ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "error", "message", "expected"),
    [
        (429, "TooManyRequestsException", "Too many requests", "throttled"),
        (400, "Throttling", "Maximum sending rate exceeded.", "throttled"),
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", "throttled"),
        (400, "ThrottlingException", "Daily message quota exceeded.", "quota"),
        (429, "TooManyRequestsException", "Daily message quota exceeded.", "quota"),
        (400, "LimitExceededException", "There are too many instances", "quota"),
        (400, "LimitExceededException", "Maximum sending rate exceeded.", "throttled"),
        (400, "AccountSuspendedException", "Your account is restricted", "suspended"),
        (400, "AccountSuspendedException", "Sending paused for this account.", "suspended"),
        (400, "SendingPausedException", "Sending paused for this account.", "paused"),
        (400, "MailFromDomainNotVerifiedException", "not verified", "identity"),
        (400, "MessageRejected", "Bad content", "rejected"),
        (400, "MessageRejected", f"{UNVERIFIED}from@example.com", "identity"),
        (400, "MessageRejected", f"{UNVERIFIED}TO@example.jp", "sandbox"),
        (400, "MessageRejected", "Email address is not verified.", "identity"),
        (404, "NotFoundException", "Template x does not exist", "configuration"),
        (400, "BadRequestException", "Missing final '@domain'", "rejected"),
        (400, "com.amazonaws.ses#MessageRejected:https://amazon/", "Bad content", "rejected"),
        (403, "AccessDeniedException", "not authorized", "credentials"),
        (403, "InvalidClientTokenId", "The security token included in the request is invalid", "credentials"),
        (401, None, "", "credentials"),
        (400, "ExpiredTokenException", "", "credentials"),
        (429, None, "", "throttled"),
        (400, "BrandNewException", "who knows", "deferred"),
        (418, None, "", "deferred"),
        (500, None, "", "uncertain"),
        (502, None, "<html>Bad Gateway", "uncertain"),
        (503, "ServiceUnavailable", "", "uncertain"),
        (503, "TooManyRequestsException", "Maximum sending rate exceeded.", "uncertain"),
        (504, None, "", "uncertain"),
        (200, None, "", "uncertain"),
        (302, None, "", "uncertain"),
        # SendBulkEmail, an entry of a call that was answered with 200
        (200, "MESSAGE_REJECTED", "Bad content", "rejected"),
        (200, "MESSAGE_REJECTED", f"{UNVERIFIED}from@example.com", "identity"),
        (200, "MAIL_FROM_DOMAIN_NOT_VERIFIED", "", "identity"),
        (200, "CONFIGURATION_SET_NOT_FOUND", "", "configuration"),
        (200, "TEMPLATE_NOT_FOUND", "", "configuration"),
        (200, "ACCOUNT_SUSPENDED", "", "suspended"),
        (200, "ACCOUNT_THROTTLED", "", "throttled"),
        (200, "ACCOUNT_DAILY_QUOTA_EXCEEDED", "", "quota"),
        (200, "INVALID_SENDING_POOL_NAME", "", "configuration"),
        (200, "ACCOUNT_SENDING_PAUSED", "", "paused"),
        (200, "CONFIGURATION_SET_SENDING_PAUSED", "", "paused"),
        (200, "INVALID_PARAMETER", "", "rejected"),
        (200, "TRANSIENT_FAILURE", "", "deferred"),
        (200, "FAILED", "", "deferred"),
        (200, "A_STATUS_OF_TOMORROW", "", "uncertain"),
    ],
)
def test_what_the_api_says(status: int, error: str | None, message: str, expected: str) -> None:
    """Each error of SendEmail and each status of SendBulkEmail; a precise name is not overruled by its text."""
    outcome = ses_outcome(status, error, message, now=NOW, recipients=["to@example.jp"])
    assert _name(outcome) == expected
    assert not isinstance(outcome, Accepted | Released) and outcome.reply is not None
    assert (outcome.reply.code, outcome.reply.protocol) == (status, "http")


@pytest.mark.parametrize("error", [None, "SUCCESS"])
def test_the_api_accepts_with_an_id(error: str | None) -> None:
    """A MessageId is the acceptance, of a call or of a bulk entry; the evidence that was handed in is kept."""
    reply = Reply(code=200, protocol="http", request_id="r-1", latency_ms=83)
    assert ses_outcome(200, error, "", now=NOW, message_id=ID, reply=reply) == Accepted(ID, reply)


def test_the_words_count_where_the_evidence_came_without() -> None:
    """A transport that keeps its own record of the answer is understood all the same."""
    bare = Reply(code=400, protocol="http", request_id="r-2")
    outcome = ses_outcome(
        400, "MessageRejected", f"{UNVERIFIED}to@example.jp", now=NOW, recipients=["to@example.jp"], reply=bare
    )
    assert outcome == Unavailable(Unavailability.SANDBOX, bare)


def test_the_models_errors_are_all_known() -> None:
    """What botocore's model of SES lists, now or after an update, has its row: none falls through to the default."""
    session = pytest.importorskip("botocore.session").get_session()
    model = session.get_service_model("sesv2")
    for name in ("SendEmail", "SendBulkEmail"):
        for shape in model.operation_model(name).error_shapes:
            status = shape.metadata["error"]["httpStatusCode"]
            assert not isinstance(ses_outcome(status, shape.name, "", now=NOW), Deferred | Uncertain), shape.name
    entry = model.operation_model("SendBulkEmail").output_shape.members["BulkEmailEntryResults"].member
    for status in entry.members["Status"].enum:
        outcome = ses_outcome(200, status, "", now=NOW, message_id=ID)
        assert isinstance(outcome, Accepted) == (status == "SUCCESS")
        assert not isinstance(outcome, Uncertain), status


@given(st.integers(500, 599), st.none() | st.text(max_size=20), st.text(max_size=40))
def test_a_server_error_is_never_certain(status: int, error: str | None, message: str) -> None:
    """Whatever a 5xx says of itself, the mail may have been taken."""
    assert isinstance(ses_outcome(status, error, message, now=NOW, message_id=ID), Uncertain)


@given(st.none() | st.text(max_size=20), st.text(max_size=40))
def test_an_unknown_refusal_is_temporary(error: str | None, message: str) -> None:
    """A 4xx that nobody has written down loses no mail and raises no doubt."""
    assert isinstance(ses_outcome(422, f"X{error}", message, now=NOW), Deferred | Unavailable)


# ── Bounces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("type_", "sub_type", "expected"),
    [
        ("Undetermined", "Undetermined", (Permanence.UNDETERMINED, B.OTHER)),
        ("Permanent", "General", (Permanence.PERMANENT, B.OTHER)),
        ("Permanent", "NoEmail", (Permanence.PERMANENT, B.INVALID_RECIPIENT)),
        ("Permanent", "Suppressed", (Permanence.PERMANENT, B.SUPPRESSED)),
        ("Permanent", "OnAccountSuppressionList", (Permanence.PERMANENT, B.SUPPRESSED)),
        ("Transient", "General", (Permanence.TRANSIENT, B.OTHER)),
        ("Transient", "MailboxFull", (Permanence.TRANSIENT, B.MAILBOX_FULL)),
        ("Transient", "MessageTooLarge", (Permanence.TRANSIENT, B.TOO_LARGE)),
        ("Transient", "ContentRejected", (Permanence.TRANSIENT, B.SPAM_CONTENT)),
        ("Transient", "AttachmentRejected", (Permanence.TRANSIENT, B.POLICY)),
        ("Transient", "OfTomorrow", (Permanence.TRANSIENT, B.OTHER)),
        ("OfTomorrow", "OfTomorrow", (Permanence.UNDETERMINED, B.OTHER)),
        ("", None, (Permanence.UNDETERMINED, B.OTHER)),
    ],
)
def test_ses_bounce_types(type_: str, sub_type: str | None, expected: tuple[Permanence, B]) -> None:
    """SES's own table; what it does not list is undetermined and suppresses nobody."""
    assert classify_bounce(type_, sub_type, None, "") == expected


@pytest.mark.parametrize(
    ("status", "diagnostic", "why"),
    [
        ("5.1.1", "smtp; 550 5.1.1 user unknown", B.INVALID_RECIPIENT),
        ("5.1.2", "", B.BAD_DOMAIN),
        ("5.1.10", "recipient domain has a null MX", B.BAD_DOMAIN),
        ("5.2.1", "mailbox disabled", B.INVALID_RECIPIENT),
        ("5.2.2", "over quota", B.MAILBOX_FULL),
        ("5.3.4", "", B.TOO_LARGE),
        ("4.4.7", "smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes", B.EXPIRED),
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied", B.INVALID_RECIPIENT),
        ("5.4.4", "", B.ROUTING),
        ("5.7.1", "550 5.7.1 Service unavailable; client host blocked using Spamhaus", B.SPAM_BLOCK),
        ("5.7.1", "550 5.7.1 message looks like spam", B.SPAM_CONTENT),
        ("5.7.1", "", B.POLICY),
        ("5.7.26", "", B.AUTH_FAILED),
        ("5.7.515", "", B.AUTH_FAILED),
        ("5.0.0", "554 delivery error: This user doesn't have an account", B.INVALID_RECIPIENT),
        ("5.0.0", "550 Unknown user someone@docomo.ne.jp", B.INVALID_RECIPIENT),
        ("5.0.0", "rejected: DMARC policy of example.com", B.AUTH_FAILED),
        ("5.0.0", "too many messages from your host", B.QUOTA),
        (None, "550 Host unknown", B.BAD_DOMAIN),
        (None, "552 message size exceeds limit", B.TOO_LARGE),
        (None, "わかりません", B.OTHER),
        ("nonsense", "", B.OTHER),
    ],
)
def test_why_it_came_back(status: str | None, diagnostic: str, why: B) -> None:
    """A status with one meaning, then the server's words, then the status's subject."""
    assert classify_bounce("Permanent", "General", status, diagnostic) == (Permanence.PERMANENT, why)


@pytest.mark.parametrize(
    ("status", "diagnostic", "permanence"),
    [
        ("5.1.1", "", Permanence.PERMANENT),
        ("5.1.2", "", Permanence.PERMANENT),
        ("5.2.2", "", Permanence.TRANSIENT),
        ("5.7.1", "", Permanence.TRANSIENT),
        ("5.0.0", "", Permanence.UNDETERMINED),
        ("4.1.1", "", Permanence.TRANSIENT),
        ("2.0.0", "", Permanence.UNDETERMINED),
        (None, "user unknown", Permanence.UNDETERMINED),
    ],
)
def test_permanence_without_a_type(status: str | None, diagnostic: str, permanence: Permanence) -> None:
    """A DSN's 5.y.z is for ever only where it is about the address."""
    assert classify_bounce(None, None, status, diagnostic)[0] is permanence


@given(*[st.none() | st.text(max_size=20)] * 3, st.text(max_size=4096))
def test_any_bounce_can_be_read(type_: str | None, sub: str | None, status: str | None, diagnostic: str) -> None:
    """Servers write what they like; the answer is always a pair."""
    permanence, why = classify_bounce(type_, sub, status, diagnostic)
    assert isinstance(permanence, Permanence) and isinstance(why, B)
