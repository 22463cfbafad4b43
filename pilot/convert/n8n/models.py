"""n8n's AI nodes: chains, agents and OpenAI's, with the models that are plugged into them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pilot.convert.cel import slot
from pilot.convert.document import whole
from pilot.convert.n8n import tools
from pilot.convert.n8n.build import Build, N8nNode, chosen, rows_of
from pilot.convert.n8n.triggers import HISTORY
from pilot.convert.n8n.views import Fields, View
from pilot.nodes.llm import MAX_TOOL_ROUNDS

MODELS: Mapping[str, str] = {
    "lmChatOpenAi": "openai",
    "lmOpenAi": "openai",
    "lmChatAnthropic": "anthropic",
    "lmChatGoogleGemini": "gemini",
    "lmChatGroq": "groq",
    "lmChatMistralCloud": "mistral",
    "lmChatOllama": "ollama",
    "lmOllama": "ollama",
    "lmChatOpenRouter": "openrouter",
    "lmChatDeepSeek": "deepseek",
    "lmChatXAiGrok": "xai",
    "lmChatCohere": "cohere",
}
"""n8n's model nodes by LiteLLM's names of providers."""
_MESSAGES = {"HumanMessagePromptTemplate": "user", "AIMessagePromptTemplate": "assistant"}
_ROLES = ("system", "user", "assistant")


def chain(node: N8nNode, build: Build) -> None:
    """A basic chain: a prompt, messages, one model."""
    config = _model(node, build)
    config["prompt_template"] = _prompt(node, build)
    messages = []
    for index, one in enumerate(rows_of(node.parameters, "messages", "messageValues")):
        content = build.template(one.get("message"), node, f"messages[{index}]")
        messages.append({"role": _MESSAGES.get(str(one.get("type")), "system"), "content": content})
    if messages and messages[0]["role"] == "system":
        config["system_template"] = messages.pop(0)["content"]
    if messages:
        config["messages"] = messages
    # its older versions gave `response.text`
    _add(
        node, build, config,
        lambda answer: {"text": answer, "response": Fields({"text": answer})},
    )  # fmt: skip


def agent(node: N8nNode, build: Build) -> None:
    """An agent: its prompts, its model, and the tools that are nodes here."""
    config = _model(node, build)
    config["prompt_template"] = _prompt(node, build)
    system = node.options.get("systemMessage", "You are a helpful assistant")
    config["system_template"] = build.template(system, node, "options.systemMessage")
    rounds = whole(node.options.get("maxIterations"), 10)
    if build.attached.get(node.name, {}).get("ai_tool") and rounds > 0:
        config["max_tool_rounds"] = min(rounds, MAX_TOOL_ROUNDS)
    _add(node, build, config, lambda answer: {"output": answer}, with_tools=True)


def openai(node: N8nNode, build: Build) -> None:
    """OpenAI's own node: messages to a model. Its images, audio and files are not carried."""
    parameters = node.parameters
    resource, operation = parameters.get("resource", "text"), parameters.get("operation")
    old = node.source.type.startswith("n8n-nodes-base")
    if resource not in ("text", "chat") or operation not in (None, "message", "complete"):
        build.placeholder(node, f"πlot has no node like OpenAI's {resource} {operation or ''}")
        return
    model = chosen(
        parameters.get("modelId") or parameters.get("chatModel") or parameters.get("model")
    )
    config: dict[str, Any] = {"model": f"openai/{model or 'gpt-4o-mini'}"}
    _options(config, node, node.options, build)
    if old and resource == "text":
        messages = [
            {"role": "user", "content": build.template(parameters.get("prompt"), node, "prompt")}
        ]
    else:
        given = rows_of(parameters, "messages", "values") or rows_of(
            parameters, "prompt", "messages"
        )
        messages = [
            {
                "role": one["role"] if one.get("role") in _ROLES else "user",
                "content": build.template(one.get("content"), node, f"messages[{index}]"),
            }
            for index, one in enumerate(given)
        ]
    if parameters.get("jsonOutput"):
        config["response_format"] = {"type": "json_object"}
    if messages and messages[-1]["role"] == "user":
        config["prompt_template"] = messages.pop()["content"]
    if messages:
        config["messages"] = messages
    build.add(node, "llm", config)
    answer = build.own(node)
    build.views[node.name] = Fields({"message": Fields({"content": answer}), "text": answer})


def _memory(node: N8nNode, build: Build, config: dict[str, Any], names: list[str]) -> None:
    """What was said before: a chat's run is given it."""
    original = ", ".join(names)
    starts = [one for one in build.draft.nodes if one["type"] == "start"]
    inputs = starts[0]["config"].get("inputs", []) if starts else []
    if not any(one["name"] == HISTORY for one in inputs):
        build.account.dropped(
            f"the memory ({original}) is not carried: the model knows nothing of earlier runs",
            node.source,
            "ai_memory",
            original=original,
            action="give the llm node a `history`",
        )
        return
    config["history"] = slot(f"nodes.{starts[0]['id']}.output.{HISTORY}")
    build.account.approximated(
        "n8n keeps a session's earlier messages; here they are the run's input `history`",
        node.source,
        "ai_memory",
        original=original,
        action="keep them where you start runs, and hand them over",
    )


