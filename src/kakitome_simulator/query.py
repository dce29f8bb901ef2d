"""The Query protocol's form: `Destination.ToAddresses.member.1=…`."""

from __future__ import annotations

from .api_error import ApiError


class Query:
    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        return self._fields.get(name, "")

    def optional(self, name: str) -> str | None:
        return self._fields.get(name)

    def members(self, name: str, part: str = "") -> list[str]:
        """A list in its order; of a list of structures, one member of each. Raises `ApiError` for one with a gap."""
        found, tail = [], f".{part}" if part else ""
        prefix = f"{name}.member."
        count = len({key.removeprefix(prefix).partition(".")[0] for key in self._fields if key.startswith(prefix)})
        for place in range(1, count + 1):
            key = f"{prefix}{place}{tail}"
            if key not in self._fields:
                raise ApiError(400, "MalformedQueryString", f"{key} is missing.")
            found.append(self._fields[key])
        return found
