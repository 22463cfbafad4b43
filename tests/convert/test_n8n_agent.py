"""n8n's agents: tools that are nodes, and what was said before."""

from __future__ import annotations

from typing import Any

from pilot.convert.document import Conversion
from pilot.convert.formats import convert
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.n8n_workflow import n8n_body, n8n_node

LANGCHAIN = "@n8n/n8n-nodes-langchain"


def agent(*tools: dict[str, Any], base_url: str = "") -> Conversion:
    model = n8n_node("Model", f"{LANGCHAIN}.lmChatOpenAi", {"model": "gpt-4o-mini"})
    memory = n8n_node("Memory", f"{LANGCHAIN}.memoryBufferWindow")
    nodes = [
        n8n_node("Chat", f"{LANGCHAIN}.chatTrigger"),
        n8n_node("Agent", f"{LANGCHAIN}.agent", {"options": {"systemMessage": "Help."}}),
        model, memory, *tools,
    ]  # fmt: skip
    body = n8n_body(nodes, "Chat>Agent")
    plugs = {"Model": "ai_languageModel", "Memory": "ai_memory"}
    plugs |= {one["name"]: "ai_tool" for one in tools}
    for name, kind in plugs.items():
        to_agent = {"node": "Agent", "type": kind, "index": 0}
        body["connections"][name] = {kind: [[to_agent]]}
    return convert(body, specs())


def node(found: Conversion, node_id: str) -> Any:
    return next(one for one in found.graph.nodes if one.id == node_id)


def look_up(url: str) -> dict[str, Any]:
    comment = "/*n8n-auto-generated-fromAI-override*/ "
    parameters = {
        "toolDescription": "Looks up a word",
        "method": "GET",
        "url": url,
        "sendQuery": True,
        "queryParameters": {
            "parameters": [
                {"name": "word", "value": f"={{{{ {comment}$fromAI('word', `The word`) }}}}"},
                {"name": "n", "value": "={{ $fromAI('count', 'How many', 'number') }}"},
            ]
        },
        "options": {},
    }
    return n8n_node("Look up!", "httpRequestTool", parameters, typeVersion=4.2)


def test_requests_and_workflows_are_tools() -> None:
    order = n8n_node(
        "Order", f"{LANGCHAIN}.toolWorkflow",
        {"name": "place_order", "description": "Orders", "workflowId": "w1"}, typeVersion=1.2,
    )  # fmt: skip
    script = n8n_node("Script", f"{LANGCHAIN}.toolCode", {"jsCode": "return 1"})
    found = agent(look_up("https://x.test"), order, script)
    assert errors(validate(found.graph, specs())) == []
    config = node(found, "agent").config
    assert config["history"] == "{nodes.start.output.history}"
    assert config["max_tool_rounds"] == 10
    assert config["tools"] == [
        {
            "node": "look_up",
            "name": "Look_up",
            "description": "Looks up a word",
            "parameters": {
                "type": "object",
                "properties": {
                    "word": {"type": "string", "description": "The word"},
                    "count": {"type": "number", "description": "How many"},
                },
                "required": ["word", "count"],
            },
        },
        {
            "node": "order",
            "name": "place_order",
            "description": "Orders",
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string"}},
                "required": ["query"],
            },
        },
    ]
    assert node(found, "look_up").config["query"] == {"word": "{input.word}", "n": "{input.count}"}
    assert node(found, "order").config["input"] == {"query": "{input.query}"}
    assert not any("order" in (one.source, one.target) for one in found.graph.edges)
    lost = {one.field: one.original for one in found.report.dropped if one.name == "Agent"}
    assert lost["ai_tool"] == "Script"
    [error] = [one for one in found.report.findings if one.severity == "error"]
    assert (error.name, error.field) == ("Order", "workflowId")
