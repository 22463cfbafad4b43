"""Which workflows a graph calls, and whether each of the calls can be.

A graph says so in its `workflow` nodes; what it calls is looked up in the store, and what that
calls in turn, for as far as runs may go. So an unknown workflow, an input that its start node does
not take, and a circle of workflows are found when a graph is saved, and not by the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from pilot.errors import ConflictError, NotFoundError
from pilot.graph.issues import Issue
from pilot.graph.model import Graph
from pilot.graph.plan import Plan, PlanNode
from pilot.graph.reads import reads
from pilot.nodes import specs
from pilot.nodes.input_schema import input_schema
from pilot.nodes.output_schema import graph_output_schema, lacks
from pilot.nodes.start import StartConfig, type_error
from pilot.nodes.workflow import MAX_DEPTH
from pilot.store import Store
from pilot.versions import DRAFT, NOT_PUBLISHED, PUBLISHED, VersionName, named

MAX_WALK = 500
"""So many workflows are looked at for one graph. What lies beyond is found by the run, which may
be `MAX_DEPTH` deep and no deeper."""

TYPE = "workflow"


@dataclass(frozen=True, slots=True)
class Call:
    """What one `workflow` node asks for, as it stands in the stored graph."""

    node_id: str
    workflow_id: str
    version: VersionName | None = None
    input: JsonValue = "{input}"
    container: str | None = None
    """The loops and maps around it, as an `Issue` has them."""
    gives_output: bool = True
    """Whether the node's output can only be the workflow's."""


@dataclass(frozen=True, slots=True)
class Callee:
    """The version that a call means, at this moment."""

    workflow_id: str
    version: int
    name: str
    graph: dict[str, Any]


async def callee(store: Store, owner: str, workflow_id: str, version: VersionName | None) -> Callee:
    """Of the owner's own workflows: anybody else's is not found, whoever shares it.

    Raises `NotFoundError` (no such workflow or version) and `ConflictError` (`not_published`).
    """
    newest = await store.get_workflow(owner, workflow_id)
    found = await named(store, newest, version)
    return Callee(workflow_id, found.version, found.name, found.graph)


def calls_of(graph: dict[str, Any] | Graph) -> Iterator[Call]:
    """The calls in a graph, those inside its loops and maps too. A node that says none that can
    be read is left out: the graph's validator has told of it."""
    for nodes, container in levels(graph):
        for node in nodes:
            config = _config(node)
            if node.get("type") == TYPE and isinstance(config.get("workflow_id"), str):
                version, given = config.get("version"), config.get("input", "{input}")
                known = version if _is_version(version) else None
                waits = config.get("wait", True) is True
                gives = waits and not isinstance(node.get("on_error"), dict | BaseModel)
                yield Call(
                    str(node.get("id")), config["workflow_id"], known, given, container, gives
                )


def levels(
    graph: dict[str, Any] | Graph, container: str | None = None
) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
    """The nodes of a graph and of each body inside, with what is around them."""
    if isinstance(graph, Graph):
        nodes: list[Any] = [vars(node) for node in graph.nodes]
    else:
        given = graph.get("nodes")
        nodes = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    yield nodes, container
    for node in nodes:
        for value in _config(node).values():
            if isinstance(value, dict) and isinstance(value.get("nodes"), list):
                inside = str(node.get("id"))
                yield from levels(value, f"{container}/{inside}" if container else inside)


def _config(node: dict[str, Any]) -> dict[str, Any]:
    """Of a node that nobody has looked at yet: in a body, say."""
    config = node.get("config")
    return config if isinstance(config, dict) else {}


async def call_issues(
    store: Store, owner: str, graph: dict[str, Any] | Graph, workflow_id: str | None = None
) -> list[Issue]:
    """What is wrong with the calls of an owner's graph: `unknown_workflow`, `unknown_version`,
    `not_published`, `missing_input`, `invalid_input`, `workflow_recursion`, `depth_exceeded`,
    `unknown_output_field`.

    `workflow_id` is whose graph it is; None where it is not saved yet. Raises what the store does.
    """
    calls = list(calls_of(graph))
    if not calls:
        return []
    walk = _Walk(store, owner, workflow_id)
    issues: list[Issue] = []
    for call in calls:
        found = [replace(one, container=call.container) for one in await _call_issues(walk, call)]
        issues.extend(found)
    issues += await _read_issues(walk, graph, calls)
    return issues


