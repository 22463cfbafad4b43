"""The API is killed between the steps of `execute`: what the client repeats is one execution, and
no other is left behind as a ghost or run twice.

The API reaches Temporal over a link that holds its starts and lets pass what it asks before, so it
is killed while it waits for exactly the step in question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.service import RPCError, RPCStatusCode

from pilot.store import Execution
from pilot.store.sql import SqlStore
from tests.faults.counting_server import counting_server
from tests.faults.held_calls import HeldCalls
from tests.faults.held_link import Way
from tests.fleet import Fleet
from tests.stack import finished, save

USER = "tester"
GHOST_LIMIT_S = 180
"""A row is settled after 30 s and its start given up after 60 s; then comes the next pass."""


CALLING = "/{execution.id}"


class Deaths:
    """A fleet whose API is reached by Temporal over a link, and its one workflow."""

    def __init__(self, fleet: Fleet, link: HeldCalls, store: SqlStore) -> None:
        self.fleet, self.link, self.store = fleet, link, store
        self.workflow = ""

    async def rows(self) -> dict[str, Execution]:
        found = await self.store.list_executions(USER, workflow_id=self.workflow)
        return {row.id: row for row in found.items}

    async def execute(self, client: httpx.AsyncClient, key: str | None) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await client.post(
            f"/api/v1/workflows/{self.workflow}/execute", json={"input": 1}, headers=headers
        )

    async def die(self, way: Way, *keys: str | None) -> dict[str, Execution]:
        """Requests with these keys, and the API's death while all of them wait for Temporal to
        start their runs: it was not asked yet (`requests`), or its answers are under way
        (`answers`). The rows that they left."""
        async with self.fleet.client() as client:
            self.link.hold_calls("StartWorkflowExecution")
            requests = [asyncio.create_task(self.execute(client, key)) for key in keys]
            async with asyncio.timeout(4):  # a call to Temporal gives up after five seconds
                while self.link.calls_held < len(keys):
                    await asyncio.sleep(0.02)
                rows = await self.rows()
                assert len(rows) == len(keys), "the row is written before the run is started"
                if way == "answers":
                    self.link.hold(way)
                    self.link.pass_on()
                while not all([await self.has_begun(id) is (way == "answers") for id in rows]):
                    await asyncio.sleep(0.02)
            await self.fleet.apis[0].kill()
            for outcome in await asyncio.gather(*requests, return_exceptions=True):
                assert isinstance(outcome, httpx.TransportError), outcome
        self.link.release()
        rows = await self.rows()
        assert all(row.temporal_run_id is None for row in rows.values())
        await self.fleet.apis[0].start()
        return rows

    async def has_begun(self, id: str) -> bool:
        """Whether Temporal knows the run; asked past the link."""
        client = await self.fleet.temporal_client()
        try:
            await client.get_workflow_handle(f"execution-{id}").describe()
        except RPCError as error:
            assert error.status is RPCStatusCode.NOT_FOUND
            return False
        return True

    async def repeat(self, key: str) -> str:
        async with self.fleet.client() as client:
            answers = [await self.execute(client, key) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {202}, answers[0].text
        assert all(answer.headers["Idempotent-Replayed"] == "true" for answer in answers)
        [id] = {answer.json()["id"] for answer in answers}
        return str(id)

    async def end(self, id: str, *, within_s: float = 60) -> dict[str, Any]:
        async with self.fleet.client() as client:
            return await finished(client, id, within_s=within_s)


@pytest.fixture
async def deaths(tmp_path: Path) -> AsyncIterator[Deaths]:
    async with HeldCalls() as link:
        fleet = Fleet(
            tmp_path,
            api_environment={"TEMPORAL_ADDRESS": link.address},
            PILOT_RECONCILE_EVERY_S="2",
        )
        link.target = fleet.temporal_address
        async with fleet:
            store = await SqlStore.open(f"sqlite:///{fleet.data_dir / 'pilot.db'}")
            yield Deaths(fleet, link, store)
            await store.close()


async def test_the_row_was_written_and_the_run_not_started(deaths: Deaths) -> None:
    async with counting_server() as outside:
        async with deaths.fleet.client() as client:
            deaths.workflow = await save(client, outside.graph(CALLING))
        left = await deaths.die("requests", None, "repeated", "forgotten")
        repeated = await deaths.repeat("repeated")
        assert repeated in left
        assert (await deaths.end(repeated))["status"] == "succeeded"
        assert (await deaths.rows()).keys() == left.keys(), "the repetition made no further row"

        others = await asyncio.gather(
            *(deaths.end(id, within_s=GHOST_LIMIT_S) for id in left if id != repeated)
        )
        by_status = {execution["status"]: execution for execution in others}
        # whoever sent no key was told of a failure and may have tried again
        assert by_status.keys() == {"failed", "succeeded"}
        keyless, forgotten = by_status["failed"], by_status["succeeded"]
        assert keyless["error"]["code"] == "never_started"
        assert {node["status"] for node in keyless["nodes"]} == {"skipped"}
        assert await deaths.repeat("forgotten") == forgotten["id"]
        assert outside.counts == {f"/{repeated}": 1, f"/{forgotten['id']}": 1}


async def test_the_run_was_started_and_the_answer_not_sent(deaths: Deaths) -> None:
    async with counting_server() as outside:
        async with deaths.fleet.client() as client:
            deaths.workflow = await save(client, outside.graph(CALLING))
        left = await deaths.die("answers", None, "repeated")
        repeated = await deaths.repeat("repeated")
        assert repeated in left
        for id in left:
            assert (await deaths.end(id))["status"] == "succeeded"
        assert (await deaths.rows()).keys() == left.keys()
        assert outside.counts == {f"/{id}": 1 for id in left}
