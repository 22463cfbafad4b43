"""One node of a graph made ready to be tried alone."""

from __future__ import annotations

from dataclasses import replace

from pilot.errors import GraphError, NotFoundError
from pilot.graph.analysis import analyse
from pilot.graph.compile import compile_node
from pilot.graph.issues import errors
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.graph.spec import Policy, Specs


def compile_single(
    graph: Graph, specs: Specs, node_id: str, secrets: frozenset[str] | None = None
) -> Plan:
    """A plan of that node alone, with the tools that it calls; the rest of the graph may be as
    unfinished as it likes. Its failure is the run's, and its output too.

    Raises `NotFoundError` where there is no such node, and `GraphError` with the issues of the
    node and of its tools.
    """
    index = next((at for at, node in enumerate(graph.nodes) if node.id == node_id), None)
    if index is None:
        raise NotFoundError(f"there is no node {node_id!r} in the graph", code="unknown_node")
    analysis = analyse(graph, specs, secrets)
    if not analysis.configs:  # the graph was too large to be looked at
        raise GraphError(analysis.issues)
    spec = specs.get(graph.nodes[index].type)
    config = analysis.configs[index]
    named = set() if spec is None or config is None else {one.node for one in spec.tools(config)}
    chosen = [at for at, node in enumerate(graph.nodes) if at == index or node.id in named]
    ids = {graph.nodes[at].id for at in chosen}
    if found := errors([one for one in analysis.issues if one.node_id in ids and not one.edge]):
        raise GraphError(found)
    policies: dict[Policy, int] = {}
    nodes = [compile_node(graph, specs, analysis, at, policies) for at in chosen]
    alone = [
        node
        if node.tool and node.id != node_id
        else replace(node, need=None, on_error="fail", tool=False, output_key=node.id)
        for node in nodes
    ]
    return Plan(alone, [], list(policies))
