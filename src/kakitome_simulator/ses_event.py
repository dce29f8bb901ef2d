"""What SES publishes about a mail, in the form of event publishing (`eventType`).

Field by field after "Contents of event data that Amazon SES publishes to Amazon SNS" in the developer guide; the
bounce of an out-of-office reply and of a suppressed address are as SES's own mailbox simulator gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import getaddresses
from functools import lru_cache

import msgspec

from .clock import iso
from .fate import Turn
from .letter import Letter, decoded

ACCOUNT = "000000000000"
REGION = "us-east-1"
HEADER_LIMIT = 10 * 1024  # bytes; above it SES truncates `mail.headers`
SUBJECT = "Amazon SES Email Event Notification"
USER_AGENT = "Mozilla/5.0 (kakitome-simulator)"
MTA = "a8-96.smtp-out.amazonses.com"

BOUNCES = f"arn:aws:sns:{REGION}:{ACCOUNT}:kakitome-bounces"
DELIVERIES = f"arn:aws:sns:{REGION}:{ACCOUNT}:kakitome-deliveries"
ACTIONS = f"arn:aws:sns:{REGION}:{ACCOUNT}:kakitome-actions"

Json = dict[str, object]


class Passage(msgspec.Struct, frozen=True, eq=False):
    """An accepted mail without its bytes: as much as its events tell of it."""

    message_id: str
    at: int  # milliseconds
    letter: Letter
    via: str
    source_ip: str

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.letter.recipients


class Happening(msgspec.Struct, frozen=True):
    """One turn of a passage. `recipients` is one recipient; for a Send it is all of them."""

    passage: Passage
    turn: Turn
    recipients: tuple[str, ...]
    at: int  # milliseconds
    link: str = "https://example.com/"


def passage(letter: Letter, message_id: str, at: int, via: str, source_ip: str) -> Passage:
    return Passage(message_id, at, msgspec.structs.replace(letter, data=b""), via, source_ip)


def topic(turn: Turn) -> str:
    """The SNS topic of a turn: three event destinations, the Send among the deliveries."""
    return _EVENTS[turn][1]


def kind(turn: Turn) -> str:
    """What an event destination calls it among its MatchingEventTypes."""
    return {"DeliveryDelay": "DELIVERY_DELAY"}.get(_EVENTS[turn][0], _EVENTS[turn][0].upper().replace(" ", "_"))


def event(happening: Happening) -> str:
    """The JSON text that becomes the SNS message."""
    name, _, tell = _EVENTS[happening.turn]
    what = {"eventType": name, "mail": _mail(happening.passage), _object(name): tell(happening)}
    return msgspec.json.encode(what).decode()


def notification(happening: Happening) -> str | None:
    """The same as an identity's notification has it: no tags, and only of bounces, complaints and deliveries."""
    name, _, tell = _EVENTS[happening.turn]
    if name not in {"Bounce", "Complaint", "Delivery"}:
        return None
    mail = msgspec.json.decode(_mail(happening.passage), type=Json)
    del mail["tags"]
    what = {"notificationType": name, _object(name): tell(happening), "mail": mail}
    return msgspec.json.encode(what).decode()


def _object(name: str) -> str:
    return "failure" if name == "Rendering Failure" else name[0].lower() + name[1:]


@lru_cache(maxsize=256)  # a mail's Send and Delivery follow each other closely
def _mail(passage: Passage) -> msgspec.Raw:
    letter = passage.letter
    header, truncated = _header(letter)
    mail: Json = {
        "timestamp": iso(passage.at),
        "source": letter.reverse_path,
        "sourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{letter.reverse_path.rpartition('@')[2]}",
        "sendingAccountId": ACCOUNT,
        "messageId": passage.message_id,
        "destination": letter.recipients,
        "headersTruncated": truncated,
        "headers": header,
        "commonHeaders": _common_header(letter),
        "tags": _automatic_tags(passage) | {name: [value] for name, value in letter.tags.items()},
    }
    return msgspec.Raw(msgspec.json.encode(mail))


def _automatic_tags(passage: Passage) -> Json:
    tags: Json = {
        "ses:operation": [passage.letter.operation],
        "ses:source-ip": [passage.source_ip],
        "ses:from-domain": [passage.letter.reverse_path.rpartition("@")[2]],
        "ses:caller-identity": ["simulator"],
    }
    if passage.letter.configuration_set is not None:
        tags["ses:configuration-set"] = [passage.letter.configuration_set]
    return tags


def _header(letter: Letter) -> tuple[list[Json], bool]:
    header: list[Json] = []
    room = HEADER_LIMIT
    for name, value in letter.header:
        room -= len(name) + len(value)
        if room < 0:
            return header, True
        header.append({"name": name, "value": value})
    return header, False


def _common_header(letter: Letter) -> Json:
    """The Message-ID here is the one that the client wrote; `mail.messageId` is the one of SES."""
    common: Json = {}
    for name in ("from", "to", "cc"):
        if (value := letter.field(name)) is not None:
            # Display names stay encoded, the address is what readers want.
            common[name] = [f"{label} <{address}>" if label else address for label, address in getaddresses([value])]
    if (date := letter.field("date")) is not None:
        common["date"] = date
    if (message_id := letter.field("message-id")) is not None:
        common["messageId"] = message_id
    if (subject := letter.field("subject")) is not None:
        common["subject"] = decoded(subject)
    return common


