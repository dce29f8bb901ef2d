"""What a worker was doing when it died: written by the living, read by whoever comes after."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kakitome.core.ids import Fence, MessageId
from kakitome.hosts.marks import HEADER_SIZE, LONGEST_ID, PLACE_SIZE, PLACES, MarkFile, read_marks
from kakitome.ports.workers import Mark, MarkKind

NOW = 1_800_000_000_000
SECOND_HALF = 28
numbers = st.integers(0, 2**63 - 1)
many = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w1.marks"


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def mark(marks: MarkFile, message: int, fence: int = 1) -> int:
    return marks.mark(MessageId(message), Fence(fence), NOW)


def read(path: Path) -> list[Mark]:
    found = read_marks(path)
    assert found is not None
    return sorted(found, key=lambda one: one.message)


def test_a_mark_says_which_attempt_is_on_the_wire(path: Path) -> None:
    """From the moment it is set: nothing has to be closed or synced."""
    marks = MarkFile(path, "w1")
    mark(marks, 7, 3)
    assert read(path) == [Mark(MessageId(7), Fence(3), MarkKind.ON_THE_WIRE)]


def test_a_note_says_what_the_reply_was(path: Path) -> None:
    """With the provider's id, which is proof."""
    marks = MarkFile(path, "w1")
    marks.note(mark(marks, 1), MarkKind.ACCEPTED, "p-1")
    marks.note(mark(marks, 2), MarkKind.REFUSED)
    assert [(m.kind, m.provider_id) for m in read(path)] == [(MarkKind.ACCEPTED, "p-1"), (MarkKind.REFUSED, "")]


def test_what_is_cleared_is_gone_and_its_place_is_new(path: Path) -> None:
    """The old note does not speak for the new mark."""
    marks = MarkFile(path, "w1")
    place = mark(marks, 1)
    marks.note(place, MarkKind.REFUSED)
    marks.clear([place])
    assert read(path) == []
    assert mark(marks, 2) == place
    assert [m.kind for m in read(path)] == [MarkKind.ON_THE_WIRE]


