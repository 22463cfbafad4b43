"""A graph while it is being made: ids from titles, edges, and what surely ran before a node."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilot.convert.document import graph_of
from pilot.graph.configuration import handles_of, joining_of, typed_config
from pilot.graph.issues import Issue
from pilot.graph.joins import need
from pilot.graph.model import Graph
from pilot.graph.spec import BODY, Specs
from pilot.graph.structure import draw_links, index_nodes
from pilot.graph.topology import Topology

MAX_SLUG_CHARS = 48
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True)
class Slugs:
    """Ids that read well in an expression: `nodes.write_reply.output`. Each is given once."""

    _taken: set[str] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=dict)

    def new(self, title: str, fallback: str) -> str:
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        slug = _NOT_IN_SLUG.sub("_", plain).strip("_")[:MAX_SLUG_CHARS].strip("_")
        if not slug or slug[0].isdigit():
            other = _NOT_IN_SLUG.sub("_", fallback.lower()).strip("_") or "node"
            slug = f"{other}_{slug}".strip("_") if slug else other
        unique, count = slug, self._counts.get(slug, 1)
        while unique in self._taken:
            count += 1
            unique = f"{slug}_{count}"
        self._counts[slug] = count
        self._taken.add(unique)
        return unique


@dataclass(slots=True)
class Draft:
    """Nodes and edges in order; an edge that stands twice is drawn once."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    slugs: Slugs = field(default_factory=Slugs)
    _drawn: set[tuple[str, str, str | None]] = field(default_factory=set)

    def add(
        self,
        node_id: str,
        type_: str,
        config: Mapping[str, Any],
        position: tuple[float, float] | None = None,
        **beside: Any,
    ) -> None:
        node: dict[str, Any] = {"id": node_id, "type": type_, "config": dict(config), **beside}
        if position is not None:
            node["position"] = {"x": position[0], "y": position[1]}
        self.nodes.append(node)

    def connect(self, source: str, target: str, handle: str | None = None) -> None:
        edge = {"source": source, "target": target}
        if handle is not None:
            edge["source_handle"] = handle
        if (source, target, handle) not in self._drawn:
            self._drawn.add((source, target, handle))
            self.edges.append(edge)

    def graph(self) -> Graph:
        return graph_of({"nodes": self.nodes, "edges": self.edges})


@dataclass(frozen=True, slots=True)
class Certainty:
    """What surely ran when a node runs. Of a graph with a cycle nothing is known, and everything
    is taken as sure: the cycle is the error to see to first."""

    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of each node its level (the graph itself, or a node's body) and its index there."""
    certain: list[list[int]] = field(default_factory=list)
    """By level and index, the set of nodes that surely ran."""
    containers: list[str] = field(default_factory=list)
    """By level, the node around it."""

    @classmethod
    def of(cls, graph: Graph, specs: Specs) -> Certainty:
        found = cls({}, [], [])
        places: dict[str, tuple[int, int]] = {}
        waiting = [("", graph)]
        for container, one in waiting:
            ignored: list[Issue] = []
            indexes = index_nodes(one, ignored)
            level = len(found.certain)
            places |= {node_id: (level, index) for node_id, index in indexes.items()}
            node_specs = [specs.get(node.type) for node in one.nodes]
            configs = [
                typed_config(node, spec, specs, ignored)
                for node, spec in zip(one.nodes, node_specs, strict=True)
            ]
            handles = [
                handles_of(node, spec, config)
                for node, spec, config in zip(one.nodes, node_specs, configs, strict=True)
            ]
            links = draw_links(one, indexes, handles, node_specs, ignored)
            needs = [
                need(node, joining_of(spec, config))
                for node, spec, config in zip(one.nodes, node_specs, configs, strict=True)
            ]
            topology = Topology(len(one.nodes), links, needs)
            found.certain.append(topology.certain if topology.order is not None else [])
            found.containers.append(container)
            for node in one.nodes:
                body = node.config.get(BODY)
                if isinstance(body, dict):
                    waiting.append((node.id, Graph.model_validate(body)))
        return cls(places, found.certain, found.containers)

    def sure(self, reader: str, setter: str | None) -> bool:
        at, of = self.places.get(reader), self.places.get(setter or "")
        if at is None or of is None:
            return True
        while at[0] != of[0]:
            # what is outside was there before the body began
            at = self.places.get(self.containers[at[0]])
            if at is None:
                return True
        certain = self.certain[at[0]]
        return not certain or bool(certain[at[1]] >> of[1] & 1)