async def _read_issues(
    walk: _Walk, graph: dict[str, Any] | Graph, calls: list[Call]
) -> list[Issue]:
    """What is read of a called workflow's output that its schema says is not in it. A version that
    is not pinned may be another one by the time of the run: then it is a warning."""
    ids = Counter(node.get("id") for nodes, _ in levels(graph) for node in nodes)
    known: dict[str, tuple[Call, Callee, Any]] = {}
    for call in calls:
        if ids[call.node_id] != 1 or not call.gives_output:
            continue
        with suppress(NotFoundError, ConflictError):
            found = await walk.callee(call)
            schema = graph_output_schema(Graph.model_validate(found.graph))
            known[call.node_id] = call, found, schema
    issues = []
    for nodes, container in levels(graph) if any(known) else ():
        for read in reads(nodes, specs()):
            if read.target not in known:
                continue
            call, found, schema = known[read.target]
            if (field := lacks(schema, read.path)) is None:
                continue
            issues.append(
                Issue(
                    "unknown_output_field",
                    f"the output of the workflow {found.name!r} has no field {field!r}",
                    severity="error" if isinstance(call.version, int) else "warning",
                    node_id=read.node_id,
                    field=read.field,
                    line=read.line,
                    column=read.column,
                    container=container,
                )
            )
    return issues


async def _call_issues(walk: _Walk, call: Call) -> list[Issue]:
    try:
        found = await walk.callee(call)
    except (NotFoundError, ConflictError) as error:
        return [_unknown(call, error)]
    issues = list(_input_issues(call, found))
    if problem := await walk.problem(found):
        code, message = problem
        issues.append(Issue(code, message, node_id=call.node_id, field="config.workflow_id"))
    return issues


async def callees(store: Store, owner: str, graph: dict[str, Any]) -> list[str]:
    """The ids of all workflows that a run of the graph may come to, each once."""
    walk, found, left = _Walk(store, owner, None), dict[str, None](), list(calls_of(graph))
    while left and len(found) < MAX_WALK:
        call = left.pop()
        if call.workflow_id in found:
            continue
        found[call.workflow_id] = None
        try:
            left += calls_of((await walk.callee(call)).graph)
        except (NotFoundError, ConflictError):
            continue
    return list(found)


def input_of(graph: dict[str, Any]) -> StartConfig | None:
    """The configuration of a stored graph's start node."""
    for node in graph.get("nodes") or ():
        if node.get("type") == "start":
            try:
                return StartConfig.model_validate(node.get("config") or {})
            except ValidationError:
                return None
    return None


async def with_tool_schemas(store: Store, owner: str, plan: Plan) -> Plan:
    """The plan, in which models know of each workflow that is their tool what input it takes, but
    where the graph says so itself. One that cannot be looked up now is left as it is; a plan
    without any is given back itself."""
    walk = _Walk(store, owner, None)
    return await _with_schemas(walk, plan)


async def _with_schemas(walk: _Walk, plan: Plan) -> Plan:
    nodes = {}
    called = {node.id: node for node in plan.nodes if node.tool and node.type == TYPE}
    for place, node in enumerate(plan.nodes):
        if node.body is not None and (body := await _with_schemas(walk, node.body)) != node.body:
            nodes[place] = replace(node, body=body)
        tools = node.config.get("tools")
        if called and isinstance(tools, list):
            told = [await _with_schema(walk, tool, called) for tool in tools]
            nodes[place] = replace(nodes.get(place, node), config={**node.config, "tools": told})
    if not nodes:
        return plan
    return replace(plan, nodes=[nodes.get(place, node) for place, node in enumerate(plan.nodes)])


