"""The configuration, checked whole before anything starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kakitome.config import Config, is_loopback, load, milliseconds, secret
from kakitome.core.errors import ConfigurationError

SMTP = '[lanes.out]\nprovider = "smtp"\nhost = "mail.example.com"\n'
LOCAL = '[lanes.out]\nprovider = "smtp"\nhost = "127.0.0.1"\n'
SES = '[lanes.ses]\nprovider = "ses"\nregion = "ap-northeast-1"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kakitome.toml"


def read(path: Path, text: str, **environment: str) -> Config:
    path.write_text(text, "utf-8")
    return load(path, environment)


def wrong(path: Path, text: str, **environment: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(path, text, **environment)
    return caught.value


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ('[ledgr]\nurl = "x"\n', "ledgr", "ledger"),
        ("[accounts.a]\nrat = 14\n", "accounts.a.rat", "accounts.a.rate"),
        (SMTP + 'hots = "x"\n', "lanes.out.hots", "lanes.out.host"),
        ('[streams.otp]\nindoubt = "resend"\n', "streams.otp.indoubt", "streams.otp.in_doubt"),
        ('[http]\nadress = "x"\n', "http.adress", "http.address"),
    ],
)
def test_a_key_that_is_not_known_names_the_nearest(path: Path, text: str, key: str, nearest: str) -> None:
    """A misspelt limit must not be no limit."""
    error = wrong(path, text)
    assert error.data["key"] == key
    assert f"Did you mean {nearest}?" in str(error)


def test_a_key_that_is_like_nothing_lists_what_there_is(path: Path) -> None:
    """Rather than a guess."""
    assert "Known here: address, keys" in str(wrong(path, "[http]\nzzzz = 1\n"))


@pytest.mark.parametrize(
    "text",
    [
        "lanes = 3\n",
        "[lanes]\nout = 3\n",
        '[lanes.out]\nprovider = "pigeon"\n',
        "[ledger]\nurl = 5\n",
        "x = [\n",
        "\x00",
    ],
)
def test_what_is_not_a_configuration_is_an_error_of_its_own_kind(path: Path, text: str) -> None:
    """Never a traceback."""
    wrong(path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It was asked for; without it everything would be different."""
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path / "no.toml"))):
        load(tmp_path / "no.toml", {})


def test_nothing_is_a_configuration(path: Path) -> None:
    """Everything has a default that sends nothing anywhere."""
    assert load(None, {}) == Config() == read(path, "")


# ── Environment ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_environment_wins_over_the_file(path: Path) -> None:
    """Also in tables that the file has not, with numbers and lists as numbers and lists."""
    text = SMTP.replace("out", "ses-tokyo") + "[accounts.a]\nrate = 1.5\n"
    config = read(
        path,
        text,
        KAKITOME_LANES__SES_TOKYO__HOST="other.example.com",
        KAKITOME_LANES__SES_TOKYO__PORT="2525",
        KAKITOME_ACCOUNTS__A__RATE="14",
        KAKITOME_STREAMS__OTP__IN_DOUBT="resend",
        KAKITOME_STREAMS__OTP__ROUTE="ses-tokyo",
        KAKITOME_HTTP__KEYS="env:A,env:B",
    )
    lane = config.lanes["ses-tokyo"]
    assert (lane.host, lane.port) == ("other.example.com", 2525)
    assert config.accounts["a"].rate == 14
    assert (config.streams["otp"].in_doubt, config.streams["otp"].route) == ("resend", ["ses-tokyo"])
    assert config.http.keys == ["env:A", "env:B"]


def test_every_list_may_stand_in_the_environment(path: Path) -> None:
    """With commas, as the documentation says, whichever key it is."""
    queues = [f"https://sqs.eu-west-1.amazonaws.com/123456789012/{name}" for name in ("a", "b")]
    config = read(
        path,
        "[pacing.docomo]\nrate = 5\n",
        KAKITOME_EVENTS__QUEUES=",".join(queues),
        KAKITOME_EVENTS__SIGNATURE_VERSIONS="1,2",
        KAKITOME_EVENTS__TOPICS="arn:a,arn:b",
        KAKITOME_EVENTS__SENDGRID_KEYS="env:A",
        KAKITOME_PACING__DOCOMO__DOMAINS="docomo.ne.jp,mopera.net",
    )
    assert (config.events.queues, config.events.signature_versions) == (queues, [1, 2])
    assert (config.events.topics, config.events.sendgrid_keys) == (["arn:a", "arn:b"], ["env:A"])
    assert config.pacing["docomo"].domains == ["docomo.ne.jp", "mopera.net"]


def test_other_variables_are_not_ours(path: Path) -> None:
    """Without the double underscore it is a secret's name, or somebody else's."""
    assert read(path, "", KAKITOME_API_KEY="x", KAKITOMEX__A="x", HOME="x") == Config()


