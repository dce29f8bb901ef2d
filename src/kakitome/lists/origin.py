"""Where the bytes of a list come from: a file on disk, an object in S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from kakitome.core.errors import ListError

CHUNK: Final = 256 * 1024
"""Bytes that are decoded at once, wherever they come from."""


class Origin(Protocol):
    """The bytes of one list, pinned when it was opened: never those of two versions as if they were one."""

    @property
    def path(self) -> str:
        """As people write it: a path, or s3://bucket/key."""
        ...

    @property
    def version(self) -> str:
        """What the store calls this version of it; empty on disk."""
        ...

    def check(self) -> None:
        """A look that is cheap. Raises `ListError` if it shows that this is no longer what was opened."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """All bytes in order, in chunks of at most `CHUNK`, as often as one likes. Raises `ListError`."""
        ...


def changed(path: str) -> ListError:
    return ListError(
        f"{path} has changed since it was opened.",
        "Start again with the list as it is now; what was sent is not sent again.",
    )


def missing(path: str) -> ListError:
    return ListError(f"There is no list at {path}.", "Look at the path.")


def empty(path: str) -> ListError:
    return ListError(f"{path} is empty.", "Was it saved before it was filled?")
