"""http: one HTTP request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
ResponseType = Literal["auto", "json", "text", "file"]
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class BearerAuth(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["bearer"]
    token: Annotated[str, TemplateText(secrets=True)]


class BasicAuth(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["basic"]
    username: Annotated[str, TemplateText(secrets=True)]
    password: Annotated[str, TemplateText(secrets=True)]


class HeaderAuth(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["header"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[str, TemplateText(secrets=True)]


Auth = Annotated[BearerAuth | BasicAuth | HeaderAuth, Field(discriminator="type")]
StatusRange = Annotated[str, Field(pattern=r"^([1-5]xx|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$")]


class HttpConfig(NodeConfig):
    method: Method = "GET"
    url: Annotated[str, Field(min_length=1, max_length=16_384), TemplateText(secrets=True)] = Field(
        description="http or https. Private networks are refused."
    )
    query: Annotated[dict[str, JsonValue], TemplateText(secrets=True)] = Field(default_factory=dict)
    headers: Annotated[dict[str, str], TemplateText(secrets=True)] = Field(default_factory=dict)
    body: Annotated[JsonValue, TemplateText(secrets=True)] = None
    body_type: Literal["json", "form", "multipart", "raw", "file"] = "json"
    auth: Auth | None = None
    follow_redirects: bool = True
    success: list[StatusRange] = Field(
        default_factory=lambda: ["2xx"], description="Codes such as `200`, `2xx`, `200-204`."
    )
    response: ResponseType = Field(
        default="auto",
        description="`file` gives {name, content_type, bytes, base64}, up to 1.35 MB.",
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10.0, description="For resolving the host and connecting; `timeout_s` is for all."
    )
    retry_unsafe: bool = Field(
        default=False, description="POST and PATCH may be repeated when an attempt fails."
    )


def check(config: HttpConfig) -> Iterable[Issue]:
    if not (config.url.startswith(("http://", "https://")) or "{" in config.url):
        yield Issue("invalid_url", "the url must begin with http:// or https://", field="url")
    if config.body is not None and config.method in ("GET", "HEAD"):
        yield Issue(
            "unexpected_body",
            f"{config.method} sends no body",
            severity="warning",
            field="body",
        )


SPEC = NodeSpec(
    type="http",
    title="HTTP request",
    description="Calls an HTTP API. Private networks are refused.",
    usable_as_tool=True,
    category="integration",
    icon="globe",
    config=HttpConfig,
    policy=Policy(
        retry=Retry(max_attempts=4, initial_s=1, backoff=2, max_s=30),
        timeout_s=120,
        heartbeat_s=10,
    ),
    check=check,
)
