"""`campaign plan`: what starting would do."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import msgspec

from kakitome import start as verb
from kakitome.allowance import allowed, sandboxed
from kakitome.app import Instance
from kakitome.campaign import plan as planning
from kakitome.cli import session
from kakitome.cli.aws_figures import aws_cost, aws_document, aws_lines
from kakitome.cli.figures import cost_document, cost_text, priced
from kakitome.cli.footer import checked
from kakitome.cli.out import Out, iso, local, number, plural, span
from kakitome.cli.progress import Reading
from kakitome.cli.template import template
from kakitome.core.errors import ListError
from kakitome.core.message import Run
from kakitome.core.plan import Plan
from kakitome.lists import BadRow, ListFile, RejectsFile, open_list
from kakitome.ports.limits import LimitsUnread
from kakitome.ports.records import TemplateVersion
from kakitome.statistics import LaneCost

SHOWN = 10


async def plan(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        name = verb.check_name(args.name or args.template)
        verb.check_bulk(args.stream, instance.policy(args.stream))
        instance.mailing.check_reachable(args.stream)
        version = await template(instance, args.template)
        run = await verb.find(name, instance.ledger)
        with Rejects(Path(args.rejects) if args.rejects else None) as rejects:
            reader = listed(args)
            made = await planned(instance, reader, version, run, rejects, stream=args.stream)
        checked(instance, reader, version, args.stream, out)
        made = await _timed(instance, made, args.stream, out)
        costs = priced(instance, dict.fromkeys(instance.route(args.stream), made.to_send))
        aws = aws_cost(instance.config, made.to_send, instance.lanes[instance.route(args.stream)[0]].rate)
        begin = max(instance.clock.now(), round(args.send_at.timestamp() * 1000) if args.send_at else 0)
    if out.json:
        out.document(_document(made, name, run, begin, costs) | aws_document(aws))
    else:
        _show(
            made, name, run, begin, [*((f"cost by {one.lane}", cost_text(one)) for one in costs), *aws_lines(aws)], out
        )
    return 0


def listed(args: Namespace) -> ListFile:
    return open_list(args.list, address_column=args.address_column)


async def planned(
    instance: Instance,
    reader: ListFile,
    version: TemplateVersion,
    run: Run | None,
    rejects: Rejects,
    heard: Callable[[], None] = lambda: None,
    stream: str = "",
) -> Plan:
    """The verb's plan. `heard` is called every few thousand rows, and may raise."""
    with Reading("Reading the list") as reading:

        def progress(rows: int) -> None:
            reading.rows(rows)
            heard()

        return await planning(reader, version, run, instance.office(progress, stream), rejects)


async def _timed(instance: Instance, made: Plan, stream: str, out: Out) -> Plan:
    """With the time that it takes by the figures of today; the provider is asked for those that are its own."""
    lane, followed = instance.lanes[instance.route(stream)[0]], instance.followed()
    if (asked := followed.get(lane.account)) is not None:
        try:
            known = await asked.source.read()
        except LimitsUnread as error:
            return msgspec.structs.replace(made, why_not=str(error))
        if known.sandbox:
            out.note(sandboxed(lane.account, known))
        lane = allowed(lane, asked, known)
    return verb.timed(made, [lane], leaves=not instance.nothing_leaves)


class Rejects:
    """A rejects file that is made with its first row: a list without flaws leaves none, and an older one is removed."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: RejectsFile | None = None
        self._exits = ExitStack()

    def write(self, rows: Sequence[BadRow]) -> None:
        if self.path is None:
            return
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._exits.enter_context(RejectsFile(self.path))
            self._file.write(rows)
        except OSError as error:
            raise ListError(f"The rejects cannot be written to {self.path}: {error.strerror}.") from error

    def __enter__(self) -> Rejects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()
        if self.path is not None and self._file is None and error is None:
            self.path.unlink(missing_ok=True)


def _ends(made: Plan, begin: int) -> int | None:
    return None if made.seconds is None else begin + round(made.seconds * 1000)


def _when(made: Plan, begin: int) -> str:
    ends = _ends(made, begin)
    return f"– {made.why_not}" if ends is None else f"{local(ends)}, after {span(made.seconds or 0)}"


def _document(made: Plan, name: str, run: Run | None, begin: int, costs: Sequence[LaneCost]) -> dict[str, object]:
    return {
        "campaign": name,
        "state": run.state if run else None,
        **msgspec.to_builtins(made),
        "ends": iso(_ends(made, begin)),
        **cost_document(costs),
    }


_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon"}


def _show(made: Plan, name: str, run: Run | None, begin: int, costs: Sequence[tuple[str, str]], out: Out) -> None:
    out.line(f"{name}: a plan, nothing is sent" + (f"  (the campaign is {run.state})" if run else "") + "\n")
    facts = [
        ("list", made.path + (f"  (version {made.version})" if made.version else "")),
        ("read as", f"{made.encoding}, {_DELIMITERS.get(made.delimiter, made.delimiter)}"),
        ("columns", ", ".join(c + (" (address)" if c == made.address_column else "") for c in made.columns)),
    ]
    out.table(("", ""), facts)
    out.line()
    counts = [("rows", made.rows), ("invalid", made.invalid), ("duplicate", made.duplicate)]
    counts += [("already had it", made.already), ("suppressed", made.suppressed), ("to send", made.to_send)]
    out.table(("", ""), [(word, number(n)) for word, n in counts], right=(1,))
    out.line()
    out.table(("", ""), [("ends", _when(made, begin)), *costs])
    if made.bad_lines:
        first = f"; the first {SHOWN}" if made.invalid > SHOWN else ""
        out.line(f"\n{plural(made.invalid, 'row')} cannot be used{first}\n")
        out.table(("line", "why"), [(str(b.line), b.reason) for b in made.bad_lines[:SHOWN]], right=(0,))
