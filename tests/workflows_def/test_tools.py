"""A model that calls nodes, on the real server: each call is a run of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from tests.graph.graphs import node
from tests.openai_server import Failure, OpenAIServer, Reply, calls
from tests.workflows_def.conftest import Runner

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

S, OUT = node("s", "start"), node("o", "output")
EDGES = ("s>ask", "ask>o")
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    "required": ["a", "b"],
}
DIVIDE = node(
    "divide", "code", config={"source": "def main(input):\n    return input['a'] / input['b']"}
)
NOW = node("now", "code", config={"source": "{'hour': 7}"})


def ask(**config: Any) -> dict[str, Any]:
    tools = [{"node": "divide", "parameters": NUMBERS}, {"node": "now"}]
    return node("ask", "llm", config={"prompt_template": "{input}", "tools": tools, **config})


NODES = [S, ask(), DIVIDE, NOW, OUT]


async def test_each_call_is_a_run_of_its_own(runner: Runner, model: OpenAIServer) -> None:
    model.script(
        calls(("divide", {"a": 6, "b": 3}), ("divide", {"a": 1, "b": 2})),
        calls(("divide", {"a": 9, "b": 3})),
        Reply("two, a half, three"),
    )
    handle = await runner.start(NODES, *EDGES, input="divide")
    assert await runner.result(handle) == "two, a half, three"

    told = [m["content"] for m in model.requests[2]["messages"] if m["role"] == "tool"]
    assert told == ["2.0", "0.5", "3.0"]
    snapshot = await runner.snapshot(handle)
    states = [(one.id, one.path, one.status, one.reason, one.output) for one in snapshot.nodes]
    assert states == [
        ("s", "", "succeeded", None, "divide"),
        ("ask", "", "succeeded", None, "two, a half, three"),
        ("divide", "", "succeeded", None, None),
        ("divide", "ask#1.1", "succeeded", None, 2.0),
        ("divide", "ask#1.2", "succeeded", None, 0.5),
        ("divide", "ask#2.1", "succeeded", None, 3.0),
        ("now", "", "skipped", "tool_not_called", None),
        ("o", "", "succeeded", None, "two, a half, three"),
    ]
    meta = {one.id: one.meta for one in snapshot.nodes if not one.path}
    assert meta["divide"] == {"calls": 3, "failed": 0}
    assert meta["ask"]["rounds"] == 2
    assert [call["path"] for call in meta["ask"]["tool_calls"]] == ["ask#1.1", "ask#1.2", "ask#2.1"]
    assert snapshot.usage["completion_tokens"] == 4
    # what each of the three rounds was asked
    assert meta["ask"]["usage"]["prompt_tokens"] == snapshot.usage["prompt_tokens"]
    assert snapshot.usage["prompt_tokens"] > 3

    events = [(e.type.value, e.path) for e in runner.events(handle) if e.node_id == "divide"]
    assert events[:3] == [
        ("node.started", ""),
        ("node.started", "ask#1.1"),
        ("node.started", "ask#1.2"),
    ]
    assert sorted(events[3:5]) == [("node.succeeded", "ask#1.1"), ("node.succeeded", "ask#1.2")]
    assert events[-1] == ("node.succeeded", "")
    assert [e.seq for e in runner.events(handle)] == list(range(1, len(runner.events(handle)) + 1))


async def test_a_failing_call_is_told_to_the_model(runner: Runner, model: OpenAIServer) -> None:
    model.script(
        calls(("divide", {"a": 1, "b": 0}), ("divide", {"a": "x"}), ("guess", {})),
        Reply("it cannot be done"),
    )
    handle = await runner.start(NODES, *EDGES, input="x")
    assert await runner.result(handle) == "it cannot be done"
    told = [json.loads(m["content"]) for m in model.requests[1]["messages"] if m["role"] == "tool"]
    assert [one["error"]["code"] for one in told] == [
        "code_error",
        "invalid_tool_call",
        "invalid_tool_call",
    ]
    assert "division" in told[0]["error"]["message"]
    snapshot = await runner.snapshot(handle)
    runs = {one.path: one.status for one in snapshot.nodes if one.path}
    assert runs == {"ask#1.1": "failed"}
    [meta] = [one.meta for one in snapshot.nodes if one.id == "ask"]
    assert [call.get("error") for call in meta["tool_calls"]] == [
        "code_error",
        "invalid_tool_call",
        "invalid_tool_call",
    ]


async def test_a_default_stands_in_for_a_failing_call(runner: Runner, model: OpenAIServer) -> None:
    model.script(calls(("divide", {"a": 1, "b": 0})), Reply("ok"))
    nodes = [S, ask(), DIVIDE | {"on_error": {"default": "infinity"}}, NOW, OUT]
    assert await runner.run(nodes, *EDGES, input="x") == "ok"
    assert model.requests[1]["messages"][-1]["content"] == "infinity"


async def test_a_round_is_retried_without_its_tools(runner: Runner, model: OpenAIServer) -> None:
    model.script(calls(("now", {})), Failure(503, retry_after="0"), Reply("seven"))
    handle = await runner.start(NODES, *EDGES, input="x")
    assert await runner.result(handle) == "seven"
    assert len(model.requests) == 3
    snapshot = await runner.snapshot(handle)
    assert [one.path for one in snapshot.nodes if one.path] == ["ask#1.1"]


async def test_rounds_end(runner: Runner, model: OpenAIServer) -> None:
    model.script(*[calls(("now", {}))] * 3)
    handle = await runner.start([S, ask(max_tool_rounds=2), DIVIDE, NOW, OUT], *EDGES, input="x")
    cause = await runner.failure(handle)
    assert cause.type == "llm_tool_rounds"
    snapshot = await runner.snapshot(handle)
    states = {(one.id, one.path): (one.status, one.reason) for one in snapshot.nodes}
    assert states["ask", ""] == ("failed", None)
    assert states["now", ""] == ("succeeded", None)
    assert states["divide", ""] == ("skipped", "execution_failed")
    assert snapshot.usage["prompt_tokens"] > 3


async def test_what_the_tools_give_is_bounded(runner: Runner, model: OpenAIServer) -> None:
    big = node("now", "code", config={"source": "'x' * 900_000"})
    model.script(calls(*[("now", {})] * 3), Reply("much"))
    assert await runner.run([S, ask(), DIVIDE, big, OUT], *EDGES, input="x") == "much"
    told = [m["content"] for m in model.requests[1]["messages"] if m["role"] == "tool"]
    assert [len(text) < 100_100 for text in told] == [True] * 3
    assert told[0].endswith("(cut: 900,000 characters)")


async def test_a_cancel_ends_the_calls(runner: Runner, model: OpenAIServer) -> None:
    endless = "def main():\n    while True:\n        pass"
    slow = node("now", "code", config={"source": endless, "limits": {"time_s": 120}})
    model.script(calls(("now", {})))
    handle = await runner.start([S, ask(), DIVIDE, slow, OUT], *EDGES, input="x")
    await runner.until(handle, "now", "running")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await runner.result(handle)
    snapshot = await runner.snapshot(handle)
    states = {(one.id, one.path): (one.status, one.reason) for one in snapshot.nodes}
    assert states["ask", ""] == ("cancelled", "execution_cancelled")
    assert states["now", "ask#1.1"][0] == "cancelled"
    assert states["now", ""] == ("succeeded", None)
    assert states["divide", ""] == ("skipped", "execution_cancelled")
    assert states["o", ""] == ("skipped", "execution_cancelled")