operations = st.one_of(
    st.tuples(st.just("mark"), numbers, numbers),
    st.tuples(st.just("note"), st.integers(0, 9), st.sampled_from((MarkKind.ACCEPTED, MarkKind.REFUSED)),
              st.text(max_size=LONGEST_ID // 4)),
    st.tuples(st.just("clear"), st.integers(0, 9)),
)  # fmt: skip


@many
@given(st.lists(operations, max_size=30))
def test_whatever_is_marked_and_noted_is_read_back(tmp_path: Path, done: list[tuple[object, ...]]) -> None:
    """After any sequence of marks, notes and clearings, exactly what is not cleared."""
    path = tmp_path / "walk.marks"
    path.unlink(missing_ok=True)
    marks, open_places = MarkFile(path, "w1"), dict[int, Mark]()
    for what, *rest in done:
        if what == "mark":
            message, fence = MessageId(rest[0]), Fence(rest[1])  # type: ignore[arg-type]
            open_places[marks.mark(message, fence, NOW)] = Mark(message, fence, MarkKind.ON_THE_WIRE)
        elif open_places:
            place = sorted(open_places)[rest[0] % len(open_places)]  # type: ignore[operator]
            if what == "note":
                kind, text = rest[1:]
                marks.note(place, kind, text)  # type: ignore[arg-type]
                open_places[place] = Mark(open_places[place].message, open_places[place].fence, kind, text)  # type: ignore[arg-type]
            else:
                marks.clear([place])
                del open_places[place]
    marks.close()
    assert sorted(map(repr, read(path))) == sorted(map(repr, open_places.values()))


def test_there_are_1024_places(path: Path) -> None:
    """Three batches and room; one more is an error before the write, not a lost mark."""
    marks = MarkFile(path, "w1")
    places = [mark(marks, n) for n in range(1, PLACES + 1)]
    assert (PLACES, len(set(places))) == (1024, 1024)
    with pytest.raises(IndexError):
        mark(marks, 9999)
    assert [m.message for m in read(path)] == list(range(1, PLACES + 1))
    marks.clear(places[5:6])
    assert mark(marks, 9999) == places[5]


def test_an_id_that_is_too_long_is_left_out_whole(path: Path) -> None:
    """Half an id would name another mail. That it was accepted stays."""
    marks = MarkFile(path, "w1")
    marks.note(mark(marks, 1), MarkKind.ACCEPTED, "p" * LONGEST_ID)
    marks.note(mark(marks, 2), MarkKind.ACCEPTED, "p" * (LONGEST_ID + 1))
    assert [m.provider_id for m in read(path)] == ["p" * LONGEST_ID, ""]
    assert {m.kind for m in read(path)} == {MarkKind.ACCEPTED}


def damage(path: Path, at: int, value: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[at] = data[at] ^ 0xFF if value is None else value
    path.write_bytes(data)


@pytest.mark.parametrize("at", range(SECOND_HALF))
def test_a_torn_first_half_makes_everything_unknown(path: Path, at: int) -> None:
    """Something was on the wire, and nobody knows what: no claim of this worker may be taken for unwritten."""
    marks = MarkFile(path, "w1")
    place = mark(marks, 1)
    mark(marks, 2)
    damage(path, HEADER_SIZE + place * PLACE_SIZE + at)
    assert read_marks(path) is None


@pytest.mark.parametrize("at", [0, 1, 2, 81, 82, 85])
def test_a_torn_second_half_is_no_reply(path: Path, at: int) -> None:
    """It is as good as on the wire: neither an acceptance nor a refusal is believed."""
    marks = MarkFile(path, "w1")
    place = mark(marks, 1)
    marks.note(place, MarkKind.REFUSED, "p-1")
    damage(path, HEADER_SIZE + place * PLACE_SIZE + SECOND_HALF + at)
    assert [m.kind for m in read(path)] == [MarkKind.ON_THE_WIRE]


@pytest.mark.parametrize("at", range(52))
def test_a_damaged_header_makes_everything_unknown(path: Path, at: int) -> None:
    """Another version, another size, half a file: it says nothing, and nothing is not "no marks"."""
    MarkFile(path, "w1")
    damage(path, at)
    assert read_marks(path) is None


@many
@given(st.binary(max_size=300), st.integers(0, HEADER_SIZE + PLACES * PLACE_SIZE))
def test_no_garbage_crashes_the_reader_or_names_a_reply(tmp_path: Path, garbage: bytes, at: int) -> None:
    """Whatever stands anywhere in the file: unknown, or marks that were really set."""
    path = tmp_path / "garbage.marks"
    path.unlink(missing_ok=True)
    marks = MarkFile(path, "w1")
    set_marks = {mark(marks, n): n for n in range(1, 40)}
    data = bytearray(path.read_bytes())
    data[at : at + len(garbage)] = garbage
    path.write_bytes(data)
    found = read_marks(path)
    for one in found or ():
        assert one.kind is MarkKind.ON_THE_WIRE
        assert one.message in set_marks.values()


@given(st.binary(max_size=2_000))
def test_a_file_of_any_other_kind_is_unknown(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Empty, short, or somebody else's."""
    path = tmp_path_factory.getbasetemp() / "other.marks"
    path.write_bytes(content)
    assert read_marks(path) is None


def test_no_file_is_unknown(path: Path) -> None:
    """Deleted by hand, or of a worker that never came so far."""
    assert read_marks(path) is None


def test_what_cannot_be_read_is_unknown(path: Path) -> None:
    """The reaper must not die of it: every worker reaps, and none would be left."""
    path.mkdir()
    assert read_marks(path) is None


def test_the_marks_of_another_are_never_overwritten(path: Path) -> None:
    """A name is used once: two workers on one file would hide each other's marks."""
    MarkFile(path, "w1")
    with pytest.raises(FileExistsError):
        MarkFile(path, "w1")


@contextmanager
def little_room(most: int) -> Iterator[None]:
    """Files may not grow beyond `most` bytes: what a full disk is for one file, by the kernel's own word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_shows_when_the_worker_begins(path: Path) -> None:
    """Not as a SIGBUS at some mark later; and nothing half-made is left, nor any descriptor."""
    before = descriptors()
    with little_room(HEADER_SIZE), pytest.raises(OSError):
        MarkFile(path, "w1")
    assert not path.exists()
    assert descriptors() == before
