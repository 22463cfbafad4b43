"""Dify's nodes that ask a model: llm, question-classifier, parameter-extractor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilot.convert.cel import Place, braced, literal, path_text, slot, untranslated
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.jinja import template_of
from pilot.convert.dify.scope import HISTORY, rows_of

_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
    "gemini": "gemini",
    "deepseek": "deepseek",
    "mistralai": "mistral",
    "groq": "groq",
    "cohere": "cohere",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "azure_openai": "azure",
    "bedrock": "bedrock",
    "vertex_ai": "vertex_ai",
    "togetherai": "together_ai",
    "tongyi": "dashscope",
    "x": "xai",
    "moonshot": "moonshot",
}
"""Dify's providers by LiteLLM's names."""

_ROLES = {"system": "system", "user": "user", "assistant": "assistant"}
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
}


def llm(node: DifyNode, build: Build) -> None:
    """`prompt_template` is a list of messages (chat) or one text (completion)."""
    config = configured(node, build)
    _context(node, build)
    messages = _messages(node, build)
    system = messages.pop(0)["content"] if messages and messages[0]["role"] == "system" else None
    memory = node.data.get("memory")
    if isinstance(memory, dict):
        _memory(node, build, memory, config, messages)
    if messages and messages[-1]["role"] == "user":
        config["prompt_template"] = messages.pop()["content"]
        if system:
            config["system_template"] = system
    elif system is not None:
        messages.insert(0, {"role": "system", "content": system})
    if messages:
        config["messages"] = messages
    vision = node.data.get("vision")
    if isinstance(vision, dict) and vision.get("enabled"):
        build.scope.account.dropped(
            "images are not handed on",
            node.source,
            "vision",
            action="add them to `messages` as content parts",
        )
    build.add(node, "llm", config)


def outputs_of_llm(node: DifyNode) -> dict[str, Place]:
    """Where an llm's values stand: an answer of JSON is a value here and a text in Dify."""
    output = Place(("nodes", node.node_id, "output"), node.node_id)
    meta = Place(("nodes", node.node_id, "meta"), node.node_id)
    has_schema = _schema_of(node) is not None
    return {
        "text": Place(output.path, output.setter, as_json=has_schema or _asks_json(node)),
        "usage": meta.under("usage"),
        **({"structured_output": output} if has_schema else {}),
    }


