"""React Flow's JSON (`toObject()`): in and out, with everything that the canvas keeps there.

Out, what πlot runs stands in each node's `data.pilot`; in, it is read from there, so a graph
comes back as it went. A flow that πlot never saw is taken by its nodes' `type` and `data`.
https://reactflow.dev/api-reference/types/react-flow-json-object
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from pilot.convert.checked import checked
from pilot.convert.document import Conversion, NotConvertibleError, graph_of, named, rows, settings
from pilot.convert.layout import positions
from pilot.convert.report import Account, Source
from pilot.convert.subflows import drawn_inside, fold, levels, may_hold, without_groups
from pilot.graph.model import Edge, Graph, Node
from pilot.graph.spec import BODY, DEFAULT_HANDLE, ERROR_HANDLE, Specs, one_handle

OURS = "pilot"
_POLICY = ("config", "retry", "timeout_s", "on_error", "join", "on_cancel")
_ADDED_EDGE = "pilot-edge-"
_BUILT_IN_TYPES = {"input": "start", "output": "output"}
"""React Flow's own node types that say what a node is for."""


def to_reactflow(name: str, description: str, graph: Graph) -> dict[str, Any]:
    """The graph as `ReactFlowInstance.toObject()` would give it, with its name beside it. Nodes
    without a position are given one."""
    inside = drawn_inside(graph)
    nodes: list[dict[str, Any]] = []
    edges: list[Edge] = []
    for level in levels(graph, inside):
        placed = positions(level)
        nodes += [_node_out(node, placed, inside) for node in level.nodes]
        edges += level.edges
    body: dict[str, Any] = {
        "name": name,
        "description": description,
        "nodes": nodes,
        "edges": [_edge_out(edge, index) for index, edge in enumerate(edges)],
        "viewport": {"x": 0, "y": 0, "zoom": 1},
    }
    return body | graph.settings


def _node_out(
    node: Node, placed: Mapping[str, tuple[float, float]], inside: Set[str]
) -> dict[str, Any]:
    own = node.model_dump(mode="json", exclude_unset=True)
    ours: dict[str, Any] = {name: own.pop(name) for name in _POLICY if name in own}
    if node.id in inside:
        # its body stands beside it, as nodes that lie in it
        ours["config"] = {key: value for key, value in ours["config"].items() if key != BODY}
        ours["subflow"] = True
    given = own.pop("data", None)
    data: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    if given is not None and not isinstance(given, dict):
        ours["data"] = given
    if given is None:
        ours["bare"] = True
    if "label" not in data:
        data["label"] = node.name
        ours["labelled"] = True
    if own.get("position") is None:
        x, y = placed[node.id]
        own["position"] = {"x": x, "y": y}
    return {**own, "data": {**data, OURS: ours}}


def _edge_out(edge: Edge, index: int) -> dict[str, Any]:
    own = edge.model_dump(mode="json", exclude_unset=True)
    if "source_handle" in own:
        own["sourceHandle"] = own.pop("source_handle")
    return {"id": f"{_ADDED_EDGE}{index}", **own}


def from_reactflow(body: Mapping[str, Any], specs: Specs) -> Conversion:
    """Raises `NotConvertibleError` for what is no flow at all."""
    account = Account("reactflow")
    all_nodes = list(rows(body, "nodes"))
    ours_of = {str(node.get("id")) for node in all_nodes if _ours(node) is not None}
    given = without_groups(all_nodes, list(rows(body, "edges")), ours_of, account)
    nodes = [_node_in(node, specs, account) for node in given]
    foreign = {
        node["id"]: node["type"]
        for node, was in zip(nodes, given, strict=True)
        if _ours(was) is None
    }
    edges = [_edge_in(edge, foreign, specs) for edge in rows(body, "edges")]
    holders = {
        node["id"]
        for node, was in zip(nodes, given, strict=True)
        if may_hold(node, specs) and ((ours := _ours(was)) is None or ours.get("subflow"))
    }
    nodes, edges = fold(nodes, edges, holders, account)
    graph: dict[str, Any] = {"nodes": nodes, "edges": edges} | settings(body)
    name, description = named(body, "React Flow")
    found = Conversion(name, description, graph_of(graph), account.report())
    return checked(found, specs) if foreign else found


def _node_in(given: Mapping[str, Any], specs: Specs, account: Account) -> dict[str, Any]:
    node = dict(given)
    node_id = node.get("id")
    if not isinstance(node_id, str):
        raise NotConvertibleError("a node without an id is no node of React Flow")
    ours = _ours(node)
    if ours is not None:
        rest = {name: value for name, value in node.pop("data").items() if name != OURS}
        if ours.get("labelled"):
            rest.pop("label", None)
        if "data" in ours:
            node["data"] = ours["data"]
        elif rest or not ours.get("bare"):
            node["data"] = rest
        node |= {name: ours[name] for name in _POLICY if name in ours}
        account.carry(_source(node, node_id), str(node.get("type")))
        return node
    return _foreign(node, node_id, specs, account)


def _ours(node: Mapping[str, Any]) -> dict[str, Any] | None:
    """What πlot keeps in a node's data; None in a node that it never saw."""
    data = node.get("data")
    ours = data.get(OURS) if isinstance(data, dict) else None
    return ours if isinstance(ours, dict) else None


def _foreign(node: dict[str, Any], node_id: str, specs: Specs, account: Account) -> dict[str, Any]:
    """A node of a flow that πlot never saw: its type says what it is, its data how."""
    data = node.get("data")
    data = data if isinstance(data, dict) else {}
    given = str(node.get("type") or "default")
    candidates = (given, data.get("type"), _BUILT_IN_TYPES.get(given))
    known = [name for name in candidates if isinstance(name, str) and name in specs]
    source = _source(node, node_id)
    if not known:
        account.dropped(
            f"nothing says what a node of type {given!r} does",
            source,
            "type",
            original=given,
            severity="error",
            action="give it a type of πlot's",
        )
        return {**node, "type": given}
    node["type"] = known[0]
    if known[0] != given:
        node["reactflow_type"] = given
    config = data.get("config")
    if not isinstance(config, dict):
        fields = specs[known[0]].config.model_fields
        config = {name: value for name, value in data.items() if name in fields}
        if "name" not in config and isinstance(data.get("label"), str):
            config["name"] = data["label"][:200]
    node.setdefault("config", config)
    for name in _POLICY[1:]:
        if name in data:
            node.setdefault(name, data[name])
    account.carry(source, known[0])
    return node


def _source(node: Mapping[str, Any], node_id: str) -> Source:
    data = node.get("data")
    label = data.get("label") if isinstance(data, dict) else None
    name = label if isinstance(label, str) and label else node_id
    return Source(node_id, name, str(node.get("type") or "default"), node_id)


def _edge_in(given: Mapping[str, Any], foreign: Mapping[str, str], specs: Specs) -> dict[str, Any]:
    edge = dict(given)
    if str(edge.get("id", "")).startswith(_ADDED_EDGE):
        edge.pop("id")
    if "sourceHandle" not in edge:
        return edge
    spec = specs.get(foreign.get(str(edge.get("source")), ""))
    named = edge["sourceHandle"] not in (None, DEFAULT_HANDLE, ERROR_HANDLE)
    if named and spec is not None and spec.handles is one_handle:
        # the canvas' own name for the one handle there is: kept as its, not as ours
        return edge
    edge["source_handle"] = edge.pop("sourceHandle")
    return edge
