"""What a node's templates and expressions refer to, and whether that is in scope there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from pydantic import BaseModel

from pilot.graph.expressions import (
    CompileError,
    Expression,
    Reference,
    path_text,
)
from pilot.graph.issues import Issue
from pilot.graph.names import Names
from pilot.graph.plan import References
from pilot.graph.spec import ExpressionText, PythonScope
from pilot.graph.templates import (
    FieldText,
    TemplateSyntaxError,
    expressions,
    position,
    texts,
)

PARTS = ("output", "meta")
ITERATION = ("item", "index")


@dataclass(slots=True)
class Found:
    """What one node's configuration refers to, gathered."""

    input: bool = False
    nodes: dict[str, set[str]] = field(default_factory=dict)
    vars: set[str] = field(default_factory=set)
    execution_input: bool = False
    all_nodes: bool = False
    all_vars: bool = False
    item: bool = False

    def ask(self, python: PythonScope, reads: Iterable[str], *, iterates: bool) -> None:
        """Adds what the node's own code asks for, and the variables that it reads."""
        asks_item = python.item or python.index
        self.input |= python.input or (asks_item and not iterates and python.outside == "input")
        self.vars.update(reads)
        self.execution_input |= python.execution
        self.all_nodes |= python.nodes
        self.all_vars |= python.vars
        self.item |= python.item and iterates

    def pass_on(self, inner: Iterable[References], body: Set[str], names: Names) -> None:
        """Adds what the nodes of this node's body, by their ids, refer to outside of it: in the
        graph that `names` are of, or around that."""
        for references in inner:
            for node, parts in references.nodes.items():
                if node not in body:
                    self.nodes.setdefault(node, set()).update(parts)
            self.vars.update(name for name in references.vars if names.may_set(name))
            self.execution_input |= references.execution_input
            self.all_nodes |= references.all_nodes
            self.all_vars |= references.all_vars

    def references(self) -> References:
        return References(
            input=self.input,
            nodes={node: sorted(parts) for node, parts in sorted(self.nodes.items())},
            vars=sorted(self.vars),
            execution_input=self.execution_input,
            all_nodes=self.all_nodes,
            all_vars=self.all_vars,
            item=self.item,
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece of CEL stands: for issues that point at it."""

    node_id: str
    index: int
    field: FieldText
    offset: int

    def issue(self, code: str, message: str, offset: int) -> Issue:
        line, column = position(self.field.text, self.offset + offset)
        return Issue(
            code,
            message,
            node_id=self.node_id,
            field=f"config.{self.field.path}",
            line=line,
            column=column,
        )


def resolve(
    node_id: str, index: int, config: BaseModel, names: Names, issues: list[Issue]
) -> Found:
    """Gathers the references of a node's configuration; what is wrong goes to `issues`."""
    found = Found()
    for text in texts(config):
        for expression, offset in _expressions(node_id, text, issues):
            place = _Place(node_id, index, text, offset)
            guarded = _guarded(expression)
            for reference in expression.references:
                if reference.root in ITERATION and _iterates(text):
                    continue
                issues.extend(_check(reference, place, names, guarded, found))
    return found


def check_parameters(node_id: str, python: PythonScope, issues: list[Issue]) -> None:
    """Of code that no loop and no map is around."""
    if python.outside != "error":
        return
    issues.extend(
        Issue(
            "unknown_name",
            f"main's parameter {name!r} exists only in loops and maps",
            node_id=node_id,
            field="config.source",
        )
        for name in ITERATION
        if getattr(python, name)
    )


def _expressions(
    node_id: str, text: FieldText, issues: list[Issue]
) -> Iterator[tuple[Expression, int]]:
    """The compiled expressions of a field with their offsets in it."""
    try:
        for expression, offset in expressions(text):
            kind = text.kind
            if (
                isinstance(kind, ExpressionText)
                and kind.returns == "bool"
                and not expression.is_bool
            ):
                issues.append(
                    Issue(
                        "expression_not_bool",
                        f"the expression must be true or false, not {expression.returns.lower()}",
                        node_id=node_id,
                        field=f"config.{text.path}",
                        line=1,
                        column=1,
                    )
                )
            yield expression, offset
    except (CompileError, TemplateSyntaxError) as error:
        issues.extend(
            Issue(
                error.code,
                problem.message,
                node_id=node_id,
                field=f"config.{text.path}",
                line=problem.line,
                column=problem.column,
            )
            for problem in error.problems
        )


def _iterates(text: FieldText) -> bool:
    """Whether `item` and `index` in a field are those of its own node's iterations."""
    return isinstance(text.kind, ExpressionText) and text.kind.iterates


def is_optional(reference: Reference) -> bool:
    """Whether the value at the first step may be missing: `has(vars.x)`, `vars.?x`."""
    return reference.tested or reference.optional_at == 0


def _guarded(expression: Expression) -> set[tuple[str, str]]:
    """What the expression tests, as ("nodes", id), ("vars", name) or ("secrets", name)."""
    guarded: set[tuple[str, str]] = set()
    for reference in expression.references:
        depth = 2 if reference.root == "nodes" else 1
        if reference.tested and len(reference.segments) == depth:
            guarded.add((reference.root, str(reference.segments[0])))
    return guarded


def _check(
    reference: Reference,
    place: _Place,
    names: Names,
    guarded: set[tuple[str, str]],
    found: Found,
) -> Iterator[Issue]:
    match reference.root:
        case "input":
            found.input = True
        case "execution.input":
            found.execution_input = True
        case "nodes":
            yield from _check_node(reference, place, names, guarded, found)
        case "vars":
            yield from _check_variable(reference, place, names, guarded, found)
        case "secrets":
            yield from _check_secret(reference, place, names, guarded)
        case "hooks":
            yield from _check_hook(reference, place, names)
        case "payload" if not getattr(place.field.kind, "payload", False):
            yield place.issue(
                "unknown_name", "'payload' exists only in what a wait asks of it", reference.offset
            )
        case "item" | "index" if names.outer is None:
            yield place.issue(
                "unknown_name",
                f"'{reference.root}' exists only in loops and maps",
                reference.offset,
            )
        case "item":
            found.item = True


def _check_secret(
    reference: Reference, place: _Place, names: Names, guarded: set[tuple[str, str]]
) -> Iterator[Issue]:
    if not getattr(place.field.kind, "secrets", False):
        yield place.issue(
            "secret_not_allowed",
            "secrets may stand only in the configuration of http and llm nodes",
            reference.offset,
        )
    elif len(reference.segments) != 1 or not isinstance(reference.segments[0], str):
        yield place.issue("dynamic_reference", "write a secret as secrets.NAME", reference.offset)
    elif names.secrets is not None and reference.segments[0] not in names.secrets:
        name = reference.segments[0]
        if not is_optional(reference) and ("secrets", name) not in guarded:
            yield place.issue(
                "unknown_secret",
                f"you have no secret {name!r}: store it first (POST /api/v1/secrets)",
                reference.offset,
            )


def _check_hook(reference: Reference, place: _Place, names: Names) -> Iterator[Issue]:
    if not getattr(place.field.kind, "secrets", False):
        yield place.issue(
            "hook_not_allowed",
            "hooks may stand only in the configuration of http and llm nodes: who knows such an "
            "address may answer",
            reference.offset,
        )
    elif len(reference.segments) != 1 or not isinstance(reference.segments[0], str):
        yield place.issue(
            "dynamic_reference", "write a webhook's address as hooks.<node>", reference.offset
        )
    elif reference.segments[0] not in names.hooks:
        yield place.issue(
            "unknown_hook",
            f"there is no wait node {reference.segments[0]!r} with a webhook",
            reference.offset,
        )


def _check_node(
    reference: Reference,
    place: _Place,
    names: Names,
    guarded: set[tuple[str, str]],
    found: Found,
) -> Iterator[Issue]:
    if not reference.segments:
        yield place.issue(
            "dynamic_reference",
            "an index into nodes must be a literal, as in nodes.a.output or "
            'nodes["a"].output: only the values that are named travel to a node',
            reference.offset,
        )
        return
    node, *rest = (str(segment) for segment in reference.segments)
    level = next((level for level in names.levels(place.index) if node in level[0].indexes), None)
    if level is None:
        yield place.issue("unknown_node", f"there is no node {node!r}", reference.offset)
        return
    around, at = level
    index, here = around.indexes[node], around.ids[at]
    if rest and rest[0] not in PARTS:
        yield place.issue(
            "unknown_node_part",
            f"a node has output and meta, not {rest[0]!r}: write nodes.{node}.output.{rest[0]}",
            reference.offset,
        )
        return
    if reference.tested and not rest:
        yield place.issue(
            "bad_guard", f"test the node's output: has(nodes.{node}.output)", reference.offset
        )
        return
    found.nodes.setdefault(node, set()).update(rest[:1] or PARTS)
    topology = around.topology
    if topology is None:
        return
    if not around.is_upstream(index, at):
        yield place.issue(
            "not_upstream",
            f"node {node!r} is not upstream of {here!r}: no way leads from it here",
            reference.offset,
        )
        return
    tested = reference.tested and len(reference.segments) == 2
    optional = reference.optional_at is not None and reference.optional_at <= 1
    if tested or optional or ("nodes", node) in guarded:
        return
    if not topology.certain[at] >> index & 1:
        yield place.issue(
            "may_be_skipped",
            f"node {node!r} may be skipped, or not be done, when {here!r} runs: guard "
            f"it, as in has(nodes.{node}.output) ? {path_text(reference)} : null",
            reference.offset,
        )


def _check_variable(
    reference: Reference,
    place: _Place,
    names: Names,
    guarded: set[tuple[str, str]],
    found: Found,
) -> Iterator[Issue]:
    if not reference.segments:
        found.all_vars = True
        return
    name = str(reference.segments[0])
    if not names.may_set(name):
        yield place.issue("unknown_variable", f"no variable node sets {name!r}", reference.offset)
        return
    found.vars.add(name)
    levels = list(names.levels(place.index))
    if any(around.topology is None for around, _ in levels):
        return
    if not any(around.sets_upstream(name, at) for around, at in levels):
        yield place.issue(
            "variable_not_upstream",
            f"{name!r} is set, but not upstream of {place.node_id!r}",
            reference.offset,
        )
        return
    safe = reference.tested or reference.optional_at == 0 or ("vars", name) in guarded
    if not safe and not any(around.surely_set(name, at) for around, at in levels):
        yield place.issue(
            "may_be_unset",
            f"{name!r} may not be set when {place.node_id!r} runs: guard it, as in "
            f"has(vars.{name}) ? vars.{name} : null",
            reference.offset,
        )
