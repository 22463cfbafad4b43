"""The run as Temporal's Web UI shows it: a small table of the nodes' states."""

from __future__ import annotations

from pilot.graph.plan import Plan
from pilot.graph.schedule import Schedule
from pilot.graph.status import NodeStatus

MAX_ROWS = 40

_SHOWN_FIRST = (NodeStatus.RUNNING, NodeStatus.WAITING, NodeStatus.FAILED)


def details(plan: Plan, schedule: Schedule, status: str) -> str:
    """Markdown: counts by status, then the nodes, those that matter first if not all fit."""
    rows = [(node, schedule.status(node.id)) for node in plan.nodes]
    counts: dict[NodeStatus, int] = {}
    for _, state in rows:
        counts[state] = counts.get(state, 0) + 1
    lines = [
        f"**{status}**: " + ", ".join(f"{count} {state.value}" for state, count in counts.items()),
        "",
        "| node | type | status |",
        "| --- | --- | --- |",
    ]
    if len(rows) > MAX_ROWS:
        rows.sort(key=lambda row: row[1] not in _SHOWN_FIRST)
    lines += [
        f"| {node.name.replace('|', '/')} | {node.type} | {state.value} |"
        for node, state in rows[:MAX_ROWS]
    ]
    if len(rows) > MAX_ROWS:
        lines.append(f"| and {len(rows) - MAX_ROWS} more | | |")
    return "\n".join(lines)
