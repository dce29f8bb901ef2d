"""A mail has its domain's pace from the moment that it is handed in, and keeps it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from test_campaign import House
from workshop import Workshop

from kakitome.accept import Handed, accept
from kakitome.campaign import take_in
from kakitome.core.message import Admitted
from kakitome.core.pacing import Paces
from kakitome.core.submission import MessageRequest

CARRIERS = Paces({"docomo.ne.jp": "docomo", "au.com": "au"})


def test_each_recipient_of_a_mail_has_its_own_pace() -> None:
    """One mail to three: three messages, and only the carrier's waits for the carrier's pace."""

    async def run() -> None:
        shop = Workshop()
        to = ["Aoi <a..b.@DOCOMO.ne.jp>", "aoi@example.com"]
        mail = MessageRequest(sender="a@example.com", to=to, bcc=["b@au.com"], subject="Hi", text="x")
        [answer] = await accept([Handed(mail)], replace(shop.desk, paces=CARRIERS))
        assert isinstance(answer, Admitted)
        stream, now, ledger = (await shop.run()).id, shop.clock.now(), shop.ledger
        assert list(await ledger.runnable.paces(stream, now)) == ["", "au", "docomo"]
        by_pace = [await ledger.messages.due(stream, 9, now, pace) for pace in ("docomo", "", "au")]
        assert by_pace == [[id] for id in answer.messages]

    asyncio.run(run())


def test_each_row_of_a_list_has_its_own_pace(tmp_path: Path) -> None:
    """A list whose head is a carrier's: a look at the other mail passes over it."""

    async def run() -> None:
        house = House(tmp_path)
        rows = [f"reader-{k}@docomo.ne.jp,R{k}" for k in range(20)] + ["b@example.com,B"]
        campaign = await house.open()
        await take_in(house.list(*rows), campaign, 0, replace(house.office, paces=CARRIERS))
        now = house.office.clock.now()
        assert list(await house.ledger.runnable.paces(campaign.id, now)) == ["", "docomo"]
        assert len(await house.ledger.messages.due(campaign.id, 99, now)) == 1
        assert len(await house.ledger.messages.due(campaign.id, 99, now, "docomo")) == 20

    asyncio.run(run())
