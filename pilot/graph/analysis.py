"""One pass over a graph that finds every issue and what a plan is made from.

`pilot.graph.validate` and `pilot.graph.compile` are its two faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilot.graph.assignments import races, setters_of
from pilot.graph.bodies import (
    body_of,
    check_body,
    check_ids,
    check_length,
    inside,
    result_node,
)
from pilot.graph.cleanup import cleanup_of
from pilot.graph.configuration import handles_of, joining_of, typed_config
from pilot.graph.issues import Issue
from pilot.graph.joins import check_joins, need
from pilot.graph.model import DefaultOutput, Node, SubGraph
from pilot.graph.names import Names
from pilot.graph.plan import References
from pilot.graph.scope import check_parameters, resolve
from pilot.graph.spec import NodeConfig, NodeSpec, Specs
from pilot.graph.structure import (
    check_branches,
    check_cycle,
    check_output_keys,
    check_shape,
    draw_links,
    index_nodes,
    sizes,
)
from pilot.graph.tools import check_tool_edges, tools_of
from pilot.graph.topology import Link, Topology


@dataclass(slots=True)
class Analysis:
    """What is known of a graph after one pass. Lists are by node index; so are the `bodies` of
    the loops and maps. `result` is the node whose output is a body's, where no output node says
    so."""

    issues: list[Issue]
    configs: list[NodeConfig | None]
    references: list[References]
    links: list[Link]
    tools: set[int] = field(default_factory=set)
    cleanup: frozenset[int] = frozenset()
    bodies: dict[int, tuple[SubGraph, Analysis]] = field(default_factory=dict)
    result: int | None = None


def analyse(graph: SubGraph, specs: Specs, secrets: frozenset[str] | None = None) -> Analysis:
    """Linear in nodes and edges, but for bit-set operations on whole node sets. `secrets` are
    the names that may be referred to; None: whichever."""
    too_big = list(sizes(graph, specs))
    if too_big:
        return Analysis(too_big, [], [], [])
    return _analyse(graph, specs, secrets)


def _analyse(
    graph: SubGraph,
    specs: Specs,
    secrets: frozenset[str] | None,
    outer: Names | None = None,
    container: int = 0,
) -> Analysis:
    """Of a whole graph, or of the body of the node `container` of the graph `outer`."""
    issues: list[Issue] = []
    indexes = index_nodes(graph, issues)
    check_ids(graph, outer, issues)
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
    joinings = [joining_of(spec, config) for spec, config in zip(node_specs, configs, strict=True)]
    needs = [need(node, joining) for node, joining in zip(graph.nodes, joinings, strict=True)]
    topology = Topology(len(graph.nodes), links, needs, _several(node_specs, configs))
    tools = tools_of(graph, indexes, node_specs, configs, specs, issues)
    check_tool_edges(graph, tools, topology, issues)
    cleanup: frozenset[int] = frozenset()
    result = None
    if outer is None:
        cleanup = cleanup_of(graph, topology, tools, issues)
        check_shape(graph, topology, tools | cleanup, issues)
    else:
        check_length(node_specs, issues)
        check_body(graph, topology, tools, issues)
        result = result_node(graph, topology, tools)
    acyclic = check_cycle(graph, topology, issues)
    check_branches(graph, handles, links, issues)
    check_joins(graph, topology, joinings, issues)
    check_output_keys(graph, configs, issues)
    setters = setters_of(graph, node_specs, configs, issues)
    hooks = {
        node.id
        for node, config in zip(graph.nodes, configs, strict=True)
        if getattr(config, "webhook", False)
    }
    names = Names(
        indexes,
        [node.id for node in graph.nodes],
        setters,
        topology if acyclic else None,
        secrets,
        cleanup,
        tools,
        outer,
        container,
        hooks,
    )
    analysis = Analysis(issues, configs, [], links, tools, cleanup, result=result)
    for index, (node, spec, config) in enumerate(
        zip(graph.nodes, node_specs, configs, strict=True)
    ):
        analysis.references.append(_references(index, node, spec, config, names, specs, analysis))
    if acyclic:
        issues.extend(races(graph, topology, setters))
    return analysis


def _several(specs: list[NodeSpec | None], configs: list[NodeConfig | None]) -> set[int]:
    """The nodes that may take several of their handles at once."""
    return {
        index
        for index, (spec, config) in enumerate(zip(specs, configs, strict=True))
        if spec is not None and config is not None and spec.several(config)
    }


def _references(
    index: int,
    node: Node,
    spec: NodeSpec | None,
    config: NodeConfig | None,
    names: Names,
    specs: Specs,
    analysis: Analysis,
) -> References:
    """The node's references, with those of its body to what is outside of that."""
    if spec is None or config is None:
        return References()
    found = resolve(node.id, index, config, names, analysis.issues)
    python = spec.python_scope(config)
    iterates = names.outer is not None
    if not iterates:
        check_parameters(node.id, python, analysis.issues)
    found.ask(python, spec.reads(config), iterates=iterates)
    body = body_of(node, spec, config, names, analysis.issues)
    if body is not None:
        inner = _analyse(body, specs, names.secrets, names, index)
        analysis.issues.extend(inside(node.id, issue) for issue in inner.issues)
        analysis.bodies[index] = body, inner
        found.pass_on(inner.references, frozenset(one.id for one in body.nodes), names)
    return found.references()


def default_output(node: Node) -> Any:
    return node.on_error.default if isinstance(node.on_error, DefaultOutput) else None