def _send(happening: Happening) -> Json:
    return {}


def _delivery(happening: Happening) -> Json:
    return {
        "timestamp": iso(happening.at),
        "processingTimeMillis": max(1, happening.at - happening.passage.at),
        "recipients": happening.recipients,
        "smtpResponse": "250 2.0.0 OK",
        "remoteMtaIp": "192.0.2.1",
        "reportingMTA": MTA,
    }


def _delay(happening: Happening) -> Json:
    diagnosis = {"status": "4.2.1", "diagnosticCode": "smtp; 421 4.2.1 try again later"}
    return {
        "timestamp": iso(happening.at),
        "delayType": "TransientCommunicationFailure",
        "expirationTime": iso(happening.passage.at + 14 * 60 * 60 * 1000),
        "delayedRecipients": [{"emailAddress": recipient} | diagnosis for recipient in happening.recipients],
        "reportingMTA": MTA,
    }


def _bounce(kind: str, sub_type: str, diagnosis: Json) -> Callable[[Happening], Json]:
    def tell(happening: Happening) -> Json:
        return {
            "feedbackId": feedback_id(happening),
            "bounceType": kind,
            "bounceSubType": sub_type,
            "bouncedRecipients": [{"emailAddress": recipient} | diagnosis for recipient in happening.recipients],
            "timestamp": iso(happening.at),
            "reportingMTA": f"dsn; {MTA}",
        }

    return tell


def _failed(status: str, diagnostic_code: str) -> Json:
    return {"action": "failed", "status": status, "diagnosticCode": diagnostic_code}


def _complaint(happening: Happening) -> Json:
    return {
        "feedbackId": feedback_id(happening),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": recipient} for recipient in happening.recipients],
        "timestamp": iso(happening.at),
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": iso(happening.at),
    }


def _open(happening: Happening) -> Json:
    return {"timestamp": iso(happening.at), "userAgent": USER_AGENT, "ipAddress": "192.0.2.2"}


def _click(happening: Happening) -> Json:
    return _open(happening) | {"link": happening.link, "linkTags": None}


def feedback_id(happening: Happening) -> str:
    """The same for every copy of one happening, different for each recipient."""
    place = happening.passage.recipients.index(happening.recipients[0])
    return f"{happening.passage.message_id.removesuffix('-000000')}-{happening.at:x}-{place:06}"


def _reject(happening: Happening) -> Json:
    return {"reason": "Bad content"}


def _failure(happening: Happening) -> Json:
    name, lacking = happening.passage.letter.rendering_failure or ("inline", "Simulated failure.")
    return {"templateName": name, "errorMessage": lacking}


def _subscription(happening: Happening) -> Json:
    def preferences(status: str) -> Json:
        return {"unsubscribeAll": status == "OptOut", "topicSubscriptionStatus": [_status(status)]}

    return {
        "contactList": "ContactListName",
        "timestamp": iso(happening.at),
        "source": "UnsubscribeHeader",
        "newTopicPreferences": preferences("OptOut"),
        "oldTopicPreferences": preferences("OptIn"),
    }


def _status(status: str) -> Json:
    return {"topicName": "ExampleTopicName", "subscriptionStatus": status}


_ON_LIST = (
    "Amazon SES did not send the message to this address because it is on the suppression list for your account. "
    "For more information about removing addresses from the suppression list, see the Amazon SES Developer Guide."
)
_SUPPRESSED = "Amazon SES has suppressed sending to this address because it has a recent history of bouncing."

_EVENTS: dict[Turn, tuple[str, str, Callable[[Happening], Json]]] = {
    Turn.SEND: ("Send", DELIVERIES, _send),
    Turn.DELIVERY: ("Delivery", DELIVERIES, _delivery),
    Turn.DELAY: ("DeliveryDelay", DELIVERIES, _delay),
    Turn.BOUNCE: (
        "Bounce",
        BOUNCES,
        _bounce("Permanent", "General", _failed("5.1.1", "smtp; 550 5.1.1 user unknown")),
    ),
    Turn.SOFT_BOUNCE: (
        "Bounce",
        BOUNCES,
        _bounce("Transient", "MailboxFull", _failed("5.2.2", "smtp; 552 5.2.2 mailbox full")),
    ),
    Turn.OUT_OF_OFFICE: ("Bounce", BOUNCES, _bounce("Transient", "General", {})),
    Turn.SUPPRESSED: ("Bounce", BOUNCES, _bounce("Permanent", "Suppressed", _failed("5.1.1", _SUPPRESSED))),
    Turn.COMPLAINT: ("Complaint", BOUNCES, _complaint),
    Turn.OPEN: ("Open", ACTIONS, _open),
    Turn.CLICK: ("Click", ACTIONS, _click),
    Turn.ON_LIST: ("Bounce", BOUNCES, _bounce("Permanent", "OnAccountSuppressionList", _failed("5.1.1", _ON_LIST))),
    Turn.REJECT: ("Reject", BOUNCES, _reject),
    Turn.RENDERING_FAILURE: ("Rendering Failure", BOUNCES, _failure),
    Turn.SUBSCRIPTION: ("Subscription", ACTIONS, _subscription),
}
