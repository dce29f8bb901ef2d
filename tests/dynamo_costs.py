"""What a mail costs a ledger on DynamoDB: a list, and single mails, from being handed in to the delivery being known.

The provider is the simulator, spoken to as SES; its events come as SNS publishes them, ten at a time, as a queue or a
function is handed them. The units are those of `dynamo_scale`, the emulator's own stand beside them.
"""

from __future__ import annotations

import asyncio
import os
import queue
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from dynamo_rig import REGION, asked, emulated
from dynamo_scale import Scale
from emulator import KEYS
from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.campaign import open_run, take_in
from kakitome.config import AccountTable, Config, HttpTable, LaneTable, LedgerTable, QueueTable, StreamTable
from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.message import Admitted, Run
from kakitome.core.submission import MessageRequest
from kakitome.core.template import TemplateSource, digest
from kakitome.deliver import deliver
from kakitome.hands import Hands
from kakitome.ingest import ingest
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from kakitome.lists import open_list
from kakitome.ports.runs import ImportRow
from kakitome.sources.ses import parse_ses
from kakitome.supply import Portion
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote
from sns_posts import heard

TOGETHER = 10
"""Events of one batch: as many as SQS hands over at once."""

CHILD = 100
"""Rows of a child, by the stack's parameters."""

DIGEST = "sha256:" + "0" * 64
DOMAINS = 20
TOLD = 2
"""Events of a mail that arrives: Send and Delivery, by topics of their own."""

PATIENCE = 60.0
LETTER = TemplateSource(
    name="letter",
    sender="かきとめ舎 <letters@example.com>",
    subject="{{ 氏名 }}様へ・冬の便り",
    text="{{ 氏名 }}様\n\n{{ city }}にも冬が来ました。注文 {{ number }}\n",
)
ORDER = {
    "from": "Kakitome Inn <inn@example.com>",
    "to": ["髙橋 葵 <aoi@example.jp>"],
    "subject": "ご予約①を承りました",
    "text": "ご予約ありがとうございます。Your booking is made.\n" * 10,
    "stream": "orders",
}


@dataclass(frozen=True)
class Used:
    """For one mail, on the average. `written` is by place; `refused` is in it; `told` is what the emulator said."""

    written: dict[str, float]
    refused: float
    read: float
    told: dict[str, float]

    @property
    def units(self) -> float:
        return sum(self.written.values())


class Till:
    """Answers what was used since it was asked last."""

    def __init__(self, scale: Scale, instance: Instance, mails: int) -> None:
        assert isinstance(instance.ledger, DynamoLedger)
        self._scale, self._meter, self._mails = scale, instance.ledger._table.meter, mails
        self._before = self._now()

    def used(self) -> Used:
        before, self._before = self._before, self._now()
        written, told = (
            {place: (n - was.get(place, 0)) / self._mails for place, n in now.items() if n > was.get(place, 0)}
            for now, was in zip(self._before[:2], before[:2], strict=True)
        )
        refused, read = ((b - a) / self._mails for a, b in zip(before[2:], self._before[2:], strict=True))
        return Used(written, refused, read, told)

    def _now(self) -> tuple[dict[str, float], dict[str, float], float, float]:
        return dict(self._scale.written), self._meter.by_place(), self._scale.refused, self._scale.read


async def mapped(folder: Path, rows: int, provider_ids: bool = True) -> dict[str, Used]:
    """A list by a Distributed Map: each row comes into the ledger together with its claim. By step: `sent`, `told`
    (the events), `fed` (journal and counters)."""
    with running("--no-authentication") as provider, heard(provider) as told:
        async with house(folder, provider, provider_ids) as (instance, scale):
            run = await _campaign(instance)
            till = Till(scale, instance, rows)
            await _handed_over(instance, run, rows)
            assert provider.state()["recipients"] == rows
            found = {"sent": till.used()}
            found |= await _later(instance, till, told, rows)
            assert (await instance.ledger.reads.rows(run.id))["sent"] == rows
    return found


async def started(
    folder: Path, rows: int, provider_ids: bool = True, rate: float | Literal["unlimited"] = "unlimited"
) -> dict[str, Used]:
    """A list that is taken in whole and then sent by a worker, so many a second: `taken in`, and then as above."""
    with running("--no-authentication") as provider, heard(provider) as told:
        async with house(folder, provider, provider_ids, rate) as (instance, scale):
            run = await _campaign(instance)
            till, found, path = Till(scale, instance, rows), {}, instance.folder / "letter.csv"
            path.write_text("email,氏名,city,number\n" + "".join(map(_line, range(rows))), "utf-8")
            run = await take_in(open_list(path), run, instance.clock.now(), instance.office())
            await instance.ledger.runs.move(run.id, "running", "costs", instance.clock.now())
            found["taken in"] = till.used()
            await _sent(instance, provider, rows)
            found["sent"] = till.used()
            found |= await _later(instance, till, told, rows)
            assert (await instance.ledger.reads.rows(run.id))["sent"] == rows
    return found


async def left(folder: Path, rows: int) -> dict[str, Used]:
    """Rows that a child of a Distributed Map has no time for: they come without a claim, and a worker sends them."""
    with running("--no-authentication") as provider, heard(provider) as told:
        async with house(folder, provider) as (instance, scale):
            run, now = await _campaign(instance), instance.clock.now()
            till, key, ledger = Till(scale, instance, rows), await instance.ledger.reads.hash_key(), instance.ledger
            await ledger.rows.expect(run.id, DIGEST, rows, now)
            for first in range(0, rows, CHILD):
                those = [_row(k, key) for k in range(first, min(rows, first + CHILD))]
                await ledger.rows.take(run.id, DIGEST, those, None, now, now)
            assert await ledger.rows.close(run.id, DIGEST, now) == 0
            found = {"taken in": till.used()}
            await _sent(instance, provider, rows)
            found["sent"] = till.used()
            found |= await _later(instance, till, told, rows)
            assert (await instance.ledger.reads.rows(run.id))["sent"] == rows
    return found


