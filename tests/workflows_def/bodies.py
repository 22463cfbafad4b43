"""Short ways to write graphs with loops and maps, and to look into the children that run them."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory

from tests.graph.graphs import edge, node

S, OUT = node("s", "start"), node("o", "output")


def body(nodes: list[dict[str, Any]], *edges: str) -> dict[str, Any]:
    return {"nodes": nodes, "edges": [edge(text) for text in edges]}


def code(id: str, source: str, **fields: Any) -> dict[str, Any]:
    return node(id, "code", config={"source": source}, **fields)


def each(nodes: list[dict[str, Any]], *edges: str, id: str = "each", **config: Any) -> Any:
    return node(id, "map", config={"body": body(nodes, *edges), **config})


def again(nodes: list[dict[str, Any]], *edges: str, id: str = "again", **config: Any) -> Any:
    return node(id, "loop", config={"body": body(nodes, *edges), **config})


DOUBLE = code("double", "def main(item):\n    return item * 2")
MORE = code("more", "def main(item):\n    return item + 1")
ODD_FAILS = code("odd", "def main(item):\n    assert item % 2 == 0, 'odd'\n    return item")
SPIN = code("spin", "def main(item):\n    while True:\n        pass") | {
    "config": {
        "source": "def main(item):\n    while True:\n        pass",
        "limits": {"time_s": 60},
    }
}


async def children(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The ids of the child workflows that a run has begun, in order."""
    return [
        event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
    ]


async def histories(client: Any, id: str) -> list[WorkflowHistory]:
    """Of all runs of a workflow that went on in new histories, and of its children."""
    found = []
    first = client.get_workflow_handle(id)
    description = await first.describe()
    run_id: str | None = (
        description.raw_description.workflow_execution_info.first_run_id or description.run_id
    )
    while run_id:
        history = await client.get_workflow_handle(id, run_id=run_id).fetch_history()
        found.append(history)
        last = history.events[-1].workflow_execution_continued_as_new_event_attributes
        run_id = last.new_execution_run_id or None
        for event in history.events:
            attributes = event.start_child_workflow_execution_initiated_event_attributes
            if attributes.workflow_id:
                found += await histories(client, attributes.workflow_id)
    return found
