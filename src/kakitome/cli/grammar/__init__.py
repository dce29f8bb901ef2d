"""Every command and option. Only argparse is imported here: help must cost next to nothing.

words     what commands and options are made of; the others have one group of commands each
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter

from kakitome.cli.grammar.alerts import alerts
from kakitome.cli.grammar.asking import asking
from kakitome.cli.grammar.campaigns import campaigns
from kakitome.cli.grammar.deciding import deciding
from kakitome.cli.grammar.ledger import ledger
from kakitome.cli.grammar.running import running
from kakitome.cli.grammar.sending import sending
from kakitome.cli.grammar.streams import streams
from kakitome.cli.grammar.suppressions import suppressions
from kakitome.cli.grammar.templates import templates
from kakitome.cli.grammar.words import everywhere

EPILOG = """\
exit codes: 0 done; 1 refused or failed; 2 wrong usage or configuration;
            3 done, but something needs a person (dead, unresolved)
"""


def grammar() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kakitome",
        description="Registered mail for services: what is handed in is written down, sent once, and can be asked for.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    everywhere(parser, top=True)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    running(commands)
    sending(commands)
    templates(commands)
    campaigns(commands)
    asking(commands)
    alerts(commands)
    deciding(commands)
    streams(commands)
    suppressions(commands)
    ledger(commands)
    return parser


__all__ = ["grammar"]