async def _with_schema(walk: _Walk, tool: Any, called: dict[str, PlanNode]) -> Any:
    if not isinstance(tool, dict) or "parameters" in tool or tool.get("node") not in called:
        return tool
    config = called[tool["node"]].config
    try:
        found = await walk.callee(Call("", config["workflow_id"], config.get("version")))
    except (NotFoundError, ConflictError):
        return tool
    start = input_of(found.graph)
    if start is None or not start.inputs:
        return tool
    return {**tool, "parameters": input_schema(start)}


class _Walk:
    """Looks each callee up once."""

    def __init__(self, store: Store, owner: str, workflow_id: str | None) -> None:
        self._store = store
        self._owner = owner
        self._root = workflow_id
        self._found: dict[tuple[str, VersionName | None], Callee] = {}
        self._depths: dict[str, int] = {}

    async def callee(self, call: Call) -> Callee:
        key = (call.workflow_id, call.version)
        if key not in self._found:
            self._found[key] = await callee(self._store, self._owner, *key)
        return self._found[key]

    async def problem(self, first: Callee) -> tuple[str, str] | None:
        """A circle that the call of `first` leads into, or a chain that is too long."""
        if self._root == first.workflow_id:
            return "workflow_recursion", f"the workflow {first.name!r} would call itself"
        return await self._below([first])

    async def _below(self, path: list[Callee]) -> tuple[str, str] | None:
        """`path` are the callees on the way here. How far down each workflow was met is kept, so
        that one that many call is looked through once, or again where it lies deeper."""
        here = path[-1]
        if len(path) > MAX_DEPTH:
            return "depth_exceeded", f"{_told(path)}: at most {MAX_DEPTH} call each other in a row"
        if self._depths.get(here.workflow_id, 0) >= len(path):
            return None
        self._depths[here.workflow_id] = len(path)
        for call in calls_of(here.graph):
            if len(self._found) >= MAX_WALK:
                return None
            try:
                found = await self.callee(call)
            except (NotFoundError, ConflictError):
                continue  # that workflow's own issue
            seen = [one.workflow_id for one in path]
            if found.workflow_id == self._root or found.workflow_id in seen:
                return "workflow_recursion", f"{_told([*path, found])}: they would never end"
            if problem := await self._below([*path, found]):
                return problem
        return None


def _told(path: list[Callee]) -> str:
    return "the workflows call each other: " + " → ".join(repr(one.name) for one in path)


def _unknown(call: Call, error: NotFoundError | ConflictError) -> Issue:
    if error.code == NOT_PUBLISHED:
        field, code = "version", NOT_PUBLISHED
    elif "version" in error.message:
        field, code = "version", "unknown_version"
    else:
        field, code = "workflow_id", "unknown_workflow"
    return Issue(code, error.message, node_id=call.node_id, field=f"config.{field}")


def _input_issues(call: Call, found: Callee) -> Iterator[Issue]:
    """What of the call's input is known not to be taken, before any template is rendered."""
    start = input_of(found.graph)
    if start is None or not start.inputs or _has_template(call.input):
        return
    given = {} if call.input is None else call.input
    if not isinstance(given, dict):
        names = ", ".join(field.name for field in start.inputs)
        yield Issue(
            "invalid_input",
            f"the workflow {found.name!r} takes an object with the fields {names}",
            node_id=call.node_id,
            field="config.input",
        )
        return
    for field in start.inputs:
        at = f"config.input.{field.name}"
        if field.name not in given:
            if field.required and not field.has_default:
                message = f"the workflow {found.name!r} requires the input {field.name!r}"
                yield Issue("missing_input", message, node_id=call.node_id, field="config.input")
            continue
        value = given[field.name]
        if _holds_template(value) or (value is None and not field.required):
            continue
        if problem := type_error(field, value):
            message = f"the input {field.name!r} of the workflow {found.name!r} {problem}"
            yield Issue("invalid_input", message, node_id=call.node_id, field=at)


def _has_template(value: JsonValue) -> bool:
    return isinstance(value, str) and ("{" in value or "}" in value)


def _holds_template(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(_holds_template(one) for one in value.values())
    if isinstance(value, list):
        return any(_holds_template(one) for one in value)
    return _has_template(value)


def _is_version(value: object) -> bool:
    if isinstance(value, str):
        return value in (DRAFT, PUBLISHED)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
