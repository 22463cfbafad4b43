"""Runs in flight survive new code: every stored history replays without a difference."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from pilot.plugin import PilotPlugin
from tests.histories.record import EXAMPLES, ROOT, known, release, stored
from tests.histories.record_triggers import NAMES as TRIGGERS
from tests.releases.freeze import released

STORED = stored()


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_stored_histories_replay(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    replayer = Replayer(workflows=[], plugins=[PilotPlugin()])
    await replayer.replay_workflow(history)


def test_every_case_and_example_is_stored() -> None:
    names = {path.stem for path in STORED}
    assert names >= set(known())
    assert names >= set(TRIGGERS)
    assert names >= {path.stem for path in EXAMPLES.glob("*.json")}


def released_before() -> set[str]:
    """The releases that the changelog tells of, but the one of the working tree."""
    told = re.findall(r"^## \[?v?(\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    # 0.1 was never told of, and is what the first runs were begun on
    return {"0.1", *told} - {release()}


def test_every_release_has_its_histories() -> None:
    """How to make one: docs/decisions/0008."""
    assert {path.parent.name for path in STORED} >= {release(), *released_before()}


def test_the_code_of_every_earlier_release_is_kept() -> None:
    """Runs that it began are finished by today's code in tests/releases."""
    assert set(released()) >= released_before()


async def test_a_changed_graph_does_not_replay() -> None:
    """The replayer does see a difference: the same history with another plan."""
    path = next(path for path in STORED if path.stem == "shopping_cart")
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    [started] = [
        event.workflow_execution_started_event_attributes
        for event in history.events
        if event.HasField("workflow_execution_started_event_attributes")
    ]
    payload = started.input.payloads[0]
    run = json.loads(payload.data)
    run["plan"]["policies"] = [policy | {"local": False} for policy in run["plan"]["policies"]]
    payload.data = json.dumps(run).encode()
    replayer = Replayer(workflows=[], plugins=[PilotPlugin()])
    with pytest.raises(Exception, match=r"TMPRL1100|[Nn]ondeterminism"):
        await replayer.replay_workflow(history)
