"""An item of DynamoDB as a Task state's GetItem answers it. (*Amazon DynamoDB API Reference*, "AttributeValue".)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain(item: Mapping[str, Any]) -> dict[str, object]:
    """`{"subject": {"S": "Hi"}}` and `{"subject": "Hi"}` are the same. What is no string is kept as it is."""
    return {name: value["S"] if isinstance(value, Mapping) and set(value) == {"S"} else value
            for name, value in item.items()}  # fmt: skip
