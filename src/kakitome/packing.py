"""Claims become parcels: contents into bytes, and whoever cannot be made stands alone with his error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from kakitome.core.address import parse_address
from kakitome.core.content import Content
from kakitome.core.errors import KakitomeError, LedgerUnavailable
from kakitome.core.ids import message_text
from kakitome.core.lane import Lane
from kakitome.core.message import Claimed, Run
from kakitome.core.mime import message_id_for, mime
from kakitome.core.policy import InDoubt, Kind
from kakitome.ports.renderer import Renderer
from kakitome.ports.transport import Parcel

BREATH = 16  # mails that are made without a pause: a request to this process waits a millisecond or two, not thirty


async def packed(run: Run, claims: Sequence[Claimed], lane: Lane, renderer: Renderer) -> list[Parcel | KakitomeError]:
    """Contents into bytes. What cannot be made is an error in its place; the others do not wait for it."""
    made: list[Parcel | KakitomeError] = []
    for index, (claimed, content) in enumerate(zip(claims, await _contents(run, claims, renderer), strict=True)):
        if index % BREATH == 0:
            await asyncio.sleep(0)
        try:
            made.append(content if isinstance(content, KakitomeError) else _parcel(run, claimed, content, lane))
        except Exception as error:
            made.append(_told(error))
    return made


async def _contents(run: Run, claims: Sequence[Claimed], renderer: Renderer) -> list[Content | KakitomeError]:
    """One mail that trips the renderer up is looked for, one by one: it must not keep the others for ever."""
    try:
        return await renderer.render(run, claims)
    except LedgerUnavailable:
        raise
    except Exception as error:
        if len(claims) == 1:
            return [_told(error)]
        return [content for one in claims for content in await _contents(run, [one], renderer)]


def _told(error: Exception) -> KakitomeError:
    if isinstance(error, KakitomeError):
        return error
    return KakitomeError(
        f"Making the mail ended in an error of ours ({type(error).__name__}).", "Report it, then recover the mail."
    )


def _parcel(run: Run, claimed: Claimed, content: Content, lane: Lane) -> Parcel:
    sender = parse_address(lane.sender or content.sender.address, allow_local_domain=True)
    public = message_text(claimed.id)
    return Parcel(
        message=claimed.id,
        fence=claimed.fence,
        sender=sender.envelope,
        recipient=parse_address(claimed.address, allow_local_domain=True).envelope,
        content=content,
        raw=mime(
            content,
            message_id=message_id_for(public, sender.domain),
            date=datetime.fromtimestamp(claimed.first_claimed / 1000, UTC),
        ),
        correlation={"kakitome_message": public, "kakitome_attempt": str(claimed.fence)},
        siblings=claimed.submission,
        bulk=run.policy.kind is Kind.BULK and run.policy.in_doubt is not InDoubt.HOLD,
    )
