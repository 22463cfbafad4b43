"""text_stats: counts words and sentences, and leaves by `long` or `short`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText

LONG, SHORT = "long", "short"


class TextStatsConfig(NodeConfig):
    text: Annotated[str, Field(min_length=1), TemplateText()] = Field(
        default="{input}", description="The text that is counted: a template."
    )
    words_per_minute: Annotated[int, Field(ge=50, le=1000)] = 230
    long_from_words: Annotated[int, Field(ge=1)] = Field(
        default=200, description="From so many words on the node leaves by `long`."
    )


def handles(_config: TextStatsConfig) -> tuple[str, ...]:
    return (LONG, SHORT)


def check(config: TextStatsConfig) -> Iterable[Issue]:
    """What the model of the configuration cannot say by itself."""
    if "{" not in config.text:
        yield Issue(
            "constant_text",
            "the text is always the same: put {input} into it",
            severity="warning",
            field="text",
        )


SPEC = NodeSpec(
    type="text_stats",
    title="Text statistics",
    description="Counts words and sentences, and takes the branch `long` or `short`.",
    category="data",
    icon="ruler",
    config=TextStatsConfig,
    # it touches nothing outside, so it runs inside the workflow task
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=handles,
    branches=True,
    check=check,
)
