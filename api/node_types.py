"""`/api/v1/node-types`: what a canvas's palette offers. `/api/v1/schema/graph.json`: the same for
editors of files."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from api.auth import CallerDep
from api.reply import UNCHANGED, IfNoneMatch, unless_known
from api.route import ApiRoute
from pilot.events.wire import dumps
from pilot.graph.json_schema import graph_schema
from pilot.graph.spec import ERROR_HANDLE, NodeSpec
from pilot.nodes import specs

router = APIRouter(tags=["node types"], route_class=ApiRoute)


class RetryOut(BaseModel):
    max_attempts: int
    initial_s: float
    backoff: float
    max_s: float
    non_retryable: list[str]


class PolicyOut(BaseModel):
    """The type's defaults; a node may override `retry` and `timeout_s`."""

    retry: RetryOut
    timeout_s: float
    heartbeat_s: float | None
    local: bool


class NodeTypeOut(BaseModel):
    """`handles` are those of the type's default configuration; a configuration may name its
    own (`dynamic_handles`). `on_error: branch` adds `error` to any. `has_body`: its field `body`
    holds a graph."""

    type: str = Field(examples=["condition"])
    title: str
    description: str
    category: str
    icon: str
    config: dict[str, Any] = Field(
        description="The JSON Schema of `config`. Where templates, expressions or Python are "
        "written, `x-pilot` says so."
    )
    handles: list[str] = Field(examples=[["true", "false"]])
    dynamic_handles: bool
    error_handle: str = ERROR_HANDLE
    has_body: bool
    usable_as_tool: bool
    policy: PolicyOut


class NodeTypesOut(BaseModel):
    items: list[NodeTypeOut]


@router.get("/node-types", response_model=NodeTypesOut, responses={**UNCHANGED})
async def list_node_types(_: CallerDep, if_none_match: IfNoneMatch = None) -> Response:
    """Every installed node type."""
    return unless_known(_palette(), if_none_match)


@router.get("/schema/graph.json", response_model=dict[str, Any], responses={**UNCHANGED})
async def read_graph_schema(_: CallerDep, if_none_match: IfNoneMatch = None) -> Response:
    """The JSON Schema (2020-12) of a workflow's file, with every installed node type: for editors,
    which a file tells by `$schema`."""
    return unless_known(_schema(), if_none_match)


# A process's node types stay as they are, and their schemas take tens of milliseconds to make.
@lru_cache(maxsize=1)
def _palette() -> bytes:
    shown = NodeTypesOut(items=[_shown(spec) for spec in specs().values()])
    return shown.model_dump_json().encode()


@lru_cache(maxsize=1)
def _schema() -> bytes:
    return dumps(graph_schema(specs()))


def _shown(spec: NodeSpec) -> NodeTypeOut:
    policy = spec.policy
    return NodeTypeOut(
        type=spec.type,
        title=spec.title,
        description=spec.description,
        category=spec.category,
        icon=spec.icon,
        config=spec.config.model_json_schema(),
        handles=list(_default_handles(spec)),
        dynamic_handles=spec.branches,
        has_body=spec.has_body,
        usable_as_tool=spec.usable_as_tool,
        policy=PolicyOut(
            retry=RetryOut(
                max_attempts=policy.retry.max_attempts,
                initial_s=policy.retry.initial_s,
                backoff=policy.retry.backoff,
                max_s=policy.retry.max_s,
                non_retryable=list(policy.retry.non_retryable),
            ),
            timeout_s=policy.timeout_s,
            heartbeat_s=policy.heartbeat_s,
            local=policy.local,
        ),
    )


def _default_handles(spec: NodeSpec) -> tuple[str, ...]:
    """Of the empty configuration; of one that was not checked, where a field is required."""
    try:
        config = spec.config()
    except ValidationError:
        config = spec.config.model_construct()
    return spec.handles(config)
