"""Templates: text with `{expression}` in it; `{{` and `}}` are literal braces.

A template that is one `{expression}` and nothing else keeps the expression's type, so a
configuration field can be given an object or a number. Inside a longer text strings stand
as they are and everything else as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pilot.errors import TemplateError
from pilot.graph.expressions import CompileError, Expression, Problem, compile_expression
from pilot.graph.model import SubGraph
from pilot.graph.spec import ExpressionText, TemplateText
from pilot.graph.values import as_text

MAX_TEMPLATE_CHARS = 2_000_000
MAX_SLOTS = 1_000
MAX_RENDERED_CHARS = 8_000_000

BRACES_HINT = "write {{ and }} for literal braces, as in a JSON example"

_BRACE = re.compile(r"[{}]")
# What may hide a brace inside an expression: quoted strings and back-quoted names.
_IN_EXPRESSION = re.compile(
    r"""[{}]|'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`[^`\n]*`""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """An expression in a template; `offset` is where its text begins, in characters."""

    expression: Expression
    offset: int


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: literal texts and slots in order."""

    parts: tuple[str | Slot, ...]

    @property
    def slots(self) -> Iterator[Slot]:
        return (part for part in self.parts if isinstance(part, Slot))


class TemplateSyntaxError(TemplateError):
    """A text that is no template; `problems` has all that was found."""

    code = "invalid_template"

    def __init__(self, problems: list[Problem]) -> None:
        first = problems[0]
        super().__init__(first.message, line=first.line, column=first.column)
        self.problems = problems


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `offset`."""
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


def parse_template(text: str) -> Template:
    """Raises `TemplateSyntaxError` with every problem of the text."""
    if len(text) > MAX_TEMPLATE_CHARS:
        raise TemplateSyntaxError(
            [Problem(f"a template has at most {MAX_TEMPLATE_CHARS:,} characters", 1, 1)]
        )
    parts: list[str | Slot] = []
    problems: list[Problem] = []
    literal: list[str] = []
    at = 0
    slots = 0
    while match := _BRACE.search(text, at):
        start = match.start()
        literal.append(text[at:start])
        brace = match[0]
        if text.startswith(brace * 2, start):
            literal.append(brace)
            at = start + 2
            continue
        if brace == "}":
            problems.append(_problem(text, start, f"a lone }}: {BRACES_HINT}"))
            at = start + 1
            continue
        end = _closing(text, start + 1)
        if end is None:
            problems.append(_problem(text, start, f"this {{ is never closed: {BRACES_HINT}"))
            at = len(text)
            break
        slots += 1
        if slots > MAX_SLOTS:
            problems.append(_problem(text, start, f"more than {MAX_SLOTS:,} expressions"))
            at = len(text)
            break
        if "".join(literal):
            parts.append("".join(literal))
        literal = []
        source = text[start + 1 : end]
        try:
            parts.append(Slot(compile_expression(source), start + 1))
        except CompileError as error:
            problems.extend(_in_template(text, start + 1, source, error))
        at = end + 1
    literal.append(text[at:])
    if problems:
        raise TemplateSyntaxError(problems)
    rest = "".join(literal)
    if rest:
        parts.append(rest)
    return Template(tuple(parts))


def _closing(text: str, at: int) -> int | None:
    """Where the expression that begins at `at` ends: its closing brace."""
    depth = 0
    for match in _IN_EXPRESSION.finditer(text, at):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            if depth == 0:
                return match.start()
            depth -= 1
    return None


def _problem(text: str, offset: int, message: str) -> Problem:
    return Problem(message, *position(text, offset))


def _in_template(text: str, offset: int, source: str, error: CompileError) -> list[Problem]:
    """The expression's problems at their places in the template. Text that looks like JSON
    gets one problem with the hint instead of the compiler's many."""
    if re.match(r"""\s*(["'\n]|$)""", source):
        return [_problem(text, offset - 1, f"this is no expression: {BRACES_HINT}")]
    line, column = position(text, offset)
    return [
        Problem(
            problem.message,
            line + problem.line - 1,
            problem.column + (column - 1 if problem.line == 1 else 0),
        )
        for problem in error.problems
    ]


Evaluate = Callable[[Expression], Any]


def render(template: Template, evaluate: Evaluate) -> Any:
    """The template's text, or the value of a lone expression. Raises `ExpressionError`."""
    if len(template.parts) == 1 and isinstance(template.parts[0], Slot):
        return evaluate(template.parts[0].expression)
    text: list[str] = []
    length = 0
    for part in template.parts:
        piece = part if isinstance(part, str) else as_text(evaluate(part.expression))
        length += len(piece)
        if length > MAX_RENDERED_CHARS:
            raise TemplateError(f"the text grows over {MAX_RENDERED_CHARS:,} characters")
        text.append(piece)
    return "".join(text)


@dataclass(frozen=True, slots=True)
class FieldText:
    """A template or expression inside a configuration; `path` is such as
    `messages[0].content`."""

    path: str
    text: str
    kind: TemplateText | ExpressionText


def texts(config: BaseModel, prefix: str = "") -> Iterator[FieldText]:
    """Every template and expression of a configuration, in the order of its fields."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if value is None or isinstance(value, SubGraph):  # whose nodes have texts of their own
            continue
        kind = _kind(field.metadata)
        path = f"{prefix}{name}"
        if isinstance(kind, ExpressionText):
            yield FieldText(path, value, kind)
        elif kind is not None:
            yield from ((FieldText(at, text, kind)) for at, text in _strings(value, path))
        elif isinstance(value, BaseModel):
            yield from texts(value, f"{path}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from texts(item, f"{path}[{index}].")


def _kind(metadata: list[Any]) -> TemplateText | ExpressionText | None:
    for item in metadata:
        if isinstance(item, TemplateText | ExpressionText):
            return item
    return None


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case list():
            for index, item in enumerate(value):
                yield from _strings(item, f"{path}[{index}]")
        case dict():
            for key, item in value.items():
                yield from _strings(item, f"{path}.{key}")


def expressions(text: FieldText) -> list[tuple[Expression, int]]:
    """The compiled expressions of a field with their offsets in it. Raises `CompileError` and
    `TemplateSyntaxError`."""
    if isinstance(text.kind, ExpressionText):
        return [(compile_expression(text.text), 0)]
    return [(slot.expression, slot.offset) for slot in parse_template(text.text).slots]


RenderText = Callable[[str, str], Any]


def render_config(config: Any, render_text: RenderText, prefix: str = "") -> Any:
    """A copy of a configuration model with every template rendered by
    `render_text(text, path)`. Expressions are left: their node type evaluates them."""
    update: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        path = f"{prefix}{name}"
        if value is None or isinstance(value, SubGraph):
            continue
        if isinstance(_kind(field.metadata), TemplateText):
            update[name] = render_value(value, render_text, path)
        elif isinstance(value, BaseModel):
            update[name] = render_config(value, render_text, f"{path}.")
        elif isinstance(value, list) and any(isinstance(item, BaseModel) for item in value):
            update[name] = [
                render_config(item, render_text, f"{path}[{index}].")
                for index, item in enumerate(value)
            ]
    return config.model_copy(update=update)


def render_value(value: Any, render_text: RenderText, path: str) -> Any:
    """JSON with every string in it rendered; keys stay."""
    match value:
        case str():
            return render_text(value, path)
        case list():
            return [
                render_value(item, render_text, f"{path}[{index}]")
                for index, item in enumerate(value)
            ]
        case dict():
            return {
                key: render_value(item, render_text, f"{path}.{key}") for key, item in value.items()
            }
    return value
