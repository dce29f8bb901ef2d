"""Draw the life of a message from the table that the code obeys.

    python tools/lifecycle_diagram.py      writes the diagram into docs/life-of-a-message.md

What leads to one state from every other one (proof of acceptance) is a note instead of ten arrows.
"""

from __future__ import annotations

from pathlib import Path

from kakitome.core.lifecycle import MOVES, Cause, State

DOCUMENT = Path(__file__).parents[1] / "docs" / "life-of-a-message.md"
BEGIN, END = "<!-- diagram: written by tools/lifecycle_diagram.py -->\n", "<!-- end of the diagram -->\n"


def diagram() -> str:
    """The Mermaid fence, with its line break at the end."""
    everywhere = {cause: to for cause in Cause for to in State if _leads_from_everywhere(cause, to)}
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in MOVES:
        if move.cause not in everywhere:
            origin = "[*]" if move.origin is None else move.origin.word
            arrows.setdefault((origin, move.to.word), []).append(move.cause.value.replace("_", " "))
    left = {origin for origin, _ in arrows}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {origin} --> {to}: {', '.join(causes)}" for (origin, to), causes in arrows.items()]
    lines += [f"    {state.word} --> [*]" for state in State if state.word not in left]
    for cause, to in everywhere.items():
        lines += [f"    note right of {to.word}: {cause.value} leads here from every other state"]
    return "\n".join([*lines, "```", ""])


def _leads_from_everywhere(cause: Cause, to: State) -> bool:
    origins = {move.origin for move in MOVES if move.cause is cause and move.to is to}
    return origins == set(State) - {to}


def drawn(text: str) -> str:
    """The document with today's diagram between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{DOCUMENT.name} has lost the marks around its diagram")
    return f"{before}{BEGIN}{diagram()}{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(drawn(DOCUMENT.read_text("utf-8")), "utf-8")
