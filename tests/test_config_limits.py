"""Where an account's rate and quota come from, from the configuration to the lanes and their sources."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from kakitome.app import opened
from kakitome.config import load
from kakitome.core.errors import ConfigurationError
from kakitome.core.lane import Lane

SES = '[lanes.a]\nprovider = "ses"\nregion = "eu-west-1"\n'
SMTP_OF_SES = '[lanes.a]\nprovider = "ses-smtp"\nregion = "eu-west-1"\n'
DEMO = '[lanes.a]\nprovider = "ses-smtp"\nhost = "127.0.0.1"\nport = 2525\ntls = "none"\n'
SMTP = '[lanes.a]\nprovider = "smtp"\nhost = "smtp.example.com"\n'
OUTBOX = '[lanes.a]\nprovider = "outbox"\n'
NAMED = 'account = "x"\n'


class Asked(NamedTuple):
    """What is asked of the provider, and whether mail goes slowly before it has answered."""

    rate: bool
    quota: bool
    careful: bool


def made(folder: Path, text: str) -> tuple[dict[str, Lane], dict[str, Asked]]:
    file = folder / "kakitome.toml"
    file.write_text(f'[ledger]\nurl = "sqlite:///{folder}/ledger.db"\n{text}', "utf-8")

    async def look() -> tuple[dict[str, Lane], dict[str, Asked]]:
        async with opened(load(file, {})) as instance:
            followed = instance.followed()
            return dict(instance.lanes), {name: Asked(f.rate, f.quota, f.careful) for name, f in followed.items()}

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (SES, {"ses-eu-west-1": Asked(True, True, True)}),
        (SES + NAMED + "[accounts.x]\n", {"x": Asked(True, True, True)}),
        (SES + NAMED + '[accounts.x]\nrate = "provider"\nquota = "provider"', {"x": Asked(True, True, True)}),
        (SES + NAMED + "[accounts.x]\nrate = 14", {"x": Asked(False, True, True)}),
        (SES + NAMED + "[accounts.x]\nquota = 0", {"x": Asked(True, False, True)}),
        (SES + NAMED + "[accounts.x]\nrate = 14\nquota = 50000", {}),
        (SES + NAMED + '[accounts.x]\nrate = "unlimited"\nquota = "unlimited"', {}),
        (SES + "[accounts.ses-eu-west-1]\nrate = 14\nquota = 50000", {}),
        (SMTP_OF_SES, {"ses-eu-west-1": Asked(True, True, False)}),
        (SMTP_OF_SES + 'host = "vpce-1.example.com"', {}),
        (
            SMTP_OF_SES + 'host = "127.0.0.1"\nendpoint = "http://127.0.0.1:1"',
            {"ses-eu-west-1": Asked(True, True, False)},
        ),
        (SMTP_OF_SES + NAMED + '[accounts.x]\nrate = "provider"', {"x": Asked(True, True, True)}),
        (SMTP_OF_SES + NAMED + '[accounts.x]\nquota = "provider"\nrate = 14', {"x": Asked(False, True, False)}),
        (SMTP_OF_SES + SES.replace("lanes.a", "lanes.b"), {"ses-eu-west-1": Asked(True, True, True)}),
        (DEMO, {}),
        (DEMO + NAMED + "[accounts.x]\n", {}),
        (SMTP, {}),
        (OUTBOX, {}),
        ("", {}),
    ],
)
def test_who_is_asked(tmp_path: Path, text: str, asked: dict[str, Asked]) -> None:
    """SES always, by SMTP where the lane leads to Amazon's own host or names an endpoint; a number asks nobody."""
    assert made(tmp_path, text)[1] == asked


def test_lanes_have_the_numbers_only(tmp_path: Path) -> None:
    """What the provider says is no constant of a lane."""
    lanes, _ = made(tmp_path, SES + NAMED + '[accounts.x]\nrate = 14.5\nquota = "provider"')
    assert (lanes["a"].rate, lanes["a"].quota) == (14.5, None)


@pytest.mark.parametrize("key", ["rate", "quota"])
@pytest.mark.parametrize(
    ("lane", "says"),
    [(SMTP, "nobody who could be asked"), (OUTBOX, "nobody who could be asked"), (DEMO, "Give lanes.a a region")],
)
def test_who_cannot_be_asked_is_not(tmp_path: Path, lane: str, says: str, key: str) -> None:
    """Refused at the start, with the key and the way out: a limit that nobody says would be no limit."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        made(tmp_path, f'{lane}{NAMED}[accounts.x]\n{key} = "provider"')
    assert caught.value.data["key"] == f"accounts.x.{key}"


def test_every_lane_of_the_account_must_be_able_to_ask(tmp_path: Path) -> None:
    """A relay does not become SES by sharing its account."""
    lanes = SES + NAMED + SMTP.replace("lanes.a", "lanes.b") + NAMED
    with pytest.raises(ConfigurationError, match=r"lanes\.b cannot ask"):
        made(tmp_path, lanes + '[accounts.x]\nrate = "provider"')


@pytest.mark.parametrize("number", ["0", "-1", "nan", "inf", '"0"'])
def test_a_rate_is_above_nothing(tmp_path: Path, number: str) -> None:
    """A mail that never has a slot would wait for ever."""
    with pytest.raises(ConfigurationError) as caught:
        made(tmp_path, f"{SES}{NAMED}[accounts.x]\nrate = {number}")
    assert caught.value.data["key"] == "accounts.x.rate"


@pytest.mark.parametrize("wrong", ["quota = -1", 'rate = "fast"', "quota = 1.5", "rate = true"])
def test_what_is_no_limit_is_refused(tmp_path: Path, wrong: str) -> None:
    """In words that name the value or the key."""
    with pytest.raises(ConfigurationError, match=r"-1|fast|quota|rate"):
        made(tmp_path, f"{SES}{NAMED}[accounts.x]\n{wrong}")


@pytest.mark.parametrize("word", ["provider", "unlimited", "14"])
def test_the_environment_says_it_too(tmp_path: Path, word: str) -> None:
    """As everything else in the file."""
    file = tmp_path / "kakitome.toml"
    file.write_text(SES + NAMED + "[accounts.x]\n")
    rate = load(file, {"KAKITOME_ACCOUNTS__X__RATE": word}).accounts["x"].rate
    assert rate == (14.0 if word == "14" else word)


@pytest.mark.parametrize(
    ("key", "line"),
    [("endpoint", 'endpoint = "http://proxy.example"'), ("credentials", 'credentials = "AKIAIOSFODNN7EXAMPLE"')],
)
def test_the_api_beside_smtp_is_checked_too(tmp_path: Path, key: str, line: str) -> None:
    """Whoever stands between could say any limit."""
    with pytest.raises(ConfigurationError) as caught:
        made(tmp_path, SMTP_OF_SES + line)
    assert caught.value.data["key"] == f"lanes.a.{key}"
