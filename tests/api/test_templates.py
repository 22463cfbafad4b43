"""The gallery over HTTP, and in the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from pilot.gallery import templates
from tests.api.conftest import Api

URL = "/api/v1/templates"
ROOT = Path(__file__).parents[2]


async def test_they_are_listed_and_read(client: Any) -> None:
    listed = (await client.get(URL)).json()
    assert listed["next_cursor"] is None
    assert [one["id"] for one in listed["items"]] == list(templates())
    one = next(one for one in listed["items"] if one["id"] == "mail_routing")
    assert one["node_types"] == ["start", "llm", "condition", "output"]
    assert "classification" in one["tags"]
    assert one["sample_input"]["sender"] == "ada@example.com"
    assert "nodes" not in one
    read = (await client.get(f"{URL}/mail_routing")).json()
    assert {name: read[name] for name in one} == one
    assert read["nodes"][0]["id"] == "start"


async def test_one_becomes_a_workflow_of_the_callers(client: Any) -> None:
    answer = await client.post(f"{URL}/mail_routing/use")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/api/v1/workflows/{made['id']}"
    assert (made["name"], made["issues"]) == ("Mail routing", [])
    read = (await client.get(f"{URL}/mail_routing")).json()
    assert (made["nodes"], made["edges"]) == (read["nodes"], read["edges"])
    named = await client.post(f"{URL}/mail_routing/use", json={"name": "My own"})
    assert (named.status_code, named.json()["name"]) == (201, "My own")
    assert named.json()["id"] != made["id"]


async def test_what_it_calls_comes_with_it(api: Api, client: Any) -> None:
    read = (await client.get(f"{URL}/moderated_answer")).json()
    assert read["calls"] == ["moderation"]
    before = (await client.get("/api/v1/workflows?limit=200")).json()["items"]
    made = (await client.post(f"{URL}/moderated_answer/use", json={"name": "Mine"})).json()
    assert (made["name"], made["issues"]) == ("Mine", [])
    [call] = [one for one in made["nodes"] if one["type"] == "workflow"]
    called = (await client.get(f"/api/v1/workflows/{call['config']['workflow_id']}")).json()
    assert (called["name"], called["issues"]) == ("Content moderation", [])
    after = (await client.get("/api/v1/workflows?limit=200")).json()["items"]
    assert len(after) == len(before) + 2
    theirs = api.client("eve")
    assert (await theirs.get(f"/api/v1/workflows/{called['id']}")).status_code == 404
    # as it stands, the graph names no workflow that there is
    raw = {"nodes": read["nodes"], "edges": read["edges"]}
    issues = (await client.post("/api/v1/workflows/validate", json=raw)).json()["issues"]
    assert [one["code"] for one in issues] == ["unknown_workflow"]


async def test_what_is_not_there_is_404(api: Any, client: Any) -> None:
    for path in (f"{URL}/none", f"{URL}/..%2Fpyproject", f"{URL}/a.b"):
        assert (await client.get(path)).status_code == 404, path
    assert (await client.post(f"{URL}/none/use")).status_code == 404
    assert (await client.post(f"{URL}/mail_routing/use", json={"x": 1})).status_code == 422
    assert (await api.client(None).get(URL)).status_code == 401


def test_they_are_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet",
         "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
        timeout=120,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {f"pilot/gallery_graphs/{one}.json" for one in templates()} <= packed
