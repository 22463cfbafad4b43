"""llm: one call of a language model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText, ToolUse
from pilot.nodes.chat import MAX_MESSAGES, Message, parts_problems
from pilot.nodes.json_schema import schema_problem

DEFAULT_MODEL = "gpt-3.5-turbo"
ANSWER_TYPES = ("text", "json_object", "json_schema")
DEFAULT_IDLE_TIMEOUT_S = 60.0
MAX_TOOLS = 64
MAX_TOOL_ROUNDS = 20

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def _no_parameters() -> dict[str, JsonValue]:
    return {"type": "object", "properties": {}}


class Cache(BaseModel):
    """For how long an answer is used again for the same question."""

    model_config = ConfigDict(extra="forbid")

    ttl_s: Annotated[float, Field(gt=0, le=366 * 86_400)]


class Tool(BaseModel):
    """A node of the graph that the model may call."""

    model_config = ConfigDict(extra="forbid")

    node: str = Field(description="The id of a node that no edge leads to or from.")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        default=None, description="What the model calls it; the node's id otherwise."
    )
    description: Annotated[str, Field(max_length=4_000)] | None = Field(
        default=None, description="When and why to call it, for the model."
    )
    parameters: dict[str, JsonValue] = Field(
        default_factory=_no_parameters,
        description="A JSON Schema of the arguments, which are the node's input.",
    )

    @property
    def called(self) -> str:
        return self.name or _NOT_IN_NAMES.sub("_", self.node)[:64]


class LlmConfig(NodeConfig):
    model: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default=DEFAULT_MODEL,
        description="A model's name; `provider/model` passes as is, a bare name goes to "
        "OpenRouter.",
    )
    prompt_template: Annotated[str | None, TemplateText(secrets=True)] = Field(
        default=None, description="The user message, after `messages`."
    )
    system_template: Annotated[str | None, TemplateText(secrets=True)] = Field(
        default=None, description="The system message."
    )
    history: Annotated[str | None, TemplateText()] = Field(
        default=None,
        description="A template that gives a list of earlier messages {role, content}, such as "
        "{execution.input.history}. They stand after the system message.",
    )
    messages: Annotated[list[Message], Field(max_length=MAX_MESSAGES)] = Field(default_factory=list)
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = None
    response_format: dict[str, JsonValue] | None = Field(
        default=None,
        description="OpenAI's `response_format`: {type: json_object}, or {type: json_schema, "
        "json_schema: {name, schema}}.",
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="A bare JSON Schema of the answer: the short form of the above."
    )
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] = Field(
        default_factory=list, description="Nodes of the graph that the model may call."
    )
    max_tool_rounds: Annotated[int, Field(ge=1, le=MAX_TOOL_ROUNDS)] = Field(
        default=5, description="How often the model may call tools before it must answer."
    )
    fallback_models: Annotated[list[str], Field(max_length=10)] = Field(default_factory=list)
    stream: bool = True
    first_token_timeout_s: Annotated[float, Field(gt=0, le=3600)] | None = Field(
        default=None, description="How long a streamed answer may take to begin."
    )
    idle_timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=DEFAULT_IDLE_TIMEOUT_S,
        description="How long a streamed answer may pause once it has begun.",
    )
    on_unknown: Literal["retry", "fail"] = Field(
        default="fail",
        description="What to do when a worker was lost while the model was being asked: the call "
        "may have been billed.",
    )
    cache: Cache | None = Field(
        default=None, description="Uses an answer again for the same question: {ttl_s: seconds}."
    )
    api_base: str | None = Field(
        default=None, description="The root of any OpenAI-compatible server."
    )
    api_key: Annotated[str | None, TemplateText(secrets=True)] = Field(
        default=None, description="The key for `api_base`, usually `{secrets.NAME}`."
    )


def answer_schema(config: LlmConfig) -> dict[str, JsonValue] | None:
    """The JSON Schema that the answer is held to, from either of its fields."""
    if config.output_schema is not None:
        return config.output_schema
    wanted = config.response_format or {}
    given = wanted.get("json_schema") if wanted.get("type") == "json_schema" else None
    schema = given.get("schema") if isinstance(given, dict) else None
    return schema if isinstance(schema, dict) else None


def check(config: LlmConfig) -> Iterable[Issue]:
    if not (config.prompt_template or config.messages or config.history):
        yield Issue(
            "missing_prompt",
            "an llm node needs a prompt_template, messages or a history",
            field="prompt_template",
        )
    for index, message in enumerate(config.messages):
        if isinstance(message.content, list):
            for path, problem in parts_problems(message.content, rendered=False):
                yield Issue(
                    "invalid_content_part", problem, field=f"messages[{index}].content{path}"
                )
    yield from _check_format(config)
    yield from _check_tools(config)


def _check_format(config: LlmConfig) -> Iterable[Issue]:
    given = config.response_format
    if given is not None and given.get("type") not in ANSWER_TYPES:
        yield Issue(
            "invalid_response_format",
            f"the type is one of {', '.join(ANSWER_TYPES)}",
            field="response_format.type",
        )
    if given is not None and config.output_schema is not None:
        yield Issue(
            "invalid_response_format",
            "give either output_schema or response_format, not both",
            field="output_schema",
        )
        return
    field = "output_schema"
    if given is not None and given.get("type") == "json_schema":
        field = "response_format.json_schema.schema"
        if answer_schema(config) is None:
            yield Issue("invalid_schema", "json_schema has an object `schema`", field=field)
            return
    schema = answer_schema(config)
    problem = None if schema is None else schema_problem(schema)
    if problem:
        yield Issue("invalid_schema", problem, field=field)


def _check_tools(config: LlmConfig) -> Iterable[Issue]:
    seen: set[str] = set()
    for index, tool in enumerate(config.tools):
        at = f"tools[{index}]"
        if tool.called in seen:
            yield Issue(
                "duplicate_tool", f"two tools are called {tool.called!r}", field=f"{at}.name"
            )
        seen.add(tool.called)
        problem = schema_problem(tool.parameters)
        if problem is None and tool.parameters.get("type") != "object":
            problem = '$.type: the arguments are an object: {"type": "object", ...}'
        if problem:
            yield Issue("invalid_schema", problem, field=f"{at}.parameters")


def tools(config: LlmConfig) -> tuple[ToolUse, ...]:
    return tuple(
        ToolUse(tool.node, f"tools[{index}].node") for index, tool in enumerate(config.tools)
    )


SPEC = NodeSpec(
    type="llm",
    title="LLM",
    description="Asks a language model. Streams its answer.",
    category="model",
    icon="sparkles",
    config=LlmConfig,
    policy=Policy(
        retry=Retry(max_attempts=4, initial_s=1, backoff=2, max_s=30),
        timeout_s=600,
        heartbeat_s=10,
    ),
    check=check,
    tools=tools,
)