def test_a_misspelt_variable_is_an_error_too(path: Path) -> None:
    """It would be ignored otherwise, and the file's value would stand."""
    assert wrong(path, SMTP, KAKITOME_LANES__OUT__HOTS="x").data["key"] == "lanes.out.hots"


@pytest.mark.parametrize("name", ["KAKITOME_LEDGER__URL__X", "KAKITOME_HTTP__KEYS__0__A"])
def test_a_variable_below_a_value_is_an_error(path: Path, name: str) -> None:
    """There is no table there."""
    wrong(path, '[ledger]\nurl = "sqlite:///x"\n[http]\nkeys = ["env:A"]\n', **{name: "x"})


def test_tables_for_campaigns_need_dynamodb(path: Path) -> None:
    """A file has none that could be dropped. With a table it does not matter who counts."""
    own = 'campaign_tables = "own"\n'
    refusal = wrong(path, '[ledger]\nurl = "sqlite:///x.db"\n' + own)
    assert refusal.data["key"] == "ledger.campaign_tables" and "dynamodb://" in refusal.remedy
    for feed in ("reader", "elsewhere"):
        there = f'[ledger]\nurl = "dynamodb://mail?region=eu-west-1"\nfeed = "{feed}"\n'
        assert read(path, there + own).ledger.campaign_tables == "own"


# ── What would be unsafe ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("provider", ['"smtp"\nhost = "mail.example.com"', '"ses-smtp"\nregion = "eu-west-1"'])
def test_port_25_is_refused(path: Path, provider: str) -> None:
    """It is for mail between servers; on this machine it may be anything."""
    lane = f"[lanes.out]\nprovider = {provider}\n"
    assert wrong(path, lane + "port = 25\n").data["key"] == "lanes.out.port"
    assert read(path, lane + "port = 587\n").lanes["out"].port == 587
    assert read(path, LOCAL + "port = 25\n").lanes["out"].port == 25


@pytest.mark.parametrize("provider", ['"smtp"\nhost = "10.0.0.1"', '"ses-smtp"\nregion = "eu-west-1"'])
def test_no_tls_is_for_this_machine_only(path: Path, provider: str) -> None:
    """Not even for a private network."""
    assert wrong(path, f'[lanes.out]\nprovider = {provider}\ntls = "none"\n').data["key"] == "lanes.out.tls"
    assert read(path, LOCAL + 'tls = "none"\n').lanes["out"].tls == "none"


@pytest.mark.parametrize(
    "endpoint", ["http://ses.example.com", "ftp://localhost", "localhost:8080", "", "https://", "http://127.0.0.1.example.com"]
)  # fmt: skip
def test_an_endpoint_in_the_clear_is_for_this_machine_only(path: Path, endpoint: str) -> None:
    """What only looks like this machine is not."""
    assert wrong(path, SES + f'endpoint = "{endpoint}"\n').data["key"] == "lanes.ses.endpoint"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_what_loopback_is(host: str) -> None:
    """By its name or its number; a name that begins like one is another's."""
    assert is_loopback(host)
    assert not is_loopback(f"{host}.example.com")
    assert not is_loopback("")


TRUST = '[events]\ntrust = "simulator"\n'


@pytest.mark.parametrize(
    "lane",
    [
        SMTP,
        SES,
        SES + 'endpoint = "https://email.ap-northeast-1.amazonaws.com"\n',
        '[lanes.s]\nprovider = "ses-smtp"\nregion = "eu-west-1"\n',
        # The keys that the provider does not read say nothing about where the lane goes.
        SES + 'host = "127.0.0.1"\n',
        SES + 'host = "127.0.0.1"\nendpoint = "https://email.ap-northeast-1.amazonaws.com"\n',
        '[lanes.s]\nprovider = "ses-smtp"\nregion = "eu-west-1"\nendpoint = "http://127.0.0.1:1"\n',
        LOCAL + SES,
    ],
)
def test_the_simulators_word_is_taken_on_this_machine_only(path: Path, lane: str) -> None:
    """Anybody can sign its events: with one lane to a real provider they would be believed about real mail."""
    assert wrong(path, lane + TRUST).data["key"] == "events.trust"


def test_the_simulators_word_is_taken_where_all_lanes_end_here(path: Path) -> None:
    """And where nothing leaves at all."""
    here = LOCAL + SES + 'endpoint = "http://127.0.0.1:8080"\n[lanes.box]\nprovider = "outbox"\n'
    assert read(path, here + TRUST).events.trust == "simulator"


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


SECRET = "hunter2-very-secret"


