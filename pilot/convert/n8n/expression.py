"""n8n's expressions (JavaScript) as CEL, as far as they mean the same.

Paths, literals, operators and a few methods are translated; all else is not, and then nothing of
the expression is: half of a translation would be a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pilot.convert.cel import Segment, literal
from pilot.convert.n8n.views import Read

Kind = Literal["path", "bool", "string", "number", "other"]
Resolve = Callable[[str | None, tuple[Segment, ...]], Read | None]
"""CEL of a path in the json of a node, by its name; None: of the node before."""

_TOKEN = re.compile(
    r"""\s*(?:(\d+(?:\.\d+)?)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(`[^`]*`)|([A-Za-z_$][\w$]*)"""
    r"""|(===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.|[-+*/%<>!?:.,()\[\]]))"""
)
MAX_CHARS = 20_000
_FILL = re.compile(r"\$\{([^{}]*)\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
_FALSY = '[null, "", 0, false]'
_BINARY = {
    "===": 3, "!==": 3, "==": 3, "!=": 3, "<": 4, ">": 4, "<=": 4, ">=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
_CALLS = {
    "toLowerCase": ("{0}.lowerAscii()", "string"),
    "toUpperCase": ("{0}.upperAscii()", "string"),
    "trim": ("{0}.trim()", "string"),
    "includes": ("{0}.contains({1})", "bool"),
    "startsWith": ("{0}.startsWith({1})", "bool"),
    "endsWith": ("{0}.endsWith({1})", "bool"),
    "split": ("{0}.split({1})", "other"),
    "join": ("{0}.join({1})", "string"),
    "replaceAll": ("{0}.replace({1}, {2})", "string"),
    "toString": ("string({0})", "string"),
    "first": ("{0}[0]", "other"),
    "isEmpty": ("(size({0}) == 0)", "bool"),
    "isNotEmpty": ("(size({0}) > 0)", "bool"),
}
_FUNCTIONS = {
    ("JSON", "stringify"): ("json.encode({0})", "string"),
    ("JSON", "parse"): ("json.decode({0})", "other"),
    ("Math", "round"): ("math.round(double({0}))", "number"),
    ("Math", "floor"): ("math.floor(double({0}))", "number"),
    ("Math", "ceil"): ("math.ceil(double({0}))", "number"),
    ("Math", "abs"): ("math.abs({0})", "number"),
    ("", "String"): ("string({0})", "string"),
    ("", "Number"): ("double({0})", "number"),
    ("", "parseInt"): ("int(double({0}))", "number"),
    ("", "parseFloat"): ("double({0})", "number"),
}


class _UntranslatableError(Exception):
    """Not an error of anybody's: the expression is more than CEL has."""


@dataclass(slots=True)
class Translation:
    """CEL, and what is not quite the same in it."""

    text: str
    kind: Kind
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Value:
    text: str
    kind: Kind
    present: str | None = None
    node: str | None = None
    path: tuple[Segment, ...] | None = None
    """Where it is still a path in a node's json: `node` None is the node before."""


def translate(source: str, resolve: Resolve, names: dict[str, str]) -> Translation | None:
    """The expression as CEL, or None. `names` are `$workflow.name` and such, as CEL."""
    if len(source) > MAX_CHARS:
        return None
    try:
        tokens = _tokens(source)
        parser = _Parser(tokens, resolve, names)
        value = parser.settled(parser.ternary())
        if parser.at != len(tokens):
            return None
    except (_UntranslatableError, RecursionError):
        return None
    return Translation(value.text, value.kind, parser.notes)


def _tokens(source: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, source.strip().removesuffix(";")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if not text[at:].strip():
                break
            raise _UntranslatableError
        for kind, group in zip(
            ("number", "string", "text", "name", "sign"), match.groups(), strict=True
        ):
            if group is not None:
                tokens.append((kind, group))
        at = match.end()
    return tokens


def _unquoted(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        code = match[1]
        if code in "ux":
            raise _UntranslatableError
        return _ESCAPES.get(code, code)

    return re.sub(r"\\(.)", escape, text[1:-1], flags=re.DOTALL)


class _Parser:
    """Precedence climbing over the tokens, giving CEL as it goes."""

    def __init__(
        self, tokens: list[tuple[str, str]], resolve: Resolve, names: dict[str, str]
    ) -> None:
        self.tokens = tokens
        self.at = 0
        self.notes: list[str] = []
        self._resolve = resolve
        self._names = names

    def peek(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def sign(self, text: str) -> bool:
        """Takes the sign where it is next."""
        if self.at < len(self.tokens) and self.tokens[self.at] == ("sign", text):
            self.at += 1
            return True
        return False

    def need(self, text: str) -> None:
        if not self.sign(text):
            raise _UntranslatableError

    def name(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "name":
            self.at += 1
            return self.tokens[self.at - 1][1]
        raise _UntranslatableError

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def settled(self, value: _Value) -> _Value:
        """A path, looked up."""
        if value.path is None:
            return value
        found = self._resolve(value.node, value.path)
        if found is None:
            raise _UntranslatableError
        return _Value(found.text, "path", found.present)

    def truth(self, value: _Value) -> str:
        value = self.settled(value)
        if value.kind == "bool":
            return value.text
        inside = f"!({value.text} in {_FALSY})"
        return f"({value.present} && {inside})" if value.present else inside

    def ternary(self) -> _Value:
        condition = self.either()
        if not self.sign("?"):
            return condition
        test = self.truth(condition)
        then = self.settled(self.ternary())
        self.need(":")
        other = self.settled(self.ternary())
        kind = then.kind if then.kind == other.kind != "path" else "other"
        return _Value(f"({test} ? {then.text} : {other.text})", kind)

    def either(self) -> _Value:
        left = self.both()
        while self.peek() in ("||", "??"):
            operator = self.tokens[self.at][1]
            self.at += 1
            a, b = self.settled(left), self.settled(self.both())
            if operator == "||" and a.kind == b.kind == "bool":
                left = _Value(f"({a.text} || {b.text})", "bool")
                continue
            test = self.truth(a)
            if operator == "??":
                test = f"{a.text} != null"
                test = f"({a.present} && {test})" if a.present else test
            left = _Value(f"({test} ? {a.text} : {b.text})", "other")
        return left

    def both(self) -> _Value:
        left = self.binary(3)
        while self.sign("&&"):
            a, b = self.settled(left), self.settled(self.binary(3))
            if not a.kind == b.kind == "bool":
                raise _UntranslatableError
            left = _Value(f"({a.text} && {b.text})", "bool")
        return left

    def binary(self, least: int) -> _Value:
        left = self.unary()
        while True:
            kind, operator = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
            strength = _BINARY.get(operator, 0) if kind == "sign" else 0
            if strength < least:
                return left
            self.at += 1
            left = self._operate(
                operator, self.settled(left), self.settled(self.binary(strength + 1))
            )

    def _operate(self, operator: str, a: _Value, b: _Value) -> _Value:
        if operator in ("===", "!=="):
            return _Value(f"({a.text} {operator[:2]} {b.text})", "bool")
        if operator in ("==", "!="):
            if "null" not in (a.text, b.text):
                self.note("`==` compares types too here: 1 is not '1'")
            return _Value(f"({a.text} {operator} {b.text})", "bool")
        if operator in ("<", ">", "<=", ">="):
            return _Value(f"({a.text} {operator} {b.text})", "bool")
        if operator == "+" and "string" in (a.kind, b.kind):
            texts = [x.text if x.kind == "string" else f"string({x.text})" for x in (a, b)]
            return _Value(f"({texts[0]} + {texts[1]})", "string")
        if operator == "/":
            self.note("a quotient is a decimal here: 6 / 2 is 3.0")
            return _Value(f"(double({a.text}) / double({b.text}))", "number")
        kind: Kind = "number" if a.kind == b.kind == "number" else "other"
        return _Value(f"({a.text} {operator} {b.text})", kind)

    def unary(self) -> _Value:
        if self.sign("!"):
            return _Value(f"!{self.truth(self.unary())}", "bool")
        if self.sign("-"):
            return _Value(f"-{self.settled(self.unary()).text}", "number")
        return self.postfix(self.primary())

    def postfix(self, value: _Value) -> _Value:
        while True:
            if self.sign("."):
                name = self.name()
                if self.peek() == "(":
                    value = self._method(value, name)
                elif name == "length":
                    value = _Value(f"size({self.settled(value).text})", "number")
                elif value.path is not None:
                    value = _Value("", "path", node=value.node, path=(*value.path, name))
                else:
                    value = _Value(f"{value.text}[{literal(name)}]", "other")
            elif self.sign("["):
                value = self._index(value)
            elif self.peek() == "?.":
                raise _UntranslatableError
            else:
                return value

    def _index(self, value: _Value) -> _Value:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind not in ("string", "number") or ("." in text and kind == "number"):
            raise _UntranslatableError
        self.at += 1
        self.need("]")
        segment: Segment = _unquoted(text) if kind == "string" else int(text)
        if value.path is not None:
            return _Value("", "path", node=value.node, path=(*value.path, segment))
        return _Value(f"{value.text}[{literal(segment)}]", "other")

    def _method(self, value: _Value, name: str) -> _Value:
        arguments = self._arguments()
        receiver = self.settled(value).text
        if name in ("toLowerCase", "toUpperCase"):
            self.note("only the letters A to Z change their case here")
        if name == "includes" and len(arguments) == 1 and receiver.startswith("["):
            return _Value(f"({arguments[0]} in {receiver})", "bool")
        if name == "replace" and len(arguments) == 2:
            return _Value(f"{receiver}.replace({arguments[0]}, {arguments[1]}, 1)", "string")
        if name in ("substring", "slice") and 1 <= len(arguments) <= 2:
            if any(not one.isdigit() for one in arguments):
                raise _UntranslatableError
            self.note("a text that is shorter than that is an error here")
            return _Value(f"{receiver}.substring({', '.join(arguments)})", "string")
        return _filled(_CALLS.get(name), receiver, *arguments)

    def _arguments(self) -> list[str]:
        self.need("(")
        arguments: list[str] = []
        while not self.sign(")"):
            arguments.append(self.settled(self.ternary()).text)
            if self.peek() != ")":
                self.need(",")
        return arguments

    def primary(self) -> _Value:
        if self.at >= len(self.tokens):
            raise _UntranslatableError
        kind, text = self.tokens[self.at]
        self.at += 1
        match kind:
            case "number":
                return _Value(text, "number")
            case "string":
                return _Value(literal(_unquoted(text)), "string")
            case "text":
                return self._text(text[1:-1])
            case "name":
                return self._named(text)
        if text == "(":
            value = self.ternary()
            self.need(")")
            return value
        if text == "[":
            return self._list()
        raise _UntranslatableError

    def _text(self, text: str) -> _Value:
        """A template literal: texts, and `${expression}`s made texts."""
        parts: list[str] = []
        at = 0
        for match in _FILL.finditer(text):
            if match.start() > at:
                parts.append(literal(_unquoted(f"`{text[at : match.start()]}`")))
            inner = _Parser(_tokens(match[1]), self._resolve, self._names)
            value = inner.settled(inner.ternary())
            if inner.at != len(inner.tokens):
                raise _UntranslatableError
            for note in inner.notes:
                self.note(note)
            parts.append(value.text if value.kind == "string" else f"string({value.text})")
            at = match.end()
        rest = text[at:]
        if "${" in rest:
            raise _UntranslatableError
        if rest or not parts:
            parts.append(literal(_unquoted(f"`{rest}`")))
        return _Value(f"({' + '.join(parts)})" if len(parts) > 1 else parts[0], "string")

    def _list(self) -> _Value:
        items: list[str] = []
        while not self.sign("]"):
            items.append(self.settled(self.ternary()).text)
            if self.peek() != "]":
                self.need(",")
        return _Value(f"[{', '.join(items)}]", "other")

    def _named(self, name: str) -> _Value:
        match name:
            case "true" | "false":
                return _Value(name, "bool")
            case "null" | "undefined":
                return _Value("null", "other")
            case "$json":
                return _Value("", "path", path=())
            case "$input":
                return self._item(None)
            case "$node":
                self.need("[")
                node = self._string()
                self.need("]")
                self.need(".")
                return self._json(node)
            case "$":
                self.need("(")
                node = self._string()
                self.need(")")
                return self._item(node)
            case "$execution" | "$workflow":
                self.need(".")
                key = f"{name}.{self.name()}"
                if key in self._names:
                    return _Value(self._names[key], "string")
                raise _UntranslatableError
            case "$if" | "$ifEmpty":
                return self._conditional(name)
            case "JSON" | "Math":
                self.need(".")
                return _filled(_FUNCTIONS.get((name, self.name())), *self._arguments())
        if self.peek() == "(":
            return _filled(_FUNCTIONS.get(("", name)), *self._arguments())
        raise _UntranslatableError

    def _conditional(self, name: str) -> _Value:
        self.need("(")
        first = self.ternary()
        test = self.truth(first)
        self.need(",")
        second = self.settled(self.ternary()).text
        if name == "$ifEmpty":
            self.need(")")
            return _Value(f"({test} ? {self.settled(first).text} : {second})", "other")
        self.need(",")
        third = self.settled(self.ternary()).text
        self.need(")")
        return _Value(f"({test} ? {second} : {third})", "other")

    def _string(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind != "string":
            raise _UntranslatableError
        self.at += 1
        return _unquoted(text)

    def _item(self, node: str | None) -> _Value:
        """`.item.json`, `.first().json`, `.last().json`: there is one item."""
        self.need(".")
        name = self.name()
        if name in ("first", "last"):
            self.need("(")
            self.need(")")
        elif name != "item":
            raise _UntranslatableError
        self.need(".")
        return self._json(node)

    def _json(self, node: str | None) -> _Value:
        if self.name() != "json":
            raise _UntranslatableError
        return _Value("", "path", node=node, path=())


def _filled(pattern: tuple[str, str] | None, *texts: str) -> _Value:
    if pattern is None or f"{{{len(texts)}}}" in pattern[0]:
        raise _UntranslatableError
    wanted = len(set(re.findall(r"\{\d\}", pattern[0])))
    if wanted != len(texts):
        raise _UntranslatableError
    kinds: dict[str, Kind] = {"string": "string", "bool": "bool", "number": "number"}
    return _Value(pattern[0].format(*texts), kinds.get(pattern[1], "other"))
