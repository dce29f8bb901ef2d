"""Requests to DynamoDB are signed exactly as botocore signs them."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from kakitome.ledgers.dynamodb.signature import CONTENT_TYPE, Keys, Signer

KEY = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
WORD = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
TARGET = st.from_regex(r"DynamoDB(Streams)?_[0-9]{8}\.[A-Za-z]{1,20}", fullmatch=True)
PATH = st.just("/") | st.from_regex(r"(/([A-Za-z0-9_.~-]|%[0-9A-F]{2}){1,12}){1,3}", fullmatch=True).filter(
    lambda path: not {".", ".."} & set(path.split("/"))
)
DAY_MS = 86_400_000
MOMENT = st.builds(
    lambda day, ms: day * DAY_MS + ms,
    st.sampled_from([0, 20_000, 20_001]),
    st.integers(min_value=0, max_value=DAY_MS - 1),
)
REQUEST = st.tuples(
    st.builds(Keys, KEY, KEY, st.none() | KEY),
    TARGET,
    st.binary(max_size=200),
    MOMENT,
)


def botocore(region: str, url: str, keys: Keys, target: str, body: bytes, now: int) -> dict[str, str]:
    fields = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target}
    request = AWSRequest(method="POST", url=url, data=body, headers=fields)
    with mock.patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(now // 1000, UTC)):
        SigV4Auth(Credentials(*keys), "dynamodb", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    region=WORD,
    host=st.from_regex(r"[a-z0-9.-]{1,30}(:8[0-9]{3})?", fullmatch=True),
    path=PATH,
    requests=st.lists(REQUEST, min_size=1, max_size=3),
)
def test_equal_to_botocores(region: str, host: str, path: str, requests: list[tuple[Keys, str, bytes, int]]) -> None:
    """For every request, over midnight, and with renewed keys: by one signer."""
    signer = Signer(region, host, path)
    for keys, target, body, now in requests:
        ours = signer.headers(keys, target, body, now)
        assert ours.pop("host") == host
        assert ours == botocore(region, f"https://{host}{path}", keys, target, body, now)


def test_keys_of_a_table_are_not_printed() -> None:
    """A log or a traceback may show them; it shows neither the secret nor the token."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "secret", "token")
    shown = f"{keys!r} {keys}"
    assert "secret" not in shown
    assert "token" not in shown
