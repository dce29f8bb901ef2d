"""The first function of a run: reads mail and list, counts, pins, and lets the campaign run. See `kakitome.mapped`."""

from __future__ import annotations

from math import ceil
from typing import Any

import msgspec

from kakitome.aws.composition import Here, run
from kakitome.aws.item import plain
from kakitome.core.mail_item import template_of
from kakitome.lists import open_list
from kakitome.lists.numbered import NumberedList
from kakitome.mapped import Handed, begin, version_of
from kakitome.rendering import compile_template

STREAM = "bulk"
EACH = 80  # mails a second that one child sends where it may: the bench's figure for 512 MB
MOST = 10  # children at once where nothing limits the rate


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """`{file_name, mail_id, mail, bucket}` → `{run, version, …}`: what goes with each row, and S3's version of the
    list. An error is the execution's failure, in words for people, and nothing was sent."""
    return run(lambda here: _plan(here, event))


async def _plan(here: Here, event: dict[str, Any]) -> dict[str, Any]:
    instance, mail_id, path = here.instance, event["mail_id"], f"s3://{event['bucket']}/{event['file_name']}"
    source = template_of(mail_id, plain(event["mail"]), instance.sender(STREAM))
    compile_template(source)
    instance.mailing.check_reachable(STREAM)
    found = open_list(path)
    office, reader = instance.office(stream=STREAM), NumberedList(found)
    version = await version_of(source, office)
    lacking = instance.mailing.lacks(reader, version, STREAM, instance.renderer)
    begun = await begin(STREAM, instance.policy(STREAM), version, reader, office)
    made = begun.plan
    handed = Handed(name=mail_id, digest=reader.digest, address=reader.address_column, skip=reader.skip)
    counted = {name: getattr(made, name) for name in ("rows", "invalid", "duplicate", "already", "suppressed")}
    pinned = {"version": getattr(found.origin, "version_id", None) or "null", "digest": reader.digest}
    told = {"to_send": made.to_send, "missing": begun.missing, "lacks": lacking, "bucket": event["bucket"]}
    told |= {"children": await _children(here)}
    return {"run": msgspec.to_builtins(handed), "key": event["file_name"], **pinned, **counted, **told}


async def _children(here: Here) -> int:
    """As many at once as the rate keeps busy: one that waits for its slots is paid for waiting."""
    await here.ways.allowances.refresh()
    first = here.instance.route(STREAM)[0]
    rate = here.ways.allowances.lane(here.instance.lanes[first]).rate
    return MOST if rate is None else max(1, ceil(rate / EACH))
