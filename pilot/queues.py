"""Task queues of their own for the activities of some node types (`PILOT_TASK_QUEUES`), so that
heavy work has workers of its own, and does not stand in the way of the rest.

A run is given its queues as it is started, and keeps them. Workflow tasks, and what runs inside
them, are always those of the run's own queue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pilot.errors import SettingsError
from pilot.graph.spec import Specs

Queues = Mapping[str, str]
"""By node type. All others' activities go to the queue of their run."""

_NAME = re.compile(r"(?!/_sys/)[^\s,=]{1,200}")


def queues(text: str) -> dict[str, str]:
    """Those of `code=pilot-code, llm=pilot-llm`. Raises `ValueError`."""
    found: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        node_type, _, queue = (side.strip() for side in part.partition("="))
        if not node_type or not _NAME.fullmatch(queue):
            raise ValueError(f"{part!r} is not <node type>=<task queue>, such as code=pilot-code")
        if found.setdefault(node_type, queue) != queue:
            raise ValueError(f"{node_type!r} is given two task queues: a node type has one")
    return found


def require_routable(routed: Queues, own: str, specs: Specs) -> None:
    """Raises `SettingsError` for a node type that is not known, or has no activity to be sent
    anywhere, and for a queue that is the runs' `own`."""
    heavy = sorted(name for name, spec in specs.items() if not spec.policy.local)
    for node_type, queue in routed.items():
        if node_type not in specs:
            raise SettingsError(
                f"PILOT_TASK_QUEUES: there is no node type {node_type!r}; those that may have a "
                f"queue are {', '.join(heavy)}."
            )
        if node_type not in heavy:
            raise SettingsError(
                f"PILOT_TASK_QUEUES: {node_type} nodes run inside their run's workflow task, on "
                f"the worker that has the run: they cannot be sent to a queue of their own. Those "
                f"that can are {', '.join(heavy)}."
            )
        if queue == own:
            raise SettingsError(
                f"PILOT_TASK_QUEUES: {queue!r} is TEMPORAL_TASK_QUEUE, where {node_type} nodes go "
                "anyhow: leave it out, or name another queue."
            )


def served(own: str, routed: Queues, chosen: Sequence[str]) -> list[str]:
    """The queues that a worker polls, each once: those `chosen`, or else all, runs first."""
    return list(dict.fromkeys(chosen or (own, *routed.values())))
