from __future__ import annotations

from typing import Any

import pytest
from temporalio import activity

from activities import registry
from activities.attempt import node_activity
from activities.registry import ITERATING, node_activities
from activities.resources import current
from pilot.errors import PilotError
from pilot.graph.spec import NodeConfig
from pilot.nodes import BUILT_IN

from .conftest import opened


def names() -> list[str | None]:
    definitions = [activity._Definition.must_from_callable(each) for each in node_activities()]
    return [definition.name for definition in definitions]


def test_every_built_in_node_type_has_its_activity() -> None:
    between = {activity._Definition.must_from_callable(each).name for each in ITERATING}
    assert set(names()) - between == {spec.type for spec in BUILT_IN}
    assert len(names()) == len(BUILT_IN) + len(ITERATING)


class EntryPoint:
    value = "elsewhere:thing"

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def load(self) -> Any:
        return self._thing


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(thing: Any) -> None:
        registry._activities.cache_clear()
        monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(thing)])

    yield install
    monkeypatch.undo()
    registry._activities.cache_clear()


def test_others_ship_theirs_by_entry_point(installed: Any) -> None:
    async def run(attempt: Any) -> Any: ...

    installed(node_activity("theirs", NodeConfig)(run))
    assert "theirs" in names()
    installed(node_activity("llm", NodeConfig)(run))
    with pytest.raises(PilotError, match="'llm' is defined twice"):
        node_activities()
    installed(run)
    with pytest.raises(PilotError, match="not an activity"):
        node_activities()


async def test_resources_are_there_while_they_are_open() -> None:
    with pytest.raises(RuntimeError, match="no resources"):
        current()
    async with opened() as shared:
        assert current() is shared
        async with opened() as inner:
            assert current() is inner
        assert current() is shared
    with pytest.raises(RuntimeError, match="no resources"):
        current()
    assert shared.http.is_closed
    assert shared.model_http.is_closed
