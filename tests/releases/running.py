"""Runs begun by an earlier release, by its own code: its plans, its workers."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution, Store
from tests.stack import clean_environment
from workflows_def.messages import QUERY_EVENTS, WORKFLOW_TYPE, EventsPage

USER = "tester"
TASK_QUEUE = "pilot"

# What every release can do, by names that stay: from graphs to plans.
_COMPILE = """
import json, sys
from pydantic import TypeAdapter
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.nodes import specs
graphs = json.load(sys.stdin)
plans = {name: compile_plan(Graph.model_validate(body), specs()) for name, body in graphs.items()}
json.dump({name: TypeAdapter(Plan).dump_python(plan, mode="json")
           for name, plan in plans.items()}, sys.stdout)
"""

Graphs = Mapping[str, Mapping[str, Any]]


def plans_of(code: Path, graphs: Graphs) -> dict[str, Any]:
    """The plans that the release unpacked at `code` makes of graphs, as it would send them."""
    answer = subprocess.run(
        [sys.executable, "-P", "-c", _COMPILE],
        input=json.dumps(graphs),
        env=clean_environment(PYTHONPATH=str(code)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    plans: dict[str, Any] = json.loads(answer.stdout)
    return plans


async def start(
    client: Client,
    store: Store,
    graph: Mapping[str, Any],
    plan: Any,
    *,
    task_queue: str = TASK_QUEUE,
) -> WorkflowHandle[Any, Any]:
    """A run with its row, as an API of that release starts it. The argument holds what the
    first release knew, and nothing newer."""
    workflow = await store.create_workflow(
        USER, name="kept", description="", graph={"nodes": graph["nodes"], "edges": graph["edges"]}
    )
    execution = Execution(
        id=str(uuid.uuid4()),
        owner=USER,
        workflow_id=workflow.id,
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input=None,
        created_at=datetime.now(UTC),
    )
    await store.create_execution(execution)
    run = {
        "execution_id": execution.id,
        "workflow_id": workflow.id,
        "workflow_name": "kept",
        "workflow_version": 1,
        "user_id": USER,
        "plan": plan,
        "input": None,
    }
    return await client.start_workflow(
        WORKFLOW_TYPE, run, id=execution.temporal_workflow_id, task_queue=task_queue
    )


async def events_of(handle: WorkflowHandle[Any, Any]) -> list[Event]:
    """The run's own list."""
    events: list[Event] = []
    more = True
    while more:
        page = await handle.query(QUERY_EVENTS, len(events), result_type=EventsPage)
        events += [Event.from_json(body) for body in page.events]
        more = page.more
    return events
