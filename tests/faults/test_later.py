"""A run that is to begin later begins once, whatever is killed until then."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.faults.test_queue import graph, read
from tests.fleet import Fleet
from tests.outside import outside
from tests.stack import finished, save
from workflows_def.later import later_workflow_id

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(300),
]
SECONDS = 25


@pytest.mark.slow
async def test_everything_is_killed_before_its_time(tmp_path: Path) -> None:
    async with (
        outside() as world,
        Fleet(tmp_path, PILOT_RECONCILE_EVERY_S="2") as fleet,
        fleet.client("ada") as ada,
    ):
        workflow = await save(ada, graph(world.url("ok", "{input}")))

        async def later(what: str) -> str:
            url = f"/api/v1/workflows/{workflow}/execute"
            answer = await ada.post(url, json={"input": what, "delay_s": SECONDS})
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        clocked = await later("clocked")
        clockless = await later("clockless")
        temporal = await fleet.temporal_client()
        # as if it had been asked for while Temporal was away
        await temporal.get_workflow_handle(later_workflow_id(clockless)).terminate()
        parts = (*fleet.apis, *fleet.workers, fleet.temporal)
        await asyncio.gather(*(part.kill() for part in parts))
        await fleet.temporal.start()
        for part in (*fleet.apis, *fleet.workers):
            await part.start()
        # it is no stuck one: the reconciler has passed by, and left it
        row = await read(ada, clocked)
        if row["status"] == "queued":
            assert row["queue"]["reason"] in ("start_at", "starting"), row
        for one in (clocked, clockless):
            run = await finished(ada, one, within_s=120)
            assert (run["status"], run["error"]) == ("succeeded", None)
            assert run["started_at"] >= run["start_at"]
        called = {name: len(times) for name, times in world.calls.items()}
        assert called == {"clocked": 1, "clockless": 1}
