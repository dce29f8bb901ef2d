"""A mail server that takes mail for delivery, with DSN (RFC 3461) if asked, and an instance that sends through it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP, Envelope

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.ids import message_text
from kakitome.core.submission import MessageRequest
from kakitome.ports.reads import Search
from kakitome.status import MessageStatus, status

SENDER = "bounces@mail.example.com"
READER = "reader@example.jp"

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.office]
provider = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
sender = "{sender}"
[events]
dsn_directory = "{folder}/bounces-in"
"""


class Relay:
    """`envelopes` are the mails, `asked` the parameters of MAIL and RCPT that aiosmtpd itself does not know."""

    def __init__(self, dsn: bool) -> None:
        self.dsn = dsn
        self.envelopes: list[Envelope] = []
        self.asked: list[str] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]] if self.dsn else responses

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return "250 2.0.0 Ok: queued as 4cHk5n"

    def envelope_id(self) -> str:
        return next(found[1] for asked in self.asked if (found := re.search(r"ENVID=(\S+)", asked)))

    def message_id(self) -> str:
        found = re.search(rb"(?mi)^Message-ID: <(.*)>\r?$", self.envelopes[0].original_content or b"")
        assert found is not None
        return found[1].decode("ascii")


class _Speaking(SMTP):
    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        await super().smtp_MAIL(self._without(arg))

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        await super().smtp_RCPT(self._without(arg))

    def _without(self, arg: str) -> str:
        relay = self.event_handler
        assert isinstance(relay, Relay)
        if not relay.dsn:
            return arg
        relay.asked += re.findall(r" (?:RET|ENVID|NOTIFY|ORCPT)=\S+", arg)
        return re.sub(r" (?:RET|ENVID|NOTIFY|ORCPT)=\S+", "", arg)


@asynccontextmanager
async def sending(folder: Path, relay: Relay) -> AsyncIterator[Instance]:
    """An instance whose one mail is with the relay."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Speaking(relay, hostname="mx", loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, port=port, sender=SENDER))
    (folder / "bounces-in").mkdir()
    try:
        async with opened(load(file, {})) as instance:
            await _send(instance)
            await worked(instance, until="sent")
            yield instance
    finally:
        server.close()


async def _send(instance: Instance) -> None:
    mail = {"from": "Hotel <hotel@example.com>", "to": [READER], "subject": "Hello", "text": "Hello."}
    await accept([Handed(msgspec.convert(mail, MessageRequest))], instance.desk())


async def fate(instance: Instance) -> MessageStatus:
    [view] = await instance.ledger.reads.search(Search())
    [found] = (await status(message_text(view.id), instance.ledger)).messages
    return found


async def worked(instance: Instance, until: str) -> None:
    """A worker runs until the mail's status is this word."""
    worker = instance.worker()
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(8):
        while (await fate(instance)).status != until:
            await asyncio.sleep(0.01)
            assert not working.done(), working
    worker.stop()
    await working
