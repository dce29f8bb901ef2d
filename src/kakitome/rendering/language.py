"""Which part of the Jinja language may a mail use, and which columns does it need?

Templates come from people who may edit mails, not from people who may run programs on this machine. Fuel bounds the
steps of a template but not the size of what one step makes (`"a" * 99999999`, `s ~ s` forty times over, `indent`), so
the language is cut down until no expression can be longer than what goes into it:

- values: columns (`{{ 氏名 }}`, `{{ row["会社 名"] }}`), strings, numbers, `x if y else z`; lists only to loop over and
  to look into (`for word in 件名|split(" ")`, `言語 in ["ja", "en"]`);
- `and or not == != < > <= >= in is`, tests and filters from the lists below; no arithmetic, no `~`, no method calls;
- blocks: if, elif, else, for, set (of one name). No include, import, extends, macro, raw: a template is one piece.

This reader runs after the engine has accepted the syntax; what it does not know, it refuses.
"""

from __future__ import annotations

from typing import NamedTuple

from kakitome.rendering.segments import Kind, Segment
from kakitome.rendering.tokens import Cursor

FROM_TEXT = frozenset({"capitalize", "default", "d", "float", "int", "lower", "safe", "title", "trim", "upper"})
GROWING = frozenset({"e", "escape", "urlencode"})  # once, and only where the value is written out
TO_LIST = frozenset({"items", "lines", "split"})  # a list as text grows with every turn, so it never becomes text
OF_LIST = frozenset({"reverse", "sort", "unique"})
TO_ONE = frozenset({"count", "first", "last", "length"})
FILTERS = FROM_TEXT | GROWING | TO_LIST | OF_LIST | TO_ONE
TESTS = frozenset(
    {"defined", "divisibleby", "endingwith", "even", "false", "none", "odd", "startingwith", "true", "undefined"}
)
LOOP = frozenset({"first", "index", "index0", "last", "length", "revindex", "revindex0"})
LITERALS = frozenset({"true", "false", "none", "True", "False", "None"})
WORDS = frozenset({"and", "else", "if", "in", "is", "not", "or"})
COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">=", "in"})


class Needs(NamedTuple):
    """`columns` must be in every row; `loops` tells if a block may run more than once; `steps` bounds the others."""

    columns: frozenset[str]
    loops: bool
    steps: int


def read(segments: list[Segment], part: str) -> Needs:
    """Check every tag and say what the template needs.

    A column counts as needed wherever it is used, except right before `|default(…)` and where the template itself asks
    `is defined`. A name that is a method of Python's dict (`items`, `keys`) always counts: where there is no such
    column, the engine would take the method. Raises TemplateError with the line.
    """
    reader = _Reader(part)
    for segment in segments:
        if segment.kind in (Kind.VALUE, Kind.BLOCK):
            reader.read(segment)
    return Needs(frozenset(reader.needed - reader.asked | reader.certain), reader.loops, reader.steps)


