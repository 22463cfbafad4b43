"""What others build upon: docs/openapi.json, current and without a breaking change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from pilot.graph.json_schema import graph_schema
from pilot.nodes import specs
from pilot.settings import Settings
from tests.api.breaking import breaking_changes
from tests.releases.freeze import interface, released

ROOT = Path(__file__).parents[2]
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    made: Document = create_app(Settings.model_validate({"pilot_env": "development"})).openapi()
    return made


def test_the_published_document_is_current(document: Document) -> None:
    published = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert published == document, "make it anew: make published"


@pytest.mark.parametrize("release", released()[-1:])
def test_nothing_breaks_who_uses_the_last_release(release: str, document: Document) -> None:
    assert breaking_changes(json.loads(interface(release).read_text()), document) == []


def workflow(document: Document) -> Document:
    schemas: Document = document["components"]["schemas"]
    return schemas


CREATE = ("paths", "/api/v1/workflows", "post")


def at(document: Document, *keys: str) -> Any:
    found: Any = document
    for key in keys:
        found = found[key]
    return found


CHANGES: dict[str, Callable[[Document], Any]] = {
    "POST /api/v1/workflows is gone": lambda new: at(new, *CREATE[:2]).pop("post"),
    "does not answer 201 any more": lambda new: at(new, *CREATE, "responses").pop("201"),
    "body.tags is required now": lambda new: workflow(new)["WorkflowIn"]["required"].append("tags"),
    "body.description is not taken any more": lambda new: workflow(new)["WorkflowIn"][
        "properties"
    ].pop("description"),
    "201.version is gone": lambda new: workflow(new)["WorkflowOut"]["properties"].pop("version"),
    "201.version may be missing now": lambda new: workflow(new)["WorkflowOut"]["required"].remove(
        "version"
    ),
    "the parameter limit is gone": lambda new: at(new, *CREATE[:2], "get").update(parameters=[]),
    "the parameter owner is required now": lambda new: at(new, *CREATE).update(
        parameters=[{"in": "query", "name": "owner", "required": True}]
    ),
    "a body of application/json is not taken any more": lambda new: at(
        new, *CREATE, "requestBody", "content"
    ).pop("application/json"),
    "items[].created_at is gone": lambda new: workflow(new)["ExecutionSummaryOut"][
        "properties"
    ].pop("created_at"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_breaking_change_is_noticed(document: Document, said: str) -> None:
    new = copy.deepcopy(document)
    CHANGES[said](new)
    found = breaking_changes(document, new)
    assert any(said in one for one in found), found
    # and the other way round it is an addition, which breaks nobody, unless it asks for more
    back = breaking_changes(new, document)
    assert not [one for one in back if said in one], back


async def test_a_server_gives_the_schema_of_its_own_node_types(client):
    answer = await client.get("/api/v1/schema/graph.json")
    assert answer.status_code == 200
    assert answer.json() == graph_schema(specs())
