"""What a deployment may say, and what it may not."""

from __future__ import annotations

import json

import pytest
from node import APP  # puts the app where it can be imported

from kakitome_infra.parameters import Parameters

SETTINGS = {"KAKITOME_ALERTS__LATE_AFTER": "5m", "KAKITOME_HTTP__KEYS": "ssm:/kakitome/one,ssm:/kakitome/two"}


def test_context_is_read_by_name() -> None:
    """As the command line hands it over: all of it text."""
    context = {"aws:cdk:version": "2", "rows_per_child": "1", "api": "url", "wait_until_done": "true"}
    given = {"given.bucket": "theirs", "given.topics": "arn:1, arn:2", "identities": "example.com,example.org"}
    read = Parameters.of(context | given | {"settings": json.dumps(SETTINGS)})
    assert (read.rows_per_child, read.api, read.wait_until_done) == (1, "url", True)
    assert read.given.bucket == "theirs" and read.given.topics == ("arn:1", "arn:2")
    assert read.identities == ("example.com", "example.org") and APP.name == "infra"
    assert read.settings == SETTINGS


@pytest.mark.parametrize(
    ("context", "word"),
    [
        ({"given.buckets": "x"}, "buckets"),
        ({"nmae": "x"}, "nmae"),
        ({"child": "fast"}, "express, standard"),
        ({"wait": "1"}, "child=standard"),
        ({"given.vpc": "vpc-1"}, "given.zones"),
        ({"given.ledger": "restored"}, "given.stream"),
        ({"given.origin": "before"}, "given.ledger"),
        ({"settings": {"KAKITOME_LEDGER__CAMPAIGN_TABLES": "own"}}, "campaign_tables=own"),
        ({"settings": {"KAKITOME_LANES__X__PASSWORD": "hunter2"}}, "secret"),
        ({"settings": {"KAKITOME_HTTP__KEYS": "ssm:/kakitome/one,hunter2"}}, "secret"),
        ({"settings": {"KAKITOME_API_KEY": "ssm:/kakitome/one"}}, "no setting"),
        ({"api": "url"}, "KAKITOME_HTTP__KEYS"),
        ({"containers": "2"}, "image"),
        ({"workers": "0"}, "nobody would send"),
    ],
)
def test_what_cannot_be_meant_is_refused(context: dict[str, str], word: str) -> None:
    """Before anything is made; a misspelt `given` would make a second one in silence."""
    with pytest.raises(ValueError, match=word):
        Parameters.of(context)


def test_a_secret_may_be_named() -> None:
    """Where it is, not what it is."""
    named = {"KAKITOME_LANES__X__PASSWORD": "ssm:/kakitome/x"}
    assert Parameters.of({"settings": named}).settings == named
