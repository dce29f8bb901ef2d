"""`python -m kakitome_simulator`: the simulator as a process.

Once it listens, it prints one line of JSON with its addresses, so that a port 0 can be asked for. SIGTERM and SIGINT
end it with exit code 0; a wrong option ends it with 2 before anything is listened to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from . import faults
from .options import Endpoint, OptionError, Options, endpoint, events_url
from .simulator import Simulator, run
from .targets import target

_Read = TypeVar("_Read")


def main(argv: Sequence[str]) -> int:
    """Run a simulator until it is told to stop; `argv` is without the program's name."""
    options = parse(argv)
    try:
        asyncio.run(_until_told(options))
    except OSError as error:  # a port that is taken, a directory that is not there
        print(f"kakitome simulator: {error}", file=sys.stderr)
        return 1
    return 0


def parse(argv: Sequence[str]) -> Options:
    given = parser().parse_args(argv)
    return Options(
        http=given.http,
        smtp=given.smtp,
        smtps=given.smtps,
        accepted=given.accepted,
        mailbox=given.mailbox,
        certificate=given.certificate,
        tls_certificate=given.tls_certificate,
        faults=tuple(given.fault),
        events_urls=tuple(given.events_url),
        signature_version=given.signature_version,
        raw_delivery=given.raw_delivery,
        event_form="notificationType" if given.notification_type else "eventType",
        event_delay=given.event_delay,
        events_retry_seconds=given.events_retry_seconds,
        rate=given.rate,
        quota=given.quota,
        sandbox=given.sandbox,
        verified=frozenset(given.verified),
        play=frozenset(domain.lower() for domain in given.play),
        require_tls=given.require_tls,
        require_authentication=not given.no_authentication,
        credentials=given.credentials,
        seed=given.seed,
        sendgrid_events=tuple(given.sendgrid_events),
        sendgrid_key=given.sendgrid_key,
        sendgrid_api_key=given.sendgrid_api_key,
        sendgrid_rate=given.sendgrid_rate,
        sendgrid_window=given.sendgrid_window,
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kakitome simulator",
        description="Amazon SES and SendGrid, as far as a sender sees them, on loopback addresses of this machine.",
        epilog=faults.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--http", type=_told(endpoint), default=Endpoint(), metavar="HOST:PORT", help="SES, SendGrid, /_simulator")
    add("--smtp", type=_told(endpoint), default=Endpoint(), metavar="HOST:PORT", help="SES SMTP, STARTTLS offered")
    add("--smtps", type=_told(endpoint), metavar="HOST:PORT", help="SES SMTP under TLS from the first byte")
    add("--accepted", type=Path, metavar="FILE", help="JSON lines, one for each accepted recipient")
    add("--mailbox", type=Path, metavar="DIR", help="each accepted mail as a file ID.eml, as SES would send it on")
    add("--fault", type=_told(_fault), action="append", default=[], metavar="SPEC", help="see below; repeatable")
    add(
        "--events-url",
        "--events",
        dest="events_url",
        type=_told(_target),
        action="append",
        default=[],
        metavar="TARGET",
        help="URL, sns:ARN@ENDPOINT or sqs:QUEUE_URL@ENDPOINT; repeatable",
    )
    add("--signature-version", type=int, choices=(1, 2), default=2, help="of SNS; 1 is SHA-1")
    add("--raw-delivery", action="store_true", help="events without SNS's envelope")
    add("--notification-type", action="store_true", help="events as an identity's notifications")
    add("--event-delay", type=float, default=0.0, metavar="SECONDS")
    add("--events-retry-seconds", type=float, default=60.0, metavar="SECONDS", help="then an event is given up")
    add("--certificate", type=Path, metavar="FILE", help="write here what SNS signatures are verified with")
    add("--tls-certificate", type=Path, metavar="FILE", help="write here the authority of the SMTP servers")
    add("--rate", type=int, metavar="N", help="recipients in any second; more are throttled")
    add("--quota", type=int, metavar="N", help="recipients in any 24 hours")
    add("--sandbox", action="store_true", help="only --verified recipients; 200 a day and 1 a second if not said")
    add("--verified", action="append", default=[], metavar="ADDRESS|DOMAIN", help="repeatable")
    add("--play", action="append", default=[], metavar="DOMAIN", help="bounce+… and the like act there; repeatable")
    add("--credentials", type=_told(_credentials), metavar="USER:PASSWORD", help="SMTP; default: any")
    add("--no-authentication", action="store_true", help="SMTP without AUTH, which SES never allows")
    add("--require-tls", action="store_true", help="SMTP refuses AUTH and MAIL in the clear, as SES does")
    add("--sendgrid-events", type=_told(events_url), action="append", default=[], metavar="URL", help="its webhooks")
    add("--sendgrid-key", type=Path, metavar="FILE", help="write here what its webhooks are verified with")
    add("--sendgrid-api-key", metavar="KEY", help="the only one that POST /v3/mail/send takes; default: any")
    add("--sendgrid-rate", type=int, metavar="N", help="requests to it in each window; more are a 429")
    add("--sendgrid-window", type=float, default=60.0, metavar="SECONDS")
    add("--seed", type=int, metavar="N", help="repeat what faults choose by chance")
    return parser


async def _until_told(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await run(options, _announce, stop)


def _announce(simulator: Simulator) -> None:
    print(json.dumps(simulator.addresses), flush=True)


def _target(text: str) -> str:
    target(text)
    return text


def _fault(spec: str) -> str:
    faults.parse(spec, Random(), 0)
    return spec


def _credentials(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not colon or not user or not password:
        raise OptionError("credentials are USER:PASSWORD")
    return user, password


def _told(read: Callable[[str], _Read]) -> Callable[[str], _Read]:
    """argparse shows the text of its own error only."""

    def reading(text: str) -> _Read:
        try:
            return read(text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return reading
