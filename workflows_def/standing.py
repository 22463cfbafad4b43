"""What the nodes of one Temporal workflow wait for now, in memory, for those who ask."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from pilot.events.model import rfc3339
from workflows_def.messages import Standing, StandingPage

MAX_TITLE_CHARS = 500


class StandingWaits:
    """By place, in the order in which they began."""

    def __init__(self) -> None:
        self._waits: dict[tuple[str, str], Standing] = {}

    def begin(self, node_id: str, path: str, waiting: dict[str, Any]) -> None:
        """The node waits as `waiting` says (`Step.waits`); or that has changed. What a loop or a
        map waits for is what its nodes do, and is not kept here."""
        if "for" not in waiting:
            return
        place = (node_id, path)
        before = self._waits.get(place)
        title = waiting.get("title")
        self._waits[place] = Standing(
            node_id=node_id,
            path=path,
            kind=waiting["for"],
            since=rfc3339(workflow.now()) if before is None else before.since,
            until=waiting.get("until"),
            signal=waiting.get("signal"),
            title=None if title is None else title[:MAX_TITLE_CHARS],
            required=waiting.get("required"),
            approvals=waiting.get("approvals"),
        )

    def end(self, node_id: str, path: str) -> None:
        self._waits.pop((node_id, path), None)

    def page(self, most: int, children: list[str]) -> StandingPage:
        first = list(self._waits.values())[:most]
        return StandingPage(first, children, more=len(self._waits) > most)
