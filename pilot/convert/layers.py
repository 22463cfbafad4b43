"""A layered drawing of a graph, left to right.

After Sugiyama, Tagawa and Toda (1981): what lies upstream stands to the left, long edges pass
through places of their own in the layers between, the order in a layer is that with few crossings
(barycentres, swept to and fro), and each thing is moved towards the middle of its neighbours.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

LAYER_GAP, ROW_GAP = 84.0, 28.0
SWEEPS = 8
MAX_WAYPOINTS = 20_000
"""Beyond so many, long edges go straight instead of around what is in their way."""

Size: TypeAlias = tuple[float, float]
Point: TypeAlias = tuple[float, float]
Key: TypeAlias = str | tuple[int, int]
"""A node's id, or an edge's number and the layer that it passes through."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """`places` are the nodes' left upper corners, `ways` the points that each edge passes between
    its ends, in the order of the edges that were given."""

    places: dict[str, Point]
    ways: list[list[Point]]
    width: float
    height: float


def draw(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]]) -> Drawing:
    """`sizes` are the nodes in the order in which they would stand; edges name them. A cycle is
    drawn as if one of its edges were turned round."""
    forward = _acyclic(sizes, edges)
    layer = _layers(sizes, forward)
    chains = _chains(forward, layer)
    rows: dict[int, list[Key]] = defaultdict(list)
    for node_id in sizes:
        rows[layer[node_id]].append(node_id)
    left: dict[Key, list[Key]] = defaultdict(list)
    right: dict[Key, list[Key]] = defaultdict(list)
    for chain in chains:
        for key in chain[1:-1]:
            assert isinstance(key, tuple)
            rows[key[1]].append(key)
        for one, other in itertools.pairwise(chain):
            right[one].append(other)
            left[other].append(one)
    order = [rows[number] for number in sorted(rows)]
    _sort(order, left, right)
    heights: dict[Key, float] = {node_id: size[1] for node_id, size in sizes.items()}
    middle = _middles(order, left, right, heights)
    turned = [way != edge for way, edge in zip(forward, edges, strict=True)]
    return _placed(sizes, order, middle, chains, turned)


def _acyclic(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges, those turned round that lead back to where a walk came from."""
    targets: dict[str, list[int]] = defaultdict(list)
    for number, (source, _) in enumerate(edges):
        targets[source].append(number)
    turned: set[int] = set()
    entered: set[str] = set()
    left: set[str] = set()
    for root in sizes:
        walk = [(root, iter(targets[root]))] if root not in entered else []
        entered.add(root)
        while walk:
            node_id, rest = walk[-1]
            number = next(rest, -1)
            if number < 0:
                left.add(node_id)
                walk.pop()
                continue
            target = edges[number][1]
            if target not in entered:
                entered.add(target)
                walk.append((target, iter(targets[target])))
            elif target not in left:
                turned.add(number)
    return [(b, a) if number in turned else (a, b) for number, (a, b) in enumerate(edges)]


