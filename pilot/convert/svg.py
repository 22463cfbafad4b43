"""A graph as a picture: SVG that follows the reader's light or dark mode.

Texts are escaped, and nothing in it refers to anything outside.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from pilot.convert.layers import Drawing, draw
from pilot.graph.model import Edge, Node, SubGraph
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE

CHAR_WIDTH, NODE_HEIGHT, MIN_WIDTH, PADDING = 7.4, 48.0, 96.0, 16.0
HEADING = 28.0
MARGIN = 24.0
MAX_LABEL_CHARS = 40

_CLASSES = {
    "start": "ends",
    "output": "ends",
    "llm": "model",
    "condition": "choice",
    "switch": "choice",
    "merge": "choice",
    "map": "body",
    "loop": "body",
    "http": "outside",
    "workflow": "outside",
    "wait": "waits",
    "approval": "waits",
}
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .type, .handle { font-size: 11px; fill: #59636e }
  rect { fill: #ffffff; stroke: #8c959f; stroke-width: 1.5 }
  rect.ends { fill: #dafbe1; stroke: #1a7f37 }
  rect.model { fill: #fbefff; stroke: #8250df }
  rect.choice { fill: #fff8c5; stroke: #9a6700 }
  rect.outside { fill: #ddf4ff; stroke: #0969da }
  rect.waits { fill: #fff1e5; stroke: #bc4c00 }
  rect.body { fill: #f6f8fa; stroke-dasharray: 5 3 }
  path.edge { fill: none; stroke: #59636e; stroke-width: 1.5 }
  path.error { stroke: #cf222e; stroke-dasharray: 5 3 }
  .arrow { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .type, .handle { fill: #9198a1 }
    rect { fill: #151b23; stroke: #656c76 }
    rect.ends { fill: #12261e; stroke: #3fb950 }
    rect.model { fill: #211b33; stroke: #ab7df8 }
    rect.choice { fill: #272115; stroke: #d29922 }
    rect.outside { fill: #121d2f; stroke: #4493f8 }
    rect.waits { fill: #2b1d14; stroke: #db6d28 }
    rect.body { fill: #0d1117 }
    path.edge { stroke: #9198a1 }
    path.error { stroke: #f85149 }
    .arrow { fill: #9198a1 }
  }
"""
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for."""
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Box:
    """A node and how large it is drawn; with what it repeats, where it holds a graph."""

    node: Node
    label: str
    width: float
    height: float
    inner: _Layout | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    boxes: dict[str, _Box]
    edges: list[Edge]
    drawing: Drawing


def to_svg(name: str, graph: SubGraph) -> str:
    """The picture as a document of its own; its title is the name."""
    layout = _layout(graph)
    width = layout.drawing.width + 2 * MARGIN
    height = layout.drawing.height + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">',
        f"<title>{_text(name)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>',
        *_drawn(layout, MARGIN, MARGIN),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _layout(graph: SubGraph) -> _Layout:
    boxes: dict[str, _Box] = {}
    for node in graph.nodes:
        boxes.setdefault(node.id, _box(node))
    edges = [edge for edge in graph.edges if edge.source in boxes and edge.target in boxes]
    sizes = {node_id: (box.width, box.height) for node_id, box in boxes.items()}
    return _Layout(boxes, edges, draw(sizes, [(edge.source, edge.target) for edge in edges]))


def _box(node: Node) -> _Box:
    label = _SPACE.sub(" ", node.name).strip() or node.id
    if len(label) > MAX_LABEL_CHARS:
        label = label[: MAX_LABEL_CHARS - 1] + "…"
    width = max(MIN_WIDTH, max(len(label), len(node.type)) * CHAR_WIDTH + 2 * PADDING)
    body = node.body
    if body is None:
        return _Box(node, label, width, NODE_HEIGHT)
    inner = _layout(body)
    return _Box(
        node,
        label,
        max(width, inner.drawing.width + 2 * PADDING),
        inner.drawing.height + 2 * PADDING + HEADING,
        inner,
    )


def _drawn(layout: _Layout, x: float, y: float) -> Iterator[str]:
    for node_id, box in layout.boxes.items():
        left, top = layout.drawing.places[node_id]
        yield from _node(box, x + left, y + top)
    for edge, way in zip(layout.edges, layout.drawing.ways, strict=True):
        yield from _edge(layout, edge, way, x, y)


def _node(box: _Box, x: float, y: float) -> Iterator[str]:
    kind = _CLASSES.get(box.node.type, "")
    yield (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="8"/>'
    )
    if box.inner is not None:
        yield f'<text x="{x + PADDING:.1f}" y="{y + 20:.1f}">{_text(box.label)}</text>'
        yield from _drawn(box.inner, x + PADDING, y + PADDING + HEADING)
        return
    middle = x + box.width / 2
    yield f'<text x="{middle:.1f}" y="{y + 21:.1f}" text-anchor="middle">{_text(box.label)}</text>'
    yield (
        f'<text class="type" x="{middle:.1f}" y="{y + 37:.1f}" '
        f'text-anchor="middle">{_text(box.node.type)}</text>'
    )


def _edge(
    layout: _Layout, edge: Edge, way: list[tuple[float, float]], x: float, y: float
) -> Iterator[str]:
    source, target = layout.boxes[edge.source], layout.boxes[edge.target]
    (left, top), (right, low) = (layout.drawing.places[one.node.id] for one in (source, target))
    points = [
        (left + source.width, top + source.height / 2),
        *way,
        (right, low + target.height / 2),
    ]
    points = [(x + one, y + other) for one, other in points]
    handle = edge.source_handle or DEFAULT_HANDLE
    kind = "edge error" if handle == ERROR_HANDLE else "edge"
    yield f'<path class="{kind}" d="{_curve(points)}" marker-end="url(#arrow)"/>'
    if handle != DEFAULT_HANDLE:
        # at its far end, where the edges of one node have parted
        right_of_it, height = points[1]
        yield (
            f'<text class="handle" x="{right_of_it - 12:.1f}" y="{height - 6:.1f}" '
            f'text-anchor="end">{_text(handle)}</text>'
        )


def _curve(points: list[tuple[float, float]]) -> str:
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        bend = abs(x1 - x0) / 2
        path += f"C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    return path


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("�", text))
