"""A run at the terminal."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from pilot.client import Execution, Node
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.progress import LiveProgress, Mode, PlainProgress, progress
from pilot.tree import MAX_ROWS


def event(kind: EventType, second: int, **fields: Any) -> Event:
    return Event(kind, "e", "w", f"2026-01-01T00:00:{second:02}Z", **fields)


STARTED = event(EventType.EXECUTION_STARTED, 0, seq=1, status="running")
NODE = event(EventType.NODE_STARTED, 1, node_id="n", data={"type": "llm", "name": "Chatbot"})
TOKEN = event(EventType.LLM_TOKEN, 2, node_id="n", data={"text": "[bold]Hel"})
RETRY = event(
    EventType.NODE_RETRYING,
    3,
    node_id="n",
    attempt=2,
    data={"error": {"message": "too busy"}, "max_attempts": 4},
)
USAGE = {"prompt_tokens": 3, "completion_tokens": 7, "cost_usd": 0.01}
DONE = event(
    EventType.NODE_SUCCEEDED, 4, node_id="n", status="succeeded", data={"meta": {"usage": USAGE}}
)
SKIPPED = event(
    EventType.NODE_SKIPPED,
    4,
    node_id="m",
    status="skipped",
    data={"reason": "branch_not_taken"},
)


NAMES = {"Chatbot", "n", "m", "tool"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Execution(
    "e",
    "w",
    1,
    ExecutionStatus.QUEUED,
    NOW,
    nodes=[Node("n", "llm", NodeStatus.PENDING), Node("m", "code", NodeStatus.PENDING)],
)


def test_plain_lines_have_time_node_and_what_happened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with PlainProgress() as shown:
        for each in (STARTED, NODE, TOKEN, RETRY, DONE, SKIPPED):
            shown.show(each)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split() for line in captured.err.splitlines()] == [
        ["0.00s", "execution", "started"],
        ["1.00s", "n", "started"],
        ["3.00s", "n", "retrying", "(attempt", "2", "of", "4", "failed):", "too", "busy"],
        ["4.00s", "n", "succeeded"],
        ["4.00s", "m", "skipped:", "branch_not_taken"],
    ]


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=140, height=60)


def drawn(shown: LiveProgress) -> str:
    console = terminal()
    console.print(shown.tree.draw())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_tree_shows_states_and_what_a_model_says() -> None:
    with LiveProgress(terminal()) as shown:
        for each in (STARTED, NODE, TOKEN):
            shown.show(each)
        running = drawn(shown)
        assert "Chatbot" in running
        assert "[bold]Hel" in running  # a model's text is text, never markup
        shown.show(RETRY)
        assert "too busy" in drawn(shown)
        assert "attempt 3 of 4" in drawn(shown)
        shown.show(DONE)
        shown.show(SKIPPED)
        ended = drawn(shown)
    assert "succeeded" in ended
    assert "3.00s" in ended
    assert "branch_not_taken" in ended
    assert "Hel" not in ended
    assert "10 tokens $0.0100" in ended


def test_nodes_stand_in_the_order_of_the_graph_and_tools_below_their_model() -> None:
    with LiveProgress(terminal()) as shown:
        shown.begin(RUN)
        path = "n#1.1"
        for each in (
            STARTED,
            event(EventType.NODE_STARTED, 1, seq=2, node_id="m", data={"type": "code"}),
            NODE,
            event(EventType.NODE_STARTED, 2, seq=4, node_id="tool", path=path, data={}),
            event(EventType.NODE_SUCCEEDED, 3, seq=5, node_id="tool", path=path, data={}),
        ):
            shown.show(each)
        lines = [line.split() for line in drawn(shown).splitlines()]
    names = [next(word for word in line if word in NAMES) for line in lines if NAMES & {*line}]
    assert names == ["Chatbot", "tool", "m"]
    assert any("└" in line for line in lines)


def test_a_run_without_a_worker_says_so_until_it_goes_on() -> None:
    waits = "no worker polls the task queue"
    with LiveProgress(terminal()) as shown:
        shown.begin(RUN)
        assert "queued" in drawn(shown)
        shown.show(event(EventType.EXECUTION_WAITING, 0, data={"reason": "no_worker"}))
        assert waits in drawn(shown)
        shown.show(event(EventType.EXECUTION_RESUMED, 0, data={"reason": "no_worker"}))
        assert waits not in drawn(shown)
        shown.show(event(EventType.EXECUTION_WAITING, 0, data={"reason": "no_worker"}))
        shown.show(STARTED)
        assert waits not in drawn(shown)


def test_a_snapshot_replaces_what_was_shown(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [
        {"id": "n", "type": "llm", "status": "running", "path": ""},
        {"id": "m", "type": "code", "status": "pending", "path": ""},
    ]
    anew = event(EventType.SNAPSHOT, 5, seq=2, status="running", data={"nodes": nodes})
    with LiveProgress(terminal()) as shown:
        for each in (STARTED, NODE, DONE, SKIPPED, anew):
            shown.show(each)
        now = drawn(shown)
    assert "Chatbot" in now
    assert "running" in now
    assert "skipped" not in now
    with PlainProgress() as plain:
        plain.show(anew)
    assert "a worker was lost" in capsys.readouterr().err


def test_a_thousand_nodes_stay_a_screen() -> None:
    with LiveProgress(terminal()) as shown:
        for index in range(1000):
            shown.show(event(EventType.NODE_STARTED, 1, node_id=f"node_{index}"))
        lines = drawn(shown).splitlines()
    assert len(lines) <= MAX_ROWS + 3
    assert "node_999" in lines[MAX_ROWS - 1]
    assert "960 more nodes" in lines[MAX_ROWS]


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(progress(), PlainProgress)


def test_json_is_the_events_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Mode.JSON) as shown:
        for each in (STARTED, TOKEN):
            shown.show(each)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [STARTED.to_json(), TOKEN.to_json()]
