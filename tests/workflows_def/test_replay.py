"""Runs in flight survive new code: every stored history replays without a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from pilot.plugin import PilotPlugin
from tests.histories.record import EXAMPLES, cases

STORED = sorted((Path(__file__).parents[1] / "histories").glob("*/*.json"))
NEEDS_NETWORK = {"http_summary"}


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_stored_histories_replay(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    replayer = Replayer(workflows=[], plugins=[PilotPlugin()])
    await replayer.replay_workflow(history)


def test_every_case_and_example_is_stored() -> None:
    stored = {path.stem for path in STORED}
    assert stored >= set(cases())
    assert stored | NEEDS_NETWORK >= {path.stem for path in EXAMPLES.glob("*.json")}


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
