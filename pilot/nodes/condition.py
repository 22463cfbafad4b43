"""condition: takes one of several branches. Passes its input on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from pilot.graph.issues import Issue
from pilot.graph.spec import ExpressionText, NodeConfig, NodeSpec, Policy, Retry
from pilot.nodes.cases import MAX_CASES, Case, case_handles, check_handles

TRUE, FALSE = "true", "false"


class ConditionConfig(NodeConfig):
    expression: Annotated[str | None, ExpressionText(returns="bool")] = Field(
        default=None, description="A CEL expression; the handles are `true` and `false`."
    )
    cases: Annotated[list[Case], Field(max_length=MAX_CASES)] | None = Field(
        default=None, description="Branches in order; the handle `else` when none holds."
    )


def handles(config: ConditionConfig) -> tuple[str, ...]:
    if config.cases is not None:
        return case_handles(config.cases)
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
    yield from check_handles(config.cases)


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
    pure=True,
)
