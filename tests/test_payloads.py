"""What a run's history holds of a node is what differs from its defaults, and reads as before."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from pilot.converter import LEAN
from pilot.graph.compile import compile_plan
from pilot.graph.plan import Plan, PlanEdge, PlanNode, References
from pilot.graph.spec import Policy, Retry
from pilot.graph.stretch import Stretch, StretchNode, StretchResult
from pilot.graph.task import NodeResult, NodeTask, Scope, ToolCall
from pilot.nodes import specs
from pilot.payloads.sizes import Sizes
from pilot.temporal import data_converter
from tests.graph.graphs import graph, node
from workflows_def.messages import Recorded, RecordRequest, RecordResult, Resume, RunInput

LEAN_CONVERTER = data_converter.payload_converter
FULL = pydantic_data_converter.payload_converter

BODY = {"nodes": [node("in", "code", config={"source": "item"})], "edges": []}
PLAN = compile_plan(
    graph(
        [node("s", "start"), node("m", "map", config={"items": "{input}", "body": BODY}),
         node("v"), node("o", "output", join="any")],
        "s>m", "m>v", "v>o", "m>o",
    ),
    specs(),
)  # fmt: skip
CALL = ToolCall("c", "n", "node", {"x": [0, None]}, None)
VALUES: list[Any] = [
    NodeTask("e", "w", "u", "n", "code", "n", {"source": ""}, Scope()),
    NodeTask("e", "w", "u", "n", "code", "n", {}, Scope({"a": None}, {"x": {"output": 0}}, index=0),
             path="p[0]", round=2, transcript=[{"role": "user"}], quiet=True, callers=["c"]),
    NodeResult(),
    NodeResult(0, {"attempt": 1}, [], {"v": None}, [CALL], [{"role": "tool"}], {"until": "now"}),
    NodeResult(False, handles=["true"]),
    RunInput("e", "w", "n", 1, "u", PLAN, {"x": []}, 3.0,
             Resume("before", ["s"], pinned={"v": Recorded(output=1)})),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda one: type(one).__name__)
def test_what_is_left_out_reads_as_it_was(value: Any) -> None:
    [payload] = LEAN_CONVERTER.to_payloads([value])
    # by a release that writes all of it, too
    for reader in (LEAN_CONVERTER, FULL):
        assert reader.from_payloads([payload], [type(value)]) == [value]


@pytest.mark.parametrize("value", VALUES, ids=lambda one: type(one).__name__)
def test_what_was_written_in_full_reads_too(value: Any) -> None:
    payloads = FULL.to_payloads([value])
    assert LEAN_CONVERTER.from_payloads(payloads, [type(value)]) == [value]


def test_a_task_holds_what_it_says_and_no_more() -> None:
    [payload] = LEAN_CONVERTER.to_payloads([VALUES[0]])
    assert json.loads(payload.data) == {
        "execution_id": "e", "workflow_id": "w", "user_id": "u", "node_id": "n",
        "type": "code", "name": "n", "config": {"source": ""}, "scope": {},
    }  # fmt: skip


def test_so_does_a_plan() -> None:
    plan = Plan([PlanNode("n", "start", "n")], [PlanEdge("n", "m")], [])
    [payload] = LEAN_CONVERTER.to_payloads([plan])
    assert json.loads(payload.data) == {
        "nodes": [{"id": "n", "type": "start", "name": "n"}],
        "edges": [{"source": "n", "target": "m"}],
        "policies": [],
    }


def test_what_a_later_release_may_leave_out_is_read() -> None:
    run = RunInput("e", "w", "n", 1, "u", PLAN)
    [payload] = LEAN_CONVERTER.to_payloads([run])
    written = json.loads(payload.data)
    assert written["execution_id"] == "e"
    ids = [one.id for one in PLAN.nodes]
    edges = written["plan"].pop("edges")
    del written["execution_id"]
    written["plan"]["links"] = [
        [ids.index(edge["source"]), ids.index(edge["target"]), *filter(None, [edge.get("handle")])]
        for edge in edges
    ]
    [payload] = FULL.to_payloads([written])
    assert LEAN_CONVERTER.from_payloads([payload], [RunInput]) == [replace(run, execution_id="")]


def test_so_does_a_policy() -> None:
    policies = [Policy(), Policy(Retry(4, max_s=30.0), timeout_s=600.0, heartbeat_s=10.0)]
    [payload] = LEAN_CONVERTER.to_payloads([policies])
    assert json.loads(payload.data) == [
        {},
        {"retry": {"max_attempts": 4, "max_s": 30}, "timeout_s": 600, "heartbeat_s": 10},
    ]
    [payload] = LEAN_CONVERTER.to_payloads([PLAN])
    assert LEAN_CONVERTER.from_payloads([payload], [Plan]) == [PLAN]


def test_other_values_are_as_pydantic_writes_them() -> None:
    others: list[Any] = [None, [], [1], {"a": [Scope()]}, Recorded()]
    for other in others:
        assert LEAN_CONVERTER.to_payloads([other]) == FULL.to_payloads([other])


def test_no_default_has_changed() -> None:
    """Histories lack the fields that had these values when they were written."""
    defaults = {
        PlanNode: {
            "references": References(), "need": None, "on_error": "fail", "default_output": None,
            "passes_input": False, "sets": [], "output_key": None, "tool": False, "body": None,
            "gathers": None, "cancels": False, "config": {}, "policy": 0, "pure": False,
            "hands_on": False,
        },
        Plan: {"cleanup": [], "max_parallel": None, "links": []},
        Policy: {"retry": Retry(), "timeout_s": 60.0, "heartbeat_s": None, "local": False},
        Retry: {
            "max_attempts": 3, "initial_s": 1.0, "backoff": 2.0, "max_s": 60.0, "non_retryable": (),
        },
        PlanEdge: {"handle": "default"},
        RunInput: {
            "input": None, "timeout_s": None, "resume": None, "given": None, "parent": None,
            "starter": None, "callers": [], "sizes": Sizes(payload=1_900_000, apart=None),
            "queues": {},
        },
        RecordRequest: {"rebuilt": False, "note_run": False, "starter": None, "edition": ""},
        RecordResult: {"repaired": 0},
        Stretch: {"path": "", "quiet": False, "callers": []},
        StretchNode: {
            "edges": [], "value": None, "assigned": {}, "references": References(),
            "passes_input": False, "gathers": None, "sets": [],
        },
        StretchResult: {"ended": [], "left": []},
        References: {
            "input": False, "nodes": {}, "vars": [], "execution_input": False, "all_nodes": False,
            "all_vars": False, "item": False,
        },
        Scope: {
            "input": None, "nodes": {}, "vars": {}, "execution": {}, "item": None, "index": None,
        },
        ToolCall: {"node": "", "arguments": None, "error": None},
        NodeTask: {
            "path": "", "round": 0, "transcript": [], "attempts_before": 0, "quiet": False,
            "callers": [],
        },
        NodeResult: {
            "output": None, "meta": {}, "handles": None, "vars": {}, "tool_calls": None,
            "messages": None, "follow": None,
        },
    }  # fmt: skip
    assert set(defaults) == LEAN
    for type, expected in defaults.items():
        found = {
            field.name: field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
            for field in fields(type)  # type: ignore[arg-type]
            if field.default is not MISSING or field.default_factory is not MISSING
        }
        assert {name: found.get(name, MISSING) for name in expected} == expected, type
