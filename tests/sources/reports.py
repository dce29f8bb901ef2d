"""Delivery reports as mail servers write them, made with the standard library."""

from __future__ import annotations

from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

ENVELOPE = "msg_1v5w0k3m9q2ab.3"
READER = "reader@example.jp"


def _group(fields: dict[str, str]) -> Message:
    group = Message()
    for name, value in fields.items():
        group[name.replace("_", "-")] = value
    return group


def report(
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <reader@example.jp>: user unknown",
    *,
    to: str = "bounces@mail.example.com",
    recipient: str = READER,
    envelope: str | None = ENVELOPE,
    returned: str | None = "msg_1v5w0k3m9q2ab@example.com",
    written_to: str = "",
    number: int = 1,
    **more: str,
) -> bytes:
    """A whole report; `written_to` stands in To of what comes back, `more` are further fields of its recipient.

    CRLF, as it comes by SMTP.
    """
    mail = MIMEMultipart("report", report_type="delivery-status")
    mail["From"] = "MAILER-DAEMON@mx.example.jp (Mail Delivery System)"
    mail["To"] = to
    mail["Subject"] = "Undelivered Mail Returned to Sender"
    mail["Auto-Submitted"] = "auto-replied"
    mail["Date"] = "Sat, 05 Aug 2023 09:41:02 +0900"
    mail["Message-ID"] = f"<report-{number}@mx.example.jp>"
    mail.attach(MIMEText("配達できませんでした。\n", "plain", "utf-8"))
    about = {"Reporting_MTA": "dns; mx.example.jp", "Arrival_Date": "Sat, 5 Aug 2023 09:40:02 +0900 (JST)"}
    if envelope is not None:
        about = {"Original_Envelope_Id": envelope} | about
    fields = {"Final_Recipient": f"rfc822; {recipient}", "Action": action, "Status": status}
    if diagnostic:
        fields["Diagnostic_Code"] = diagnostic
    status_part = Message()
    status_part["Content-Type"] = "message/delivery-status"
    status_part.set_payload([_group(about), _group(fields | more)])
    mail.attach(status_part)
    if returned is not None:
        known = f"To: {written_to}\n" if written_to else ""
        headers = MIMEText(f"Message-ID: <{returned}>\n{known}Subject: Hello\n", "rfc822-headers")
        mail.attach(headers)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def plain_mail(**fields: str) -> bytes:
    """A mail of another kind."""
    mail = MIMEText("I am away until Monday. 550 5.1.1 user unknown\n")
    for name, value in {"From": "someone@example.jp", "Subject": "Out of office", **fields}.items():
        mail[name.replace("_", "-")] = value
    return mail.as_bytes().replace(b"\n", b"\r\n")
