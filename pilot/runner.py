"""Temporal's workflow sandbox, entered for workflow code only, and in the order of the history
(`pilot.ordering`).

Before the SDK encodes, decodes or stores a payload it asks the run in the sandbox whose payload
it is, and enters the sandbox for each answer: four times for an activity's argument, and three
for its result. That was a quarter of what a worker with many runs computed
(docs/benchmarks.md, "Many runs at once"). The answer is the SDK's own code over what the run has
pending, and no workflow code, so here it is read from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from pilot.ordering import in_history_order

INSIDE = "__temporal_in_sandbox"
"""What the SDK calls a run's inner instance, among the names of its sandbox. Where a release of it
has no such name, its own way is taken (`tests/test_runner.py` would say so)."""

ASKED = ("get_serialization_context", "get_external_store_context")


@dataclass(frozen=True)
class WorkflowCodeSandbox(SandboxedWorkflowRunner):
    """The sandbox, without the way into it for what is no workflow code."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        inside = getattr(instance, "globals_and_locals", {}).get(INSIDE)
        for name in ASKED:
            answer: Callable[..., Any] | None = getattr(inside, name, None)
            if answer is not None:
                setattr(instance, name, answer)
        ordered = in_history_order(det.info.run_id, instance.activate)
        setattr(instance, "activate", ordered)  # noqa: B010 (mypy holds methods to be fixed)
        return instance
