"""merge: where branches come together, all of them or the first few."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from pilot.graph.issues import Issue
from pilot.graph.spec import Joining, NodeConfig, NodeSpec, Policy, PythonScope, Retry


class MergeConfig(NodeConfig):
    mode: Literal["all", "any", "n_of"] = Field(
        default="all",
        description="How many branches it waits for: `all` that are taken, `any` one of them, or "
        "`n` of them.",
    )
    n: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="How many, with the mode `n_of`."
    )
    output: Literal["map", "list", "first", "object"] = Field(
        default="map",
        description="What it makes of the branches' outputs: a `map` by node id, a `list` in the "
        "order of the edges, the `first` that came, or one `object` of all their fields.",
    )
    cancel_losers: bool = Field(
        default=False,
        description="Cancel what runs only for this merge, once it has what it waits for.",
    )


def check(config: MergeConfig) -> Iterable[Issue]:
    if (config.mode == "n_of") != (config.n is not None):
        yield Issue("invalid_merge", "`n` goes with the mode n_of, and n_of needs it", field="n")
    if config.mode == "all" and config.cancel_losers:
        yield Issue(
            "invalid_merge",
            "with the mode all every branch is waited for, and none loses: use any or n_of",
            field="cancel_losers",
        )


def joining(config: MergeConfig) -> Joining:
    return Joining(
        need={"all": None, "any": 1, "n_of": config.n}[config.mode],
        gathers="first" if config.output == "first" else "all",
        cancels=config.cancel_losers,
    )


SPEC = NodeSpec(
    type="merge",
    title="Merge",
    description="Brings branches together, all of them or the first few.",
    category="control",
    icon="merge",
    config=MergeConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    check=check,
    python_scope=lambda _config: PythonScope(input=True),
    joining=joining,
    outside=False,
    pure=True,
)
