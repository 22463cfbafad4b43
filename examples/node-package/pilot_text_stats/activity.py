"""What the node `text_stats` does."""

from __future__ import annotations

import re

from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot_text_stats.spec import LONG, SHORT, TextStatsConfig


@node_activity("text_stats", TextStatsConfig)
async def text_stats(attempt: Attempt[TextStatsConfig]) -> NodeResult:
    """The output is `{words, sentences, characters, reading_s}`."""
    config = await render(attempt.config, attempt.task.scope)
    # a lone {expression} keeps its type, so a template may give anything
    if not isinstance(config.text, str):
        raise NodeError(
            f"the text is {config.text!r:.100}, which is no text", code="text_stats_no_text"
        )
    words = len(re.findall(r"\w+", config.text))
    sentences = len(re.findall(r"[^.!?]+[.!?]|[^.!?]+$", config.text.strip()))
    branch = LONG if words >= config.long_from_words else SHORT
    return NodeResult(
        output={
            "words": words,
            "sentences": sentences,
            "characters": len(config.text),
            "reading_s": round(words / config.words_per_minute * 60),
        },
        handles=[branch],
        meta={"branch": branch},
    )
