"""A run at the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pilot.events.model import Event, EventType
from pilot.progress import MAX_ROWS, LiveProgress, PlainProgress, progress


def event(kind: EventType, second: int, **fields: Any) -> Event:
    return Event(kind, "e", "w", f"2026-01-01T00:00:{second:02}Z", **fields)


STARTED = event(EventType.EXECUTION_STARTED, 0, status="running")
NODE = event(EventType.NODE_STARTED, 1, node_id="n", data={"type": "llm", "name": "Chatbot"})
TOKEN = event(EventType.LLM_TOKEN, 2, node_id="n", data={"text": "[bold]Hel"})
RETRY = event(
    EventType.NODE_RETRYING, 3, node_id="n", attempt=2, data={"error": {"message": "too busy"}}
)
DONE = event(EventType.NODE_SUCCEEDED, 4, node_id="n", status="succeeded")
SKIPPED = event(
    EventType.NODE_SKIPPED,
    4,
    node_id="m",
    status="skipped",
    data={"reason": "branch_not_taken"},
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
        ["3.00s", "n", "retrying", "(attempt", "2):", "too", "busy"],
        ["4.00s", "n", "succeeded"],
        ["4.00s", "m", "skipped:", "branch_not_taken"],
    ]


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=60)


def drawn(shown: LiveProgress) -> str:
    console = terminal()
    console.print(shown._draw())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_live_table_shows_states_and_what_a_model_says() -> None:
    with LiveProgress(terminal()) as shown:
        for each in (STARTED, NODE, TOKEN):
            shown.show(each)
        running = drawn(shown)
        assert "Chatbot" in running
        assert "[bold]Hel" in running  # a model's text is text, never markup
        shown.show(RETRY)
        assert "too busy" in drawn(shown)
        shown.show(DONE)
        shown.show(SKIPPED)
        ended = drawn(shown)
    assert "succeeded" in ended
    assert "3.00s" in ended
    assert "branch_not_taken" in ended
    assert "Hel" not in ended


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
    assert len(lines) <= MAX_ROWS
    assert "node_999" in lines[-1]


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(progress(), PlainProgress)
