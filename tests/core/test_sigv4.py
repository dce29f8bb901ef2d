"""The lean signer signs exactly as botocore's does."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.sigv4 import Keys, Signer

_KEY = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
_WORD = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
_PATH = st.from_regex(r"(/([A-Za-z0-9_.~-]|%[0-9A-F]{2}){1,12}){1,4}", fullmatch=True).filter(
    lambda path: not {".", ".."} & set(path.split("/"))
)
_TIMES = st.integers(min_value=0, max_value=4_102_444_800_000)


_FIELDS = st.dictionaries(
    st.sampled_from(["content-type", "x-amz-target", "x-a"]), st.sampled_from(["application/json", "A_1.Put", " a  b"])
)


def _botocore(
    method: str, keys: Keys, region: str, service: str, url: str, fields: dict[str, str], body: bytes, at: datetime
) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, data=body, headers=fields)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at):
        SigV4Auth(Credentials(keys.access, keys.secret, keys.token), service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    method=st.sampled_from(["GET", "POST"]),
    every=st.lists(st.builds(Keys, _KEY, _KEY, st.none() | _KEY), min_size=1, max_size=2),
    region=_WORD,
    service=_WORD,
    host=st.from_regex(r"[a-z0-9.-]{1,30}(:8[0-9]{3})?", fullmatch=True),
    path=st.just("/") | _PATH,
    fields=_FIELDS,
    body=st.binary(max_size=200),
    moments=st.lists(_TIMES, min_size=1, max_size=3),
)
def test_equal_to_botocore(
    method: str,
    every: list[Keys],
    region: str,
    service: str,
    host: str,
    path: str,
    fields: dict[str, str],
    body: bytes,
    moments: list[int],
) -> None:
    """For every request; with the same signer over midnight, and with renewed keys."""
    signer = Signer(region, service)
    for now, keys in product(moments, every):
        ours = signer.headers(keys, method, path, {**fields, "host": host}, body, now)
        at = datetime.fromtimestamp(now // 1000, UTC)
        theirs = _botocore(method, keys, region, service, f"https://{host}{path}", fields, body, at)
        assert ours.pop("host") == host
        assert ours == theirs


def test_keys_are_not_printed() -> None:
    """A log or a traceback may show a `Keys`; it shows neither the secret nor the token."""
    shown = f"{Keys('AKIAIOSFODNN7EXAMPLE', 'secret', 'token')!r} {Keys('AKIAIOSFODNN7EXAMPLE', 'secret', 'token')}"
    assert "secret" not in shown
    assert "token" not in shown
