"""The ledger's contract: figures are the sum of what happened to each message, whatever order it was told in."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec

from kakitome.core.event import BounceClass, EventKind, Permanence
from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import Claimed
from kakitome.core.statistics import QUARTER, LinkFigures, Totals
from kakitome.ports.figures import Timely
from kakitome.ports.records import NamedEvent
from kakitome.testing.ledger_world import HOUR, MINUTE, Clauses, World, clause

PERMANENT: dict[str, Any] = {"permanence": Permanence.PERMANENT, "bounce_class": BounceClass.INVALID_RECIPIENT}
SCANNER = msgspec.Raw(b'{"click":{"userAgent":"Barracuda Sentinel (EE)"}}')
APPLE = msgspec.Raw(b'{"open":{"userAgent":"Mozilla/5.0"}}')


async def sent(w: World, *addresses: str, run: RunId | None = None, lane: str = "ses") -> list[Claimed]:
    """Messages that the provider took, one to each address."""
    ids = [id for address in addresses for id in await w.admit(address, run=run)]
    claims = sorted(await w.claim(*ids, lane=lane), key=lambda claimed: ids.index(claimed.id))
    for claimed in claims:
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p-{claimed.id}")
    return claims


def click(w: World, of: Claimed, link: str, at: int, **more: Any) -> NamedEvent:
    return w.event(EventKind.CLICKED, of, link=link, at=at, **more)


class Figures(Clauses):
    @clause
    async def test_totals_count_messages(self, w: World) -> None:
        """Each message once, however often it was opened; a permanent bounce and a complaint, but not what passes, nor
        what the account's own list held back."""
        one, two, three, four = await sent(w, *(f"{n}@example.jp" for n in range(4)))
        await w.fold(
            *(w.event(EventKind.OPENED, one, at=w.now + n) for n in range(3)),
            w.event(EventKind.DELIVERED, one),
            w.event(EventKind.BOUNCED, two, **PERMANENT),
            w.event(EventKind.BOUNCED, two, **PERMANENT),
            w.event(EventKind.BOUNCED, three, permanence=Permanence.TRANSIENT),
            w.event(EventKind.COMPLAINED, three, complaint="abuse"),
            w.event(EventKind.BOUNCED, four, **(PERMANENT | {"bounce_class": BounceClass.SUPPRESSED})),
        )
        expected = Totals(heard=4, delivered=2, bounced=1, complained=1, opened=1)
        assert await w.ledger.figures.totals([one.run]) == expected

    @clause
    async def test_figures_do_not_depend_on_order(self, w: World) -> None:
        """All orders of one history, told one by one, twice and at once, give the same figures."""
        seen = []
        for order in permutations(range(4)):
            run = await w.stream(f"s{order}")
            [claimed] = await sent(w, "a@example.jp", run=run)
            history = [
                w.event(EventKind.DELIVERED, claimed),
                w.event(EventKind.OPENED, claimed, at=w.now + MINUTE, raw=APPLE),
                click(w, claimed, "https://a/", w.now + 1_000),
                click(w, claimed, "https://a/", w.now + HOUR),
            ]
            for k in order:
                await w.fold(history[k])
            await w.fold(*history)
            figures = w.ledger.figures
            seen.append((await figures.totals([run]), await figures.links([run], 9), await figures.machines([run])))
        assert seen == [
            (
                Totals(heard=1, delivered=1, opened=1, clicked=1),
                [LinkFigures("https://a/", 1, 1, 1)],
                {"apple": (1, 0), "too_fast": (0, 1)},
            )
        ] * len(seen)

    @clause
    async def test_news_may_make_a_person_of_a_machine_and_back(self, w: World) -> None:
        """A click counts as a person's until the time of delivery shows that it came too fast, or two more show a
        burst; the counters follow."""
        [claimed] = await sent(w, "a@example.jp")
        at, figures, run = w.now + HOUR, w.ledger.figures, [claimed.run]
        await w.fold(click(w, claimed, "https://a/", at))
        assert await figures.totals(run) == Totals(heard=1, delivered=1, opened=1, clicked=1)
        await w.fold(click(w, claimed, "https://b/", at + 900), click(w, claimed, "https://c/", at + 1_800))
        assert await figures.totals(run) == Totals(heard=1, delivered=1, machine_opened=1, machine_clicked=1)
        assert await figures.machines(run) == {"burst": (0, 3)}
        await w.fold(w.event(EventKind.DELIVERED, claimed, at=at))
        assert await figures.machines(run) == {"burst": (0, 1), "too_fast": (0, 2)}
        assert await figures.links(run, 9) == [LinkFigures(f"https://{name}/", 0, 0, 1) for name in "abc"]

    @clause
    async def test_links_count_messages_and_clicks(self, w: World) -> None:
        """How many messages and how often in all; machines apart; the most clicked first, and no more than asked."""
        one, two = await sent(w, "a@example.jp", "b@example.jp")
        await w.fold(
            click(w, one, "https://a/", w.now),
            click(w, one, "https://b/", w.now + HOUR),
            click(w, one, "https://b/", w.now + 2 * HOUR),
            click(w, two, "https://b/", w.now),
            click(w, two, "https://a/", w.now + HOUR, raw=SCANNER),
        )
        links = [LinkFigures("https://b/", 2, 3, 0), LinkFigures("https://a/", 1, 1, 1)]
        assert await w.ledger.figures.links([one.run], 9) == links
        assert await w.ledger.figures.links([one.run], 1) == links[:1]

    @clause
    async def test_domains_are_the_recipients(self, w: World) -> None:
        """By the recipient's domain in lower case, the largest first, over the runs that are asked for and no other."""
        run, other = await w.stream("one"), await w.stream("two")
        claims = await sent(w, "a@Docomo.ne.jp", "b@docomo.ne.jp", "c@au.com", run=run)
        claims += await sent(w, "d@au.com", run=other)
        await w.fold(
            *(w.event(EventKind.DELIVERED, c) for c in claims[:2]), w.event(EventKind.BOUNCED, claims[2], **PERMANENT)
        )
        await w.fold(w.event(EventKind.DELIVERED, claims[3]))
        docomo, au = Totals(heard=2, delivered=2), Totals(heard=1, bounced=1)
        figures = w.ledger.figures
        assert list((await figures.domains([run], 9)).items()) == [("docomo.ne.jp", docomo), ("au.com", au)]
        assert await figures.domains([run], 1) == {"docomo.ne.jp": docomo}
        assert await figures.domains([run, other], 9, "au.com") == {"au.com": Totals(heard=2, delivered=1, bounced=1)}
        assert await figures.domains([run], 9, "gmail.com") == {}

    @clause
    async def test_quarters_have_acceptances_and_what_was_told(self, w: World) -> None:
        """Acceptances by our clock, each attempt once; events by the provider's; each by its lane."""
        start = w.now // QUARTER * QUARTER
        [one] = await sent(w, "a@example.jp")
        await w.settle(one, Cause.PROVIDER_ACCEPTED, "again")
        w.now = start + QUARTER
        [two] = await sent(w, "b@example.jp", run=await w.stream("other"), lane="smtp")
        bounce = w.event(EventKind.BOUNCED, one, at=start + 3 * QUARTER - 1, **PERMANENT)
        await w.fold(bounce, w.event(EventKind.DELIVERED, two))
        await w.fold(bounce)
        all_of_it = [
            Timely(start, "ses", "accepted", 1),
            Timely(start + QUARTER, "smtp", "accepted", 1),
            Timely(start + QUARTER, "smtp", "delivered", 1),
            Timely(start + 2 * QUARTER, "ses", "bounced", 1),
            Timely(start + 2 * QUARTER, "ses", "permanent", 1),
        ]
        timely = w.ledger.figures.timely
        assert await timely(start, start + HOUR) == all_of_it
        assert await timely(start + QUARTER, start + 2 * QUARTER) == all_of_it[1:3]
        assert await timely(start, start + HOUR, [two.run]) == all_of_it[1:3]

    @clause
    async def test_an_acceptance_that_an_event_proved_counts_once(self, w: World) -> None:
        """The provider bills what it took, whoever told us; the reply of it that comes late is not a second one."""
        claimed = await w.one()
        await w.settle(claimed, Cause.UNCERTAIN)
        assert await w.ledger.figures.timely(0, w.now + HOUR) == []
        begun, w.now = w.now // QUARTER * QUARTER, w.now + QUARTER
        proof = w.event(EventKind.SENT, claimed)
        accepted = [Timely(begun, "ses", "accepted", 1)]
        for event in (proof, w.event(EventKind.UNKNOWN, claimed), proof):
            await w.fold(event)
            assert await w.ledger.figures.timely(0, w.now + HOUR) == accepted
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "late")
        assert await w.ledger.figures.timely(0, w.now + HOUR) == accepted

    @clause
    async def test_a_proof_that_is_no_event_counts(self, w: World) -> None:
        """Once, too; what only a person says was sent does not: nobody knows whether the provider has it."""
        claimed = await w.one()
        await w.settle(claimed, Cause.UNCERTAIN)
        await w.resolve(claimed.id, Cause.PROOF)
        await w.fold(w.event(EventKind.SENT, claimed))
        assert [one.n for one in await w.ledger.figures.timely(0, w.now + HOUR)] == [1]
        other = await w.one()
        await w.settle(other, Cause.UNCERTAIN)
        await w.resolve(other.id, Cause.DEADLINE)
        await w.resolve(other.id, Cause.PERSON_SENT)
        assert [one.n for one in await w.ledger.figures.timely(0, w.now + HOUR)] == [1]

    @clause
    async def test_an_event_that_waited_counts_when_it_is_matched(self, w: World) -> None:
        """Before the provider's id is known it belongs to no run; then it counts, once."""
        claimed = await w.one()
        waiting = w.event(EventKind.OPENED, provider_message_id="p", recipient=claimed.address)
        await w.fold(waiting)
        assert await w.ledger.figures.totals([claimed.run]) == Totals()
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED, "p")
        assert await w.ledger.figures.totals([claimed.run]) == Totals(heard=1, delivered=1, opened=1)

    @clause
    async def test_a_script_at_the_pixel_does_not_fill_the_ledger(self, w: World) -> None:
        """Of a message's touches the first two hundred count, in whatever order they come."""
        [claimed] = await sent(w, "a@example.jp")
        links = ["https://a/"] * 200 + ["https://b/"] * 5
        touches = [click(w, claimed, link, w.now + HOUR + n * MINUTE) for n, link in enumerate(links)]
        await w.fold(*touches[100:])
        await w.fold(*touches[:100])
        assert await w.ledger.figures.links([claimed.run], 9) == [LinkFigures("https://a/", 1, 200, 0)]