def _add(
    node: N8nNode,
    build: Build,
    config: dict[str, Any],
    fields_of: Callable[[View], dict[str, View]],
    *,
    with_tools: bool = False,
) -> None:
    plugged = build.attached.get(node.name, {})
    lost = plugged.get("ai_tool", [])
    if with_tools and lost:
        found, lost = tools.plug(lost, build)
        if found:
            config["tools"] = found
    if lost:
        build.account.dropped(
            f"the tools {', '.join(lost)} are not carried: the model answers without them",
            node.source,
            "ai_tool",
            original=", ".join(lost),
            action="write each as a code, http or workflow node, and name it in `tools`",
        )
    if plugged.get("ai_memory"):
        _memory(node, build, config, plugged["ai_memory"])
    build.add(node, "llm", config)
    answer: View = build.own(node)
    parsed = "output_schema" in config or "response_format" in config
    if parsed:
        build.views[node.name] = Fields({"output": answer}, rest=answer)
    else:
        build.views[node.name] = Fields(fields_of(answer))


def _prompt(node: N8nNode, build: Build) -> str:
    """The prompt: defined here, or the chat's message."""
    text = node.parameters.get("text", node.parameters.get("prompt"))
    if node.parameters.get("promptType") == "auto" or text in (None, ""):
        text = "={{ $json.chatInput }}"
    return str(build.template(text, node, "text"))


def _model(node: N8nNode, build: Build) -> dict[str, Any]:
    """The configuration that the plugged-in model and output parser give."""
    plugged = build.attached.get(node.name, {})
    config: dict[str, Any] = {}
    models = [
        build.nodes[name] for name in plugged.get("ai_languageModel", []) if name in build.nodes
    ]
    found = [one for one in models if one.source.type.rsplit(".", 1)[-1] in MODELS]
    if not found:
        build.account.dropped(
            "no model of a provider that is known here is plugged in: the default one is used",
            node.source,
            "ai_languageModel",
            original=", ".join(one.source.type for one in models) or None,
            action="set `model`",
        )
    for index, one in enumerate(found):
        provider = MODELS[one.source.type.rsplit(".", 1)[-1]]
        given = one.parameters.get("model") or one.parameters.get("modelName")
        name = f"{provider}/{(chosen(given) or 'gpt-4o-mini').removeprefix('models/')}"
        if index == 0:
            config["model"] = name
            _options(config, node, one.options, build)
        else:
            config.setdefault("fallback_models", []).append(name)
    for name in plugged.get("ai_outputParser", []):
        schema = _schema(build.nodes.get(name))
        if schema is None:
            build.account.dropped(
                f"what {name} asks for is no schema that can be read",
                node.source,
                "ai_outputParser",
                original=name,
                action="set `output_schema`",
            )
            continue
        config["output_schema"] = schema
        config.pop("response_format", None)
    return config


def _options(
    config: dict[str, Any], node: N8nNode, options: Mapping[str, Any], build: Build
) -> None:
    temperature = options.get("temperature", options.get("sampling_temperature"))
    if isinstance(temperature, int | float):
        config["temperature"] = min(max(temperature, 0), 2)
    for name in ("maxTokens", "maxTokensToSample", "maxOutputTokens", "numPredict"):
        if isinstance(options.get(name), int) and options[name] > 0:
            config["max_tokens"] = options[name]
    if options.get("responseFormat") == "json_object":
        config["response_format"] = {"type": "json_object"}
    for name in ("topP", "frequencyPenalty", "presencePenalty", "baseURL"):
        if options.get(name) not in (None, "", 0, 1):
            build.account.dropped(
                f"the model's option {name} is not carried",
                node.source,
                f"options.{name}",
                original=str(options[name]),
                action="see whether the answers are as before",
            )


def _schema(parser: N8nNode | None) -> dict[str, Any] | None:
    """The JSON Schema of a structured output parser, or that of its example."""
    if parser is None or not parser.source.type.endswith("outputParserStructured"):
        return None
    for name in ("inputSchema", "jsonSchema", "jsonSchemaExample"):
        text = parser.parameters.get(name)
        if not isinstance(text, str) or text.startswith("="):
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if name == "jsonSchemaExample":
            return _like(value)
        if not isinstance(value, dict):
            return None
        return {key: inner for key, inner in value.items() if key != "$schema"}
    return None


def _like(value: Any) -> dict[str, Any]:
    """The schema of values like an example."""
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": _like(value[0]) if value else {}}
        case dict():
            properties = {name: _like(inner) for name, inner in value.items()}
            return {"type": "object", "properties": properties, "required": list(value)}
    return {}