class _Reader(Cursor):
    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.needed: set[str] = set()
        self.asked: set[str] = set()
        self.certain: set[str] = set()
        self.loops = False
        self.steps = 0
        self._scopes: list[set[str]] = [set()]
        self._kind = Kind.TEXT
        self._grown = False

    def read(self, segment: Segment) -> None:
        self._kind, self._grown = segment.kind, False
        self.steps += 2 * self.open(segment) + 2
        if segment.kind is Kind.VALUE:
            self._expression()
        else:
            self._block()
        self.close()

    def _block(self) -> None:
        word = self.name()
        if word in ("if", "elif"):
            self._expression()
        elif word == "for":
            self._for()
        elif word == "set":
            name = self.name()
            self.expect("=")
            self._expression()
            self._scopes[-1].add(name)
        elif word == "endfor":
            if len(self._scopes) > 1:
                self._scopes.pop()
        elif word not in ("else", "endif"):
            self.refuse(f"The block “{word}” is not part of the template language")

    def _for(self) -> None:
        self.loops = True
        names = {self.name()}
        while self.take(","):
            names.add(self.name())
        self.expect("in")
        self._operand()
        self._scopes.append({*names, "loop"})
        if self.take("if"):
            self._expression()

    def _expression(self) -> None:
        self._either()
        if self.take("if"):
            self._either()
            if self.take("else"):
                self._expression()

    def _either(self) -> None:
        while True:
            while self.take("not"):
                pass
            self._value()
            while self.peek() in COMPARISONS or self.peek() == "not":
                if self.take("not") and self.peek() != "in":
                    self.refuse("“not” is not part of the template language here")
                if self.take("in"):
                    self._operand()
                else:
                    self.next()
                    self._value()
            if not (self.take("and") or self.take("or")):
                return

    def _value(self) -> None:
        if self._operand():
            self.refuse("A list is there to loop over or to look into with “in”")

    def _operand(self) -> bool:
        """Read a primary with its filters, tests and subscripts; True if it is a list."""
        column, is_list = self._primary()
        if column and hasattr(dict, column):
            self.certain.add(column)
        while True:
            if self.take("|"):
                name = self.name()
                is_list = self._filter(name, is_list)
                optional = name in ("default", "d")
            elif self.take("is"):
                self.take("not")
                optional, is_list = self._test(column), False
            elif self.peek() == "[":
                self.next()
                self.literal("number")
                self.expect("]")
                optional, is_list = False, False
            else:
                break
            if column and not optional:
                self.needed.add(column)
            column = None
        if column:
            self.needed.add(column)
        return is_list

    def _filter(self, name: str, of_list: bool) -> bool:
        if name not in FILTERS:
            self.refuse(f"The filter “{name}” is not part of the template language", FILTERS)
        if of_list != (name in OF_LIST) and name not in TO_ONE:
            self.refuse(f"The filter “{name}” is {'not for lists' if of_list else 'for lists'}")
        if name in GROWING:
            if self._kind is not Kind.VALUE or self._grown:
                self.refuse(f"The filter “{name}” goes once into a {{{{ value }}}}")
            self._grown = True
        self._arguments(required=False)
        return name in TO_LIST or name in OF_LIST

    def _test(self, column: str | None) -> bool:
        name = self.name()
        if name not in TESTS:
            self.refuse(f"The test “{name}” is not part of the template language", TESTS)
        self._arguments(required=False)
        if column and name in ("defined", "undefined"):
            self.asked.add(column)
            return True
        return False

    def _primary(self) -> tuple[str | None, bool]:
        """Read what an operand begins with: the column if it is one, and whether it is a list."""
        token = self.next()
        if token.kind == "name":
            return self._named(token.text)
        if token.text == "(":
            self._expression()
            self.expect(")")
        elif token.text == "-":
            self.literal("number")
        elif token.text == "[":
            self._list()
            return None, True
        elif token.kind == "sign":
            self.refuse(f"“{token.text}” is not part of the template language")
        return None, False

    def _named(self, name: str) -> tuple[str | None, bool]:
        known = any(name in scope for scope in self._scopes)
        if name in WORDS:
            self.refuse(f"“{name}” stands in the wrong place")
        if name in LITERALS:
            return None, False
        if name == "loop" and known:
            self.expect(".")
            field = self.name()
            if field not in LOOP:
                self.refuse(f"“loop.{field}” is not part of the template language", LOOP)
            return None, False
        if name == "range" and self.peek() == "(":
            self._arguments(required=True)
            return None, True
        if name == "row" and not known:
            return self._row(), False
        return None if known else name, False

    def _row(self) -> str | None:
        if self.take("."):
            return self.name()
        if self.take("["):
            text = self.literal("string")
            self.expect("]")
            if "\\" in text:
                self.refuse("A column name in quotes takes no backslash")
            return text[1:-1]
        if self.peek() == "|" and self.second() == "items":
            return None
        self.refuse('“row” stands for the whole row: write row["column"]')

    def _list(self) -> None:
        while not self.take("]"):
            if self.next().kind not in ("string", "number"):
                self.refuse("A list takes strings and numbers only")
            if self.peek() != "]":
                self.expect(",")

    def _arguments(self, *, required: bool) -> None:
        if not self.take("("):
            if required:
                self.expect("(")
            return
        while not self.take(")"):
            if self.second() == "=":
                self.name()
                self.expect("=")
            self._expression()
            if self.peek() != ")":
                self.expect(",")
