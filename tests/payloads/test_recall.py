"""A run that goes on from another is given that one's large outputs when Temporal has long
forgotten its history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.recall import Recall
from pilot.crypto import new_key
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.payloads.objects import Objects
from pilot.payloads.values import Kept
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.migrate import migrate
from pilot.store.open import open_store
from tests.ended import ran
from workflows_def.messages import RecallPage, RecallRequest, Recorded

ROW = {"text": "x" * 40_000}
"""Too large for the list of events."""
APART = ["confidential é " * 200_000]
"""Too large for a row."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        pilot_data_dir=tmp_path,
        pilot_payloads=f"folder:{tmp_path / 'p'}",
        pilot_encryption_key=new_key(),
    )
    await migrate(settings.store_url)
    store = await open_store(settings)
    yield store
    await store.close()


async def ended(store: Any, **nodes: dict[str, Any]) -> Execution:
    """An execution that Temporal knows nothing of, with what its nodes came to."""
    graph: dict[str, Any] = {"nodes": []}
    workflow = await store.create_workflow("ada", name="w", description="", graph=graph)
    row = await ran(store, workflow, timedelta(0), ExecutionStatus.RUNNING)
    at = "2026-03-01T12:00:00Z"
    events = [
        Event(EventType.NODE_SUCCEEDED, row.id, workflow.id, at, seq=3 + place,
              status="succeeded", node_id=node_id, data={"type": "code", **data})
        for place, (node_id, data) in enumerate(nodes.items())
    ]  # fmt: skip
    await store.append_events(row.id, events)
    return row


async def recalled(store: Any, address: str, row: Execution, *nodes: str) -> dict[str, Recorded]:
    activity = Recall(store, await Client.connect(address))
    after: int | None = 0
    found: dict[str, Recorded] = {}
    while after is not None:
        request = RecallRequest("ada", row.id, list(nodes), after)
        page: RecallPage = await ActivityEnvironment().run(activity.recall, request)
        found |= page.records
        after = page.after_seq
    return found


async def test_outputs_come_from_rows_and_the_payload_store(
    store: Any, temporal_address: str
) -> None:
    meta = {"branch": "true", "headers": {str(name): "y" * 500 for name in range(20)}}
    row = await ended(
        store,
        small={"output": 1, "vars": {"a": 2}},
        row={"output": ROW, "meta": meta, "handles": ["true"]},
        apart={"output": APART},
    )
    runs = {run.node_id: run.output for run in await store.node_runs("ada", row.id)}
    assert Kept.of(runs["apart"], row.id) is not None
    assert await recalled(store, temporal_address, row, "small", "row", "apart") == {
        "small": Recorded(1, {}, {"a": 2}),
        "row": Recorded(ROW, meta, handles=["true"]),
        "apart": Recorded(APART),
    }


async def test_what_is_nowhere_any_more_is_told(
    store: Any, temporal_address: str, tmp_path: Path
) -> None:
    row = await ended(store, sets={"vars": {"a": "x" * 40_000}}, apart={"output": APART})
    with pytest.raises(ApplicationError, match="Temporal no longer has it") as caught:
        await recalled(store, temporal_address, row, "sets")
    assert (caught.value.type, caught.value.non_retryable) == ("recording_gone", True)

    objects = Objects.open(Settings(_env_file=None, pilot_payloads=f"folder:{tmp_path / 'p'}"))  # type: ignore[call-arg]
    assert objects is not None
    assert await objects.forget(row.id) == 1
    with pytest.raises(ApplicationError, match="has no object") as caught:
        await recalled(store, temporal_address, row, "apart")
    assert (caught.value.type, caught.value.non_retryable) == ("recording_gone", True)
