"""What Temporal's Web UI shows of a run: a small graph whole, of a large one what matters."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from benchmarks.loop import shape
from pilot.graph.compile import compile_plan
from pilot.graph.schedule import Schedule
from pilot.graph.status import NodeStatus
from pilot.nodes import specs
from tests.graph.graphs import plan
from workflows_def.details import MAX_ROWS, details


def test_a_small_graph_is_shown_whole() -> None:
    small = plan(["a", "b", "c"], "a>b", "b>c")
    schedule = Schedule(small)
    schedule.begin()
    schedule.started("a")
    schedule.completed("a", ["default"])
    schedule.started("b")
    lines = details(small, schedule, "running").splitlines()
    assert lines[0] == "**running**: 1 pending, 1 running, 1 succeeded"
    assert [line.split("|")[3].strip() for line in lines[4:]] == ["succeeded", "running", "pending"]


def test_of_a_large_graph_what_is_under_way_or_failed_comes_first() -> None:
    large = compile_plan(shape("fan-out", 200, "code"), specs())
    schedule = Schedule(large)
    schedule.begin()
    schedule.started("start")
    for node_id in schedule.completed("start", ["default"]).ready:
        schedule.started(node_id)
        if node_id != "n150":
            schedule.completed(node_id, ["default"])
    schedule.waits("n150", True)
    lines = details(large, schedule, "waiting").splitlines()
    assert lines[0] == "**waiting**: 1 pending, 1 waiting, 200 succeeded"
    assert lines[4] == "| n150 | code | waiting |"
    assert lines[5] == "| start | start | succeeded |"
    assert len(lines) == 4 + MAX_ROWS + 1
    assert lines[-1] == f"| and {202 - MAX_ROWS} more | | |"


@pytest.mark.parametrize("end", [NodeStatus.SUCCEEDED, NodeStatus.FAILED])
def test_it_costs_the_same_for_any_size(end: NodeStatus) -> None:
    """The functions that are called, of which the machine's speed does not matter."""

    def calls(size: int) -> int:
        large = compile_plan(shape("fan-out", size, "code"), specs())
        schedule = Schedule(large)
        schedule.begin()
        schedule.started("start")
        for node_id in schedule.completed("start", ["default"]).ready:
            schedule.started(node_id)
            schedule.completed(node_id, ["default"], end)
        return counted(lambda: details(large, schedule, "running"))

    assert calls(2_000) <= calls(200) + 10


def counted(function: Any) -> int:
    count = 0

    def called(_frame: FrameType, event: str, _given: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count
