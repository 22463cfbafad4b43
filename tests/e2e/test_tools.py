"""Tools through the API: every call of a tool is a node run of the execution."""

from __future__ import annotations

from pathlib import Path

from tests.graph.graphs import graph, node
from tests.openai_server import Reply, calls, openai_server
from tests.stack import Stack, execute, finished, run_events, save


async def test_the_calls_of_a_tool_are_seen_and_kept(tmp_path: Path) -> None:
    tools = [{"node": "double"}, {"node": "unused"}]
    double = {"source": "def main(input):\n    return input['x'] * 2"}
    nodes = [
        node("s", "start"),
        node("ask", "llm", config={"prompt_template": "{input}", "tools": tools}),
        node("double", "code", config=double),
        node("unused", "code"),
        node("o", "output"),
    ]
    async with openai_server() as server:
        server.script(calls(("double", {"x": 1}), ("double", {"x": 2})), Reply("2 and 4"))
        stack = Stack(tmp_path, PILOT_LLM_API_BASE=server.base_url)
        try:
            async with stack.client() as client, stack.events() as socket:
                workflow = await save(client, graph(nodes, "s>ask", "ask>o").to_json())
                execution_id = await execute(client, workflow, "hi")
                seen = [event async for event in run_events(socket, execution_id)]
                execution = await finished(client, execution_id)
        finally:
            stack.stop()
    assert execution["output"] == "2 and 4"
    runs = {
        (one["id"], one.get("path", "")): (one["status"], one.get("output"))
        for one in execution["nodes"]
    }
    assert runs["double", "ask#1.1"] == ("succeeded", 2)
    assert runs["double", "ask#1.2"] == ("succeeded", 4)
    assert runs["double", ""][0] == "succeeded"
    assert runs["unused", ""][0] == "skipped"
    # what each of the two rounds was asked, and the answer
    assert execution["usage"]["completion_tokens"] == 3
    paths = [event["path"] for event in seen if event["type"] == "node.started" and "path" in event]
    assert sorted(paths) == ["ask#1.1", "ask#1.2"]
