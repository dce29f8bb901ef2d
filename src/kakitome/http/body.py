"""JSON in: what cannot be read is refused with the place where reading ended."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from kakitome.http.problems import Malformed

T = TypeVar("T")

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>.*)`)?", re.DOTALL).fullmatch
_UNKNOWN = re.compile(r"unknown field `(.*)`").search


def read_json(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], known: Collection[str] = ()) -> T:
    """The body as the decoder's type, strictly: nothing is coerced, nothing unknown is passed over.

    Raises `Malformed`. `known` are field names to suggest where one is misspelt.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        place = _PLACE(str(error))
        what, path = (place["what"], place["path"]) if place else (str(error), None)
        raise Malformed(f"{what}, at {path or '$'}.", _hint(what, known), path=path or "$") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"The body is not JSON: {error}.", "Send a JSON object in UTF-8.", path="$") from error


def read_query(given: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The query's parameters. Raises `Malformed` for an unknown one: a misspelt filter must not be no filter."""
    for name in given:
        if name not in known:
            raise Malformed(f"There is no query parameter {name!r}.", nearest(name, known), path=name)
    return {name: value for name, value in given.items() if value}


def _hint(what: str, known: Collection[str]) -> str:
    unknown = _UNKNOWN(what)
    return nearest(unknown[1], known) if unknown and known else ""


def nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(sorted(known))}."
