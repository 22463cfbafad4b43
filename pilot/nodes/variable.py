"""variable: sets variables for the nodes below it. Passes its input on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText

Operation = Literal["set", "append", "increment", "merge"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class VariableConfig(NodeConfig):
    assignments: Annotated[
        dict[str, JsonValue], Field(min_length=1, max_length=200), TemplateText()
    ] = Field(description="Variable names and the templates (or JSON) of their values.")
    operations: dict[str, Operation] = Field(
        default_factory=dict,
        description="By name: `set` (default), `append` to a list, `increment` a number, "
        "`merge` into an object. A variable not yet set counts as [], 0 or {}.",
    )


def check(config: VariableConfig) -> Iterable[Issue]:
    for name in config.assignments:
        if not NAME.fullmatch(name):
            yield Issue(
                "invalid_variable_name",
                f"{name!r} is no variable name: letters, digits and _, at most 64",
                field=f"assignments.{name}",
            )
    for name in config.operations:
        if name not in config.assignments:
            yield Issue(
                "unknown_variable",
                f"the operation on {name!r} has no assignment",
                field=f"operations.{name}",
            )


def sets(config: VariableConfig) -> tuple[str, ...]:
    return tuple(config.assignments)


def reads(config: VariableConfig) -> tuple[str, ...]:
    return tuple(name for name, operation in config.operations.items() if operation != "set")


SPEC = NodeSpec(
    type="variable",
    title="Variable",
    description="Sets variables for the nodes below it.",
    category="data",
    icon="variable",
    config=VariableConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    passes_input=True,
    check=check,
    sets=sets,
    reads=reads,
    outside=False,
    pure=True,
)
