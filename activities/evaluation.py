"""Evaluates a node's templates and expressions on its scope.

Cheap expressions are evaluated where the activity runs: 3 µs each, and evaluation holds the
GIL, so a thread would gain nothing. An expression that can cost more than its data (list
macros, bindings, `replace`, `join`, `format`, or many terms) is evaluated in a process of its
own, with limits on CPU time and memory that end the process and nothing else.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from anyio import BrokenWorkerProcess, fail_after, to_process

from pilot.errors import ExpressionError, TemplateError
from pilot.graph import expressions
from pilot.graph.expressions import Expression, Reference, compile_expression
from pilot.graph.spec import NodeConfig, TemplateText
from pilot.graph.task import Scope
from pilot.graph.templates import Slot, Template, parse_template, render_config, texts
from pilot.graph.templates import render as render_template

C = TypeVar("C", bound=NodeConfig)

CPU_LIMIT_S = 2.0
MEMORY_LIMIT_BYTES = 1024 * 1024 * 1024
PATIENCE_S = 60.0
"""How long an evaluation may wait for a process and its turn on a busy machine."""


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
    expression: Expression | str, scope: Scope, *, secrets: Mapping[str, str] | None = None
) -> Any:
    """An expression's value on a scope, as JSON. Raises `ExpressionError`."""
    if isinstance(expression, str):
        expression = compile_expression(expression)
    values = _values(expression.references, scope, secrets)
    if not expression.amplifies:
        return expressions.evaluate(expression, values)
    try:
        return await _apart(expression.text, values)
    except BrokenWorkerProcess:
        # an idle process may have been killed from outside: that is not the expression's fault
        with suppress(BrokenWorkerProcess, TimeoutError, MemoryError):
            return await _apart(expression.text, values)
    except (TimeoutError, MemoryError):
        pass
    raise ExpressionError(
        f"the expression needs more than {CPU_LIMIT_S:g} s or "
        f"{MEMORY_LIMIT_BYTES >> 20} MB: use a code node",
        code="expression_too_costly",
    )


async def _apart(text: str, values: dict[str, Any]) -> Any:
    with fail_after(PATIENCE_S):
        return await to_process.run_sync(_evaluate_limited, text, values, cancellable=True)


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
            case "secrets":
                values["secrets"] = dict(secrets or {})
    return values


def _evaluate_limited(text: str, values: dict[str, Any]) -> Any:
    """Runs in the process that is spent on it: both limits end the process by a signal."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT_S)
    try:
        return expressions.evaluate(compile_expression(text), values)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
