"""A reader leaves a list, or comes back: what the link in a mail does.

Who has the link may act, without login: it went to the reader's mailbox. It acts on the address of that one message,
in the scope that the stream's configuration says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.delivery import decode
from kakitome.core.event import Permanence
from kakitome.core.ids import MessageId, message_text
from kakitome.core.unsubscribe import Leaving, Signer
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search
from kakitome.ports.records import Suppression

REASON = "unsubscribe"
RECIPIENT = "recipient"
"""Who decided, as suppressions and the journal name them."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a link is about. `scope` None: there is nothing to leave (a single mail). `left`: nothing more is sent, and
    where it is not `barred` that is the reader's own word alone, which a link can take back."""

    message: MessageId
    stream: str
    address: str
    hash: int
    scope: str | None
    left: bool = False
    barred: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """Where readers leave. `leaving` is what the link of a stream's mail ends."""

    ledger: Ledger
    signer: Callable[[], Awaitable[Signer]]
    leaving: Callable[[str], Leaving]
    clock: Clock


async def look(token: str, at: Exit) -> Subscription | None:
    """What the link is about; changes nothing. None for a link that we did not make, or whose mail is not kept.

    Raises `LedgerUnavailable`, as all of these do: then nothing happened.
    """
    message = (await at.signer()).message(token)
    views = await at.ledger.reads.messages([message]) if message is not None else []
    if not views or views[0].address is None:
        return None
    view, address = views[0], views[0].address
    hash = address_hash(await at.ledger.reads.hash_key(), canonical(parse_address(address, allow_local_domain=True)))
    scope = at.leaving(view.stream).scope(view.stream)
    held = [s for s in await at.ledger.suppressions.find([hash]) if s.scope in (scope, "all")]
    return Subscription(
        message=view.id,
        stream=view.stream,
        address=address,
        hash=hash,
        scope=scope,
        left=bool(held),
        barred=any(s.who != RECIPIENT for s in held) or (scope == "all" and await _spoiled(hash, at)),
    )


async def leave(token: str, at: Exit) -> Subscription | None:
    """Suppress; durable when this returns, and once is as good as often. None where there is nothing to leave."""
    found = await look(token, at)
    if found is None or found.scope is None:
        return None
    wanted = Suppression(
        hash=found.hash,
        address=found.address,
        reason=REASON,
        scope=found.scope,
        source=message_text(found.message),
        who=RECIPIENT,
    )
    await at.ledger.suppressions.add([wanted], at.clock.now())
    return await look(token, at)


async def come_back(token: str, at: Exit) -> Subscription | None:
    """Take back what `leave` did, and only that: who bounced, complained or was suppressed by hand stays so."""
    found = await look(token, at)
    if found is None or found.scope is None:
        return None
    if found.left and not found.barred:
        note = f"by the link in {message_text(found.message)}"
        await at.ledger.suppressions.remove(found.hash, found.scope, RECIPIENT, note, at.clock.now())
    return await look(token, at)


async def _spoiled(hash: int, at: Exit) -> bool:
    """A complaint that came while the reader had left everything found its place taken: it counts all the same."""
    for word in ("complained", "bounced"):
        for view in await at.ledger.reads.search(Search(hash=hash, delivery=word)):
            bounce = decode(view.delivery).bounce
            if word == "complained" or (bounce is not None and bounce.permanence is Permanence.PERMANENT):
                return True
    return False
