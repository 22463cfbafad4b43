"""How long the reconciler takes over rows that differ from Temporal, and over rows that do not.

`python -m benchmarks.reconcile [--runs N]`: N runs wait, paused, on a real server. A page of the
reconciler looks at them as they are; then all are terminated behind the store's back, as from
Temporal's Web UI, and a page repairs them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import timedelta

from temporalio.testing import ActivityEnvironment

from activities import reconcile
from activities.reconcile import Reconciler
from activities.slots import Slots
from benchmarks.stack import Stack, stack
from pilot.graph.model import Graph
from workflows_def.messages import SIGNAL_PAUSE, SIGNAL_RESUME
from workflows_def.reconcile import ReconcilePage, ReconcileRequest

GRAPH = Graph.model_validate(
    {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "code", "type": "code", "config": {"source": "1"}},
            {"id": "output", "type": "output"},
        ],
        "edges": [{"source": "start", "target": "code"}, {"source": "code", "target": "output"}],
    }
)


async def waiting(bench: Stack, runs: int) -> list[str]:
    """The Temporal ids of runs that are paused, and will not end."""
    handles = [await bench.start_graph(GRAPH, None, signal=SIGNAL_PAUSE) for _ in range(runs)]
    await asyncio.sleep(2)
    return [handle.id for handle in handles]


async def page(reconciler: Reconciler, rows: int) -> tuple[ReconcilePage, float]:
    began = time.perf_counter()
    found: ReconcilePage = await ActivityEnvironment().run(
        reconciler.reconcile, ReconcileRequest(rows=rows)
    )
    return found, time.perf_counter() - began


async def main(runs: int) -> None:
    reconcile.SETTLED = timedelta(0)
    async with stack([]) as bench:
        ids = await waiting(bench, runs)
        reconciler = Reconciler(
            bench.store, bench.client, Slots(bench.store, bench.client, bench.task_queue, None)
        )
        found, seconds = await page(reconciler, runs)
        assert (found.checked, found.repaired) == (runs, {}), found
        print(f"{runs} open runs looked at in {seconds:.2f} s: {seconds / runs * 1e3:.1f} ms each")
        half = runs // 2
        for id in ids[:half]:
            await bench.client.get_workflow_handle(id).terminate("by hand")
        found, seconds = await page(reconciler, runs)
        assert found.repaired == {"terminated": half}, found
        print(f"{half} of them terminated, and repaired in {seconds:.2f} s with the others")
        for id in ids[half:]:
            await bench.client.get_workflow_handle(id).signal(SIGNAL_RESUME)
            await bench.client.get_workflow_handle(id).result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    asyncio.run(main(parser.parse_args().runs))
