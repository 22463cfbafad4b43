"""switch: takes the first of several branches, or all whose expression holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry
from pilot.nodes.cases import MAX_CASES, Case, case_handles, check_handles


class SwitchConfig(NodeConfig):
    cases: Annotated[list[Case], Field(max_length=MAX_CASES)] = Field(
        default_factory=list,
        description="Branches in order, each {handle, expression}; the handle `else` when none "
        "holds.",
    )
    mode: Literal["first", "all"] = Field(
        default="first", description="Whether the first branch that holds is taken, or all that do."
    )


def check(config: SwitchConfig) -> Iterable[Issue]:
    if not config.cases:
        yield Issue("invalid_switch", "a switch has at least one case", field="cases")
    yield from check_handles(config.cases)


SPEC = NodeSpec(
    type="switch",
    title="Switch",
    description="Takes the branches whose CEL expressions hold: the first, or all.",
    category="control",
    icon="route",
    config=SwitchConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=lambda config: case_handles(config.cases),
    branches=True,
    several=lambda config: config.mode == "all",
    outside=False,
    pure=True,
    passes_input=True,
    check=check,
)
