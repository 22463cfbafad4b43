"""Whole graphs on the whole stack: the examples, a diamond, a very long chain."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack, execute, finished, run_events, save
from tests.workflows_def.test_gallery import CASES

ON_THE_INTERPRETER = {case.template for case in CASES} - {
    "http_summary",
    "shopping_cart",
    "simple_chatbot",
    "support_triage",
    "text_report",
}
"""What needs more than a model that echoes is run by tests/workflows_def/test_gallery.py."""
EXAMPLES = [
    file
    for file in sorted((Path(__file__).parents[2] / "examples").glob("*.json"))
    if file.stem not in ON_THE_INTERPRETER
]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
async def test_every_example_saves_without_issues_and_runs(stack: Stack, file: Path) -> None:
    graph = json.loads(file.read_text())
    assert {"name", "description", "nodes", "edges"} <= set(graph)
    assert all("position" in node for node in graph["nodes"])
    value: Any = None
    if any(node["type"] == "http" for node in graph["nodes"]):
        value = {"url": f"{stack.url}/health"}  # what is on the internet is not asked by tests
    async with stack.client("reader") as client:
        execution_id = await execute(client, await save(client, graph), value)
        execution = await finished(client, execution_id)
    assert execution["status"] == "succeeded", execution["error"]
    assert execution["output"]


DIAMOND = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "big", "type": "condition", "config": {"expression": "input.amount > 100"}},
        {"id": "review", "type": "code", "config": {"source": "'review'"}},
        {"id": "wait", "type": "code", "config": {"source": "'never'"}},
        {"id": "accept", "type": "code", "config": {"source": "'accept'"}},
        {"id": "join", "type": "code", "config": {"source": "def main(x):\n    return [x]\n"}},
        {"id": "output", "type": "output"},
    ],
    "edges": [
        {"source": "start", "target": "big"},
        {"source": "big", "target": "review", "source_handle": "true"},
        {"source": "review", "target": "wait"},
        {"source": "big", "target": "accept", "source_handle": "false"},
        {"source": "wait", "target": "join"},
        {"source": "accept", "target": "join"},
        {"source": "join", "target": "output"},
    ],
}


async def test_an_untaken_branch_is_skipped_whole_and_the_join_goes_on(stack: Stack) -> None:
    async with stack.client("diamond") as client, stack.events("diamond") as socket:
        workflow_id = await save(client, DIAMOND)
        execution_id = await execute(client, workflow_id, {"amount": 5})
        events = [event async for event in run_events(socket, execution_id)]
        execution = await finished(client, execution_id)
    assert execution["output"] == ["accept"]
    status = {node["id"]: node["status"] for node in execution["nodes"]}
    assert status == {
        "start": "succeeded",
        "big": "succeeded",
        "review": "skipped",
        "wait": "skipped",
        "accept": "succeeded",
        "join": "succeeded",
        "output": "succeeded",
    }
    skipped = {event["node_id"] for event in events if event["type"] == "node.skipped"}
    assert skipped == {"review", "wait"}


def chain(length: int) -> dict[str, Any]:
    """Start, counting nodes, output: `length` nodes in a row."""
    ids = ["start", *(f"count_{index}" for index in range(length - 2)), "output"]
    count = {"assignments": {"n": 1}, "operations": {"n": "increment"}}
    nodes: list[dict[str, Any]] = [
        {"id": node_id, "type": "variable", "config": count} for node_id in ids
    ]
    nodes[0] = {"id": "start", "type": "start"}
    nodes[-1] = {"id": "output", "type": "output", "config": {"value": "{vars.n}"}}
    edges = [{"source": source, "target": target} for source, target in pairwise(ids)]
    return {"nodes": nodes, "edges": edges}


async def test_a_chain_of_1000_nodes_is_saved_validated_and_run(stack: Stack) -> None:
    graph = chain(1000)
    async with stack.client("marathon") as client:
        began = time.monotonic()
        validated = await client.post("/api/v1/workflows/validate", json=graph)
        assert validated.json()["issues"] == []
        workflow_id = await save(client, graph)
        assert time.monotonic() - began < 5
        execution_id = await execute(client, workflow_id)
        async with stack.events("marathon") as socket:
            seen = [e["seq"] async for e in run_events(socket, execution_id) if "seq" in e]
        assert seen == list(range(1, 2 * 1000 + 3))
        execution = await finished(client, execution_id, within_s=60)
    assert execution["output"] == 998
    assert len(execution["nodes"]) == 1000
