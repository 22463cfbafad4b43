"""condition: takes one of several branches. Passes its input on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pilot.graph.issues import Issue
from pilot.graph.spec import ExpressionText, NodeConfig, NodeSpec, Policy, Retry

TRUE, FALSE, ELSE = "true", "false", "else"


class Case(BaseModel):
    """A named branch: taken when it is the first whose expression holds."""

    model_config = ConfigDict(extra="forbid")

    handle: Annotated[str, Field(min_length=1, max_length=64)]
    expression: Annotated[str, ExpressionText(returns="bool")]


class ConditionConfig(NodeConfig):
    expression: Annotated[str | None, ExpressionText(returns="bool")] = Field(
        default=None, description="A CEL expression; the handles are `true` and `false`."
    )
    cases: Annotated[list[Case], Field(max_length=100)] | None = Field(
        default=None, description="Branches in order; the handle `else` when none holds."
    )


def handles(config: ConditionConfig) -> tuple[str, ...]:
    if config.cases is not None:
        return (*(case.handle for case in config.cases), ELSE)
    return (TRUE, FALSE)


def check(config: ConditionConfig) -> Iterable[Issue]:
    if (config.expression is None) == (config.cases is None):
        yield Issue(
            "invalid_condition",
            "a condition has either an expression or cases",
            field="expression",
        )
        return
    if config.cases is None:
        return
    if not config.cases:
        yield Issue("invalid_condition", "cases is empty", field="cases")
    seen: set[str] = set()
    for index, case in enumerate(config.cases):
        at = f"cases[{index}].handle"
        if case.handle in (ELSE, "error", "default"):
            yield Issue("invalid_handle", f"the handle {case.handle!r} is reserved", field=at)
        elif case.handle in seen:
            yield Issue("duplicate_handle", f"the handle {case.handle!r} stands twice", field=at)
        seen.add(case.handle)


SPEC = NodeSpec(
    type="condition",
    title="Condition",
    description="Takes the first branch whose CEL expression holds.",
    category="control",
    icon="split",
    config=ConditionConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=handles,
    branches=True,
    passes_input=True,
    check=check,
    outside=False,
)
