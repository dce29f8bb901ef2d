"""What commands and their options are made of. Only argparse is imported here."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, _SubParsersAction
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Family = _SubParsersAction[ArgumentParser]


def everywhere(parser: ArgumentParser, top: bool = False) -> None:
    """Options that every command takes, before its name and behind it."""

    def default(value: object) -> object:
        return value if top else SUPPRESS

    parser.add_argument(
        "--config", metavar="FILE", default=default(None), help="a TOML file (default: KAKITOME_CONFIG, else none)"
    )
    parser.add_argument("--json", action="store_true", default=default(False), help="one JSON document on stdout")
    parser.add_argument("--debug", action="store_true", default=default(False), help="show where an error came from")


def command(commands: Family, name: str, run: str, help: str) -> ArgumentParser:
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    everywhere(parser)
    parser.set_defaults(run=run)
    return parser


def group(commands: Family, name: str, help: str) -> Family:
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    everywhere(parser)
    return parser.add_subparsers(metavar="COMMAND", required=True)


def row(parser: ArgumentParser) -> None:
    parser.add_argument("--list", metavar="FILE", help="take the values from a list, here or at s3://BUCKET/KEY")
    parser.add_argument("--row", type=count, default=1, metavar="N", help="its N-th row (default: the first)")
    parser.add_argument("--address-column", metavar="NAME")
    parser.add_argument("--var", type=pair, action="append", default=[], metavar="NAME=VALUE", help="repeatable")


def who(parser: ArgumentParser, required: bool = False) -> None:
    parser.add_argument(
        "--who", metavar="NAME", required=required, help="who decides" + ("" if required else " (default: you)")
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="why")


def told(read: Callable[[str], object]) -> Callable[[str], object]:
    def reading(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return reading


@told
def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no offset; write {text}+09:00 or {text}Z")
    return at


@told
def here(text: str) -> str:
    if text.startswith("s3://"):
        raise ValueError("rejects are written on this machine: name a file, and copy it where it should be")
    return text


@told
def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value


@told
def days(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 3_660:
        raise ValueError("write a number of days from 1 to 3660")
    return number


@told
def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("rows are counted from 1")
    return number
