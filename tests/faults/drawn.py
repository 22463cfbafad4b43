"""Graphs that hypothesis draws, with what must become of each node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.graph.graphs import edge, node, plan
from tests.graph.test_schedule import Case, reference

PATIENT = {"max_attempts": 20, "initial_s": 0.1, "backoff": 1}
"""However often the worker dies, no node runs out of attempts."""


@dataclass(frozen=True)
class Drawn:
    """A graph; `{url}` in it stands for the server that its http nodes call, at
    `/<execution id>/<node id>`. `runs` says of each node whether a run left alone runs it, else
    it is skipped. `asks` are the http nodes."""

    text: str
    runs: dict[str, bool]
    asks: frozenset[str]

    def body(self, url: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text.replace("{url}", url))
        return body


def _config(kind: str, id: str, choice: int) -> dict[str, Any]:
    """`choice` is a branch, or how long the node takes."""
    match kind:
        case "condition":
            return {"expression": "true" if choice % 2 else "false"}
        case "code":
            return {"source": f"sum(range({choice * 1_000}))"}
        case "http":
            return {"url": f"{{url}}/{{execution.id}}/{id}?ms={choice}"}
        case _:
            return {"assignments": {f"v_{id}": id}}


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """A start, up to seven nodes that each hang on one to three earlier ones, an output under
    all ends. So chains, fan-outs and joins come about, conditions among them."""
    size = draw(st.integers(1, 7))
    ids = ["start", *[f"n{index}" for index in range(size)], "output"]
    kinds = {"start": "start", "output": "output"}
    nodes, edges = [node("start", "start")], []
    needs: dict[str, int] = {}
    takes: dict[str, tuple[str, ...]] = {}
    ends = ["start"]
    for id in ids[1:-1]:
        kind = draw(st.sampled_from(["http", "http", "code", "variable", "condition"]))
        choice = draw(st.integers(0, 1_500))
        kinds[id] = kind
        if kind == "condition":
            takes[id] = ("true",) if choice % 2 else ("false",)
        earlier = st.sampled_from(ids[: ids.index(id)])
        sources = draw(st.lists(earlier, min_size=1, max_size=3, unique=True))
        for source in sources:
            handle = ":" + draw(st.sampled_from(["true", "false"]))
            edges.append(f"{source}{handle if kinds[source] == 'condition' else ''}>{id}")
        fields: dict[str, Any] = {}
        if len(sources) > 1 and draw(st.booleans()):
            needs[id] = draw(st.integers(1, len(sources)))
            fields["join"] = "any" if needs[id] == 1 else {"n_of": needs[id]}
        if kind in ("http", "code"):
            fields["retry"] = PATIENT
        nodes.append(node(id, kind, config=_config(kind, id, choice), **fields))
        ends = [end for end in ends if end not in sources] + [id]
    nodes.append(node("output", "output", config={"value": "done"}))
    edges += [f"{end}{':true' if kinds[end] == 'condition' else ''}>output" for end in ends]
    everything = {id: takes.get(id, ("default",)) for id in ids}
    case = Case(plan(ids, *edges, needs=needs), everything, 0)
    return Drawn(
        json.dumps({"name": "drawn", "nodes": nodes, "edges": [edge(one) for one in edges]}),
        reference(case),
        frozenset(id for id, kind in kinds.items() if kind == "http"),
    )
