"""Records the histories of the workflows that begin executions: `scheduled`,
`scheduled_cancelled`, `later`, `graph_call` and `graph_call_failed`, as `tests.histories.record`
does those of the interpreter.

`python -m tests.histories.record_triggers` writes those that the working tree's release lacks.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from datetime import datetime
from pathlib import Path

import httpx
from temporalio.client import Client, WorkflowFailureError

from pilot.triggers.schedules import Occurrence
from tests.fleet import Fleet
from tests.histories.record import HERE, ROOT, release
from tests.stack import save
from workflows_def.graph_call import CALL_WORKFLOW, GraphCall
from workflows_def.later import later_workflow_id

NAMES = ("scheduled", "scheduled_cancelled", "later", "graph_call", "graph_call_failed")
SPIN = {"source": "def main():\n    while True:\n        pass", "limits": {"time_s": 60}}

FAILS = {"source": "def main(): return 1 / 0"}


def graph(*nodes: dict[str, object]) -> dict[str, object]:
    chain = [{"id": "start", "type": "start"}, *nodes, {"id": "output", "type": "output"}]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in itertools.pairwise(chain)]
    return {"nodes": chain, "edges": edges}


async def begun(client: httpx.AsyncClient, *nodes: dict[str, object]) -> str:
    """The workflow that a schedule of such a graph has started."""
    body = {
        "name": "s",
        "workflow_id": await save(client, graph(*nodes)),
        "schedule": {"cron": ["@yearly"]},
    }
    url = f"/api/v1/triggers/{(await client.post('/api/v1/triggers', json=body)).json()['id']}"
    await client.post(f"{url}/run")
    while not (rows := (await client.get(f"{url}/executions")).json()["items"]):
        await asyncio.sleep(0.1)
    at = datetime.fromisoformat(rows[0]["triggered"]["at"])
    return Occurrence(rows[0]["triggered"]["id"], at).workflow_id


async def store(temporal: Client, name: str, workflow_id: str) -> None:
    handle = temporal.get_workflow_handle(workflow_id)
    try:
        await handle.result()
    except WorkflowFailureError as error:
        print(f"{name}: ended: {error.cause!r:.70}")
    history = await handle.fetch_history()
    path = HERE / release() / f"{name}.json"
    if path.exists():
        print(f"{name}: is there already")
        return
    text = json.dumps(history.to_json_dict(), indent=1, sort_keys=True)
    path.write_text(text.replace(f"{ROOT}/", ""))
    print(f"{name}: {len(history.events)} events")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Fleet(Path(folder)) as fleet, fleet.client() as client:
            temporal = await fleet.temporal_client()
            await store(temporal, "scheduled", await begun(client))
            slow = await begun(client, {"id": "slow", "type": "code", "config": SPIN})
            await asyncio.sleep(2)
            await temporal.get_workflow_handle(slow).cancel()
            await store(temporal, "scheduled_cancelled", slow)
            url = f"/api/v1/workflows/{await save(client, graph())}/execute"
            later = (await client.post(url, json={"delay_s": 1})).json()["id"]
            await store(temporal, "later", later_workflow_id(later))
            fails = {
                "id": "fails",
                "type": "code",
                "config": {"source": "def main(): return 1 / 0"},
            }
            for name, nodes in (("graph_call", ()), ("graph_call_failed", (fails,))):
                call = GraphCall("tester", await save(client, graph(*nodes)), "hello")
                await temporal.start_workflow(CALL_WORKFLOW, call, id=name, task_queue="pilot")
                await store(temporal, name, name)


if __name__ == "__main__":
    asyncio.run(main())
