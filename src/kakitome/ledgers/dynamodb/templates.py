"""Templates: each version an item of its own, and of each name the newest one by a pointer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from kakitome.core.errors import LedgerUnavailable, NotFound, TemplateError
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb.desk import Desk
from kakitome.ledgers.dynamodb.items import body_item, bytes_of, image_of
from kakitome.ledgers.dynamodb.marshal import Key
from kakitome.ledgers.dynamodb.table import Conflict, Put
from kakitome.ports.records import TemplateVersion

TRIES = 40
LARGEST = 390_000
"""Octets of a deflated template; an item has at most 400 KB."""
NAMES, LAST = "T", Key("#", "template")

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(TemplateVersion).decode


class DynamoTemplates:
    """See `ports.records.Templates`. `id` counts all versions of the table."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def put(self, name: str, digest: str, source: bytes, now: int) -> TemplateVersion:
        table, deflated = self._desk.table, _deflated(name, source)
        for attempt in range(1, TRIES + 1):
            pointer, last = await table.get(Key(NAMES, name)), await table.get(LAST)
            newest = await self.pinned(_number(bytes_of(pointer))) if pointer else None
            if newest is not None and newest.digest == digest:
                return newest
            id, version = 1 + (_number(bytes_of(last)) if last else 0), newest.version + 1 if newest else 1
            put = TemplateVersion(id, name, version, digest, source, now)
            told = Entry(seq=0, at=now, kind="template_put", data={"name": name, "version": version, "digest": digest})
            stored = _pack(msgspec.structs.replace(put, source=deflated))
            try:
                await table.transact(
                    [
                        Put(body_item(_key(id), stored, [told]), None),
                        Put(body_item(Key(NAMES, name), _octets(id)), image_of(pointer).revision if pointer else None),
                        Put(body_item(LAST, _octets(id)), image_of(last).revision if last else None),
                    ],
                    self._desk.token(),
                )
            except Conflict:
                await table.line.pause(attempt)
            else:
                return put
        raise LedgerUnavailable("Too many others store templates at the same time.", "Put it again.")

    async def get(self, name: str) -> TemplateVersion | None:
        pointer = await self._desk.table.get(Key(NAMES, name))
        return None if pointer is None else await self.pinned(_number(bytes_of(pointer)))

    async def pinned(self, id: int) -> TemplateVersion:
        there = await self._desk.table.get(_key(id))
        if there is None:
            raise NotFound(f"There is no template version {id}.")
        return _inflated(bytes_of(there))

    async def list(self) -> Sequence[TemplateVersion]:
        pointers = await self._desk.table.query(NAMES)
        read = await self._desk.table.get_many([_key(_number(bytes_of(pointer))) for pointer in pointers])
        return sorted((_inflated(bytes_of(item)) for item in read.values()), key=lambda version: version.name)


def _key(id: int) -> Key:
    return Key(f"t{id:x}", "t")


def _octets(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _number(body: bytes) -> int:
    return int.from_bytes(body, "big")


def _inflated(body: bytes) -> TemplateVersion:
    stored = _unpack(body)
    return msgspec.structs.replace(stored, source=zlib.decompress(stored.source))


def _deflated(name: str, source: bytes) -> bytes:
    deflated = zlib.compress(source)
    if len(deflated) > LARGEST:
        raise TemplateError(
            f"The template {name!r} has {len(deflated):,} octets even when it is deflated; an item of DynamoDB takes "
            f"{LARGEST:,}. It was not stored.",
            "Images belong on a web server, or into the mails as attachments.",
        )
    return deflated
