"""Evaluates a node's templates and expressions on its scope.

Cheap expressions are evaluated where the activity runs: 3 µs each, and evaluation holds the
GIL, so a thread would gain nothing. An expression that can cost more than its data (list
macros, bindings, `replace`, `join`, `format`, or many terms) is evaluated
[apart](apart.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from activities.apart import LIMITS_TEXT, TooCostlyError, apart
from pilot.errors import ExpressionError, NodeError, TemplateError
from pilot.graph import evaluation
from pilot.graph.expressions import Expression, Reference, compile_expression
from pilot.graph.secrets import HOOK
from pilot.graph.spec import NodeConfig, TemplateText
from pilot.graph.task import Scope
from pilot.graph.templates import Slot, Template, parse_template, render_config, texts
from pilot.graph.templates import render as render_template

C = TypeVar("C", bound=NodeConfig)


async def render(config: C, scope: Scope, *, secrets: Mapping[str, str] | None = None) -> C:
    """A copy of the configuration with every template rendered.

    A lone `{expression}` keeps its type, so a field may hold any JSON afterwards. Raises
    `ExpressionError` or `TemplateError`, naming the field.
    """
    templates: dict[str, Template] = {}
    values: dict[str, Any] = {}
    for field in texts(config):
        if not isinstance(field.kind, TemplateText) or field.text in templates:
            continue
        templates[field.text] = template = parse_template(field.text)
        for slot in template.slots:
            if slot.expression.text not in values:
                values[slot.expression.text] = await _evaluate_slot(
                    slot, scope, secrets, field.path
                )

    def render_text(text: str, path: str) -> Any:
        try:
            return render_template(templates[text], lambda expression: values[expression.text])
        except TemplateError as error:
            raise TemplateError(f"{path}: {error.message}", code=error.code) from None

    return render_config(config, render_text)  # type: ignore[no-any-return]


async def _evaluate_slot(
    slot: Slot, scope: Scope, secrets: Mapping[str, str] | None, path: str
) -> Any:
    try:
        return await evaluate(slot.expression, scope, secrets=secrets)
    except ExpressionError as error:
        raise TemplateError(
            f"{path}: {{{_short(slot.expression.text)}}}: {error.message}", code=error.code
        ) from None


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 80 else f"{text[:77]}..."


async def evaluate(
    expression: Expression | str,
    scope: Scope,
    *,
    secrets: Mapping[str, str] | None = None,
    payload: Any = None,
) -> Any:
    """An expression's value on a scope, as JSON; `payload` is what was delivered, where it is
    about that. Raises `ExpressionError`."""
    if isinstance(expression, str):
        expression = compile_expression(expression)
    values = _values(expression.references, scope, secrets) | {"payload": payload}
    if not expression.amplifies:
        return evaluation.evaluate(expression, values)
    try:
        return await apart(_evaluate_text, expression.text, values)
    except TooCostlyError:
        raise ExpressionError(
            f"the expression needs more than {LIMITS_TEXT}: use a code node",
            code="expression_too_costly",
        ) from None


async def holds(expression: str, scope: Scope, where: str) -> bool:
    """Whether a condition holds. Raises `NodeError` with the expression's code, naming the field
    (`where`), and `expression_not_bool`."""
    try:
        value = await evaluate(expression, scope)
    except ExpressionError as error:
        raise NodeError(f"{where}: {error.message}", code=error.code) from None
    if not isinstance(value, bool):
        raise NodeError(
            f"{where}: the expression gives {value!r:.100}, not true or false",
            code="expression_not_bool",
        )
    return value


def _values(
    references: tuple[Reference, ...], scope: Scope, secrets: Mapping[str, str] | None
) -> dict[str, Any]:
    """The roots that the expression refers to. A node that did not run is an empty map, so
    that `has(nodes.a.output)` is false rather than an error."""
    values: dict[str, Any] = {}
    for reference in references:
        match reference.root:
            case "input":
                values["input"] = scope.input
            case "nodes":
                nodes = values.setdefault("nodes", {})
                if reference.segments:
                    node_id = str(reference.segments[0])
                    nodes[node_id] = scope.nodes.get(node_id, {})
            case "vars":
                values["vars"] = scope.vars
            case "execution.id" | "execution.input":
                values[reference.root] = scope.execution.get(
                    reference.root.removeprefix("execution.")
                )
            case "item":
                values["item"] = scope.item
            case "index":
                values["index"] = scope.index
            case "secrets":
                values["secrets"] = dict(secrets or {})
            case "hooks":
                values["hooks"] = {
                    name.removeprefix(HOOK): value
                    for name, value in (secrets or {}).items()
                    if name.startswith(HOOK)
                }
    return values


def _evaluate_text(text: str, values: dict[str, Any]) -> Any:
    return evaluation.evaluate(compile_expression(text), values)
