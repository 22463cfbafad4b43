"""Where nodes stand that no canvas has placed: in columns by their distance from the start."""

from __future__ import annotations

from collections import defaultdict

from pilot.graph.model import SubGraph

COLUMN, ROW = 260.0, 140.0


def positions(graph: SubGraph) -> dict[str, tuple[float, float]]:
    """A place for every node: its own, or one in the column after its last source. Linear."""
    ids = {node.id for node in graph.nodes}
    targets: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys((node.id for node in graph.nodes), 0)
    for edge in graph.edges:
        if edge.source in ids and edge.target in ids:
            targets[edge.source].append(edge.target)
            waiting[edge.target] += 1
    column = dict.fromkeys(waiting, 0)
    ready = [node_id for node_id, count in waiting.items() if count == 0]
    for node_id in ready:
        for target in targets[node_id]:
            column[target] = max(column[target], column[node_id] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    rows: dict[int, int] = defaultdict(int)
    placed: dict[str, tuple[float, float]] = {}
    for node in graph.nodes:
        if node.position is not None:
            placed[node.id] = (node.position.x, node.position.y)
            continue
        at = column[node.id]
        placed[node.id] = (at * COLUMN, rows[at] * ROW)
        rows[at] += 1
    return placed
