"""What a node's templates and expressions refer to, and whether that is in scope there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from pydantic import BaseModel

from pilot.graph.expressions import (
    CompileError,
    Expression,
    Reference,
    compile_expression,
    path_text,
)
from pilot.graph.issues import Issue
from pilot.graph.plan import References
from pilot.graph.spec import ExpressionText, PythonScope
from pilot.graph.templates import (
    FieldText,
    TemplateSyntaxError,
    parse_template,
    position,
    texts,
)
from pilot.graph.topology import Topology

PARTS = ("output", "meta")


@dataclass(slots=True)
class Found:
    """What one node's configuration refers to, gathered."""

    input: bool = False
    nodes: dict[str, set[str]] = field(default_factory=dict)
    vars: set[str] = field(default_factory=set)
    execution_input: bool = False
    all_vars: bool = False

    def references(self, python: PythonScope, reads: Sequence[str]) -> References:
        return References(
            input=self.input or python.input,
            nodes={node: sorted(parts) for node, parts in sorted(self.nodes.items())},
            vars=sorted(self.vars | set(reads)),
            execution_input=self.execution_input or python.execution,
            all_nodes=python.nodes,
            all_vars=self.all_vars or python.vars,
        )


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a graph: node ids to indexes, and for each variable the set of nodes that
    set it. `topology` is None where the graph's shape is broken, and then only the existence
    of a name is checked. `secrets` are the stored secrets' names; None where they are not
    known. `cleanup` and `tools` are the nodes that stand apart."""

    indexes: Mapping[str, int]
    setters: Mapping[str, int]
    topology: Topology | None
    secrets: frozenset[str] | None = None
    cleanup: Set[int] = frozenset()
    tools: Set[int] = frozenset()
    _unset: dict[str, int] = field(default_factory=dict)

    def is_upstream(self, index: int, of: int) -> bool:
        """Whether a way leads from the node at `index`; a clean-up comes after the whole rest."""
        assert self.topology is not None
        if of in self.cleanup and index not in self.cleanup and index not in self.tools:
            return True
        return bool(self.topology.ancestors[of] >> index & 1)

    def surely_set(self, name: str, index: int) -> bool:
        """Whether on every way to the node, some node that sets the variable ran."""
        if name not in self._unset:
            self._unset[name] = self._maybe_unset(self.setters[name])
        return not self._unset[name] >> index & 1

    def _maybe_unset(self, setters: int) -> int:
        """The set of nodes that can be reached past all setters."""
        assert self.topology is not None
        unset = 0
        for index in self.topology.order or ():
            if self.topology.certain[index] & ~(1 << index) & setters:
                continue
            links = self.topology.incoming[index]
            if not links or any(
                unset >> link.source & 1 and not setters >> link.source & 1 for link in links
            ):
                unset |= 1 << index
        return unset


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
                issues.extend(_check(reference, place, names, guarded, found))
    return found


def _expressions(
    node_id: str, text: FieldText, issues: list[Issue]
) -> Iterator[tuple[Expression, int]]:
    """The compiled expressions of a field with their offsets in it."""
    try:
        if isinstance(text.kind, ExpressionText):
            expression = compile_expression(text.text)
            if text.kind.returns == "bool" and not expression.is_bool:
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
            yield expression, 0
        else:
            for slot in parse_template(text.text).slots:
                yield slot.expression, slot.offset
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
        case "item" | "index":
            yield place.issue(
                "unknown_name", f"'{reference.root}' exists only in loops", reference.offset
            )


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
    index = names.indexes.get(node)
    if index is None:
        yield place.issue("unknown_node", f"there is no node {node!r}", reference.offset)
        return
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
    topology = names.topology
    if topology is None:
        return
    if not names.is_upstream(index, place.index):
        yield place.issue(
            "not_upstream",
            f"node {node!r} is not upstream of {place.node_id!r}: no way leads from it here",
            reference.offset,
        )
        return
    tested = reference.tested and len(reference.segments) == 2
    optional = reference.optional_at is not None and reference.optional_at <= 1
    if tested or optional or ("nodes", node) in guarded:
        return
    if not topology.certain[place.index] >> index & 1:
        yield place.issue(
            "may_be_skipped",
            f"node {node!r} may be skipped, or not be done, when {place.node_id!r} runs: guard "
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
    setters = names.setters.get(name, 0)
    if not setters:
        yield place.issue("unknown_variable", f"no variable node sets {name!r}", reference.offset)
        return
    found.vars.add(name)
    topology = names.topology
    if topology is None:
        return
    upstream = setters & topology.ancestors[place.index]
    if not upstream:
        yield place.issue(
            "variable_not_upstream",
            f"{name!r} is set, but not upstream of {place.node_id!r}",
            reference.offset,
        )
        return
    safe = reference.tested or reference.optional_at == 0 or ("vars", name) in guarded
    if not safe and not names.surely_set(name, place.index):
        yield place.issue(
            "may_be_unset",
            f"{name!r} may not be set when {place.node_id!r} runs: guard it, as in "
            f"has(vars.{name}) ? vars.{name} : null",
            reference.offset,
        )
