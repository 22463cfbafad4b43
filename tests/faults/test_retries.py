"""A worker dies in the middle of a retry: what was kept is not run again, what was run once is not
either."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.fleet import Fleet
from tests.outside import outside
from tests.stack import execute, finished, save


async def test_a_retry_goes_on_after_its_worker_died(tmp_path: Path) -> None:
    async with (
        outside() as world,
        Fleet(tmp_path, workers=1, PILOT_ALLOWED_HOSTS="127.0.0.1") as fleet,
        fleet.client() as client,
    ):
        http = [
            {"id": name, "type": "http", "config": {"url": world.url(manner, name)}, **fields}
            for name, manner, fields in (
                ("kept", "ok", {}),
                ("bad", "fail", {"retry": {"max_attempts": 1}}),
                ("again", "ok", {}),
                ("held", "hold", {}),
            )
        ]
        nodes = [{"id": "s", "type": "start"}, *http, {"id": "o", "type": "output"}]
        edges = [
            {"source": one["id"], "target": other["id"]} for one, other in itertools.pairwise(nodes)
        ]
        workflow = await save(client, {"nodes": nodes, "edges": edges})
        first = await finished(client, await execute(client, workflow, "x"))
        assert first["error"]["node_id"] == "bad"
        world.release("bad")
        answer = await client.post(f"/api/v1/executions/{first['id']}/retry", json={})
        assert answer.status_code == 202, answer.text
        await world.called("held")
        await fleet.workers[0].kill()
        await fleet.workers[0].start()
        world.release("held")
        second = await finished(client, answer.json()["id"])
        assert second["status"] == "succeeded", second["error"]
        calls = {name: len(times) for name, times in world.calls.items()}
        assert (calls["kept"], calls["bad"], calls["again"]) == (1, 2, 1)
        assert calls["held"] <= 2  # a GET in flight at the kill may be sent again
