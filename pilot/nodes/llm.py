"""llm: one call of a language model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText

DEFAULT_MODEL = "gpt-3.5-turbo"


class Message(BaseModel):
    """A chat message. `content` is a template, or a list of OpenAI content parts whose
    strings are templates."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Annotated[str | list[dict[str, JsonValue]], TemplateText(secrets=True)]


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
    messages: Annotated[list[Message], Field(max_length=1000)] = Field(default_factory=list)
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = None
    response_format: dict[str, JsonValue] | None = Field(
        default=None, description="OpenAI's `response_format`, such as {type: json_object}."
    )
    fallback_models: Annotated[list[str], Field(max_length=10)] = Field(default_factory=list)
    stream: bool = True
    api_base: str | None = Field(
        default=None, description="The root of any OpenAI-compatible server."
    )
    api_key: Annotated[str | None, TemplateText(secrets=True)] = Field(
        default=None, description="The key for `api_base`, usually `{secrets.NAME}`."
    )


def check(config: LlmConfig) -> Iterable[Issue]:
    if not (config.prompt_template or config.messages):
        yield Issue(
            "missing_prompt",
            "an llm node needs a prompt_template or messages",
            field="prompt_template",
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
        heartbeat_s=15,
    ),
    check=check,
)
