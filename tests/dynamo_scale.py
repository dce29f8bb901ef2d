"""What AWS would charge for a ledger's requests: a line to the emulator that weighs what goes over it.

It keeps what was written, so that it knows what each write met, and counts by the rules of `sizes`: also reads in
batches and refused conditions, of which the emulator says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from kakitome.ledgers.dynamodb import sizes
from kakitome.ledgers.dynamodb.line import Line, Refusal
from kakitome.ledgers.dynamodb.marshal import Attributes
from kakitome.ledgers.dynamodb.meter import Meter

Where = tuple[str, str]


class Scale(Line):
    """One table. `written` is by place, table or index; `refused` is the part of it that changed nothing."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.items: dict[Where, Attributes] = {}
        self.written: defaultdict[str, float] = defaultdict(float)
        self.refused = 0.0
        self.read = 0.0

    async def ask(self, operation: str, meter: Meter, **parameters: Any) -> dict[str, Any]:
        try:
            answer = await super().ask(operation, meter, **parameters)
        except Refusal:
            self._refuse(operation, parameters)
            raise
        weigh = getattr(self, f"_{operation}", None)
        if weigh is not None:
            weigh(parameters, answer)
        return answer

    # ── Writes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _put_item(self, asked: dict[str, Any], _: object) -> None:
        self._change(_where(asked["Item"]), asked["Item"])

    def _delete_item(self, asked: dict[str, Any], _: object) -> None:
        self._change(_where(asked["Key"]), None)

    def _batch_write_item(self, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        assert not answer.get("UnprocessedItems")
        for requests in asked["RequestItems"].values():
            for request in requests:
                self._put_item(request["PutRequest"], None)

    def _transact_write_items(self, asked: dict[str, Any], _: object) -> None:
        for where, after in map(self._of_transaction, asked["TransactItems"]):
            self._change(where, after, sizes.TRANSACTED)

    def _of_transaction(self, write: dict[str, Any]) -> tuple[Where, Attributes | None]:
        [(kind, what)] = write.items()
        where = _where(what["Item"] if kind == "Put" else what["Key"])
        kept = {"Put": what.get("Item"), "Delete": None, "ConditionCheck": self.items.get(where)}
        return where, kept[kind]

    def _change(self, where: Where, after: Attributes | None, times: int = 1) -> None:
        for place, units in sizes.written(self.items.get(where), after).items():
            self.written[place] += times * units
        if after is None:
            self.items.pop(where, None)
        else:
            self.items[where] = after

    def _refuse(self, operation: str, asked: dict[str, Any]) -> None:
        if operation == "transact_write_items":
            met = [(self._of_transaction(write)[0], sizes.TRANSACTED) for write in asked["TransactItems"]]
        else:
            met = [(_where(asked.get("Item") or asked["Key"]), 1)]
        for where, times in met:
            there = self.items.get(where)
            units = times * sizes.written(there, there)["table"]
            self.written["table"] += units
            self.refused += units

    # ── Reads ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _get_item(self, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        self.read += sizes.read_each([sizes.size(answer.get("Item") or {})], asked["ConsistentRead"])

    def _batch_get_item(self, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        for table, wanted in asked["RequestItems"].items():
            found = [sizes.size(item) for item in answer["Responses"].get(table, ())]
            missing = [0] * (len(wanted["Keys"]) - len(found))
            self.read += sizes.read_each([*found, *missing], wanted["ConsistentRead"])

    def _query(self, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        self.read += sizes.read_together(map(sizes.size, answer["Items"]), asked["ConsistentRead"])


def _where(attributes: Attributes) -> Where:
    return attributes["pk"]["S"], attributes["sk"]["S"]
