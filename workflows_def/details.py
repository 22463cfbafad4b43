"""The run as Temporal's Web UI shows it: a small table of the nodes' states."""

from __future__ import annotations

from pilot.graph.plan import Plan
from pilot.graph.schedule import Schedule
from pilot.graph.status import NodeStatus

MAX_ROWS = 40

_SHOWN_FIRST = (NodeStatus.RUNNING, NodeStatus.WAITING, NodeStatus.FAILED)


def details(plan: Plan, schedule: Schedule, status: str) -> str:
    """Markdown: counts by status, then the nodes, those that matter first if not all fit. It is
    made anew with each step of the run, so it looks at no more nodes than it shows."""
    counts = schedule.counts.items()
    lines = [
        f"**{status}**: " + ", ".join(f"{count} {state.value}" for state, count in counts),
        "",
        "| node | type | status |",
        "| --- | --- | --- |",
    ]
    for index in _shown(len(plan.nodes), schedule):
        node = plan.nodes[index]
        name = node.name.replace("|", "/")
        lines.append(f"| {name} | {node.type} | {schedule.status(node.id).value} |")
    if len(plan.nodes) > MAX_ROWS:
        lines.append(f"| and {len(plan.nodes) - MAX_ROWS} more | | |")
    return "\n".join(lines)


def _shown(count: int, schedule: Schedule) -> list[int]:
    """The places in the plan of the nodes that are shown."""
    if count <= MAX_ROWS:
        return list(range(count))
    first = schedule.having(_SHOWN_FIRST, MAX_ROWS)
    rest = [index for index in range(MAX_ROWS) if index not in set(first)]
    return first + rest[: MAX_ROWS - len(first)]
