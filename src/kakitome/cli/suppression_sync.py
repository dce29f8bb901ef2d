"""`suppression sync`: our list and SES's own of an account agree, both ways."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from kakitome.cli import session
from kakitome.cli.out import Out, number, plural
from kakitome.core.errors import NotFound
from kakitome.lanes import account_lists_of
from kakitome.ports.account_list import AccountList
from kakitome.suppress import Plan, compare, sync

SHOWN = 5
_REMEDY = 'Is this the right --config? A lane of SES has provider = "ses" or "ses-smtp", and a region.'


async def run(args: Namespace, out: Out) -> int:
    """The first time an account is compared, and with --dry-run, it only says what it would do."""
    async with session.instance(args, out) as instance:
        list = _list(account_lists_of(instance.config, instance.lanes), args.lane)
        plan = await compare(instance.ledger, list, session.who(args))
        shown = instance.folder / "synced" / list.name.replace("/", "_")
        first = not shown.exists()
        if not args.dry_run and not first:
            await sync(plan, instance.ledger, list, instance.clock, session.who(args))
        _remember(shown)
    done = not (args.dry_run or first)
    if out.json:
        out.document(_document(plan, done))
    _tell(plan, list.name, done, out)
    if first and not args.dry_run and not plan.nothing:
        out.note(
            f"Nothing was changed: this account is compared for the first time. To do it: {session.same_command(args)}"
        )
    return 0


def _list(lists: dict[str, AccountList], lane: str | None) -> AccountList:
    """That of the lane; without one, the only one there is."""
    if lane is None and len({one.name for one in lists.values()}) == 1:
        return next(iter(lists.values()))
    if not lists:
        raise NotFound("No lane here leads into an account of SES, so there is no list to compare with.", _REMEDY)
    if lane is None:
        raise NotFound("Lanes here lead into several accounts of SES.", f"Say which: --lane {' or '.join(lists)}.")
    if lane not in lists:
        raise NotFound(f"{lane!r} is no lane of SES.", f"Lanes of SES: {', '.join(lists)}.")
    return lists[lane]


def _remember(shown: Path) -> None:
    shown.parent.mkdir(exist_ok=True)
    shown.touch()


def _document(plan: Plan, done: bool) -> dict[str, object]:
    return {
        "done": done,
        "here": [s.address for s in plan.here],
        "there": [s.address for s in plan.there],
        "removed_there": [one.address for one in plan.remove],
        "gone_there": [s.address for s in plan.gone],
        "strange": plan.strange,
    }


def _tell(plan: Plan, account: str, done: bool, out: Out) -> None:
    _some(plan.here, f"{_verb(plan.here, done)} suppressed here, as SES does in {account}", out)
    _some(plan.there, f"{_verb(plan.there, done)} put onto SES's list", out)
    _some(plan.remove, f"{_verb(plan.remove, done)} removed from SES's list, since a person removed it here", out)
    _some(
        plan.gone,
        "came from SES's list and is not there any more; still suppressed here until a person removes it",
        out,
    )
    if plan.nothing:
        out.line("Both lists agree.")


def _verb(found: Sequence[object], done: bool) -> str:
    return "would be" if not done else "was" if len(found) == 1 else "were"


def _some(found: Sequence[object], what: str, out: Out) -> None:
    if found:
        names = ", ".join(str(getattr(one, "address", "")) for one in found[:SHOWN])
        more = f" and {number(len(found) - SHOWN)} more" if len(found) > SHOWN else ""
        out.line(f"{plural(len(found), 'address', 'addresses')} {what}: {names}{more}.")