async def single(folder: Path, mails: int) -> dict[str, Used]:
    """The same steps for transactional mails, each handed in by itself and with a key."""
    with running("--no-authentication") as provider, heard(provider) as told:
        async with house(folder, provider) as (instance, scale):
            till, found = Till(scale, instance, mails), {}
            for k in range(mails):
                handed = Handed(msgspec.convert(ORDER, MessageRequest), key=f"booking/{k}")
                (answer,) = await accept([handed], instance.desk())
                assert isinstance(answer, Admitted)
            found["taken in"] = till.used()
            await _sent(instance, provider, mails)
            found["sent"] = till.used()
            found |= await _later(instance, till, told, mails)
    return found


@asynccontextmanager
async def house(
    folder: Path, provider: Remote, provider_ids: bool = True, rate: float | Literal["unlimited"] = "unlimited"
) -> AsyncIterator[tuple[Instance, Scale]]:
    """An instance on a table of its own, whose line is a scale; nobody reads the stream by the way."""
    table = f"costs-{folder.name}"
    asked("CreateTable", **schema.definition(table))
    os.environ |= KEYS
    url = f"dynamodb://{table}?region={REGION}&endpoint={emulated()}"
    lane = LaneTable(provider="ses", account="provider", region="us-east-1", endpoint=provider.url)
    config = Config(
        ledger=LedgerTable(url=url, folder=str(folder), feed="elsewhere", provider_ids=provider_ids),
        queue=QueueTable(look="5s"),  # as with a doorbell elsewhere
        accounts={"provider": AccountTable(rate=rate, quota="unlimited")},
        lanes={"lane": lane},
        streams={"letters": StreamTable(kind="bulk", route=["lane"]), "orders": StreamTable(route=["lane"])},
        http=HttpTable(keys=[]),
    )
    async with opened(config) as instance:
        assert isinstance(instance.ledger, DynamoLedger)
        scale = Scale(REGION, emulated(), instance.clock, Random(1))
        await instance.ledger._table.line.close()
        instance.ledger._table.line = scale
        yield instance, scale


async def _campaign(instance: Instance) -> Run:
    source, now = msgspec.json.encode(LETTER), instance.clock.now()
    version = await instance.ledger.templates.put(LETTER.name, digest(LETTER), source, now)
    return await open_run("letter", "letters", instance.policy("letters"), version, {}, instance.office())


def _line(k: int) -> str:
    return f"{_address(k)},髙橋 {k},東京,{k * 7}\n"


def _address(k: int) -> str:
    return f"reader.{k}@mail{k % DOMAINS}.example.jp"


async def _handed_over(instance: Instance, run: Run, rows: int) -> None:
    """To one child after the other, as many rows to each as the stack gives."""
    ledger, key = instance.ledger, await instance.ledger.reads.hash_key()
    run = await ledger.rows.expect(run.id, DIGEST, rows, instance.clock.now())
    transport = instance.transport("lane")
    for first in range(0, rows, CHILD):
        hands = _hands(instance, f"child-{first}")
        those = [_row(k, key) for k in range(first, min(rows, first + CHILD))]
        portion = Portion(run, DIGEST, those, ledger.rows, hands)
        while portion.rest:
            await deliver(run, instance.lanes["lane"], transport, hands, None, portion)
    assert await ledger.rows.close(run.id, DIGEST, instance.clock.now()) == 0
    await transport.close()


def _row(k: int, key: bytes) -> ImportRow:
    variables = {"email": _address(k), "氏名": f"髙橋 {k}", "city": "東京", "number": str(k * 7)}
    hash_ = address_hash(key, canonical(parse_address(_address(k))))
    return ImportRow(k + 2, _address(k), hash_, msgspec.json.encode(variables).decode())


def _hands(instance: Instance, name: str) -> Hands:
    return Hands(
        worker=name,
        ledger=instance.ledger,
        renderer=instance.renderer,
        marks=instance.host.begin(name),
        clock=instance.clock,
        random=Random(1),
        step=lambda _: None,
        stopping=lambda: False,
    )


async def _sent(instance: Instance, provider: Remote, mails: int) -> None:
    """A worker, until the provider has them all; it ends in good order, and all is settled."""
    worker = instance.worker()
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(PATIENCE):
        while provider.state()["recipients"] < mails:
            assert not working.done()
            await asyncio.sleep(0.05)  # between two looks at a condition
    worker.stop()
    await working


async def _later(instance: Instance, till: Till, told: queue.Queue[str], mails: int) -> dict[str, Used]:
    await _told(instance, told, mails)
    used = till.used()
    assert isinstance(instance.ledger, DynamoLedger)
    await instance.ledger.feed.catch_up()
    return {"told": used, "fed": till.used()}


async def _told(instance: Instance, told: queue.Queue[str], mails: int) -> None:
    notices = [await asyncio.to_thread(told.get, timeout=PATIENCE) for _ in range(TOLD * mails)]
    for batch in _batches(notices):
        now = instance.clock.now()
        await ingest([event for notice in batch for event in parse_ses(notice, now)], instance.ledger, instance.clock)


def _batches(notices: Sequence[str]) -> Iterator[Sequence[str]]:
    """Each topic has a queue or a function of its own, so that a mail's two events never come together."""
    for kind in ("Send", "Delivery"):
        those = [notice for notice in notices if f'"eventType":"{kind}"' in notice]
        for at in range(0, len(those), TOGETHER):
            yield those[at : at + TOGETHER]
