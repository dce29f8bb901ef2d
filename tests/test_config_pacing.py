"""Which domains have a pace, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kakitome.config import load, paces_of
from kakitome.core.address import parse_address
from kakitome.core.errors import ConfigurationError
from kakitome.core.pacing import Paces

CARRIERS = """
[pacing.docomo]
domains = ["docomo.ne.jp"]
rate = 5

[pacing.small]
domains = ["Example.JP", "日本.jp"]
rate = 0.5
"""


def paces(tmp_path: Path, text: str) -> Paces:
    file = tmp_path / "kakitome.toml"
    file.write_text(text, encoding="utf-8")
    return Paces(paces_of(load(file, environment={})))


@pytest.mark.parametrize(
    ("address", "pace"),
    [
        ("a..b.@docomo.ne.jp", "docomo"),
        ("aoi@DoCoMo.NE.jp", "docomo"),
        ("aoi@example.jp", "small"),
        ("aoi@xn--wgv71a.jp", "small"),
        ("aoi@日本.jp", "small"),
        ("aoi@mail.docomo.ne.jp", ""),
        ("docomo.ne.jp@example.com", ""),
    ],
)
def test_an_address_has_its_domain_s_pace(tmp_path: Path, address: str, pace: str) -> None:
    """However domain and configuration are written; a subdomain has none of its parent's."""
    assert paces(tmp_path, CARRIERS).of(parse_address(address)) == pace


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (CARRIERS + '[pacing.other]\ndomains = ["DOCOMO.ne.jp"]\nrate = 1', "pacing.other.domains"),
        ('[pacing.a]\ndomains = ["docomo"]\nrate = 1', "pacing.a.domains"),
        ('[pacing.a]\ndomains = ["a@docomo.ne.jp"]\nrate = 1', "pacing.a.domains"),
        ("[pacing.a]\ndomains = []\nrate = 1", "pacing.a.domains"),
        ('[pacing.a]\ndomains = ["docomo.ne.jp"]\nrate = 0', "pacing.a.rate"),
        ('[pacing.a]\ndomains = ["docomo.ne.jp"]\nrate = inf', "pacing.a.rate"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_key(tmp_path: Path, text: str, key: str) -> None:
    """A domain in two tables, no domain, a pace at which nothing goes."""
    with pytest.raises(ConfigurationError) as raised:
        paces(tmp_path, text)
    assert raised.value.data["key"] == key