def configured(node: DifyNode, build: Build) -> dict[str, Any]:
    """The model and its parameters, as an llm node has them."""
    model = node.data.get("model")
    model = model if isinstance(model, dict) else {}
    provider, name = str(model.get("provider") or ""), str(model.get("name") or "")
    known = _PROVIDERS.get(provider.rsplit("/", 1)[-1])
    account = build.scope.account
    if known is None and provider:
        account.approximated(
            f"the provider {provider!r} is unknown: the bare name goes to OpenRouter",
            node.source,
            "model",
            original=f"{provider}/{name}",
            action="give the model by LiteLLM's name: provider/model",
        )
    config: dict[str, Any] = {"model": f"{known}/{name}" if known else name or "gpt-3.5-turbo"}
    given = model.get("completion_params")
    given = dict(given) if isinstance(given, dict) else {}
    for theirs, ours in (("temperature", "temperature"), ("max_tokens", "max_tokens")):
        value = given.pop(theirs, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            config[ours] = int(value) if ours == "max_tokens" else min(max(value, 0), 2)
    seed, stop = given.pop("seed", None), given.pop("stop", None)
    if isinstance(seed, int):
        config["seed"] = seed
    if isinstance(stop, list) and stop:
        config["stop"] = [str(one) for one in stop][:16]
    given.pop("json_schema", None)
    given.pop("response_format", None)
    schema = _schema_of(node)
    if schema is not None:
        config["output_schema"] = schema
    elif _asks_json(node):
        config["response_format"] = {"type": "json_object"}
    for theirs, value in given.items():
        if value not in (None, 0, 1, "", False):
            account.dropped(
                f"the model's parameter {theirs} = {value} is not carried",
                node.source,
                f"model.completion_params.{theirs}",
                original=str(value),
                action="see whether the answers are as before",
            )
    return config


def _asks_json(node: DifyNode) -> bool:
    model = node.data.get("model")
    given = model.get("completion_params") if isinstance(model, dict) else None
    wanted = given.get("response_format") if isinstance(given, dict) else None
    return str(wanted).lower() in ("json_object", "json")


def _schema_of(node: DifyNode) -> dict[str, Any] | None:
    given = node.data.get("structured_output")
    schema = given.get("schema") if isinstance(given, dict) else None
    on = node.data.get("structured_output_enabled", node.data.get("structured_output_switch_on"))
    return schema if on and isinstance(schema, dict) else None


def _context(node: DifyNode, build: Build) -> None:
    context = node.data.get("context")
    selector = context.get("variable_selector") if isinstance(context, dict) else None
    if isinstance(context, dict) and context.get("enabled") and isinstance(selector, list):
        place = build.scope.place(selector)
        if place is not None:
            build.scope.outputs.setdefault(node.id, {})["#context"] = place


def _messages(node: DifyNode, build: Build) -> list[dict[str, Any]]:
    given = node.data.get("prompt_template")
    rows = [given] if isinstance(given, dict) else rows_of(given)
    messages = []
    for index, row in enumerate(rows):
        at = f"prompt_template[{index}]"
        if row.get("edition_type") == "jinja2" and row.get("jinja2_text"):
            text = _jinja(row["jinja2_text"], node, build, at)
        else:
            text = build.scope.template(row.get("text"), node.source, at)
        if text.strip():
            messages.append({"role": _ROLES.get(str(row.get("role")), "user"), "content": text})
    return messages


def _jinja(text: str, node: DifyNode, build: Build, field: str) -> str:
    prompt = node.data.get("prompt_config")
    variables = rows_of(prompt.get("jinja2_variables")) if isinstance(prompt, dict) else []
    return jinja(text, variables, node, build, field)


def jinja(
    text: str, variables: list[Mapping[str, Any]], node: DifyNode, build: Build, field: str
) -> str:
    """A Jinja2 text as a template; one that cannot be translated is an error that holds it."""
    selectors = {
        str(one.get("variable")): one["value_selector"]
        for one in variables
        if isinstance(one.get("value_selector"), list)
    }

    def lookup(name: str) -> str | None:
        if name not in selectors:
            return None
        return build.scope.value(selectors[name], node.source, field)

    found = template_of(text, lookup)
    if found is not None:
        return found
    build.scope.account.dropped(
        "this Jinja2 is more than texts with values in them",
        node.source,
        field,
        original=text,
        severity="error",
        action="write it as a code node",
    )
    return slot(untranslated(text))


def _memory(
    node: DifyNode,
    build: Build,
    memory: Mapping[str, Any],
    config: dict[str, Any],
    messages: list[dict[str, Any]],
) -> None:
    told_history(node, build, config)
    query = memory.get("query_prompt_template") or "{{#sys.query#}}"
    query = str(query).replace("{{#sys.files#}}", "").replace("{{#userinput.files#}}", "").strip()
    messages.append(
        {"role": "user", "content": build.scope.template(query, node.source, "memory.query")}
    )


def told_history(node: DifyNode, build: Build, config: dict[str, Any]) -> None:
    config["history"] = slot(path_text(("nodes", build.scope.start, "output", HISTORY)))
    build.scope.account.approximated(
        "Dify keeps a conversation's earlier messages; here they are the run's input `history`",
        node.source,
        "memory",
        action="keep them where you start runs, and hand them over",
    )


def question_classifier(node: DifyNode, build: Build) -> None:
    """A model that names a class, and a switch with a handle a class."""
    classes = {
        str(one.get("id")): str(one.get("name")) for one in rows_of(node.data.get("classes"))
    }
    config = configured(node, build)
    selector = node.data.get("query_variable_selector")
    query = build.scope.value(
        selector if isinstance(selector, list) else ["?"], node.source, "query_variable_selector"
    )
    instruction = node.data.get("instruction") or node.data.get("instructions")
    listed = "\n".join(f"- {braced(name)}" for name in classes.values())
    system = f"Decide which class the text belongs to. Answer with the class's name.\n\n{listed}"
    if instruction:
        system += "\n\n" + build.scope.template(instruction, node.source, "instruction")
    config |= {
        "system_template": system,
        "prompt_template": slot(query),
        "output_schema": {
            "type": "object",
            "properties": {
                "class_name": {"type": "string", "enum": list(dict.fromkeys(classes.values()))}
            },
            "required": ["class_name"],
            "additionalProperties": False,
        },
    }
    build.scope.account.approximated(
        "the words by which Dify asks for a class are its own: here the model is asked in others",
        node.source,
        severity="info",
    )
    build.add(node, "llm", config)
    field = path_text(("nodes", node.node_id, "output", "class_name"))
    cases = []
    for index, (class_id, name) in enumerate(classes.items(), start=1):
        handle = f"class_{index}"
        cases.append({"handle": handle, "expression": f"{field} == {literal(name)}"})
        build.handles[node.id, class_id] = handle
    build.after(node, "route", "switch", {"name": node.source.name[:200], "cases": cases})


def parameter_extractor(node: DifyNode, build: Build) -> None:
    """A model whose answer is held to a schema of the parameters."""
    properties, required = {}, []
    for one in rows_of(node.data.get("parameters")):
        name, kind = str(one.get("name")), str(one.get("type"))
        schema = (
            {"type": "array", "items": _TYPES.get(kind[6:-1], {})}
            if kind.startswith("array[")
            else dict(_TYPES.get(kind, {"type": "string"}))
        )
        if kind == "select" and isinstance(one.get("options"), list):
            schema["enum"] = [str(option) for option in one["options"]]
        if one.get("description"):
            schema["description"] = str(one["description"])
        properties[name] = schema
        if one.get("required"):
            required.append(name)
    config = configured(node, build)
    selector = node.data.get("query")
    query = build.scope.value(
        selector if isinstance(selector, list) else ["?"], node.source, "query"
    )
    system = "Extract the parameters from the text. Leave out what it does not say."
    if node.data.get("instruction"):
        system += "\n\n" + build.scope.template(
            node.data["instruction"], node.source, "instruction"
        )
    config |= {
        "system_template": system,
        "prompt_template": slot(query),
        "output_schema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
    }
    build.scope.account.approximated(
        "the words by which Dify asks for parameters are its own: here the model is asked in "
        "others, and one that it leaves out is missing instead of empty",
        node.source,
        severity="info",
    )
    build.add(node, "llm", config)
