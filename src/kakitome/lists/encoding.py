"""In which encoding is this list written, and what does it say?

Recognition reads every byte once and keeps none: a list whose first megabyte is ASCII may turn out to be CP932 in its
last line. A pass over the whole file is needed anyway, for the digest.

Decoding never fails. A sequence of bytes that means nothing becomes `FAULT`, one character, so that the row in which
it stands can be told from its neighbours; no delimiter, quote or line break is ever swallowed by a fault.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from kakitome.core.errors import ListError

FAULT = "\udcff"  # a lone surrogate: no decoder yields it by itself, no encoder writes it
BOM = "\ufeff"

ENCODINGS = ("utf-8", "utf-8-sig", "cp932", "utf-16-le", "utf-16-be", "euc_jp", "cp1252", "iso8859-1")
"""What can be asked for. All but UTF-16 keep ASCII as it is, so that a fault cannot hide a delimiter."""

_ALIASES = {"shift_jis": "cp932", "shift_jisx0213": "cp932", "shift_jis_2004": "cp932"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SAVE_AS = "In Excel: Save as, “CSV UTF-8 (comma delimited)”."
_NOT_TEXT = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx) or another zip archive", _SAVE_AS),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", _SAVE_AS),
    (b"%PDF", "a PDF", "Export the table as CSV where it came from."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first."),
    (b"\xff\xfe\0\0", "UTF-32, which nothing else reads either", "Save it as UTF-8."),
    (b"\0\0\xfe\xff", "UTF-32, which nothing else reads either", "Save it as UTF-8."),
)
_SAMPLE = 64 * 1024
_SOME = 8  # zero bytes; fewer may be a slip in one row
_SETTLED = 1_000  # bytes beyond ASCII after which nothing will change the verdict
_ASCII = bytes(range(128))
_NOT_IN_CP932 = "\x80\uf8f0\uf8f1\uf8f2\uf8f3"  # what the codec makes of bytes 80, A0 and FD to FF, which mean nothing


def known(name: str) -> str:
    """The canonical name of an encoding that somebody asked for. Raises ListError if lists cannot be in it."""
    try:
        canonical = codecs.lookup(name).name
    except (LookupError, ValueError):
        canonical = name
    canonical = _ALIASES.get(canonical, canonical)
    if canonical not in ENCODINGS:
        raise ListError(f"Lists cannot be read as “{name}”.", f"Known are {', '.join(ENCODINGS)}.")
    return canonical


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """The text of a list, piece by piece, without its byte order mark, with `FAULT` for what means nothing."""
    decoder = _Decoder(encoding)
    begun = False
    for chunk in chunks:
        text = decoder.decode(chunk)
        if text and not begun:
            begun, text = True, text.removeprefix(BOM)
        yield text
    yield decoder.decode(b"", True)


class Recognition:
    """Decides on an encoding while the whole file is fed through `feed`, in order.

    An encoding that was asked for decides, then a byte order mark, then a pattern of zero bytes (UTF-16). Else it is
    UTF-8 if at most one in eight of the bytes beyond ASCII is a fault by it (in CP932 text nearly all are, even in
    half-width katakana most), else UTF-8 or CP932, by which there are fewer faults. `feed` and `result` raise
    ListError if the beginning is no text at all.
    """

    def __init__(self, asked_for: str | None = None) -> None:
        self._decided = asked_for
        self._head = b""
        self._begun = False
        self._beyond_ascii = 0
        self._candidates = (_Candidate("utf-8"), _Candidate("cp932"))

    def feed(self, chunk: bytes) -> None:
        if not self._begun:
            self._head += chunk
            if len(self._head) >= _SAMPLE:
                self._begin()
        elif self._decided is None:
            self._weigh(chunk)

    def result(self) -> str:
        """The encoding, once everything was fed."""
        if not self._begun:
            self._begin()
        if self._decided is None:
            self._weigh(b"", final=True)
        return self._decided or self._likelier()

    def _begin(self) -> None:
        self._begun, head, self._head = True, self._head, b""
        _refuse_other_formats(head)
        self._decided = self._decided or _by_mark(head) or _by_zero_bytes(head[:_SAMPLE])
        if self._decided is None:
            self._weigh(head)

    def _weigh(self, chunk: bytes, *, final: bool = False) -> None:
        self._beyond_ascii += len(chunk.translate(None, _ASCII))
        for candidate in self._candidates:
            candidate.feed(chunk, final)
        if self._beyond_ascii >= _SETTLED:
            self._decided = self._likelier()

    def _likelier(self) -> str:
        utf_8, cp932 = (candidate.faults for candidate in self._candidates)
        return "utf-8" if utf_8 * 8 <= self._beyond_ascii or utf_8 <= cp932 else "cp932"


class _Candidate:
    """Counts the faults that a text has if it is taken to be in one encoding."""

    def __init__(self, encoding: str) -> None:
        self.faults = 0
        self._decoder = _Decoder(encoding)

    def feed(self, chunk: bytes, final: bool) -> None:
        if chunk.isascii() and not final and not self._decoder.is_pending():
            return  # most of most lists; nothing was begun and nothing can be wrong
        self.faults += self._decoder.decode(chunk, final).count(FAULT)


def _refuse_other_formats(chunk: bytes) -> None:
    for magic, what, remedy in _NOT_TEXT:
        if chunk.startswith(magic):
            raise ListError(f"The list is {what}, not a CSV file.", remedy)


def _by_mark(chunk: bytes) -> str | None:
    return next((encoding for mark, encoding in _BOMS if chunk.startswith(mark)), None)


def _by_zero_bytes(sample: bytes) -> str | None:
    """UTF-16 without a mark: addresses are ASCII, so in every list many characters have a zero byte on one side.

    (U+3000 and U+4E00 have it on the other side; they are few.) A stray zero byte spoils its row, not the list.
    """
    even, odd, pairs = sample[0::2].count(0), sample[1::2].count(0), max(1, len(sample) // 2)
    for here, there, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if here >= _SOME and here > pairs / 8 and there < here / 8:
            return encoding
    if even + odd > max(_SOME, len(sample) / 500):
        raise ListError("The list is a binary file, not a CSV file.", "Export it as CSV, in UTF-8.")
    return None


def _mark_fault(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError), "registered for decoding only"
    return FAULT, error.end


codecs.register_error("kakitome.list", _mark_fault)


class _Decoder:
    def __init__(self, encoding: str) -> None:
        name = "utf-8" if encoding == "utf-8-sig" else encoding
        self._decoder = codecs.getincrementaldecoder(name)("kakitome.list")
        self._no_characters = _NOT_IN_CP932 if encoding == "cp932" else ""

    def decode(self, chunk: bytes, final: bool = False) -> str:
        text = self._decoder.decode(chunk, final)
        for character in self._no_characters:
            text = text.replace(character, FAULT)
        return text

    def is_pending(self) -> bool:
        return bool(self._decoder.getstate()[0])
