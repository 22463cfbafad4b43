"""What a worker may be told apart from its settings, by name, to be compared with what it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio.worker import (
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    ResourceBasedSlotConfig,
    UnsandboxedWorkflowRunner,
    WorkerConfig,
    WorkerTuner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner


@dataclass(frozen=True)
class _AsTheSdkHasIt(SandboxedWorkflowRunner):
    """No subclass of its has the plugin's way around the sandbox (`pilot.runner`)."""


def _pollers(number: int) -> WorkerConfig:
    polls = PollerBehaviorSimpleMaximum(number)
    return WorkerConfig(workflow_task_poller_behavior=polls, activity_task_poller_behavior=polls)


def _autoscaling() -> WorkerConfig:
    polls = PollerBehaviorAutoscaling()
    return WorkerConfig(workflow_task_poller_behavior=polls, activity_task_poller_behavior=polls)


def _by_resources() -> WorkerConfig:
    most = ResourceBasedSlotConfig(
        minimum_slots=5, maximum_slots=500, ramp_throttle=timedelta(milliseconds=10)
    )
    return WorkerConfig(
        max_concurrent_workflow_tasks=None,
        max_concurrent_activities=None,
        max_concurrent_local_activities=None,
        tuner=WorkerTuner.create_resource_based(
            target_memory_usage=0.8,
            target_cpu_usage=0.9,
            workflow_config=most,
            activity_config=most,
            local_activity_config=most,
        ),
    )


def variant(name: str) -> WorkerConfig:
    """`pollers-N`, `autoscaling`, `by-resources`, `cached-N`, `workflow-tasks-N`, `activities-N`,
    `eager-N`, `no-eager`, `sdk-sandbox` or `unsandboxed`; nothing for the empty name.

    Raises SystemExit for another.
    """
    kind, _, number = name.rpartition("-")
    if kind and number.isdigit():
        many = int(number)
        numbered = {
            "pollers": _pollers(many),
            "cached": WorkerConfig(max_cached_workflows=many),
            "workflow-tasks": WorkerConfig(max_concurrent_workflow_tasks=many),
            "activities": WorkerConfig(max_concurrent_activities=many),
            "eager": WorkerConfig(max_eager_activity_reservations_per_workflow_task=many),
        }
        if kind in numbered:
            return numbered[kind]
    named = {
        "": WorkerConfig(),
        "autoscaling": _autoscaling(),
        "by-resources": _by_resources(),
        "no-eager": WorkerConfig(disable_eager_activity_execution=True),
        "sdk-sandbox": WorkerConfig(workflow_runner=_AsTheSdkHasIt()),
        "unsandboxed": WorkerConfig(workflow_runner=UnsandboxedWorkflowRunner()),
    }
    if name not in named:
        raise SystemExit(f"there is no variant {name!r}")
    return named[name]
