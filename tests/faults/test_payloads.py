"""A worker dies while large values go through a run: between object and reference, and after."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.activities.http_server import http_server
from tests.stack import Stack, execute, finished, save, until

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.slow,
]

SIZE = 3_000_000
MOMENTS_S = (0.05, 0.15, 0.3, 0.6)
"""After a run's start: it takes about half a second."""


def restarted(stack: Stack, killed: int) -> bool:
    pid = stack.state()["worker"]["pid"]
    return pid != killed and psutil.pid_exists(pid)


def objects(folder: Path, execution: str) -> list[Path]:
    return [path for path in folder.rglob(f"{execution}/*") if path.is_file()]


async def test_large_values_outlive_the_worker(tmp_path: Path) -> None:
    """Killed at different moments, a run comes to the same, and leaves nothing when it goes."""
    stack = Stack(tmp_path)
    kept = stack.data_dir / "payloads"
    try:
        async with stack.client() as client, http_server() as server:
            graph = {
                "nodes": [
                    {"id": "start", "type": "start"},
                    {
                        "id": "fetch",
                        "type": "http",
                        "config": {"url": f"{server.url}/bytes/{SIZE}", "response": "text"},
                    },
                    {
                        "id": "measure",
                        "type": "code",
                        "config": {"source": "def main(input): return len(input)"},
                    },
                    {
                        "id": "output",
                        "type": "output",
                        "config": {
                            "value": {
                                "text": "{nodes.fetch.output}",
                                "size": "{nodes.measure.output}",
                            }
                        },
                    },
                ],
                "edges": [
                    {"source": "start", "target": "fetch"},
                    {"source": "fetch", "target": "measure"},
                    {"source": "measure", "target": "output"},
                ],
            }
            workflow = await save(client, graph)
            for moment in MOMENTS_S:
                execution = await execute(client, workflow)
                await asyncio.sleep(moment)
                killed = stack.state()["worker"]["pid"]
                os.kill(killed, signal.SIGKILL)
                await until(lambda killed=killed: restarted(stack, killed), within_s=20)
                found = await finished(client, execution, within_s=90)
                assert found["status"] == "succeeded", (moment, found["error"])
                answer = await client.get(found["large_output"]["href"])
                whole = answer.json()
                assert (whole["size"], len(whole["text"])) == (SIZE, SIZE), moment
                assert objects(kept, execution)
                gone = await client.delete(f"/api/v1/executions/{execution}")
                assert gone.status_code == 204
                assert objects(kept, execution) == []
    finally:
        stack.stop()
