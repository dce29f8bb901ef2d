"""What comes over the wire from DynamoDB is understood as botocore understands it, or is no answer."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.access import Told
from kakitome.ledgers.dynamodb.line import unavailable
from kakitome.ledgers.dynamodb.marshal import read
from kakitome.ledgers.dynamodb.wire import Garbled, understood

MODEL = ServiceModel(Loader().load_service_model("dynamodb", "service-2"))
PAGE = b"<html>Bad Gateway</html>"
ITEM = {"pk": {"S": "a"}, "d": {"B": "AAH/"}, "n": {"N": "12"}, "s": {"SS": ["x", "y"]}}
CODES = st.sampled_from(["ConditionalCheckFailedException", "ThrottlingException", "TransactionCanceledException"])
SPACES = st.sampled_from(["", "com.amazonaws.dynamodb.v20120810#", "com.amazon.coral.service#"])


def answer(body: bytes, status: int = 200, **fields: str) -> dict[str, Any]:
    headers = CIMultiDict({name.replace("_", "-"): value for name, value in fields.items()})
    return understood(status, headers, body)


def botocores(body: bytes, status: int = 200) -> dict[str, Any]:
    told = {"body": body, "headers": {}, "status_code": status}
    found: dict[str, Any] = create_parser("json").parse(told, MODEL.operation_model("GetItem").output_shape)
    return found


@given(
    code=CODES,
    space=SPACES,
    says=st.sampled_from(["message", "Message"]),
    words=st.text(max_size=20),
    status=st.sampled_from([400, 413, 500, 503]),
    named=st.booleans(),
    where=st.sampled_from(["", ":http://internal.amazon.com/coral/"]),
)
def test_errors_are_named_as_botocore_names_them(
    code: str, space: str, says: str, words: str, status: int, named: bool, where: str
) -> None:
    """Code and words, however the service writes them; its status where it names nothing."""
    body = json.dumps({says: words} | ({"__type": space + code + where} if named else {})).encode()
    theirs = botocores(body, status)
    with pytest.raises(Told) as ours:
        answer(body, status)
    assert ours.value.response["Error"] == theirs["Error"]
    assert ours.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_refusal_brings_the_items_along() -> None:
    """One write's beside the error, a transaction's by reason, in order; with their bytes."""
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": ITEM}]
    told = {"__type": "com.amazonaws.dynamodb.v20120810#X", "Item": ITEM, "CancellationReasons": reasons}
    with pytest.raises(Told) as error:
        answer(json.dumps(told).encode(), 400)
    item = {"pk": "a", "d": b"\0\1\xff", "n": 12, "s": frozenset("xy")}
    assert read(error.value.response["Item"]) == item
    assert [read(reason.get("Item", {})) for reason in error.value.response["CancellationReasons"]] == [{}, item]


def test_an_item_is_read_as_botocore_reads_it() -> None:
    """Bytes are base64 on the way, and ours only here."""
    body = json.dumps({"Item": ITEM, "ConsumedCapacity": {"CapacityUnits": 0.5}}).encode()
    assert read(answer(body)["Item"]) == read(botocores(body)["Item"])
    assert read(answer(body)["Item"])["d"] == b"\0\1\xff"


def test_a_checksum_is_that_of_the_bytes() -> None:
    """What was changed on its way is no answer, and no refusal either."""
    body = b'{"Item":{}}'
    right = str(zlib.crc32(body))
    assert answer(body, x_amz_crc32=right) == {"Item": {}}
    for status in (200, 400):
        with pytest.raises(Garbled):
            answer(body + b" ", status, x_amz_crc32=right)


@pytest.mark.parametrize("body", [PAGE, b"", b"[]"])
def test_a_page_is_no_answer(body: bytes) -> None:
    """Something on the way answered in DynamoDB's place: with success it says nothing, with an error its status."""
    with pytest.raises(Garbled):
        answer(body)
    with pytest.raises(Told) as error:
        answer(body, 502)
    assert error.value.response["Error"]["Code"] == "502"


def test_an_error_says_what_stood_there() -> None:
    """A page's first words are in the error's: they name the proxy."""
    with pytest.raises(Told) as told:
        answer(PAGE, 403)
    error = unavailable("put_item", told.value, 1)
    assert isinstance(error, LedgerUnavailable)
    assert "(403: <html>Bad Gateway</html>; asked 1 times)" in str(error)
