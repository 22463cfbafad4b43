"""The workflow node on the real server: a run begins another, and goes on with what it gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.workflow import child_id
from pilot.nodes.workflow import MAX_DEPTH
from pilot.settings import Settings
from pilot.store import Execution, Parent, Store
from pilot.store.open import open_store
from pilot.store.usage import Limits, utc_day
from tests.graph.graphs import graph, node
from tests.openai_server import OpenAIServer, Reply, calls
from tests.workflows_def.conftest import LIMIT_S, Runner
from workflows_def.messages import SIGNAL_PAUSE, SIGNAL_RESUME, UPDATE_DELIVER, Delivery

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

S, OUT = node("s", "start"), node("o", "output")
SPIN = {"source": "def main():\n    while True:\n        pass", "limits": {"time_s": 60}}
DOUBLE = [S, node("double", "code", config={"source": "def main(x):\n    return [x, x]"}), OUT]
DOUBLE_EDGES = ("s>double", "double>o")


@dataclass
class Library:
    """The stored workflows that the runs of `runner` may call, and their rows."""

    store: Store
    runner: Runner

    async def save(self, nodes: list[dict[str, Any]], *edges: str, **fields: Any) -> str:
        body = graph(nodes, *edges, **fields).to_json()
        made = await self.store.create_workflow("u", name="called", description="", graph=body)
        return made.id

    async def child(self, handle: WorkflowHandle[Any, Any], node_id: str, path: str = "") -> Any:
        """Its row, once it has begun."""
        id = child_id(handle.id.removeprefix("execution-"), node_id, path)
        async with asyncio.timeout(LIMIT_S):
            while True:
                row = await self.row(id)
                if row is not None and row.last_seq:
                    return row
                await asyncio.sleep(0.05)

    async def ended(self, row: Execution) -> Execution:
        async with asyncio.timeout(LIMIT_S):
            while True:
                row = await self.store.get_execution("u", row.id)
                if row.status.is_final:
                    return row
                await asyncio.sleep(0.05)

    async def row(self, id: str) -> Execution | None:
        found = await self.store.list_executions("u", limit=200)
        return next((one for one in found.items if one.id == id), None)

    def handle(self, row: Execution) -> WorkflowHandle[Any, Any]:
        return self.runner.client.get_workflow_handle(row.temporal_workflow_id)


@pytest.fixture
async def library(runner: Runner, worker_settings: Settings) -> AsyncIterator[Library]:
    store = await open_store(worker_settings)
    yield Library(store, runner)
    await store.close()


def call(workflow_id: str, id: str = "call", **fields: Any) -> dict[str, Any]:
    config = {"workflow_id": workflow_id, **fields.pop("config", {})}
    return node(id, "workflow", config=config, **fields)


def calling(workflow_id: str, **fields: Any) -> list[dict[str, Any]]:
    return [S, call(workflow_id, **fields), OUT]


EDGES = ("s>call", "call>o")


async def test_a_child_is_an_execution_of_its_own(runner: Runner, library: Library) -> None:
    called = await library.save(DOUBLE, *DOUBLE_EDGES)
    handle = await runner.start(calling(called), *EDGES, input=7)
    assert await runner.result(handle) == [7, 7]
    row = await library.ended(await library.child(handle, "call"))
    execution_id = handle.id.removeprefix("execution-")
    assert row.parent == Parent(execution_id, "call", "", execution_id, 1)
    assert (row.input, row.output, row.workflow_id) == (7, [7, 7], called)
    assert row.temporal_run_id == (await library.handle(row).describe()).run_id
    runs = await library.store.node_runs("u", row.id)
    assert [(one.node_id, one.status.value) for one in runs] == [
        ("s", "succeeded"),
        ("double", "succeeded"),
        ("o", "succeeded"),
    ]
    began = (await library.store.events("u", row.id))[0]
    assert began.data == {"input": 7, "parent_execution_id": execution_id}
    told = [event for event in runner.events(handle) if event.node_id == "call"]
    assert [
        (event.type, event.data.get("meta", {}).get("child_execution_id")) for event in told
    ] == [
        ("node.started", None),
        ("node.progress", row.id),
        ("node.succeeded", row.id),
    ]


async def test_a_child_that_fails_fails_its_node(runner: Runner, library: Library) -> None:
    bad = node("bad", "code", config={"source": "1 / 0"})
    called = await library.save([S, bad, OUT], "s>bad", "bad>o")
    handle = await runner.start(calling(called), *EDGES)
    cause = await runner.failure(handle)
    assert cause.type == "code_error"
    row = await library.ended(await library.child(handle, "call"))
    [state] = [one for one in (await runner.snapshot(handle)).nodes if one.id == "call"]
    assert row.error is not None
    assert state.error == {"code": "code_error", "message": f"bad: {row.error['message']}"}
    assert state.meta["child_execution_id"] == row.id


async def test_an_error_branch_takes_the_failure(runner: Runner, library: Library) -> None:
    called = await library.save(
        [S, node("v", "code", config={"source": "1 / 0"}), OUT], "s>v", "v>o"
    )
    nodes = [S, call(called, on_error="branch"), OUT, node("e", "output", config={
        "value": "{input.code}"})]  # fmt: skip
    output = await runner.run(nodes, "s>call", "call>o", "call:error>e")
    assert output == {"e": "code_error"}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"workflow_id": "5f7c2b1e-0000-4000-8000-000000000000"}, "not_found"),
        ({"version": 7}, "not_found"),
        ({"version": "published"}, "not_published"),
        ({"input": {"name": 1}}, "invalid_input"),
    ],
)
async def test_what_cannot_be_called_is_an_error(
    runner: Runner, library: Library, config: dict[str, Any], code: str
) -> None:
    start = node("s", "start", config={"inputs": [{"name": "name", "type": "string"}]})
    called = await library.save([start, OUT], "s>o")
    given = {"input": {"name": "Ada"}, **config}
    cause = await runner.failure(await runner.start(calling(called, config=given), *EDGES))
    assert cause.type == code


async def test_another_owners_workflow_is_not_found(runner: Runner, library: Library) -> None:
    body = graph([S, OUT], "s>o").to_json()
    theirs = await library.store.create_workflow("bob", name="n", description="", graph=body)
    cause = await runner.failure(await runner.start(calling(theirs.id), *EDGES))
    assert cause.type == "not_found"


async def test_versions(runner: Runner, library: Library) -> None:
    def answering(value: str) -> list[dict[str, Any]]:
        return [S, node("o", "output", config={"value": value})]

    called = await library.save(answering("one"), "s>o")
    for value in ("two", "three"):
        await library.store.update_workflow(
            "u",
            called,
            name="called",
            description="",
            graph=graph(answering(value), "s>o").to_json(),
            expected_version=None,
        )

    async def answers(version: Any) -> Any:
        config = {} if version is None else {"version": version}
        return await runner.run(calling(called, config=config), *EDGES)

    assert [await answers(version) for version in (1, None, "draft")] == ["one", "three", "three"]
    await library.store.publications.publish("u", called, 2)
    assert [await answers(version) for version in (None, "published", "draft", 1)] == [
        "two",
        "two",
        "three",
        "one",
    ]


async def test_a_cancel_reaches_the_child_and_waits_for_it(
    runner: Runner, library: Library
) -> None:
    undo = node("undo", "code", on_cancel=True, config={"source": "'undone'"})
    spin = node("spin", "code", config=SPIN)
    called = await library.save([S, spin, undo, OUT], "s>spin", "spin>o")
    handle = await runner.start(calling(called), *EDGES)
    child = await library.child(handle, "call")
    await runner.until(library.handle(child), "spin", "running")
    await handle.cancel()
    await runner.failure(handle)
    # the parent's last word comes after that of its child, clean-up included
    row = await library.store.get_execution("u", child.id)
    assert row.status.value == "cancelled"
    statuses = {one.node_id: one.status.value for one in await library.store.node_runs("u", row.id)}
    assert statuses == {"s": "succeeded", "spin": "cancelled", "undo": "succeeded", "o": "skipped"}
    [state] = [one for one in (await runner.snapshot(handle)).nodes if one.id == "call"]
    assert state.status == "cancelled"


async def test_the_childs_own_cancel_fails_the_node(runner: Runner, library: Library) -> None:
    called = await library.save([S, node("spin", "code", config=SPIN), OUT], "s>spin", "spin>o")
    handle = await runner.start(calling(called), *EDGES)
    child = await library.child(handle, "call")
    await library.handle(child).cancel()
    assert (await runner.failure(handle)).type == "child_cancelled"
    assert (await library.ended(child)).status.value == "cancelled"
    handle = await runner.start(calling(called), *EDGES)
    child = await library.child(handle, "call")
    await library.handle(child).terminate("by hand")
    assert (await runner.failure(handle)).type == "child_cancelled"


async def test_a_nodes_timeout_bounds_the_child(runner: Runner, library: Library) -> None:
    called = await library.save([S, node("spin", "code", config=SPIN), OUT], "s>spin", "spin>o")
    handle = await runner.start(calling(called, timeout_s=1), *EDGES)
    assert (await runner.failure(handle)).type == "timed_out"
    row = await library.ended(await library.child(handle, "call"))
    assert (row.status.value, row.timeout_s) == ("timed_out", 1)


async def test_pause_and_resume_reach_the_child(runner: Runner, library: Library) -> None:
    short = {"source": SPIN["source"], "limits": {"time_s": 1}}
    spin = node("spin", "code", config=short, on_error="continue")
    called = await library.save([S, spin, node("v"), OUT], "s>spin", "spin>v", "v>o")
    handle = await runner.start(calling(called), *EDGES)
    child = await library.child(handle, "call")
    await handle.signal(SIGNAL_PAUSE)
    below = library.handle(child)
    await runner.until(below, "spin", "failed")
    assert (await runner.snapshot(below)).status == "paused"
    await handle.signal(SIGNAL_RESUME)
    await runner.result(handle)
    assert (await library.ended(child)).status.value == "succeeded"


async def test_a_child_that_is_not_waited_for_outlives_its_parent(
    runner: Runner, library: Library
) -> None:
    short = {"source": SPIN["source"], "limits": {"time_s": 1}}
    spin = node("spin", "code", config=short, on_error="continue")
    called = await library.save([S, spin, OUT], "s>spin", "spin>o")
    handle = await runner.start(calling(called, config={"wait": False}), *EDGES)
    output = await runner.result(handle)
    child = await library.child(handle, "call")
    assert output == {"execution_id": child.id}
    assert (await library.ended(child)).status.value == "succeeded"


async def test_usage_is_the_childs_and_its_parents(
    runner: Runner, library: Library, model: OpenAIServer
) -> None:
    ask = node("ask", "llm", config={"prompt_template": "{input}"})
    called = await library.save([S, ask, OUT], "s>ask", "ask>o")
    model.script(Reply("fine"), Reply("fine"))
    nodes = [S, ask, call(called), OUT]
    handle = await runner.start(nodes, "s>ask", "ask>call", "call>o", input="how are you?")
    assert await runner.result(handle) == "fine"
    child = await library.ended(await library.child(handle, "call"))
    usage = (await runner.snapshot(handle)).usage
    own = next(
        one.meta["usage"] for one in (await runner.snapshot(handle)).nodes if one.id == "ask"
    )
    for name in ("prompt_tokens", "completion_tokens"):
        assert child.usage[name] > 0
        assert usage[name] == own[name] + child.usage[name]


async def test_budgets_above_hold_for_all_that_is_below(
    runner: Runner, library: Library, model: OpenAIServer
) -> None:
    """The run of `top` calls one that calls, for each item of a map, one that asks a model: the
    first answer uses up the budget of `top`, which nobody between has."""
    ask = node("ask", "llm", config={"prompt_template": "{input}", "max_tokens": 5})
    asking = await library.save([S, ask, OUT], "s>ask", "ask>o")
    each = node("each", "map", config={"items": "{input}", "parallelism": 1, "body": graph(
        [call(asking)]).to_json()})  # fmt: skip
    between = await library.save([S, each, OUT], "s>each", "each>o")
    top = await library.save(calling(between), *EDGES)
    usage, today = library.store.usage, utc_day(datetime.now(UTC))
    model.script(Reply("one two three"), Reply("four"))

    async def run(items: list[str]) -> WorkflowHandle[Any, Any]:
        return await runner.start(calling(between), *EDGES, input=items, workflow_id=top)

    await usage.put_budget("u", top, Limits(tokens=3))
    cause = await runner.failure(await run(["a", "b"]))
    assert cause.type == "budget_exceeded"
    assert "calling workflow" in cause.message
    assert len(model.requests) == 1
    [used] = {(await usage.spent("u", one, today)).tokens for one in (top, between, asking)}
    assert used > 3
    # nothing is begun any more
    before = {row.id for row in (await library.store.list_executions("u", limit=200)).items}
    assert (await runner.failure(await run(["c"]))).type == "budget_exceeded"
    begun = (await library.store.list_executions("u", limit=200)).items
    assert [row.workflow_id for row in begun if row.id not in before] == [between]
    # what is called by another is none of its business
    assert await runner.run(calling(asking), *EDGES, input="d") == "four"


async def test_a_circle_that_is_closed_while_it_runs_ends_at_the_bound(
    runner: Runner, library: Library
) -> None:
    """Each workflow is made to call the other only once that one's run has begun and its newest
    version calls nobody any more: so no check of a graph can find the circle."""
    gate = node("gate", "wait", config={"signal": "go"})

    def turning(other: str) -> dict[str, Any]:
        nodes = [S, gate, call(other, config={"version": "draft"}), OUT]
        return graph(nodes, "s>gate", "gate>call", "call>o").to_json()

    async def change(workflow_id: str, body: dict[str, Any]) -> None:
        await library.store.update_workflow(
            "u", workflow_id, name="w", description="", graph=body, expected_version=None
        )

    still = graph([S, OUT], "s>o").to_json()
    here, there = await library.save([S, OUT], "s>o"), await library.save([S, OUT], "s>o")
    await change(here, turning(there))
    handle = await runner.start(calling(here), *EDGES)
    runs = [await library.child(handle, "call")]
    for _ in range(MAX_DEPTH):
        await change(here, still)
        await change(there, turning(here))
        below = library.handle(runs[-1])
        await runner.until(below, "gate", "waiting")
        await below.execute_update(UPDATE_DELIVER, Delivery([("gate", "")]))
        if len(runs) < MAX_DEPTH:
            runs.append(await library.child(below, "call"))
        here, there = there, here
    assert (await runner.failure(handle)).type == "depth_exceeded"
    assert [(row.parent or Parent("", "", "", "", 0)).depth for row in runs] == [*range(1, 11)]
    assert await library.row(child_id(runs[-1].id, "call", "")) is None


async def test_a_chain_ends_at_its_bound(runner: Runner, library: Library) -> None:
    """A workflow that calls itself after all: saved when it did not yet."""
    called = await library.save([S, OUT], "s>o")
    body = graph(calling(called), *EDGES).to_json()
    other = await library.store.create_workflow("u", name="other", description="", graph=body)
    await library.store.update_workflow(
        "u",
        called,
        name="called",
        description="",
        graph=graph(calling(other.id), *EDGES).to_json(),
        expected_version=None,
    )
    cause = await runner.failure(await runner.start(calling(called), *EDGES))
    assert cause.type == "invalid_graph"
    assert "call each other" in cause.message


async def test_a_model_calls_a_workflow(
    runner: Runner, library: Library, model: OpenAIServer
) -> None:
    called = await library.save(DOUBLE, *DOUBLE_EDGES)
    ask = node("ask", "llm", config={"prompt_template": "{input}", "tools": [{"node": "call"}]})
    model.script(calls(("call", {}), ("call", {})), Reply("done"))
    handle = await runner.start([S, ask, call(called), OUT], "s>ask", "ask>o", input="go")
    assert await runner.result(handle) == "done"
    told = [m["content"] for m in model.requests[1]["messages"] if m["role"] == "tool"]
    assert told == ["[{}, {}]"] * 2
    for path in ("ask#1.1", "ask#1.2"):
        child = await library.child(handle, "call", path)
        assert child.parent is not None
        assert child.parent.path == path


async def test_each_item_of_a_map_has_its_own_child(runner: Runner, library: Library) -> None:
    called = await library.save(DOUBLE, *DOUBLE_EDGES)
    body = graph([call(called)]).to_json()
    each = node("each", "map", config={"items": "{input}", "body": body})
    handle = await runner.start([S, each, OUT], "s>each", "each>o", input=[1, 2, 3])
    assert await runner.result(handle) == [[1, 1], [2, 2], [3, 3]]
    for index in range(3):
        child = await library.child(handle, "call", f"each[{index}]")
        assert child.parent is not None
        assert child.parent.path == f"each[{index}]"
        assert (await library.ended(child)).output == [index + 1] * 2
