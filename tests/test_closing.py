"""Endings that only a server brings about: a run that grew over the server's own limits."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from pilot import closing
from pilot.embedded import server_command
from pilot.graph.status import ExecutionStatus
from pilot.processes import die_with_parent, free_ports
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from pilot.temporal import connect
from tests.conftest import until_serving

LIMIT = timedelta(seconds=5)
EVENTS = 60


@pytest.fixture
async def small_server(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a server that keeps histories of 60 events."""
    [port] = free_ports(1)
    log = tmp_path / "temporal.log"
    command = server_command(port=port, ui_port=None)
    command += ["--dynamic-config-value", f"limit.historyCount.error={EVENTS}"]
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: ASYNC220 (forking takes a millisecond)
            command,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (forks, and execs at once)
        )
    try:
        address = f"127.0.0.1:{port}"
        await until_serving(server, address, log)
        yield await connect(Settings(temporal_address=address))
    finally:
        server.kill()
        server.wait()


async def test_a_history_over_the_servers_limit_is_a_failure_with_a_code_of_its_own(
    small_server: Client, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    graph = {"nodes": [{"id": "s", "type": "start"}], "edges": []}
    workflow = await store.create_workflow("u", name="n", description="", graph=graph)
    row = Execution(
        str(uuid4()), "u", workflow.id, 1, ExecutionStatus.QUEUED, None, datetime.now(UTC)
    )
    await store.create_execution(row)
    handle = await small_server.start_workflow(
        "Any", id=row.temporal_workflow_id, task_queue="nobody"
    )
    with pytest.raises(RPCError, match="exceeds limit"):
        for _ in range(EVENTS + 1):
            await handle.signal("any")

    ending = await closing.verdict(handle, await handle.describe(), limit=LIMIT)
    events = await closing.close(store, row, ending)
    assert [event.type for event in events] == ["node.skipped", "execution.failed"]
    row = await store.get_execution("u", row.id)
    assert row.status is ExecutionStatus.FAILED
    assert row.error == {
        "code": "history_limit",
        "message": "Temporal ended the run: Workflow history count exceeds limit.",
    }
    assert await closing.close(store, row, closing.NEVER_BEGUN) == []
    await store.close()
