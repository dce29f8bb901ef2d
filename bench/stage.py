"""What figures are measured on: a list, a campaign, a single mail, a provider of this machine.

Each figure works in a folder of its own. Whatever is compared stands on the same stage.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from kakitome.app import Instance
from kakitome.campaign import open_run, take_in
from kakitome.config import AccountTable, Config, HttpTable, LaneTable, LedgerTable, StreamTable
from kakitome.core.message import Run
from kakitome.core.template import TemplateSource, digest
from kakitome.lists import open_list
from kakitome.ports.records import TemplateVersion
from kakitome.start import open_messages
from kakitome_simulator.remote import Remote

CITIES = ("東京", "大阪", "札幌", "福岡", "Kyoto", "São Paulo")
HTML = """<html><body><h1>{{ 氏名 }}様</h1>
<p style="color: #333">{{ city }}にも冬が来ました。The shop in {{ city }} has new paper for your letters.</p>
<p><a href="https://example.com/orders/{{ number }}">注文 {{ number }}</a></p>
<p style="color: #333">便箋、封筒、切手、万年筆。Everything that a letter needs, and a table to write it at.</p>
</body></html>
"""
TEXT = """{{ 氏名 }}様

{{ city }}にも冬が来ました。The shop in {{ city }} has new paper for your letters.
注文 {{ number }}: https://example.com/orders/{{ number }}
便箋、封筒、切手、万年筆。Everything that a letter needs, and a table to write it at.
"""
LETTER = TemplateSource(
    name="letter",
    sender="かきとめ舎 <letters@example.com>",
    subject="{{ 氏名 }}様へ・{{ city }}の冬の便り",
    html=HTML,
    text=TEXT,
)
ORDER = {
    "from": "Kakitome Inn <inn@example.com>",
    "to": ["髙橋 葵 <aoi@example.jp>"],
    "subject": "ご予約①を承りました",
    "text": "ご予約ありがとうございます。Your booking is made.\n" * 10,
    "stream": "orders",
}
"""A single mail, as `POST /v1/messages` takes it."""


def write_list(path: Path, rows: int) -> Path:
    """A CSV file with that many addresses, written row by row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("email,氏名,city,number\n")
        for k in range(rows):
            file.write(f"reader.{k}@mail{k % 997}.example.jp,髙橋 {k},{CITIES[k % len(CITIES)]},{k * 7}\n")
    return path


def configuration(folder: Path, remote: Remote | None = None, provider: str = "smtp") -> Config:
    """One lane to the simulator by `smtp` or `ses`; without a simulator, into an outbox that nothing should reach."""
    host, _, port = ((remote.smtp if remote else "") or "").rpartition(":")
    if remote is None:
        lane = LaneTable(provider="outbox", account="provider", folder=str(folder / "outbox"))
    elif provider == "ses":
        lane = LaneTable(provider="ses", account="provider", region="us-east-1", endpoint=remote.url)
    else:
        lane = LaneTable(provider="ses-smtp", account="provider", host=host, port=int(port), tls="none")
    return Config(
        ledger=LedgerTable(url=f"sqlite:///{folder / 'ledger.db'}"),
        accounts={"provider": AccountTable(rate="unlimited", quota="unlimited")},
        lanes={"lane": lane},
        streams={"letters": StreamTable(kind="bulk", route=["lane"]), "orders": StreamTable(route=["lane"])},
        http=HttpTable(keys=[]),
    )


def simulator() -> AbstractContextManager[Remote]:
    from kakitome_simulator.pytest_plugin import running  # with pytest, which has no place where memory is measured

    return running("--no-authentication")


async def letter(instance: Instance) -> TemplateVersion:
    source = msgspec.json.encode(LETTER)
    return await instance.ledger.templates.put(LETTER.name, digest(LETTER), source, instance.clock.now())


async def campaign(instance: Instance, rows: int) -> Run:
    """The campaign `letter` with its whole list in the ledger, running."""
    office, version = instance.office(), await letter(instance)
    list_ = write_list(instance.folder / "letter.csv", rows)
    run = await open_run("letter", "letters", instance.policy("letters"), version, {}, office)
    run = await take_in(open_list(list_), run, instance.clock.now(), office)
    return await instance.ledger.runs.move(run.id, "running", "bench", instance.clock.now())


async def work(instance: Instance, run: Run) -> None:
    """A worker for the campaign, as `campaign start` has one, until nothing of it is open."""
    worker = instance.worker(only=run.id)
    working = asyncio.create_task(worker.run())
    while not working.done() and open_messages(await instance.ledger.reads.rows(run.id)):
        await asyncio.wait({working}, timeout=0.05)
    worker.stop()
    await working
