"""A receiver that is not ours: aiosmtpd, with a handler that writes down what it got before it says yes.

A plain SMTP server hears nothing of our correlation; it has the Message-ID, which derives from the message.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Handler:
    def __init__(self, accepted: Path) -> None:
        self._fd = os.open(accepted, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        message = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        for recipient in envelope.rcpt_tos:
            line = {"message": message, "recipient": recipient, "subject": str(mail["Subject"])}
            os.write(self._fd, (json.dumps(line) + "\n").encode())
        return "250 Ok"


def stand(accepted: Path, listener: socket.socket) -> None:
    asyncio.run(_stand(accepted, listener))


async def _stand(accepted: Path, listener: socket.socket) -> None:
    handler = Handler(accepted)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=False, loop=loop), sock=listener)
    await server.serve_forever()
