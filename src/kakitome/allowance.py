"""Keeping to what the provider allows. It raises and lowers an account's rate and quota at will: they are read again
and again, and never guessed.

    Followed      an account whose limits are the provider's to say
    allowed       a lane, with what is known of its account
    Allowances    what was read last, and what follows: pace and quota, the sandbox, a stop and its end
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from math import inf

import msgspec

from kakitome.core.errors import KakitomeError
from kakitome.core.lane import Lane
from kakitome.core.outcome import STOPS, Unavailability
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.limits import AccountLimits, LimitsSource, LimitsUnread

log = logging.getLogger("kakitome.allowance")

EVERY = 60.0  # seconds between two looks, if the configuration does not say
UNREAD = 2.0  # seconds until the next try of `refresh` where nothing was read yet: many may ask at the same moment
CAREFUL = 1.0  # recipients a second before the first look: the sandbox's pace, which every account has
SWITCHED_OFF = "The provider has switched sending off for this account."


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` and `quota` say which of the two the provider says; the other one is a number of the configuration.
    `careful`: before they were read the sandbox's pace holds, else none. `every`: seconds between two looks."""

    source: LimitsSource
    rate: bool = True
    quota: bool = True
    careful: bool = True
    every: float = EVERY


def allowed(lane: Lane, followed: Followed, known: AccountLimits | None) -> Lane:
    """The lane as it may be used now; `known` None: nothing was read yet."""
    rate, quota = (known.rate, known.quota) if known else (CAREFUL if followed.careful else None, None)
    return msgspec.structs.replace(
        lane, rate=rate if followed.rate else lane.rate, quota=quota if followed.quota else lane.quota
    )


def sandboxed(account: str, known: AccountLimits) -> str:
    """What a person must know before a send that the sandbox would refuse."""
    figures = f"{_figure(known.quota)} a day, {_figure(known.rate)} a second"
    return (
        f"The account {account!r} is in the provider's sandbox: only verified recipients, {figures}. "
        "A person has to ask the provider to let it out."
    )


def _figure(number: float | None) -> str:
    return "unlimited" if number is None else f"{number:,g}" if number % 1 else f"{number:,.0f}"


class Allowances:
    """The last known figures of all followed accounts. `follow` reads them, `lane` applies them."""

    def __init__(self, followed: Mapping[str, Followed], ledger: Ledger, clock: Clock) -> None:
        self._followed = followed
        self._ledger = ledger
        self._clock = clock
        self._known: dict[str, AccountLimits] = {}
        self._complained: set[str] = set()
        self._due: dict[str, float] = {}
        self.looked = asyncio.Event()  # every account was asked once, whatever came of it
        if not followed:
            self.looked.set()

    def lane(self, lane: Lane) -> Lane:
        followed = self._followed.get(lane.account)
        return lane if followed is None else allowed(lane, followed, self._known.get(lane.account))

    async def follow(self) -> None:
        """Look now and again and again, each account in its own time, until cancelled."""
        await asyncio.gather(*(self._look(account) for account in self._followed))
        self.looked.set()
        await asyncio.gather(*(self._again(account, followed.every) for account, followed in self._followed.items()))

    async def refresh(self) -> None:
        """One look at each account that was not looked at for as long as it says; for whoever works now and then."""
        for account, followed in self._followed.items():
            if self._clock.monotonic() >= self._due.get(account, -inf):
                await self._look(account)
                known = account in self._known
                self._due[account] = self._clock.monotonic() + (followed.every if known else UNREAD)
        self.looked.set()

    async def _again(self, account: str, every: float) -> None:
        while True:
            await self._clock.sleep(every)
            await self._look(account)

    async def _look(self, account: str) -> None:
        """Whatever goes wrong here, the last figures stay and the next look comes."""
        try:
            known = await self._followed[account].source.read()
            before = self._known.get(account)
            self._known[account] = known
            self._complained.discard(account)
            await self._heed(account, known, before)
        except LimitsUnread as error:
            self._complain(account, error)
        except KakitomeError as error:
            log.error("%s", error)
        except Exception:
            log.exception("Looking at the limits of the account %r ended in an error of ours.", account)

    def _complain(self, account: str, error: LimitsUnread) -> None:
        """Once, until it was read again."""
        if account in self._complained:
            return
        self._complained.add(account)
        known = self._known.get(account)
        if known is not None:
            figures = f"{_figure(known.rate)} a second, {_figure(known.quota)} a day"
            log.warning("%s The last known figures hold: %s.", error, figures)
        elif self._followed[account].careful:
            log.warning("%s Until then one mail a second goes out, as in the sandbox.", error)
        else:
            log.info("%s Until then nothing here paces its mail.", error)

    async def _heed(self, account: str, known: AccountLimits, before: AccountLimits | None) -> None:
        ledger, now = self._ledger, self._clock.now()
        if known.used is not None:
            await ledger.accounts.report(account, known.used, now)
        await self._gate(account, known, now)
        await self._reopen(account, known, before, now)
        if known.sandbox and not (before is not None and before.sandbox):
            log.warning("%s", sandboxed(account, known))
            await ledger.journal.note("sandbox", {"account": account, "quota": known.quota, "rate": known.rate}, now)

    async def _gate(self, account: str, known: AccountLimits, now: int) -> None:
        """A stop of ours ends with the provider's word, or by itself when nobody looks any more; others stay."""
        accounts, gate = self._ledger.accounts, f"account:{account}"
        if not known.sending_enabled:
            until = now + STOPS[Unavailability.PAUSED].pause_ms
            if await accounts.stop(gate, Unavailability.PAUSED, until, SWITCHED_OFF, now):
                log.warning("%s Mail of the account %r waits.", SWITCHED_OFF, account)
            return
        ours = (gate, Unavailability.PAUSED, SWITCHED_OFF)
        if any((stop.gate, stop.reason, stop.detail) == ours for stop in await accounts.stopped(now)):
            await accounts.resume(gate, "provider", now)
            log.info("The provider has switched sending on again for the account %r.", account)

    async def _reopen(self, account: str, known: AccountLimits, before: AccountLimits | None, now: int) -> None:
        """What the provider refused before it gave more goes on with its word, not with the next trial. Once for each
        change of its word: where that and its answers do not agree, the trials find out."""
        over = set()
        if not known.sandbox and (before is None or before.sandbox):
            over.add(Unavailability.SANDBOX)
        if _left(known) > max(0, _left(before) if before else 0):
            over.add(Unavailability.QUOTA)
        accounts, gate = self._ledger.accounts, f"account:{account}"
        for stop in await accounts.stopped(now) if over else ():
            if stop.gate == gate and stop.reason in over and stop.until is not None:
                await accounts.resume(gate, "provider", now)
                log.info("The provider allows more again: mail of the account %r goes on.", account)


def _left(known: AccountLimits) -> float:
    return inf if known.quota is None else known.quota - (known.used or 0)
