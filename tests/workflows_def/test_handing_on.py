"""Start and output nodes that give their input on as it is have no activity of their own."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from pilot import runs
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.store import Execution, Parent
from tests.graph.graphs import graph, node, with_activities
from tests.workflows_def.conftest import Runner
from tests.workflows_def.test_stretches import OUT, S, markers, start, told
from workflows_def.messages import SIGNAL_PAUSE, SIGNAL_RESUME, WORKFLOW_TYPE, RunInput

CODE = node("k", "code")
NAMED = node("s", "start", config={"inputs": [
    {"name": "n", "type": "integer"}, {"name": "m", "default": "Hi", "required": False}
]})  # fmt: skip


def handing_on(plan: Plan) -> list[str]:
    return [one.id for one in plan.nodes if one.hands_on]


def run_of(plan: Plan, input: Any, parent: Parent | None = None) -> RunInput:
    row = Execution(
        id=str(uuid.uuid4()),
        owner="u",
        workflow_id="w",
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input=input,
        parent=parent,
        created_at=datetime.now(UTC),
    )
    return runs.run_of(row, "test", plan)


async def started(runner: Runner, drawn: Graph, input: Any) -> WorkflowHandle[Any, Any]:
    run = run_of(compile_plan(drawn, specs()), input)
    return await runner.client.start_workflow(
        WORKFLOW_TYPE, run, id=f"execution-{run.execution_id}", task_queue=runner.task_queue
    )


@pytest.mark.parametrize(
    ("config", "does"),
    [({}, True), ({"value": "{input}", "key": "k"}, True), ({"value": "{input}!"}, False),
     ({"output_schema": {"type": "string"}}, False)],
)  # fmt: skip
def test_what_an_output_does_to_its_input_needs_an_activity(
    config: dict[str, Any], does: bool
) -> None:
    plan = compile_plan(graph([S, node("o", "output", config=config)], "s>o"), specs())
    assert ("o" in handing_on(plan)) is does


def test_outputs_that_go_elsewhere_have_their_activity() -> None:
    """Where a large one is read: several outputs, and a run's that another run began."""
    plan = compile_plan(graph([S, OUT, node("e", "output")], "s>o", "s>e"), specs())
    assert handing_on(plan) == ["s"]
    plan = compile_plan(graph([S, OUT], "s>o"), specs())
    run = run_of(plan, 1, Parent("e", "call", "", "e", 1))
    assert handing_on(run.plan) == ["s"]
    assert run.plan.policies[run.plan.nodes[1].policy] == specs()["output"].policy


def test_a_start_node_hands_on_what_has_all_its_fields() -> None:
    plan = compile_plan(graph([NAMED, CODE, OUT], "s>k", "k>o"), specs())
    assert handing_on(plan) == ["o"]
    full, lacking, wrong = {"n": 1, "m": None}, {"n": 1}, {"n": "one", "m": "Hi"}
    assert handing_on(run_of(plan, full).plan) == ["s", "o"]
    assert [one.type for one in run_of(plan, full).plan.nodes] == ["start", "code", "output"]
    assert handing_on(run_of(plan, lacking).plan) == ["o"]
    assert handing_on(run_of(plan, wrong).plan) == ["o"]


def test_every_other_node_keeps_its_policy() -> None:
    drawn = graph([S, CODE, node("v"), OUT], "s>k", "k>v", "v>o")
    before, now = with_activities(drawn), compile_plan(drawn, specs())
    for one, other in zip(before.nodes, now.nodes, strict=True):
        if not other.hands_on:
            assert before.policies[one.policy] == now.policies[other.policy]


async def test_it_is_told_as_if_it_had_run(runner: Runner) -> None:
    drawn = graph([S, CODE, OUT], "s>k", "k>o")
    alone = await start(runner, compile_plan(drawn, specs()), {"n": 1})
    with_markers = await start(runner, with_activities(drawn), {"n": 1})
    assert await runner.result(alone) == await runner.result(with_markers)
    assert (await markers(alone), await markers(with_markers)) == (0, 2)
    assert told(runner.events(alone)) == told(runner.events(with_markers))
    times = [event.at for event in runner.events(alone)]
    assert times == sorted(times)
    states = [(await runner.snapshot(handle)).nodes for handle in (alone, with_markers)]
    for one, other in zip(*states, strict=True):
        assert (one.status, one.output, one.attempt) == (other.status, other.output, other.attempt)
        assert one.started_at is not None
        assert one.finished_at is not None


async def test_defaults_are_filled_in_by_the_activity(runner: Runner) -> None:
    drawn = graph([NAMED, OUT], "s>o")
    handle = await started(runner, drawn, {"n": 1})
    assert await runner.result(handle) == {"n": 1, "m": "Hi"}
    handle = await started(runner, drawn, {"n": 1, "m": 2})
    assert await runner.result(handle) == {"n": 1, "m": 2}
    handle = await started(runner, drawn, {"n": "one"})
    assert (await runner.failure(handle)).type == "invalid_input"


@pytest.mark.parametrize("has_activities", [False, True])
async def test_what_no_payload_holds_fails_the_node(runner: Runner, has_activities: bool) -> None:
    """Three values that fit one by one, and an output that is handed all."""
    big = [node(f"k{i}", "code", config={"source": "'x' * 900_000"}) for i in range(3)]
    drawn = graph(
        [S, *big, OUT], *(f"s>{one['id']}" for one in big), *(f"{one['id']}>o" for one in big)
    )
    plan = with_activities(drawn) if has_activities else compile_plan(drawn, specs())
    error = await runner.failure(await start(runner, plan))
    assert error.type == "node_input_too_large"


async def test_a_pause_holds_it_back(runner: Runner) -> None:
    run = run_of(compile_plan(graph([S, OUT], "s>o"), specs()), 1)
    handle = await runner.client.start_workflow(
        WORKFLOW_TYPE,
        run,
        id=f"execution-{run.execution_id}",
        task_queue=runner.task_queue,
        start_signal=SIGNAL_PAUSE,
    )
    held = await runner.snapshot(handle)
    assert (held.status, [one.status for one in held.nodes]) == ("paused", ["pending", "pending"])
    await handle.signal(SIGNAL_RESUME)
    assert await runner.result(handle) == 1
