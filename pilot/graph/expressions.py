"""CEL expressions over the values of a run.

One environment serves every graph: `nodes` and `vars` are maps, and what a name refers to is
read off the checked tree (`Expression.references`). So each distinct text is compiled once,
whatever graph it stands in, and whether a reference is in scope is the validator's question.

The language is google/cel-spec with the extensions strings, math, encoders, optional and
bindings, and the functions of `pilot.graph.functions`. Times measured on cel-expr-python 0.1.3:
30 µs a compilation, 3 µs an evaluation. Evaluation holds the GIL, so a thread would not keep a
long one from stalling the process: `Expression.amplifies` says which expressions can cost more
than their data and must be evaluated in a process of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pilot.errors import ExpressionError
from pilot.graph import checked

if TYPE_CHECKING:
    from cel_expr_python import cel

MAX_EXPRESSION_CHARS = 20_000
ROOTS = (
    "input",
    "nodes",
    "vars",
    "execution.id",
    "execution.input",
    "item",
    "index",
    "secrets",
    "hooks",
    "payload",
)

# Functions whose result can be larger than all of their arguments together.
_AMPLIFIERS = frozenset({"replace", "join", "format", "strings.quote", "quote"})
_CHEAP_TERMS = 16

Root = Literal[
    "input",
    "nodes",
    "vars",
    "execution.id",
    "execution.input",
    "item",
    "index",
    "secrets",
    "hooks",
    "payload",
]
Segment = str | int


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in an expression: its root and the literal segments behind it.

    `offset` counts characters from 0 to where the root stands. `tested` marks the argument of
    `has(...)`, which asks for its last segment; `optional_at` is the first segment read by
    `.?`. Both are safe where that segment is missing. `dynamic` marks a path that goes on by an
    index that is not a literal.
    """

    root: Root
    segments: tuple[Segment, ...]
    offset: int
    tested: bool = False
    optional_at: int | None = None
    dynamic: bool = False

    @property
    def plain(self) -> bool:
        """Whether the whole path is known and must be there."""
        return not (self.tested or self.dynamic) and self.optional_at is None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `returns` is the CEL type's name; `path` is set where the whole
    expression is one plain path, which is then read without CEL."""

    text: str
    returns: str
    references: tuple[Reference, ...]
    path: Reference | None
    amplifies: bool
    collects: tuple[Reference, ...]
    compiled: Any

    @property
    def is_bool(self) -> bool:
        """Whether the expression is a boolean, or can be one for all that CEL knows."""
        return self.returns in ("BOOL", "DYN")


@dataclass(frozen=True, slots=True)
class Problem:
    """A compile error. `line` and `column` count from 1, in characters."""

    message: str
    line: int
    column: int


class CompileError(ExpressionError):
    """A text that is no expression; `problems` has all that the compiler found."""

    code = "invalid_expression"

    def __init__(self, problems: list[Problem]) -> None:
        first = problems[0]
        super().__init__(first.message, line=first.line, column=first.column)
        self.problems = problems


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    from pilot.graph.environment import environment  # noqa: PLC0415 (18 MB, once it is needed)

    return environment()


@lru_cache(maxsize=16_384)
def compile_expression(text: str) -> Expression:
    """Compiles CEL. Raises `CompileError` with every problem of the text."""
    if len(text) > MAX_EXPRESSION_CHARS:
        raise CompileError(
            [Problem(f"longer than {MAX_EXPRESSION_CHARS:,} characters: use a code node", 1, 1)]
        )
    if not text.strip():
        raise CompileError([Problem("the expression is empty", 1, 1)])
    try:
        compiled = _environment().compile(text)
    except (UnicodeEncodeError, TypeError):
        raise CompileError([Problem("not valid Unicode text", 1, 1)]) from None
    except RuntimeError as error:
        raise CompileError(_problems(str(error))) from None
    root, positions = checked.parse(compiled.serialize())
    walk = _Walk(positions)
    walk.visit(root)
    return Expression(
        text=text,
        returns=compiled.return_type().name(),
        references=tuple(walk.references),
        path=_whole_path(root, walk.references),
        amplifies=walk.amplifies or walk.terms > _CHEAP_TERMS,
        collects=tuple(walk.collects),
        compiled=compiled,
    )


_PROBLEM = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def _problems(text: str) -> list[Problem]:
    found = [
        Problem(_plain_message(match[3]), int(match[1]), max(1, int(match[2])))
        for match in _PROBLEM.finditer(text)
    ]
    if "recursion" in text:
        return [Problem("nested deeper than CEL's limit of 32 levels: use a code node", 1, 1)]
    return found or [Problem(text.splitlines()[0][:300], 1, 1)]


def _plain_message(message: str) -> str:
    message = message.removesuffix(" [INVALID_ARGUMENT]").removesuffix(" (in container '')")
    name = re.match(r"undeclared reference to '(.*)'", message)
    if name:
        return (
            f"unknown name '{name[1]}': names in scope begin with input, nodes.<id>, vars.<name> "
            "or execution"
        )
    return message[:500]


def _whole_path(root: Any, references: list[Reference]) -> Reference | None:
    """The path, where the expression is nothing but one."""
    if len(references) != 1:
        return None
    reference = references[0]
    if not reference.plain:
        return None
    depth = 0
    while root.WhichOneof("kind") in ("select_expr", "call_expr"):
        if root.WhichOneof("kind") == "select_expr":
            root = checked.expr(root.select_expr.operand)
        elif root.call_expr.function == "_[_]":
            root = checked.expr(root.call_expr.args[0])
        else:
            return None
        depth += 1
    if root.WhichOneof("kind") == "ident_expr" and depth == len(reference.segments):
        return reference
    return None


class _Walk:
    """One pass over a checked tree, without recursion: user text may nest deeply."""

    def __init__(self, positions: Mapping[int, int]) -> None:
        self.references: list[Reference] = []
        self.collects: list[Reference] = []
        self.amplifies = False
        self.terms = 0
        self._positions = positions

    def visit(self, root: Any) -> None:
        stack: list[tuple[Any, frozenset[str]]] = [(root, frozenset())]
        while stack:
            node, bound = stack.pop()
            kind = node.WhichOneof("kind")
            if kind == "comprehension_expr":
                stack.extend(self._comprehension(node.comprehension_expr, bound))
                continue
            if kind in ("select_expr", "call_expr", "ident_expr"):
                reference, rest = self._path(node, bound)
                if reference is not None:
                    self.terms += 1
                    self.references.append(reference)
                    stack.extend((checked.expr(data), bound) for data in rest)
                    continue
            if kind == "call_expr" and node.call_expr.function in _AMPLIFIERS:
                self.amplifies = True
            stack.extend((checked.expr(data), bound) for data in checked.children(node))

    def _comprehension(
        self, node: Any, bound: frozenset[str]
    ) -> Iterator[tuple[Any, frozenset[str]]]:
        self.amplifies = True
        source = checked.expr(node.iter_range)
        if checked.expr(node.accu_init).WhichOneof("kind") == "list_expr":
            reference, _ = self._path(source, bound)
            if reference is not None and reference.plain:
                self.collects.append(reference)
        inner = bound | {node.iter_var, node.iter_var2, node.accu_var}
        yield source, bound
        yield checked.expr(node.accu_init), bound
        for data in (node.loop_condition, node.loop_step, node.result):
            yield checked.expr(data), inner

    def _path(self, node: Any, bound: frozenset[str]) -> tuple[Reference | None, list[bytes]]:
        """The reference that `node` is the end of, and what stands inside its indexes."""
        segments: list[Segment] = []
        inside: list[bytes] = []
        tested = dynamic = False
        optional = 0  # how many segments stand behind the first optional one, itself included
        while True:
            kind = node.WhichOneof("kind")
            if kind == "ident_expr":
                break
            if kind == "select_expr":
                tested = tested or node.select_expr.test_only
                segments.append(node.select_expr.field)
                node = checked.expr(node.select_expr.operand)
            elif kind == "call_expr" and node.call_expr.function in ("_[_]", "_[?_]", "_?._"):
                container, index = node.call_expr.args
                literal = _literal(checked.expr(index))
                if literal is None:
                    # what lies beyond an index that is not known here cannot be named
                    dynamic = True
                    optional = 0
                    segments.clear()
                    inside.append(index)
                else:
                    segments.append(literal)
                    if node.call_expr.function != "_[_]":
                        optional = len(segments)
                node = checked.expr(container)
            else:
                return None, []
        name = node.ident_expr.name
        if name in bound or name not in ROOTS:
            return None, []
        reference = Reference(
            root=name,
            segments=tuple(reversed(segments)),
            # a qualified name is positioned at its last dot
            offset=max(0, self._positions.get(node.id, 0) - name.find(".") * ("." in name)),
            tested=tested,
            optional_at=len(segments) - optional if optional else None,
            dynamic=dynamic,
        )
        return reference, inside


def _literal(node: Any) -> Segment | None:
    if node.WhichOneof("kind") != "const_expr":
        return None
    match node.const_expr.WhichOneof("kind"):
        case "string_value":
            return str(node.const_expr.string_value)
        case "int64_value":
            return int(node.const_expr.int64_value)
    return None


def path_text(reference: Reference) -> str:
    """The path as one would write it."""
    text: str = reference.root
    for segment in reference.segments:
        if isinstance(segment, str) and segment.isidentifier():
            text += f".{segment}"
        else:
            text += f"[{segment!r}]"
    return text
