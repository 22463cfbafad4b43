"""The messages of a chat, from a node's rendered configuration."""

from __future__ import annotations

from typing import Any

from pilot.errors import NodeError
from pilot.graph.values import as_text
from pilot.nodes.chat import MAX_MESSAGES, Message, message_problem, parts_problems
from pilot.nodes.llm import LlmConfig


def chat(config: LlmConfig) -> list[dict[str, Any]]:
    """The system message, the history, the node's messages, and the prompt as the user's last
    one. Raises `NodeError` `invalid_messages` or `missing_prompt`."""
    messages: list[dict[str, Any]] = []
    if config.system_template is not None:
        messages.append({"role": "system", "content": as_text(config.system_template)})
    if config.history is not None:
        messages += _history(config.history)
    messages += [
        {"role": message.role, "content": _content(index, message)}
        for index, message in enumerate(config.messages)
    ]
    if config.prompt_template is not None:
        messages.append({"role": "user", "content": as_text(config.prompt_template)})
    if not any(message["role"] != "system" for message in messages):
        raise NodeError("there is neither a prompt nor a message", code="missing_prompt")
    return messages


def _history(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise NodeError(
            "history must give a list of messages {role, content}, as the template "
            "{execution.input.history} does where the input has one",
            code="invalid_messages",
        )
    if len(value) > MAX_MESSAGES:
        raise NodeError(
            f"history has {len(value):,} messages, and at most {MAX_MESSAGES:,} are sent: "
            "cut it in the template or in a code node",
            code="invalid_messages",
        )
    for index, message in enumerate(value):
        problem = message_problem(message)
        if problem:
            raise NodeError(f"history[{index}]{problem[0]}: {problem[1]}", code="invalid_messages")
    return value


def _content(index: int, message: Message) -> Any:
    content: Any = message.content
    if not isinstance(content, list):
        return as_text(content)
    for part in content:
        if part.get("type") == "text":
            part["text"] = as_text(part.get("text"))
    for path, problem in parts_problems(content, rendered=True):
        raise NodeError(f"messages[{index}].content{path}: {problem}", code="invalid_messages")
    return content
