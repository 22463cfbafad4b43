"""A JSON text rewritten as a run's data converter would write it, a part at a time.

A container that is larger than `WINDOW` is gone into: in memory is a window of the text, and the
Python objects of one part of it. Of an object that is gone into the names are remembered too, as
none may stand there twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from activities.payload import MAX_DEPTH, encoded, is_too_deep

WINDOW = 512 * 1024
PART = 64 * 1024
"""So many characters of a container's elements are written at once, about."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_ENDS = frozenset(",]}: \t\n\r")
"""What stands behind a value that has ended: a number may go on beyond the window."""
_LARGE = object()


class IrregularError(Exception):
    """The text is no JSON, or one that has to be looked at as a whole: a name stands twice in an
    object, it nests too deeply, it holds what cannot be written. Who parses it whole says what."""


def rewritten(chunks: Iterator[str], change: Callable[[Any], Any]) -> Iterator[bytes]:
    """The compact JSON of the text whose pieces are `chunks`. `change` is applied to each part:
    a value, or a container with some of its elements. Raises `IrregularError`."""
    return _Rewriting(chunks, change).all()


class _Rewriting:
    """`_at` is the place in `_text`, the window, and `_before` what has been dropped before it."""

    def __init__(self, chunks: Iterator[str], change: Callable[[Any], Any]) -> None:
        self._chunks = chunks
        self._change = change
        self._decoder = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = self._before = 0
        self._is_all = False

    def all(self) -> Iterator[bytes]:
        try:
            value = self._value()
            if value is _LARGE:
                yield from self._elements(1)
            else:
                yield self._written(value, 1)
            if self._next():
                raise IrregularError("something stands behind the value")
        except (ValueError, RecursionError) as error:
            raise IrregularError(str(error)) from error

    def _elements(self, depth: int) -> Iterator[bytes]:
        """Those of the container that begins here, which has `depth` - 1 others around it."""
        is_object = self._next() == "{"
        end = "}" if is_object else "]"
        self._at += 1
        yield b"{" if is_object else b"["
        part: Any = {} if is_object else []
        names: set[str] = set()
        comma, begun, is_first = b"", self._place, True

        def inside(elements: Any) -> bytes:
            nonlocal comma
            before, comma = comma, b","
            return before + self._written(elements, depth, names)[1:-1]

        while not (is_first and self._next() == end):
            is_first = False
            name = self._name() if is_object else ""
            value = self._value()
            if value is _LARGE or self._place - begun > PART:
                if part:
                    yield inside(part)
                part, begun = type(part)(), self._place
            if value is _LARGE:
                # the name with its colon, as before a number
                yield inside({name: 0})[:-1] if is_object else comma
                comma = b","
                yield from self._elements(depth + 1)
                begun = self._place
            elif is_object:
                if name in part:
                    raise IrregularError("a name stands twice")
                part[name] = value
            else:
                part.append(value)
            if self._next() == end:
                break
            self._skip(",")
        self._skip(end)
        if part:
            yield inside(part)
        yield end.encode()

    def _written(self, part: Any, depth: int, names: set[str] | None = None) -> bytes:
        """A part's JSON. The names of one that is an object's are added to `names`."""
        changed = self._change(part)
        if names is not None and isinstance(part, dict):
            if len(changed) != len(part) or not names.isdisjoint(changed):
                raise IrregularError("a name stands twice")
            names.update(changed)
        text = encoded(changed)
        if is_too_deep(text, MAX_DEPTH - depth):
            raise IrregularError("it nests too deeply")
        return text

    @property
    def _place(self) -> int:
        return self._before + self._at

    def _next(self) -> str:
        """The character that stands next, behind blanks; none at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            assert blanks is not None
            self._at = blanks.end()
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _skip(self, character: str) -> None:
        if self._next() != character:
            raise IrregularError(f"{character} is missing at {self._place:,}")
        self._at += 1

    def _name(self) -> str:
        if self._next() != '"':
            raise IrregularError(f"a name is missing at {self._place:,}")
        name: str = self._value()
        self._skip(":")
        return name

    def _value(self) -> Any:
        """The value that begins here; `_LARGE`, and nothing is read, where it is a container and
        goes beyond the window. A text is read as far as it goes."""
        first = self._next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                end = None
            if end is not None and (self._is_all or self._text[end : end + 1] in _ENDS):
                self._at = end
                return value
            is_window = len(self._text) - self._at >= WINDOW
            if is_window and first in "[{":
                return _LARGE
            if (is_window and first != '"') or not self._more():
                raise IrregularError(f"no value at {self._place:,}")

    def _more(self) -> bool:
        """Lets the window go on, to twice what is left of it. False: it had come to the end."""
        if self._is_all:
            return False
        rest = self._text[self._at :]
        self._before, self._at = self._place, 0
        texts, wanted = [rest], max(WINDOW, len(rest))
        while wanted > 0 and not self._is_all:
            text = next(self._chunks, None)
            self._is_all = text is None
            texts.append(text or "")
            wanted -= len(texts[-1])
        self._text = "".join(texts)
        return True


def _refuse(name: str) -> NoReturn:
    raise IrregularError(f"{name} is no JSON number")
