"""Nodes that are tools: no edge leads to them, another node calls them while it runs."""

from __future__ import annotations

from pilot.graph.issues import EdgeRef, Issue
from pilot.graph.model import SubGraph
from pilot.graph.spec import NodeConfig, NodeSpec, Specs
from pilot.graph.topology import Topology


def tools_of(
    graph: SubGraph,
    indexes: dict[str, int],
    node_specs: list[NodeSpec | None],
    configs: list[NodeConfig | None],
    specs: Specs,
    issues: list[Issue],
) -> set[int]:
    """The indexes of the nodes that others use as tools; uses that cannot be go to `issues`."""
    tools: set[int] = set()
    for node, spec, config in zip(graph.nodes, node_specs, configs, strict=True):
        if spec is None or config is None:
            continue
        for use in spec.tools(config):
            index = indexes.get(use.node)
            field = f"config.{use.field}"
            if index is None:
                issues.append(
                    Issue(
                        "unknown_tool",
                        f"there is no node {use.node!r} to be used as a tool",
                        node_id=node.id,
                        field=field,
                    )
                )
                continue
            tool = node_specs[index]
            if tool is None or tool.usable_as_tool:
                tools.add(index)
                continue
            usable = ", ".join(sorted(name for name, one in specs.items() if one.usable_as_tool))
            issues.append(
                Issue(
                    "invalid_tool",
                    f"{use.node!r} is of type {graph.nodes[index].type}: only nodes of type "
                    f"{usable} can be used as tools",
                    node_id=node.id,
                    field=field,
                )
            )
    return tools


def check_tool_edges(
    graph: SubGraph, tools: set[int], topology: Topology, issues: list[Issue]
) -> None:
    """A tool runs when it is called, with what it is called with: no edge can say more."""
    for index in sorted(tools):
        node = graph.nodes[index]
        issues.extend(
            Issue(
                "tool_has_edges",
                f"{node.id!r} is used as a tool, so no edge may lead to it or leave it",
                node_id=node.id,
                edge=EdgeRef(graph.nodes[link.source].id, graph.nodes[link.target].id),
            )
            for link in (*topology.incoming[index], *topology.outgoing[index])
        )
