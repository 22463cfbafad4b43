"""A snapshot's size stays within bounds, whatever the run's values are."""

from datetime import UTC, datetime

from api.executions.schemas import ExecutionOut, NodeOut, TemporalOut, UsageOut
from api.live import snapshot as snapshot_module
from api.live.snapshot import snapshot
from pilot.graph.status import ExecutionStatus, NodeStatus


def execution(*outputs):
    return ExecutionOut.model_construct(
        id="e",
        workflow_id="w",
        workflow_version=1,
        status=ExecutionStatus.RUNNING,
        error=None,
        usage=UsageOut(),
        created_at=datetime.now(UTC),
        started_at=None,
        finished_at=None,
        temporal=TemporalOut(workflow_id="execution-e", run_id=None, url=None),
        input="hi",
        output=None,
        nodes=[
            NodeOut(id=f"n{n}", type="code", status=NodeStatus.SUCCEEDED, output=output)
            for n, output in enumerate(outputs)
        ],
    )


def test_small_values_are_whole():
    data = snapshot(execution({"a": 1}, 0, False, None), 7).event.data
    assert [node["output"] for node in data["nodes"]] == [{"a": 1}, 0, False, None]
    assert data["input"] == "hi"
    assert not any("truncated" in node for node in data["nodes"])


def test_a_large_value_gives_way_to_a_preview():
    data = snapshot(execution("x" * 20_000, "small"), 7).event.data
    large, small = data["nodes"]
    assert large["output"] == "x" * 2_000
    assert large["truncated"]
    assert small["output"] == "small"


def test_many_values_together_are_bounded_too():
    one = "x" * 15_000
    made = snapshot(execution(*[one] * 500), 7)
    assert made.size < snapshot_module.MAX_VALUES_BYTES + 500 * 400
    shown = [node["output"] for node in made.event.data["nodes"]]
    whole = shown.count(one)
    assert 60 < whole < 80
    assert shown == [one] * whole + [None] * (500 - whole)
    assert all(node["truncated"] for node in made.event.data["nodes"][whole:])
