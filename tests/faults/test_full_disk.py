"""The database's disk runs full while runs are under way, and gets room again."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.faults.counting_server import counting_server
from tests.faults.truth import assert_whole
from tests.fleet import Fleet
from tests.stack import execute, finished, save

RUNS = 5
BLOCK = b"\0" * 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real filesystem of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no `mount` here")
    if mounted.returncode:
        pytest.skip(f"no filesystem may be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leaves no byte; the file whose removal makes room again."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(BLOCK)
    return ballast


async def refused(client: httpx.AsyncClient, workflow: dict[str, object]) -> httpx.Response:
    """The first save that found no room: what the log has room for already, may yet be used."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.post("/api/v1/workflows", json=workflow)
            if answer.status_code != 201:
                return answer


async def store_part(client: httpx.AsyncClient) -> tuple[int, str, str]:
    answer = await client.get("/health")
    return answer.status_code, answer.json()["status"], answer.json()["parts"]["store"]["status"]


async def test_runs_wait_for_room_and_catch_up(tmp_path: Path, small_disk: Path) -> None:
    database = f"sqlite:///{small_disk / 'pilot.db'}"
    async with (
        counting_server() as out,
        Fleet(tmp_path, database_url=database) as fleet,
        fleet.client() as client,
    ):
        gate = out.hold("/full")
        workflow = await save(client, out.graph("/full"))
        runs = [await execute(client, workflow) for _ in range(RUNS)]
        async with asyncio.timeout(30):
            while out.counts["/full"] < RUNS:
                await asyncio.sleep(0.05)
        ballast = fill(small_disk)

        large = {"name": "large", "description": "x" * 10_000, **out.graph("/large")}
        answer = await refused(client, large)
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "storage_full", fleet.apis[0].log()
        assert "make room" in answer.json()["detail"]
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        for path in ("workflows", "executions", f"executions/{runs[0]}"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 200
        assert await store_part(client) == (200, "degraded", "full")

        gate.set()
        temporal = await fleet.temporal_client()
        async with asyncio.timeout(30):  # the runs come to their end, and cannot record it
            while "database's disk is full" not in fleet.workers[0].log():
                await asyncio.sleep(0.1)
        open_runs = [
            one
            for one in runs
            if (await client.get(f"/api/v1/executions/{one}")).json()["finished_at"] is None
        ]
        assert open_runs

        ballast.unlink()
        for one in runs:
            assert (await finished(client, one, within_s=60))["status"] == "succeeded"
            await assert_whole(client, temporal, one)
        assert out.counts["/full"] == RUNS
        await save(client, out.graph("/after"))
        assert (await store_part(client))[2] == "ok"
