"""What loops and maps record of their iterations, and what a run that goes on from another takes
over."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from pilot.graph.compile import compile_plan
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.sql import SqlStore
from tests.graph.graphs import graph
from tests.workflows_def.bodies import ODD_FAILS, OUT, S, again, code, each
from tests.workflows_def.conftest import Runner
from workflows_def.messages import WORKFLOW_TYPE, Resume, RunInput


@pytest.fixture
async def store(worker_settings: Settings) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(worker_settings.store_url)
    yield store
    await store.close()


async def ran(
    runner: Runner,
    store: SqlStore,
    nodes: list[dict[str, Any]],
    input: Any,
    resume: Resume | None = None,
) -> tuple[str, Any, WorkflowHandle[Any, Any]]:
    """The id of an execution that has a row, its output or its failure, and its workflow."""
    whole = graph(nodes, f"s>{nodes[1]['id']}", f"{nodes[1]['id']}>o")
    workflow = await store.create_workflow("u", name="w", description="", graph=whole.to_json())
    row = Execution(
        str(uuid.uuid4()), "u", workflow.id, 1, ExecutionStatus.QUEUED, input, datetime.now(UTC)
    )
    await store.create_execution(row)
    plan = compile_plan(whole, specs())
    run = RunInput(row.id, workflow.id, "w", 1, "u", plan, input, resume=resume)
    handle = await runner.client.start_workflow(
        WORKFLOW_TYPE, run, id=row.temporal_workflow_id, task_queue=runner.task_queue
    )
    try:
        return row.id, await runner.result(handle), handle
    except WorkflowFailureError as error:
        return row.id, error.cause, handle


async def recorded(store: SqlStore, id: str, node: str, path: str = "") -> list[tuple[Any, ...]]:
    page = await store.iterations.page("u", id, node, path, limit=200)
    return [(one.index, one.status.value, one.output) for one in page.items]


async def test_iterations_are_recorded_with_their_nodes(runner: Runner, store: SqlStore) -> None:
    inner = each([ODD_FAILS], id="inner", items="{item}", on_item_error="collect")
    id, output, _ = await ran(runner, store, [S, each([inner]), OUT], [[0, 1], [2]])
    assert output == [[0, None], [2]]
    assert await recorded(store, id, "each") == [
        (0, "succeeded", [0, None]),
        (1, "succeeded", [2]),
    ]
    assert await recorded(store, id, "inner", "each[0]") == [
        (0, "succeeded", 0),
        (1, "failed", None),
    ]
    failed = (await store.iterations.page("u", id, "inner", "each[0]")).items[1]
    assert failed.error is not None
    assert (failed.error["code"], failed.error["node_id"]) == ("code_error", "odd")
    [node] = failed.nodes
    assert (node["id"], node["status"], node["error"]["code"]) == ("odd", "failed", "code_error")
    assert failed.started_at is not None
    assert failed.finished_at is not None


async def test_items_that_had_succeeded_are_not_run_again(runner: Runner, store: SqlStore) -> None:
    """Nor if others are in the list now: an item is known by what it is."""
    nodes = [S, each([ODD_FAILS], parallelism=1, window=3), OUT]
    first, failure, _ = await ran(runner, store, nodes, [0, 2, 4, 6, 8, 1, 10])
    assert failure.type == "code_error"
    resume = Resume(source=first, partial=["each"])
    again_, output, handle = await ran(runner, store, nodes, [0, 2, 4, 60, 8, 10, 12], resume)
    assert output == [0, 2, 4, 60, 8, 10, 12]
    begun = {e.path for e in runner.events(handle, durable=False) if e.node_id == "odd"}
    assert begun == {"each[3]", "each[5]", "each[6]"}
    # and what was taken over can be taken over again
    assert len(await recorded(store, again_, "each")) == 7


async def test_items_inside_of_items_are_not_run_again_either(
    runner: Runner, store: SqlStore
) -> None:
    inner = each([ODD_FAILS], id="inner", items="{item}", parallelism=1)
    nodes = [S, each([inner], parallelism=1), OUT]
    first, failure, _ = await ran(runner, store, nodes, [[2], [4, 5]])
    assert failure.type == "code_error"
    resume = Resume(source=first, partial=["each"])
    _, output, handle = await ran(runner, store, nodes, [[2], [4, 6]], resume)
    assert output == [[2], [4, 6]]
    begun = {e.path for e in runner.events(handle, durable=False) if e.node_id == "odd"}
    assert begun == {"each[1].inner[1]"}


async def test_a_loop_goes_on_from_its_last_state(runner: Runner, store: SqlStore) -> None:
    bad = code("step", "def main(item):\n    assert item != 3, 'three'\n    return item + 1")
    good = code("step", "def main(item):\n    return item + 1")
    first, failure, _ = await ran(runner, store, [S, again([bad], condition="item < 6"), OUT], 0)
    assert failure.type == "code_error"
    resume = Resume(source=first, partial=["again"])
    nodes = [S, again([good], condition="item < 6"), OUT]
    _, output, handle = await ran(runner, store, nodes, 0, resume)
    assert output == 6
    begun = {e.path for e in runner.events(handle, durable=False) if e.node_id == "step"}
    assert begun == {"again[3]", "again[4]", "again[5]"}
    # another beginning is another loop
    _, output, handle = await ran(runner, store, nodes, 1, resume)
    assert output == 6
    begun = {e.path for e in runner.events(handle, durable=False) if e.node_id == "step"}
    assert len(begun) == 5
