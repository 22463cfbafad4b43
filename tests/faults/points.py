"""A graph with a node of every type, the points of its run, and what a kill at each must give."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from tests.faults.outside import TOOL, Point

LOCAL = ("vars", "check", "out")
"""Of `start` there is no activity: it hands its input on."""
CALLS = ("fetch", "send", "ask", "agent", TOOL, "agent.1")
"""What reaches the outside by itself."""
ORDER = ("vars", "fetch", "calc", "check", "send", "ask", "agent", TOOL, "agent.1", "out")
REPEATED = ("fetch", "agent", TOOL, "agent.1")
"""Whose call is made again where its outcome is unknown: GET, and a model with `retry`."""
UNKNOWN = {"send": "http_outcome_unknown", "ask": "llm_outcome_unknown"}
"""Whose call is not, and the error instead."""

SPIN = """
def main(execution):
    turns = 0
    while turns < execution['input']['turns']:
        turns += 1
    return turns
"""


def graph(outside_url: str) -> dict[str, Any]:
    call = f"{outside_url}/call"

    def model(node: str, **config: Any) -> dict[str, Any]:
        return {"prompt_template": f"{{execution.id}} {node}", "model": "fake", **config}

    nodes = {
        "start": ("start", {}),
        "vars": ("variable", {"assignments": {"turns": "{execution.input.turns}"}}),
        "fetch": ("http", {"url": call}),
        "calc": ("code", {"source": SPIN, "limits": {"time_s": 60}}),
        "check": ("condition", {"expression": "nodes.calc.output == vars.turns"}),
        "send": ("http", {"url": call, "method": "POST", "body": "{vars.turns}"}),
        "ask": ("llm", model("ask")),
        "agent": ("llm", model("agent", tools=[{"node": TOOL}], on_unknown="retry")),
        TOOL: ("http", {"url": call}),
        "no": ("output", {}),
        "out": ("output", {"value": ["{vars.turns}", "{nodes.send.output.node}", "{input}"]}),
    }
    chain = itertools.pairwise(node for node in nodes if node not in (TOOL, "no"))
    edges = [*chain, ("check", "no")]
    handles = {("check", "send"): "true", ("check", "no"): "false"}
    return {
        "nodes": [{"id": id, "type": type, "config": given} for id, (type, given) in nodes.items()],
        "edges": [
            {"source": edge[0], "target": edge[1], "source_handle": handles.get(edge)}
            for edge in edges
        ],
    }


def branching(outside_url: str) -> dict[str, Any]:
    """Branches side by side, so that several ends of nodes meet in one workflow task."""
    call = f"{outside_url}/call"
    sides = [f"get{index}" for index in range(6)]
    nodes = [
        {"id": "start", "type": "start"},
        *({"id": side, "type": "http", "config": {"url": call}} for side in sides),
        *(
            {"id": f"set{side}", "type": "variable", "config": {"assignments": {side: "{input}"}}}
            for side in sides
        ),
        {"id": "send", "type": "http", "config": {"url": call, "method": "POST"}},
        {"id": "out", "type": "output", "config": {"value": "{input.node}"}},
    ]
    edges = [("start", side) for side in sides]
    edges += [(side, f"set{side}") for side in sides]
    edges += [(f"set{side}", "send") for side in sides]
    edges += [("send", "out")]
    return {"nodes": nodes, "edges": [{"source": a, "target": b} for a, b in edges]}


def output(turns: int) -> dict[str, Any]:
    return {"out": [turns, "send", "agent answers"]}


REMOTE_POINTS = [
    *(Point(place, phase) for place in CALLS for phase in ("before", "during", "after")),
    Point("calc", "before"),
    Point("calc", "after"),
    Point("record", "before"),
    Point("record", "after"),
]
LOCAL_POINTS = [Point(place, phase) for place in LOCAL for phase in ("before", "after")]


def error_of(point: Point) -> str | None:
    """The code with which a run ends that was killed there; None where it succeeds."""
    return UNKNOWN.get(point.place) if point.phase == "during" else None


def check_arrivals(point: Point, arrivals: Counter[Point], attempts: dict[str, int]) -> None:
    """What was finished is not run again, and what was under way only as its rule says.

    `attempts` are those that Temporal counts of each node's activity, which on a busy machine
    may be more than the kill has cost: a heartbeat that came too late is a lost attempt, too.
    """
    ended = error_of(point)
    reached = ORDER if ended is None else ORDER[: ORDER.index(point.place) + 1]
    for place in reached:
        begun, sent = arrivals[Point(place, "before")], arrivals[Point(place, "during")]
        if place == point.place:
            assert begun >= 2, (point, place, begun)
        else:
            assert begun == attempts.get(place, 1), (point, place, begun, attempts)
        if place in CALLS:
            assert sent == 1 or (place in REPEATED and sent <= begun), (point, place, sent)
    for place in set(ORDER) - set(reached):
        assert arrivals[Point(place, "before")] == 0, (point, place)


def attempts_of(events: list[dict[str, Any]]) -> dict[str, int]:
    """By place, of the nodes that ended. Of the rounds of `agent` the last is told."""
    ends = [event for event in events if event["type"] in ("node.succeeded", "node.failed")]
    return {
        "agent.1" if event["node_id"] == "agent" else event["node_id"]: event.get("attempt") or 1
        for event in ends
        if event["node_id"] != TOOL or event.get("path")
    }
