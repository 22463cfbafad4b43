"""Tools as a model is told them, and what it makes of them.

Arguments are checked here, where time and memory are bounded, and not in the workflow. A call
that cannot be run goes on with its error: the model is told, and may do better.
"""

from __future__ import annotations

from typing import Any

from activities.answer_format import check, parse_json
from activities.asked import Completion
from pilot.errors import NodeError
from pilot.graph.task import ToolCall
from pilot.nodes.llm import LlmConfig, Tool

MAX_CALLS_A_ROUND = 32


def tool_parameters(config: LlmConfig, round: int) -> dict[str, Any]:
    """OpenAI's `tools`; in the last round the model may see them, and must answer."""
    if not config.tools:
        return {}
    parameters: dict[str, Any] = {"tools": [_function(tool) for tool in config.tools]}
    if round >= config.max_tool_rounds:
        parameters["tool_choice"] = "none"
    return parameters


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.called, "parameters": tool.parameters}
    if tool.description is not None:
        function["description"] = tool.description
    return {"type": "function", "function": function}


async def read_calls(config: LlmConfig, completion: Completion, round: int) -> list[ToolCall]:
    """The calls that a completion asks for. Raises `NodeError` `llm_tool_rounds` where it asks
    for more than its rounds."""
    if not completion.tool_calls:
        return []
    if round >= config.max_tool_rounds:
        raise NodeError(
            f"the model {completion.model} still calls tools after {config.max_tool_rounds} "
            "rounds: raise max_tool_rounds, or tell it when to stop",
            code="llm_tool_rounds",
        )
    tools = {tool.called: tool for tool in config.tools}
    return [
        await _read(call, index, tools.get(call["name"]))
        for index, call in enumerate(completion.tool_calls)
    ]


async def _read(call: dict[str, str], index: int, tool: Tool | None) -> ToolCall:
    id, name = call["id"], call["name"]
    if index >= MAX_CALLS_A_ROUND:
        return ToolCall(id, name, error=f"at most {MAX_CALLS_A_ROUND} tools are called at once")
    if tool is None:
        return ToolCall(id, name, error=f"there is no tool {name!r:.100}")
    try:
        arguments = parse_json(call["arguments"] or "{}")
    except (ValueError, RecursionError) as error:
        return ToolCall(id, name, tool.node, error=f"the arguments are not JSON: {error}")
    mismatches = await check(arguments, dict(tool.parameters))
    if mismatches:
        said = "; ".join(map(str, mismatches))
        return ToolCall(id, name, tool.node, error=f"the arguments are not valid: {said}")
    return ToolCall(id, name, tool.node, arguments)


def asked(completion: Completion) -> dict[str, Any]:
    """The message by which the model asked, for the transcript."""
    return {
        "role": "assistant",
        "content": completion.text or None,
        "tool_calls": [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
            }
            for call in completion.tool_calls
        ],
    }
