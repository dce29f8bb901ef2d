"""Lists in S3 are lists like any other; one pass reads one version of them; what is in the way is said."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_file import ORDINARY, REFUSED

from kakitome.core.errors import ListError
from kakitome.lists import open_list, s3
from kakitome.lists.origin import CHUNK
from s3_store import PLAIN, VERSIONED, Store, store

EXAMPLE = Path(__file__).parents[2] / "examples" / "newsletter" / "recipients.csv"
BUCKETS = pytest.mark.parametrize("bucket", [PLAIN, VERSIONED])


@pytest.fixture(scope="module")
def _held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store(tmp_path_factory.mktemp("s3")) as held:
        yield held


@pytest.fixture(scope="module")
def _client(_held: Store) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        _held.environment(patch)
        return s3._client()


@pytest.fixture
def anew(_held: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Each list is opened with a client of its own, as commands do."""
    _held.environment(monkeypatch)
    return _held


@pytest.fixture
def held(anew: Store, _client: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    """All lists are opened with one client: making one takes longer than reading a short list."""
    monkeypatch.setattr(s3, "_client", lambda: _client)
    return anew


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a list of some lines has many parts, whose ends fall into characters."""
    monkeypatch.setattr(s3, "PART", 37)
    monkeypatch.setattr(s3, "CHUNK", 11)


def told(path: str | Path) -> object:
    """All that a reader says of a list, or the refusal, without the place."""
    try:
        found = open_list(path)
        facts = (found.encoding, found.delimiter, found.columns, found.address_column, found.header_line, found.digest)
        return facts, list(found.rows()), [row for batch in found.batches(3, start_line=4) for row in batch]
    except ListError as refusal:
        return str(refusal).replace(str(path), "PLACE")


def both(held: Store, folder: Path, data: bytes, bucket: str = PLAIN) -> tuple[object, object]:
    file = folder / "list.csv"
    file.write_bytes(data)
    return told(file), told(held.put(data, bucket=bucket))


@pytest.mark.usefixtures("small_parts")
@BUCKETS
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_same_list_as_on_disk(held: Store, tmp_path: Path, encoding: str, bucket: str) -> None:
    """In every encoding and with every delimiter; parts may end within a character."""
    for delimiter in ",\t;":
        disk, there = both(held, tmp_path, ORDINARY.replace(",", delimiter).encode(encoding), bucket)
        assert there == disk and not isinstance(disk, str)


@pytest.mark.parametrize("data", [data for data, _ in REFUSED])
def test_the_same_refusals_as_on_disk(held: Store, tmp_path: Path, data: bytes) -> None:
    """In the same words, with the place in S3 for the path."""
    disk, there = both(held, tmp_path, data)
    assert there == disk and isinstance(disk, str)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([b"a@example.com", b",", b"\n", b'"', b"\0", b"\r", b"\xe3\x81", b"\xff", b"\x83\x81",
       b"b@example.org,", b"name", b" "]), min_size=1, max_size=60).map(b"".join))  # fmt: skip
@pytest.mark.usefixtures("small_parts")
def test_any_bytes_are_read_as_on_disk(held: Store, tmp_path: Path, data: bytes) -> None:
    """Rows, bad rows and refusals."""
    disk, there = both(held, tmp_path, b"email,name\n" + data)
    assert there == disk


def test_the_example(held: Store, tmp_path: Path) -> None:
    """The demonstration's list, with all its flaws."""
    disk, there = both(held, tmp_path, EXAMPLE.read_bytes())
    assert there == disk and not isinstance(disk, str)


def test_gzip_is_refused(held: Store) -> None:
    """Clearly, and not read as text."""
    assert told(held.put(b"\x1f\x8b" + b"x" * 99)) == (
        "The list is compressed with gzip, not a CSV file. Unpack it first."
    )


def test_memory_is_bounded(held: Store) -> None:
    """100,000 rows, some 20 MB, pass through the memory of one part, in few requests; one row is one part."""
    rows = "".join(f"reader{n}@example.com,{'x' * 180}\n" for n in range(100_000))
    path = held.put(b"email,name\n" + rows.encode())
    found = open_list(path)
    assert isinstance(found.origin, s3.S3Object) and found.origin.size > 4 * s3.PART
    alone = msgspec.structs.replace(found.origin, client=held.client)  # the front's memory is not the reader's
    tracemalloc.start()
    try:
        largest = max(len(chunk) for chunk in alone.chunks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert largest == CHUNK and s3.PART < peak < 1.5 * s3.PART
    held.front.asked.clear()
    assert sum(len(batch) for batch in found.batches(5_000)) == 100_000
    assert [command for command, _, _ in held.front.asked].count("HEAD") == 2
    assert len(held.front.asked) == 2 + 2 + (found.origin.size - CHUNK) // s3.PART
    held.front.asked.clear()
    next(found.rows())
    assert [headers.get("range") for _, _, headers in held.front.asked] == [None, f"bytes=0-{CHUNK - 1}"]


@pytest.mark.usefixtures("small_parts")
@BUCKETS
def test_every_request_names_the_version(held: Store, bucket: str) -> None:
    """But the first, which finds it out."""
    found = open_list(held.put(ORDINARY.encode(), bucket=bucket))
    assert isinstance(found.origin, s3.S3Object)
    list(found.rows())
    (_, _, first), *later = held.front.asked
    assert "if-match" not in first and len(later) > 8
    assert {headers["if-match"] for _, _, headers in later} == {found.origin.etag}
    assert all(("versionId=" in path) == (bucket == VERSIONED) for _, path, _ in later)


@BUCKETS
def test_a_broken_connection_goes_on(held: Store, bucket: str) -> None:
    """Where it broke, as long as something comes; nothing is there twice, and nothing is lacking."""
    data = b"email\n" + b"".join(b"reader%d@example.com\n" % n for n in range(20_000))
    found = open_list(held.put(data, bucket=bucket))
    held.front.asked.clear()
    held.front.cuts = [0, 1, 100_000, 0, 0, 162_000]  # each breaks off an answer
    there = b"".join(found.origin.chunks())
    assert len(there) == len(data) and hash(there) == hash(data)  # to show how they differ would take minutes
    assert held.front.cuts == []
    assert len(held.front.asked) == 6 + 2
    held.front.cuts = [0, 1, 100_000]
    assert len(list(found.rows())) == 20_000


def test_a_connection_that_always_breaks_is_named(held: Store) -> None:
    """Rather than asked for ever."""
    found = open_list(held.put(ORDINARY.encode()))
    held.front.cuts = [5] + [0] * 99
    with pytest.raises(ListError, match="breaks each time, at byte 5"):
        list(found.rows())


CHANGED = "s3://plain-lists/list.csv has changed since it was opened."


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_an_object_that_was_replaced_yields_no_row(held: Store, change: str) -> None:
    """In a bucket without versions the ETag shows it before the first row."""
    found = open_list(held.put(ORDINARY.encode()))
    if change == "replace":
        held.put(ORDINARY.replace("taro@", "jiro@").encode())
    else:
        held.client.delete_object(Bucket=PLAIN, Key="list.csv")
    with pytest.raises(ListError, match=CHANGED):
        next(found.rows())


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("at", [2, 3, 5])
def test_an_object_that_is_replaced_meanwhile(held: Store, at: int) -> None:
    """No pass mixes two versions: it ends with the error, at the next part or, behind the last one, at its end."""
    found = open_list(held.put(ORDINARY.encode()))
    held.front.asked.clear()
    new = ORDINARY.replace("taro@", "jiro@").encode()
    held.front.then = lambda n: held.put(new) if n == at else None
    with pytest.raises(ListError, match=CHANGED):
        list(found.rows())


def test_the_same_bytes_put_again_are_the_same_list(held: Store) -> None:
    """For a reader that is open, and by the digest for one that opens it anew."""
    for bucket in (PLAIN, VERSIONED):
        found = open_list(held.put(ORDINARY.encode(), bucket=bucket))
        again = open_list(held.put(ORDINARY.encode(), bucket=bucket))
        assert again.digest == found.digest
        assert list(found.rows()) == list(again.rows())
        assert (again.version == found.version) == (bucket == PLAIN)


def test_a_version_is_read_whatever_is_put_later(held: Store) -> None:
    """Where versions are kept, what was planned is what is read; and an older one can be named."""
    found = open_list(held.put(ORDINARY.encode(), bucket=VERSIONED))
    path = held.put(b"email\nother@example.com\n", bucket=VERSIONED)
    assert len(list(found.rows())) == 2
    assert open_list(path).version != found.version
    named = open_list(f"{path}?versionId={found.version}")
    assert (named.path, named.version, named.digest) == (path, found.version, found.digest)
    held.client.delete_object(Bucket=VERSIONED, Key="list.csv", VersionId=found.version)
    with pytest.raises(ListError, match="has changed"):
        next(found.rows())
    with pytest.raises(ListError, match="no list at"):
        open_list(f"{path}?versionId={found.version}")


def test_a_version_that_can_be_overwritten_is_no_pin(held: Store) -> None:
    """Where versioning is suspended all states of an object are called "null": the ETag tells them apart."""
    found = open_list(held.put(ORDINARY.encode(), bucket=VERSIONED))
    assert isinstance(found.origin, s3.S3Object)
    suspended = msgspec.structs.replace(found.origin, version_id="null")
    assert suspended.version == found.origin.etag.strip('"') != found.version


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://plain-lists", "names no list"),
        ("s3:///list.csv", "names no list"),
        ("s3://plain-lists/", "names no list"),
        ("s3://no_ bucket/list.csv", "cannot be a list in S3"),
        ("s3://no-such-bucket/list.csv", "no bucket no-such-bucket"),
        ("s3://plain-lists/missing.csv", "no list at s3://plain-lists/missing.csv"),
    ],
)
def test_a_place_where_nothing_is(held: Store, path: str, words: str) -> None:
    """With the place beside it."""
    with pytest.raises(ListError, match=words) as refusal:
        open_list(path)
    assert refusal.value.data["path"] == path


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "s3:GetObject and s3:GetObjectVersion on arn:aws:s3:::plain-lists/list.csv.*ListBucket"),
        (403, "InvalidAccessKeyId", "does not take the keys.*AWS_PROFILE"),
        (400, "ExpiredToken", "does not take the keys"),
        (403, "InvalidObjectState", "archived.*restore-object"),
        (400, "Unheard", "S3 answered Unheard: by the test.*goes on where it stopped"),
    ],
)
def test_a_refusal_says_what_to_do(held: Store, status: int, code: str, words: str) -> None:
    """Which permission, whose keys, or that it must be restored."""
    path = held.put(ORDINARY.encode())
    held.front.codes = [(status, code)]
    with pytest.raises(ListError, match=words):
        open_list(path)


def test_permission_lost_meanwhile(held: Store) -> None:
    """Is told as that, and not as a change."""
    found = open_list(held.put(ORDINARY.encode()))
    held.front.codes = [(403, "AccessDenied")]
    with pytest.raises(ListError, match=r"may not be read.*s3:GetObject"):
        next(found.rows())


def test_no_keys_and_no_network(anew: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a sentence, and never the SDK's own exception; with them the list is there."""
    path = anew.put(ORDINARY.encode())
    assert len(list(open_list(path).rows())) == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(ListError, match=r"cannot be read.*AWS_ENDPOINT_URL"):
        open_list(path)
    monkeypatch.setenv("AWS_PROFILE", "unheard-of")
    with pytest.raises(ListError, match=r"unheard-of.*sts get-caller-identity"):
        open_list(path)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nothing/there")
    with pytest.raises(ListError, match=r"credentials.*sts get-caller-identity"):
        open_list(path)
