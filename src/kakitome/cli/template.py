"""`template put, get, list, preview, test`."""

from __future__ import annotations

import sys
from argparse import Namespace
from itertools import islice
from pathlib import Path

import msgspec

from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import Out, iso, local
from kakitome.cli.send import hand_in
from kakitome.core.content import Charset, Content, Mailbox
from kakitome.core.errors import ListError, NotFound, TemplateError
from kakitome.core.submission import MessageRequest
from kakitome.core.template import TemplateSource, digest
from kakitome.lists import BadRow, open_list
from kakitome.ports.records import TemplateVersion
from kakitome.rendering import compile_template

TEST = "template-test"
"""The reference of test mails, by which they are found."""
NOBODY = "reader@example.com"


async def put(args: Namespace, out: Out) -> int:
    source = TemplateSource(
        name=args.name,
        sender=args.sender,
        subject=args.subject,
        html=_read(args.html),
        mjml=_read(args.mjml),
        text=_read(args.text),
        charset=Charset(args.charset),
    )
    columns = sorted(compile_template(source).names)
    async with session.instance(args, out) as instance:
        stored = digest(source)
        before = await instance.ledger.templates.get(args.name)
        version = await instance.ledger.templates.put(
            args.name, stored, msgspec.json.encode(source), instance.clock.now()
        )
        fresh = before is None or before.id != version.id
    if out.json:
        out.document({**_facts(version), "fresh": fresh, "columns": columns})
    else:
        out.line(f"{version.name}, version {version.version}" + ("" if fresh else " (as it was: nothing has changed)"))
        out.line(f"It reads {', '.join(columns)}." if columns else "It reads no columns.")
    return 0


async def get(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        version = await template(instance, args.name)
        columns = sorted(instance.renderer.needs(version))
    source = msgspec.json.decode(version.source, type=TemplateSource)
    sender = source.sender if isinstance(source.sender, str) else _mailbox(source.sender)
    parts = {"html": source.html, "mjml": source.mjml, "text": source.text}
    if out.json:
        out.document({**_facts(version), "from": sender, "subject": source.subject, **parts, "columns": columns})
        return 0
    rows = [
        ("version", f"{version.version}, {local(version.created)}"),
        ("from", sender),
        ("subject", source.subject),
        ("columns", ", ".join(columns) or "–"),
    ]
    out.table(("", ""), rows)
    for name, part in parts.items():
        if part is not None:
            out.line(f"\n--- {name}\n{part.rstrip()}")
    return 0


async def listing(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        versions = await instance.ledger.templates.list()
    if out.json:
        out.document({"templates": [_facts(version) for version in versions]})
    elif versions:
        rows = [(v.name, str(v.version), local(v.created)) for v in versions]
        out.table(("name", "version", "since"), rows, right=(1,))
    else:
        out.line("No templates yet. Put one: kakitome template put NAME --from … --subject … --html FILE")
    return 0


async def preview(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        version = await template(instance, args.name)
        to, variables = _values(args)
        content = instance.renderer.preview(version, variables, to)
    if args.html and args.html != "-":
        _write(args.html, content.html or "")
    if out.json:
        out.document({"from": _mailbox(content.sender), "to": to.address, **_parts(content)})
        return 0
    out.table(("", ""), [("from", _mailbox(content.sender)), ("to", to.address), ("subject", content.subject)])
    out.line(f"\n{(content.text or '').rstrip()}")
    if args.html == "-":
        out.line(f"\n--- html\n{(content.html or '').rstrip()}")
    elif content.html is not None:
        out.note(f"The html is in {args.html}." if args.html else "It has html too: --html FILE writes it.")
    return 0


async def test(args: Namespace, out: Out) -> int:
    """The same way as every mail: handed in, rendered from the stored version, sent by a worker."""
    async with session.instance(args, out) as instance:
        await template(instance, args.name)
        _, variables = _values(args)
        request = MessageRequest(
            to=[args.to], template=args.name, variables={**variables}, stream=args.stream, reference=TEST
        )
        await hand_in(request, None, instance, out)
        await session.say_if_idle(instance, args, out)
    return 0


async def template(instance: Instance, name: str) -> TemplateVersion:
    version = await instance.ledger.templates.get(name)
    if version is None:
        raise NotFound(f"There is no template {name!r}.", "kakitome template list shows those there are.")
    return version


def _values(args: Namespace) -> tuple[Mailbox, dict[str, str]]:
    if args.list is None:
        return Mailbox(NOBODY), dict(args.var)
    rows = open_list(args.list, address_column=args.address_column).rows()
    row = next(islice(rows, args.row - 1, None), None)
    if row is None:
        raise ListError(f"{args.list} has no row {args.row}.", "The first one below the header is row 1.")
    if isinstance(row, BadRow):
        raise ListError(f"Row {args.row} (line {row.line}) is no good: {row.reason}", "Choose another row.")
    return Mailbox(row.address.given), {**row.variables, **dict(args.var)}


def _facts(version: TemplateVersion) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "created": iso(version.created),
    }


def _parts(content: Content) -> dict[str, object]:
    return {"subject": content.subject, "text": content.text, "html": content.html}


def _mailbox(mailbox: Mailbox) -> str:
    return f"{mailbox.name} <{mailbox.address}>" if mailbox.name else mailbox.address


def _read(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise TemplateError(f"{name} cannot be read: {error.strerror}.", "Look at the path.") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{name} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, "utf-8")
    except OSError as error:
        raise TemplateError(f"{name} cannot be written: {error.strerror}.", "Look at the path.") from error
