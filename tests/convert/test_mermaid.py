"""Mermaid, out."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilot.convert.mermaid import to_mermaid
from pilot.graph.model import Graph

LINE = re.compile(
    r'  n\d+(?:\(\[|\{|\[\[|\[/|\[\(|\[)"[^"<>`|\\]*"(?:\]\)|\}|\]\]|/\]|\)\]|\])'
    r'|  n\d+ (?:-->|-\.->)(?:\|"[^"<>`|\\]*"\|)? n\d+'
)


def test_a_graph_as_a_flowchart() -> None:
    graph = Graph.model_validate(
        {
            "nodes": [
                {"id": "start", "type": "start", "config": {"name": "Begin"}},
                {"id": "big", "type": "condition", "config": {"name": 'Is it "big"?'}},
                {"id": "ask", "type": "llm", "config": {"tools": [{"node": "look"}]}},
                {"id": "look", "type": "http"},
                {"id": "end", "type": "output"},
            ],
            "edges": [
                {"source": "start", "target": "big"},
                {"source": "big", "target": "ask", "source_handle": "true"},
                {"source": "ask", "target": "end", "source_handle": "error"},
                {"source": "ask", "target": "gone"},
            ],
        }
    )
    assert to_mermaid("A: name", graph).splitlines() == [
        "---",
        'title: "A: name"',
        "---",
        "flowchart LR",
        '  n0(["Begin"])',
        '  n1{"Is it #34;big#34;?"}',
        '  n2["ask"]',
        '  n3[/"look"/]',
        '  n4(["end"])',
        "  n0 --> n1",
        '  n1 -->|"true"| n2',
        '  n2 -.->|"error"| n4',
        '  n2 -.-o|"tool"| n3',
    ]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=4, unique=True), st.text(min_size=1))
def test_no_name_becomes_syntax(ids: list[str], text: str) -> None:
    nodes: list[dict[str, Any]] = [
        {"id": one, "type": "code", "config": {"name": text}} for one in ids
    ]
    edges = [{"source": ids[0], "target": ids[1], "source_handle": text}]
    lines = to_mermaid(text, Graph.model_validate({"nodes": nodes, "edges": edges})).split("\n")
    assert lines[0] == lines[2] == "---"
    assert lines[3] == "flowchart LR"
    assert lines[-1] == ""
    assert len(lines) == 4 + len(nodes) + 1 + 1
    assert all(LINE.fullmatch(line) for line in lines[4:-1]), lines


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_name_in_a_body_becomes_syntax(text: str, handle: str) -> None:
    body = {
        "nodes": [{"id": one, "type": "code", "config": {"name": text}} for one in "xy"],
        "edges": [{"source": "x", "target": "y", "source_handle": handle}],
    }
    nodes = [{"id": "m", "type": "map", "config": {"name": text, "body": body}}]
    lines = to_mermaid("t", Graph.model_validate({"nodes": nodes, "edges": []})).split("\n")[4:-1]
    assert re.fullmatch(r'  subgraph n0\["[^"<>`|\\]*"\]', lines[0])
    assert lines[-1] == "  end"
    inner = re.compile(LINE.pattern.replace(r"n\d+", r"n0_\d+").replace("  n0", "    n0"))
    assert all(inner.fullmatch(line) for line in lines[1:-1]), lines
    assert len(lines) == 5
