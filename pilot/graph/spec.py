"""What a node type declares: configuration, handles, policy and palette text.

A spec is data and pure functions. What a node *does* is its activity, named after its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pilot.graph.issues import Issue
from pilot.graph.model import SubGraph

DEFAULT_HANDLE = "default"
ERROR_HANDLE = "error"
BODY = "body"
"""The field of a configuration that holds a graph."""
TEXT = "x-pilot"
"""The keyword of a configuration's JSON Schema that says what is written in a field's texts, for
editors: `{"text": "template" | "cel" | "python", ...}`."""


class NodeConfig(BaseModel):
    """The root of every configuration model. `name` is what people see."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=200, description="What people see.")


class ContainerConfig(NodeConfig):
    """The root of the configurations that hold a graph. A plan has it compiled, beside the
    configuration, so an activity is not given it again."""

    body: SubGraph | None = Field(
        default=None, description="The graph that is run: {nodes, edges}, as a workflow has them."
    )


ConfigModel: TypeAlias = type[NodeConfig]


@dataclass(frozen=True, slots=True)
class TemplateText:
    """Marks a configuration field whose strings are templates, at any depth."""

    secrets: bool = False
    """Whether `secrets.<NAME>` and `hooks.<node>` may stand in it."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core), TEXT: {"text": "template", "secrets": self.secrets}}


@dataclass(frozen=True, slots=True)
class ExpressionText:
    """Marks a configuration field that is one CEL expression."""

    returns: Literal["bool", "any"] = "any"
    iterates: bool = False
    """Whether it is evaluated for each iteration of its node's body, so that `item` and `index`
    are the iteration's and not those of a loop or map around the node."""
    payload: bool = False
    """Whether it is about something that was delivered, and may name its `payload`."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        said = {"text": "cel", "iterates": self.iterates, "payload": self.payload}
        return {**handler(core), TEXT: said}


@dataclass(frozen=True, slots=True)
class Retry:
    """Temporal's retry policy. Times in seconds; `max_attempts` counts the first try."""

    max_attempts: int = 3
    initial_s: float = 1.0
    backoff: float = 2.0
    max_s: float = 60.0
    non_retryable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """How a node's activity runs.

    `timeout_s` bounds one attempt. `heartbeat_s` is how soon a dead worker is noticed (None
    for activities that finish at once). `local` runs it inside the workflow task: for cheap
    types that touch nothing outside.
    """

    retry: Retry = field(default_factory=Retry)
    timeout_s: float = 60.0
    heartbeat_s: float | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class PythonScope:
    """The names that a node's own code asks for, beside its templates and expressions.

    `outside` says what `item` and `index` are where there is no loop or map around the node:
    an error, another name of `input`, or a name of the code's own.
    """

    input: bool = False
    nodes: bool = False
    vars: bool = False
    execution: bool = False
    item: bool = False
    index: bool = False
    outside: Literal["error", "input", "own"] = "error"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A node of the graph that another one may call; `field` is where its configuration says so."""

    node: str
    field: str


@dataclass(frozen=True, slots=True)
class Joining:
    """How a type joins branches whose configuration says so itself, in the place of `join`.

    `need` is the number of taken in-edges that starts it early (None: all). Its input is always a
    map by node id, of `all` that came, in the order of the edges, or of the `first` alone. With
    `cancels`, what runs only for it is cancelled once it has what it needs.
    """

    need: int | None = None
    gathers: Literal["all", "first"] = "all"
    cancels: bool = False


Handles: TypeAlias = Callable[[Any], tuple[str, ...]]
Check: TypeAlias = Callable[[Any], Iterable[Issue]]


def one_handle(_config: Any) -> tuple[str, ...]:
    return (DEFAULT_HANDLE,)


def no_handles(_config: Any) -> tuple[str, ...]:
    return ()


def no_check(_config: Any) -> Iterable[Issue]:
    return ()


def one_at_a_time(_config: Any) -> bool:
    return False


def no_python_scope(_config: Any) -> PythonScope:
    return PythonScope()


def no_variables(_config: Any) -> tuple[str, ...]:
    return ()


def never(_config: Any) -> bool:
    return False


def no_tools(_config: Any) -> tuple[ToolUse, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node type.

    `handles` names the out-handles of a configuration; where `branches`, it takes one of them,
    or of those of `several` any number. `check` returns issues that the configuration model
    cannot express, with `field` relative to the configuration. `sets` names the variables that
    the node sets, `reads` those that it reads beside its templates. `passes_input` types give
    their input on as their output, so their activity returns none and history holds the
    value once. `tools` names the nodes that this one may call while it runs, and
    `usable_as_tool` says that nodes of this type may be among them. `outside` says that what a
    node does reaches the world outside, so that a dry run may not do it.

    A `pure` type's result follows from its configuration and what that refers to, it takes
    milliseconds, and the node ends with its activity. Such nodes run together where they can.
    `hands_on` says of a pure type's configuration that it gives its input as its output, and
    never fails.

    With `has_body` the configuration (a `ContainerConfig`) holds a graph in its field `body`,
    which is run for each item or iteration: `item` and `index` are in scope in it. With
    `joining` the configuration says how branches are joined, and the node's `join` does not.
    """

    type: str
    title: str
    description: str
    config: ConfigModel
    policy: Policy
    category: Literal["control", "model", "data", "integration"] = "data"
    icon: str = "box"
    handles: Handles = one_handle
    branches: bool = False
    several: Callable[[Any], bool] = one_at_a_time
    passes_input: bool = False
    check: Check = no_check
    python_scope: Callable[[Any], PythonScope] = no_python_scope
    sets: Callable[[Any], tuple[str, ...]] = no_variables
    reads: Callable[[Any], tuple[str, ...]] = no_variables
    tools: Callable[[Any], tuple[ToolUse, ...]] = no_tools
    usable_as_tool: bool = False
    has_body: bool = False
    outside: bool = True
    pure: bool = False
    hands_on: Callable[[Any], bool] = never
    joining: Callable[[Any], Joining] | None = None


Specs: TypeAlias = Mapping[str, NodeSpec]