def _layers(sizes: Mapping[str, Size], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The length of the longest way to each node."""
    targets: dict[str, list[str]] = defaultdict(list)
    missing = dict.fromkeys(sizes, 0)
    for source, target in edges:
        if source != target:
            targets[source].append(target)
            missing[target] += 1
    layer = dict.fromkeys(sizes, 0)
    ready = [node_id for node_id, count in missing.items() if count == 0]
    for node_id in ready:
        for target in targets[node_id]:
            layer[target] = max(layer[target], layer[node_id] + 1)
            missing[target] -= 1
            if missing[target] == 0:
                ready.append(target)
    return layer


def _chains(edges: Sequence[tuple[str, str]], layer: Mapping[str, int]) -> list[list[Key]]:
    """Each edge as its source, the places that it passes, and its target."""
    spans = sum(max(0, layer[target] - layer[source] - 1) for source, target in edges)
    return [
        [
            source,
            *(
                (number, at)
                for at in range(layer[source] + 1, layer[target])
                if spans <= MAX_WAYPOINTS
            ),
            target,
        ]
        for number, (source, target) in enumerate(edges)
    ]


def _sort(
    order: list[list[Key]],
    left: Mapping[Key, list[Key]],
    right: Mapping[Key, list[Key]],
) -> None:
    """In place, so that neighbours stand at about the same height."""
    rank: dict[Key, float] = {}
    for row in order:
        rank |= {key: float(at) for at, key in enumerate(row)}
    for sweep in range(SWEEPS):
        ahead = sweep % 2 == 0
        beside = left if ahead else right
        for row in order if ahead else reversed(order):
            weights = {
                key: sum(rank[one] for one in beside[key]) / len(beside[key])
                if beside.get(key)
                else rank[key]
                for key in row
            }
            row.sort(key=weights.__getitem__)
            rank |= {key: float(at) for at, key in enumerate(row)}


def _middles(
    order: list[list[Key]],
    left: Mapping[Key, list[Key]],
    right: Mapping[Key, list[Key]],
    heights: Mapping[Key, float],
) -> dict[Key, float]:
    """The heights of the things' middles: close to their neighbours', the order kept."""
    middle: dict[Key, float] = {}
    for row in order:
        _settle(row, dict.fromkeys(row, 0.0), heights, middle)
    for sweep in range(SWEEPS):
        for row in order if sweep % 2 == 0 else reversed(order):
            wanted = {}
            for key in row:
                beside = [middle[one] for one in (*left.get(key, ()), *right.get(key, ()))]
                wanted[key] = sum(beside) / len(beside) if beside else middle[key]
            _settle(row, wanted, heights, middle)
    return middle


def _settle(
    row: Sequence[Key],
    wanted: Mapping[Key, float],
    heights: Mapping[Key, float],
    middle: dict[Key, float],
) -> None:
    """As near to what is wanted as the room allows: neighbours that would overlap become a block,
    whose things share what they want (isotonic regression, by pooling)."""
    blocks: list[tuple[float, int]] = []  # what a block's first wants on average, and its length
    offsets: list[float] = []
    at = 0.0
    for index, key in enumerate(row):
        if index:
            at += (heights.get(row[index - 1], 0) + heights.get(key, 0)) / 2 + ROW_GAP
        offsets.append(at)
        block = (wanted[key] - at, 1)
        while blocks and blocks[-1][0] > block[0]:
            before, count = blocks.pop()
            both = count + block[1]
            block = ((before * count + block[0] * block[1]) / both, both)
        blocks.append(block)
    index = 0
    for first, count in blocks:
        for key in row[index : index + count]:
            middle[key] = first + offsets[index]
            index += 1


def _placed(
    sizes: Mapping[str, Size],
    order: list[list[Key]],
    middle: Mapping[Key, float],
    chains: list[list[Key]],
    turned: list[bool],
) -> Drawing:
    tops = (at - sizes[key][1] / 2 if isinstance(key, str) else at for key, at in middle.items())
    top = min(tops, default=0)
    places: dict[str, Point] = {}
    points: dict[Key, list[Point]] = {}
    x = height = 0.0
    for row in order:
        width = max((sizes[key][0] for key in row if isinstance(key, str)), default=0)
        for key in row:
            y = middle[key] - top
            if isinstance(key, str):
                size = sizes[key]
                places[key] = (x + (width - size[0]) / 2, y - size[1] / 2)
                height = max(height, y + size[1] / 2)
            else:
                points[key] = [(x, y), (x + width, y)]
                height = max(height, y)
        x += width + LAYER_GAP
    ways = []
    for chain, is_turned in zip(chains, turned, strict=True):
        way = [point for key in chain[1:-1] for point in points[key]]
        ways.append(way[::-1] if is_turned else way)
    return Drawing(places, ways, max(0, x - LAYER_GAP), height)
