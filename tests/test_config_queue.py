"""`[queue]`: where the doorbell may be, and what is refused before anything starts."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from kakitome import bells
from kakitome.config import Config, QueueTable, load, place_of
from kakitome.core.errors import ConfigurationError
from kakitome.queues.redis import RedisPlace
from kakitome.queues.sqs import SqsPlace

TOKYO = "ap-northeast-1"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("embedded:", None),
        ("redis://cache", RedisPlace("cache")),
        ("redis://app@[::1]:7000/2?prefix=hotel", RedisPlace("::1", 7000, 2, "app", prefix="hotel")),
        ("rediss://cache.example.com:6380", RedisPlace("cache.example.com", 6380, tls=True)),
        (f"sqs://mail?region={TOKYO}", SqsPlace("mail", TOKYO)),
        ("sqs://mail", SqsPlace("mail", "eu-west-1")),
        (f"sqs://sqs.{TOKYO}.amazonaws.com/123456789012/mail", SqsPlace("mail", TOKYO, "123456789012")),
        ("sqs://m?endpoint=http://127.0.0.1:1", SqsPlace("m", "eu-west-1", endpoint="http://127.0.0.1:1")),
    ],
)
def test_a_place_is_read(url: str, place: object) -> None:
    """In each form that the document has."""
    assert place_of(QueueTable(url=url), {"AWS_REGION": "eu-west-1"}) == place


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rabbit://here", "no queue that there is"),
        ("redis://", "no queue that there is"),
        ("embedded", "no queue that there is"),
        ("redis://host:port", "not an address"),
        ("redis://:hidden@cache", "holds a secret"),
        ("redis://cache/sessions", "as a database"),
        ("redis://cache?prefix=a*", "as the prefix"),
        ("redis://cache?prefx=a", "prefx="),
        ("sqs://mail", "no region"),
        ("sqs://mail/bulk?region=eu-west-1", "names no queue"),
        ("sqs://m.fifo?region=eu-west-1", "names no queue"),
        ("sqs://mail?region=eu-west-1&endpoint=http://sqs.example.com", "not an https"),
    ],
)
def test_a_place_that_cannot_be_is_refused(url: str, words: str) -> None:
    """With the key, and never with a password."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        place_of(QueueTable(url=url), {})
    assert refused.value.data["key"] == "queue.url" and "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('look = "0s"', "queue.look"),
        ('password = "env:A"', "queue.password"),
        ('url = "redis://cache"\npassword = "hidden"', "queue.password"),
        ('url = "redis://cache"\nca = "ca.pem"', "queue.ca"),
        ('url = "sqs://m?region=eu-west-1"\nca = "ca.pem"', "queue.ca"),
    ],
)
def test_what_makes_no_sense_together_is_refused(table: str, key: str, tmp_path: Path) -> None:
    """At the start, and not when the first mail comes."""
    (tmp_path / "kakitome.toml").write_text(f"[queue]\n{table}\n")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path / "kakitome.toml", {})
    assert refused.value.data["key"] == key and "hidden" not in str(refused.value)


@pytest.mark.parametrize(("url", "extra"), [("redis://cache", "redis"), ("sqs://m?region=eu-west-1", "aws")])
def test_an_extra_that_is_missing_is_named(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""

    def nowhere(_: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(bells, "find_spec", nowhere)
    with pytest.raises(ConfigurationError, match=rf"kakitome\[server,{extra}\]"):
        bells.queue_of(Config(queue=QueueTable(url=url)))


@pytest.mark.parametrize(
    ("table", "idle"),
    [
        (QueueTable(), 0.25),
        (QueueTable(look="2s"), 2.0),
        (QueueTable(url="redis://cache"), 5.0),
        (QueueTable(url="redis://cache", look="500ms"), 0.5),
        (QueueTable(url="sqs://m?region=eu-west-1"), 5.0),
    ],
)
def test_far_queues_are_looked_past_less_often(table: QueueTable, idle: float) -> None:
    """A look on this machine costs nothing, one into a ledger elsewhere does; a person may say otherwise."""
    assert bells.queue_of(Config(queue=table)).idle == idle