def test_a_secret_in_the_file_is_refused_and_not_repeated(path: Path) -> None:
    """Nor one in the environment's overlay."""
    for error in (
        wrong(path, SMTP + f'password = "{SECRET}"\n'),
        wrong(path, SMTP, KAKITOME_LANES__OUT__PASSWORD=SECRET),
    ):
        assert SECRET not in f"{error} {error!r} {error.data}"
        assert error.data["key"] == "lanes.out.password"


def test_a_secret_is_found_where_its_reference_says(tmp_path: Path) -> None:
    """In a variable, or in a file without the line end that editors add."""
    (tmp_path / "key").write_text(f"{SECRET}\n")
    assert secret("env:A", "k", {"A": SECRET}) == SECRET
    assert secret(f"file:{tmp_path}/key", "k") == SECRET
    assert secret(None, "k") == secret("", "k") == ""


@pytest.mark.parametrize("reference", ["env:NOT_SET", "file:/nowhere/at/all", SECRET, f"{SECRET}:x"])
def test_a_secret_that_is_not_there_is_an_error_that_tells_nothing(reference: str) -> None:
    """It names the key and the reference, and never what might be the secret itself."""
    with pytest.raises(ConfigurationError) as caught:
        secret(reference, "lanes.out.password", {})
    assert "lanes.out.password" in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value!r}"


def test_no_repr_shows_a_secret(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration has only references, and the transport's settings keep theirs to themselves."""
    from kakitome.lanes import _smtp, lanes_of

    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    config = read(path, SMTP + 'username = "u"\npassword = "env:MAIL_PASSWORD"\n')
    settings = _smtp(config.lanes["out"], "lanes.out", lanes_of(config)["out"])
    assert settings.password == SECRET
    assert SECRET not in f"{config!r} {settings!r} {settings}"


# ── Values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "ms"), [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("6h", 21_600_000), ("7d", 604_800_000)]
)
def test_durations(text: str, ms: int) -> None:
    """With a unit, always."""
    assert milliseconds(text, "k") == milliseconds(f" {text} ", "k") == ms


@pytest.mark.parametrize("text", ["", "15", "15 min", "-1s", "1.5h", "s", "1h30m", "٣s x", "1e3s"])
def test_what_is_not_a_duration(text: str) -> None:
    """The error shows the key and how it is written."""
    with pytest.raises(ConfigurationError, match="500ms, 30s, 15m, 6h or 7d"):
        milliseconds(text, "evidence.horizon")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[streams.a]\nfirst_delay = "soon"\n', "streams.a.first_delay"),
        ('[streams.a]\nlongest_delay = "2"\n', "streams.a.longest_delay"),
        ('[streams.a]\nexpires_after = "never"\n', "streams.a.expires_after"),
        (SMTP + 'timeout = "10"\n', "lanes.out.timeout"),
        (SMTP + 'margin = "x"\n', "lanes.out.margin"),
        ('[evidence]\nhorizon = "x"\n', "evidence.horizon"),
        ('[evidence]\nneighbourhood = "x"\n', "evidence.neighbourhood"),
        ('[events]\noldest = "x"\n', "events.oldest"),
    ],
)
def test_every_duration_is_checked_before_anything_starts(path: Path, text: str, key: str) -> None:
    """Not when the first mail of that stream comes, at night."""
    assert wrong(path, text).data["key"] == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[accounts.a]\nrate = 0\n", "accounts.a.rate"),
        ("[accounts.a]\nrate = -1\n", "accounts.a.rate"),
        ("[accounts.a]\nrate = inf\n", "accounts.a.rate"),
        ("[accounts.a]\nrate = nan\n", "accounts.a.rate"),
        ("[accounts.a]\nquota = -1\n", "accounts.a.quota"),
        ("[streams.a]\nattempts = 0\n", "streams.a.attempts"),
        (SMTP + "connections = 0\n", "lanes.out.connections"),
        (SMTP + "port = 0\n", "lanes.out.port"),
        (SMTP + "port = 65536\n", "lanes.out.port"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(path: Path, text: str, key: str) -> None:
    """A rate of nothing would divide by it; no connection would wait for ever."""
    assert wrong(path, text).data["key"] == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[streams.a]\nroute = ["nowhere"]\n', "streams.a.route"),
        (SMTP + 'account = "nobody"\n', "lanes.out.account"),
        ('[lanes.out]\nprovider = "smtp"\n', "lanes.out.host"),
        ('[lanes.out]\nprovider = "ses"\n', "lanes.out.region"),
        ('[lanes.out]\nprovider = "ses-smtp"\n', "lanes.out.region"),
        (SES + 'credentials = "AKIA:secret"\n', "lanes.ses.credentials"),
        ('[streams.a]\nowner = "nobody"\n', "streams.a.owner"),
    ],
)
def test_names_that_lead_nowhere_are_found_at_once(path: Path, text: str, key: str) -> None:
    """A route to a lane that is not there would be no route."""
    assert wrong(path, text).data["key"] == key
