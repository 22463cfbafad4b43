"""A worker is killed while branches race: the race goes on, is decided once, and leaves nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.outside import Outside, outside
from tests.stack import Stack, execute, finished, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# The heartbeat's timeout, which is how long a dead worker goes unnoticed, and a restart.
WITHIN_S = 60


def racing(world: Outside) -> dict[str, object]:
    names = ("winner", "loser")
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            *[
                {"id": name, "type": "http", "config": {"url": world.url("hold", name)}}
                for name in names
            ],
            {"id": "after", "type": "http", "config": {"url": world.url("ok", "after")}},
            {
                "id": "first",
                "type": "merge",
                "config": {"mode": "any", "output": "first", "cancel_losers": True},
            },
            {"id": "output", "type": "output"},
        ],
        "edges": [
            *[{"source": "start", "target": name} for name in names],
            {"source": "loser", "target": "after"},
            {"source": "after", "target": "first"},
            {"source": "winner", "target": "first"},
            {"source": "first", "target": "output"},
        ],
    }


async def test_a_race_outlives_the_worker_that_it_was_on(tmp_path: Path) -> None:
    async with outside() as world:
        stack = Stack(tmp_path)
        try:
            async with stack.client() as client:
                execution_id = await execute(client, await save(client, racing(world)))
                await world.called("winner")
                await world.called("loser")
                os.kill(stack.state()["worker"]["pid"], signal.SIGKILL)
                await world.called("winner", 2, within_s=WITHIN_S)
                await world.called("loser", 2, within_s=WITHIN_S)
                world.release("winner")
                released = time.monotonic()
                execution = await finished(client, execution_id, within_s=WITHIN_S)
        finally:
            stack.stop()
    assert execution["status"] == "succeeded", execution["error"]
    assert execution["output"] == {"name": "winner", "call": 2}
    assert time.monotonic() - released < 30, "the loser would have been held for ever"
    found = {node["id"]: (node["status"], node["reason"]) for node in execution["nodes"]}
    assert found["loser"] == ("cancelled", "lost_race")
    assert found["after"] == ("skipped", "lost_race")
    assert len(world.calls["loser"]) == 2
    assert world.calls["after"] == []
