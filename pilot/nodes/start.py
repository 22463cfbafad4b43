"""start: where a run begins, and what input it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pilot.errors import GraphError
from pilot.graph.issues import Issue
from pilot.graph.model import Graph
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, PythonScope, Retry

InputType = Literal["string", "number", "integer", "boolean", "object", "array", "any"]

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"


class InputField(BaseModel):
    """One declared field of an execution's input."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    type: InputType = "any"
    required: bool = True
    default: JsonValue = None
    description: str = ""
    enum: Annotated[list[JsonValue], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The values that are taken; left out, any of the type."
    )

    @property
    def has_default(self) -> bool:
        return "default" in self.model_fields_set


class StartConfig(NodeConfig):
    inputs: list[InputField] | None = Field(
        default=None,
        max_length=200,
        description="The fields of the execution's input; left out, any input is taken.",
    )


def type_error(field: InputField, value: JsonValue) -> str | None:
    """Why `value` is not of the field's type or none of its values, or None if it is (JSON
    Schema's types)."""
    matches = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": _is_integer(value),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "any": True,
    }
    if not matches[field.type]:
        return f"must be of type {field.type}, not {_json_type(value)}"
    if field.enum is not None and not any(_equal(value, one) for one in field.enum):
        return f"must be one of {', '.join(json.dumps(one) for one in field.enum):.300}"
    return None


def _equal(one: JsonValue, other: JsonValue) -> bool:
    """JSON's equality: 1 and 1.0 are the same number, true is none."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _is_integer(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _json_type(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def check(config: StartConfig) -> Iterable[Issue]:
    seen: set[str] = set()
    for index, field in enumerate(config.inputs or []):
        at = f"inputs[{index}]"
        if field.name in seen:
            yield Issue("duplicate_input", f"the input {field.name!r} is declared twice", field=at)
        seen.add(field.name)
        if field.has_default and field.default is not None:
            problem = type_error(field, field.default)
            if problem:
                yield Issue(
                    "invalid_default",
                    f"the default of {field.name!r} {problem}",
                    field=f"{at}.default",
                )


def resolve_input(config: StartConfig, value: JsonValue) -> tuple[JsonValue, list[Issue]]:
    """The execution's input with defaults filled in, and what is wrong with it.

    Undeclared fields are kept: a canvas may send more than a graph declares.
    """
    if not config.inputs:
        return value, []
    if value is None:
        value = {}
    if not isinstance(value, dict):
        return value, [
            Issue(
                "invalid_input",
                f"the input must be an object with the fields "
                f"{', '.join(field.name for field in config.inputs)}",
                field="input",
            )
        ]
    filled = dict(value)
    issues = []
    for field in config.inputs:
        at = f"input.{field.name}"
        if field.name not in filled:
            if field.has_default:
                filled[field.name] = field.default
            elif field.required:
                issues.append(
                    Issue("missing_input", f"the input {field.name!r} is required", field=at)
                )
            continue
        given = filled[field.name]
        if given is None and not field.required:
            continue
        problem = type_error(field, given)
        if problem:
            issues.append(Issue("invalid_input", f"the input {field.name!r} {problem}", field=at))
    return filled, issues


SPEC = NodeSpec(
    type="start",
    title="Start",
    description="Where a run begins. Declares the input that it takes.",
    category="control",
    icon="play",
    config=StartConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    check=check,
    python_scope=lambda _config: PythonScope(input=True),
    outside=False,
    pure=True,
    hands_on=lambda config: not config.inputs,
)


def start_config(graph: Graph) -> StartConfig:
    """That of the graph's start node. Raises `GraphError` where it has none."""
    for node in graph.nodes:
        if node.type == "start":
            return StartConfig.model_validate(node.config)
    raise GraphError([])
