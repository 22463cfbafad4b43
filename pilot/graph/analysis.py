"""One pass over a graph that finds every issue and what a plan is made from.

`pilot.graph.validate` and `pilot.graph.compile` are its two faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilot.graph.assignments import races, setters_of
from pilot.graph.cleanup import cleanup_of
from pilot.graph.configuration import handles_of, typed_config
from pilot.graph.issues import Issue
from pilot.graph.model import DefaultOutput, Graph, Node
from pilot.graph.plan import References
from pilot.graph.scope import Names, resolve
from pilot.graph.spec import NodeConfig, NodeSpec, Specs
from pilot.graph.structure import (
    check_branches,
    check_joins,
    check_output_keys,
    check_shape,
    draw_links,
    index_nodes,
    need,
    sizes,
)
from pilot.graph.tools import check_tool_edges, tools_of
from pilot.graph.topology import Link, Topology


@dataclass(slots=True)
class Analysis:
    """What is known of a graph after one pass. Lists are by node index."""

    issues: list[Issue]
    configs: list[NodeConfig | None]
    references: list[References]
    links: list[Link]
    tools: set[int] = field(default_factory=set)
    cleanup: frozenset[int] = frozenset()


def analyse(graph: Graph, specs: Specs, secrets: frozenset[str] | None = None) -> Analysis:
    """Linear in nodes and edges, but for bit-set operations on whole node sets. `secrets` are
    the names that may be referred to; None: whichever."""
    issues: list[Issue] = []
    too_big = list(sizes(graph))
    if too_big:
        return Analysis(too_big, [], [], [])
    indexes = index_nodes(graph, issues)
    node_specs = [specs.get(node.type) for node in graph.nodes]
    configs = [
        typed_config(node, spec, specs, issues)
        for node, spec in zip(graph.nodes, node_specs, strict=True)
    ]
    handles = [
        handles_of(node, spec, config)
        for node, spec, config in zip(graph.nodes, node_specs, configs, strict=True)
    ]
    links = draw_links(graph, indexes, handles, node_specs, issues)
    topology = Topology(len(graph.nodes), links, [need(node) for node in graph.nodes])
    tools = tools_of(graph, indexes, node_specs, configs, specs, issues)
    check_tool_edges(graph, tools, topology, issues)
    cleanup = cleanup_of(graph, topology, tools, issues)
    acyclic = check_shape(graph, topology, tools | cleanup, issues)
    check_branches(graph, handles, links, issues)
    check_joins(graph, topology, issues)
    check_output_keys(graph, configs, issues)
    setters = setters_of(graph, node_specs, configs, issues)
    names = Names(indexes, setters, topology if acyclic else None, secrets, cleanup, tools)
    references = [
        _references(index, node, spec, config, names, issues)
        for index, (node, spec, config) in enumerate(
            zip(graph.nodes, node_specs, configs, strict=True)
        )
    ]
    if acyclic:
        issues.extend(races(graph, topology, setters))
    return Analysis(issues, configs, references, links, tools, cleanup)


def _references(
    index: int,
    node: Node,
    spec: NodeSpec | None,
    config: NodeConfig | None,
    names: Names,
    issues: list[Issue],
) -> References:
    if spec is None or config is None:
        return References()
    found = resolve(node.id, index, config, names, issues)
    return found.references(spec.python_scope(config), spec.reads(config))


def default_output(node: Node) -> Any:
    return node.on_error.default if isinstance(node.on_error, DefaultOutput) else None
