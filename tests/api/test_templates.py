"""The gallery over HTTP, and in the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from pilot.gallery import templates

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
