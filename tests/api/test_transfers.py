"""Import and export over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.workflows.schemas import CHATBOT

URL = "/api/v1/workflows"
DIFY = (Path(__file__).parents[1] / "convert/samples/dify/support_chat.yml").read_text()
FLOW = {
    "nodes": [{"id": "a", "type": "input", "position": {"x": 1, "y": 2}, "data": {"label": "A"}}],
    "edges": [],
    "viewport": {"x": 0, "y": 0, "zoom": 2},
}


async def test_a_document_becomes_a_workflow_and_a_report(client: Any) -> None:
    answer = await client.post(f"{URL}/import", json={"content": DIFY})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    made, report = body["workflow"], body["report"]
    assert answer.headers["location"] == f"{URL}/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (made["name"], report["format"], body["draft"]) == ("Support chat", "dify", None)
    assert len(report["carried"]) == 7
    assert {one["outcome"] for one in report["dropped"]} == {"dropped"}
    assert all({"severity", "message"} <= one.keys() for one in report["approximated"])
    saved = (await client.get(answer.headers["location"])).json()
    assert saved["nodes"] == made["nodes"]
    errors = [issue["code"] for issue in saved["issues"] if issue["severity"] == "error"]
    assert errors == ["unknown_secret"]
    assert "sk-very-secret" not in answer.text


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml; charset=utf-8"])
async def test_yaml_comes_as_it_is(client: Any, kind: str) -> None:
    answer = await client.post(
        f"{URL}/import?dry_run=true&name=Mine&format=dify",
        content=DIFY.encode(),
        headers={"Content-Type": kind},
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["workflow"], body["draft"]["name"]) == (None, "Mine")
    assert len(body["draft"]["nodes"]) == 9
    listed = (await client.get(URL)).json()["items"]
    assert "Mine" not in {one["name"] for one in listed}


@pytest.mark.parametrize("format", ["pilot", "reactflow"])
async def test_what_goes_out_comes_in_again(client: Any, format: str) -> None:
    canvas = {**CHATBOT, "timeout_s": 50.0}
    canvas["nodes"] = [{**one, "width": 12, "data": {"mine": 1}} for one in CHATBOT["nodes"]]
    made = (await client.post(URL, json=canvas)).json()
    out = await client.get(f"{URL}/{made['id']}/export?format={format}")
    assert out.status_code == 200
    assert out.headers["content-type"] == "application/json"
    assert "attachment" in out.headers["content-disposition"]
    assert out.headers["etag"] == '"1"'
    back = await client.post(f"{URL}/import?format={format}", json=out.json())
    assert back.status_code == 201, back.text
    again = back.json()["workflow"]
    assert again["id"] != made["id"]
    for field in ("name", "description", "nodes", "edges", "timeout_s"):
        assert again[field] == made[field]


async def test_mermaid_goes_out(client: Any) -> None:
    made = (await client.post(URL, json=CHATBOT)).json()
    out = await client.get(f"{URL}/{made['id']}/export", params={"format": "mermaid"})
    assert out.headers["content-type"] == "text/vnd.mermaid; charset=utf-8"
    assert out.text.splitlines()[3:] == [
        "flowchart LR",
        '  n0(["Start"])',
        '  n1["Chat"]',
        '  n2(["output"])',
        "  n0 --> n1",
        "  n1 --> n2",
    ]


async def test_a_flow_of_react_flow_is_found_out(client: Any) -> None:
    for body in (FLOW, {"content": FLOW}, {"content": json.dumps(FLOW)}):
        answer = await client.post(f"{URL}/import", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["report"]["format"] == "reactflow"
        assert answer.json()["workflow"]["nodes"][0]["type"] == "start"


@pytest.mark.parametrize(
    ("send", "status", "code"),
    [
        ({"json": {"content": "a: [1"}}, 422, "invalid_yaml"),
        ({"json": {"content": "{]"}}, 422, "not_convertible"),
        ({"json": {"content": {"what": 1}}}, 422, "not_convertible"),
        ({"json": {"content": {"nodes": [{"id": 1}], "edges": []}}}, 422, "not_convertible"),
        ({"json": {"content": FLOW, "format": "word"}}, 422, "invalid_request"),
        ({"json": {"content": FLOW, "more": 1}}, 422, "invalid_request"),
        ({"json": {}}, 422, "invalid_request"),
        ({"json": [1, 2]}, 422, "invalid_request"),
        ({"json": {**FLOW, "name": "a\x00b"}}, 422, "invalid_request"),
        ({"content": "{", "headers": {"Content-Type": "application/json"}}, 400, "invalid_json"),
        ({"content": b"\xff", "headers": {"Content-Type": "text/yaml"}}, 400, "invalid_yaml"),
        ({"content": "x", "headers": {"Content-Type": "image/png"}}, 415, "unsupported_media_type"),
    ],
)
async def test_what_is_no_document_is_said(client: Any, send: Any, status: int, code: str) -> None:
    answer = await client.post(f"{URL}/import", **send)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_text_that_would_grow_is_refused(client: Any) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    answer = await client.post(f"{URL}/import", json={"content": "\n".join(lines)})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_yaml")


async def test_it_is_the_owners(api: Any, client: Any) -> None:
    made = (await client.post(URL, json=CHATBOT)).json()
    path = f"{URL}/{made['id']}/export"
    assert (await api.client("eve").get(path)).status_code == 404
    assert (await api.client(None).get(path)).status_code == 401
    assert (await api.client(None).post(f"{URL}/import", json=FLOW)).status_code == 401
