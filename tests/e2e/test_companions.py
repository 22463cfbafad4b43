"""`pilot run` of a file that calls another file."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.stack import Stack

START, OUTPUT = {"id": "start", "type": "start"}, {"id": "output", "type": "output"}


def write(folder: Path, name: str, *between: dict[str, Any]) -> None:
    nodes = [START, *between, OUTPUT]
    ids = [one["id"] for one in nodes]
    edges = [{"source": a, "target": b} for a, b in pairwise(ids)]
    (folder / f"{name}.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))


def step(source: str) -> dict[str, Any]:
    return {"id": "step", "type": "code", "config": {"source": source}}


async def test_the_called_file_is_saved_and_run_as_it_is(stack: Stack, tmp_path: Path) -> None:
    call = {"id": "call", "type": "workflow", "config": {"workflow_id": "file:inner.json"}}
    write(tmp_path, "inner", step("def main(x):\n    return [x]"))
    write(tmp_path, "outer", call)
    arguments = ("run", str(tmp_path / "outer.json"), "--input", "1", "--user", "companions")

    def answer() -> Any:
        done = stack.pilot(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert answer() == [1]
    async with stack.client("companions") as client:
        listed = (await client.get("/api/v1/workflows")).json()["items"]
        ids = {one["name"]: one["id"] for one in listed}
        assert set(ids) == {"inner", "outer"}
        # what is published meanwhile does not run in the place of the file
        published = await client.post(f"/api/v1/workflows/{ids['inner']}/publish", json={})
        assert published.status_code in (200, 201), published.text
    write(tmp_path, "inner", step("def main(x):\n    return [x, x]"))
    assert answer() == [1, 1]
    assert answer() == [1, 1]
    async with stack.client("companions") as client:
        listed = (await client.get("/api/v1/workflows")).json()["items"]
        assert {one["name"]: one["version"] for one in listed} == {"inner": 2, "outer": 2}
    # what is called cannot run: nothing is saved
    write(tmp_path, "inner", step("def main(:"))
    refused = stack.pilot(*arguments)
    assert refused.returncode == 2
    assert "inner.json:" in refused.stderr
    assert "invalid_code" in refused.stderr
    async with stack.client("companions") as client:
        listed = (await client.get("/api/v1/workflows")).json()["items"]
        assert {one["name"]: one["version"] for one in listed} == {"inner": 2, "outer": 2}
