"""The address of a table."""

from __future__ import annotations

import pytest

from kakitome.core.errors import ConfigurationError
from kakitome.ledgers.dynamodb.place import Place, place


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("dynamodb://Kakitome-1?region=ap-northeast-1", Place("Kakitome-1", "ap-northeast-1")),
        ("dynamodb://mail/?region=us-gov-west-1", Place("mail", "us-gov-west-1")),
        (
            "dynamodb://a.b_c?region=eu-west-1&endpoint=http://127.0.0.1:4566",
            Place("a.b_c", "eu-west-1", "http://127.0.0.1:4566"),
        ),
    ],
)
def test_an_address_names_table_region_and_endpoint(url: str, expected: Place) -> None:
    """Capital letters stay as they are: the names of tables have them."""
    assert place(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("dynamodb://mail", "no AWS region"),
        ("dynamodb://mail?region=tokyo", "region=tokyo"),
        ("dynamodb://?region=eu-west-1", "no table's name"),
        ("dynamodb:///mail?region=eu-west-1", "does not name"),
        ("dynamodb://ma?region=eu-west-1", "no table's name"),
        ("dynamodb://key:secret@mail?region=eu-west-1", "no table's name"),
        ("dynamodb://mail?region=eu-west-1&table=x", "not known: table"),
        ("dynamodb://mail?region=eu-west-1&region=eu-west-2", "twice"),
        ("dynamodb://mail?region", "cannot be read"),
        ("dynamodb://mail?region=eu-west-1&endpoint=127.0.0.1:80", "not the address of an endpoint"),
        ("dynamodb://mail?region=eu-west-1&endpoint=http://[", "not the address of an endpoint"),
        ("dynamo://mail?region=eu-west-1", "does not name"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(url: str, words: str) -> None:
    """The error names the mistake, and its key is that of the configuration."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        place(url)
    assert refused.value.data["key"] == "ledger.url"
    assert refused.value.remedy.startswith("Write ")
