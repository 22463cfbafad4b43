"""A workflow of somebody else's, in a module of its own as Temporal's sandbox wants it."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from pilot.workflows import run_graph


@workflow.defn
class Theirs:
    """Knows nothing of πlot but `run_graph`; its worker has no plugin."""

    @workflow.run
    async def run(self, owner: str, graph_id: str, version: str | None) -> Any:
        return {"theirs": await run_graph(owner, graph_id, "hello", version=version)}
