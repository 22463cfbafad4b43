"""Tells a run's code what its local activities came to in the order in which a replay will.

A workflow task may bring queries with it. SDK Core (1.35) has them answered as soon as the run's
code waits, local activities of the task or not, and hands the task over then. A local activity
whose result arrives while a query is being answered has its marker in that task, but the code is
told of it in the next one, behind what that has brought: signals, ends of other activities. A
replay tells the code in the task that has the marker, which is before. So a run could do things
in another order than it had done, and go on nowhere any more (`TMPRL1100`), because somebody had
looked at it in the wrong millisecond.

Here a result and the answer to a query go to Core one after the other, so it is known which
results are told late; and those are taken out of their activation and told before the rest of it,
as of the task before.

This relies on what is private to the SDK: where a release of it has none of it, its own way is
taken, and `tests/test_ordering.py` says whether that is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from temporalio.bridge.proto import ActivityTaskCompletion
from temporalio.bridge.proto.activity_task import ActivityTask
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

Activate = Callable[[WorkflowActivation], WorkflowActivationCompletion]


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Run:
    """A run that this process has in memory, with its local activities by their numbers: those
    that are `begun` (by their ids), those whose result Core has and the code has not (`sent`), and
    of these, those whose marker is in a task that was handed over (`late`)."""

    begun: dict[str, int] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


_runs: WeakValueDictionary[str, _Run] = WeakValueDictionary()


def in_history_order(run_id: str, activate: Activate) -> Activate:
    """A run's `WorkflowInstance.activate`, with what is told late in its place."""
    run = _runs[run_id] = _Run()
    before: WorkflowActivation | None = None

    def ordered(activation: WorkflowActivation) -> WorkflowActivationCompletion:
        nonlocal before
        if any(job.HasField("query_workflow") for job in activation.jobs):
            return activate(activation)  # queries come by themselves
        told = run.sent.intersection(map(_number, activation.jobs))
        late = told & run.late
        run.sent -= told
        run.late -= told
        earlier, before = before, _frame(activation)
        if late and earlier is not None and earlier.history_length < activation.history_length:
            completion = _told_apart(activate, earlier, activation, late)
        else:
            completion = activate(activation)
        for command in completion.successful.commands:
            if command.HasField("schedule_local_activity"):
                begun = command.schedule_local_activity
                run.begun[begun.activity_id] = begun.seq
        return completion

    return ordered


def watch(worker: Any) -> None:
    """Has an SDK worker's results and answers go to Core in turn."""
    bridge = getattr(worker, "_bridge_worker", None)
    names = ("poll_activity_task", "complete_activity_task", "complete_workflow_activation")
    if not all(callable(getattr(bridge, name, None)) for name in names):
        return
    poll, complete, complete_activation = (getattr(bridge, name) for name in names)
    places: dict[bytes, tuple[str, str]] = {}

    async def poll_activity_task() -> ActivityTask:
        task: ActivityTask = await poll()
        if task.HasField("start") and task.start.is_local:
            start = task.start
            places[task.task_token] = start.workflow_execution.run_id, start.activity_id
        return task

    async def complete_activity_task(completion: ActivityTaskCompletion) -> None:
        run_id, activity_id = places.pop(completion.task_token, ("", ""))
        run = _runs.get(run_id)
        if run is None:
            await complete(completion)
            return
        async with run.turn:
            # of one that failed it is not known here whether it is tried again
            number = run.begun.get(activity_id)
            if number is not None and completion.result.HasField("completed"):
                del run.begun[activity_id]
                run.sent.add(number)
            await complete(completion)

    async def complete_workflow_activation(completion: WorkflowActivationCompletion) -> None:
        run = _runs.get(completion.run_id)
        commands = completion.successful.commands
        if run is None or not any(command.HasField("respond_to_query") for command in commands):
            await complete_activation(completion)
            return
        async with run.turn:
            run.late |= run.sent
            await complete_activation(completion)

    bridge.poll_activity_task = poll_activity_task  # type: ignore[union-attr]
    bridge.complete_activity_task = complete_activity_task  # type: ignore[union-attr]
    bridge.complete_workflow_activation = complete_workflow_activation  # type: ignore[union-attr]


def _number(job: WorkflowActivationJob) -> int | None:
    """Of the local activity whose end the job tells."""
    if job.HasField("resolve_activity") and job.resolve_activity.is_local:
        return job.resolve_activity.seq
    return None


def _told_apart(
    activate: Activate, earlier: WorkflowActivation, activation: WorkflowActivation, late: set[int]
) -> WorkflowActivationCompletion:
    earlier.is_replaying = activation.is_replaying
    earlier.jobs.extend(job for job in activation.jobs if _number(job) in late)
    rest = _frame(activation)
    rest.jobs.extend(job for job in activation.jobs if _number(job) not in late)
    first = activate(earlier)
    if not rest.jobs or not first.HasField("successful"):
        return first
    second = activate(rest)
    if second.HasField("successful"):
        flags = {*first.successful.used_internal_flags, *second.successful.used_internal_flags}
        commands = [*first.successful.commands, *second.successful.commands]
        del second.successful.commands[:], second.successful.used_internal_flags[:]
        second.successful.commands.extend(commands)
        second.successful.used_internal_flags.extend(sorted(flags))
    return second


def _frame(activation: WorkflowActivation) -> WorkflowActivation:
    """The activation without its jobs, whose payloads may be large."""
    frame = WorkflowActivation()
    for one, value in activation.ListFields():
        if one.name == "jobs":
            continue
        if isinstance(value, int | str):
            setattr(frame, one.name, value)
        elif hasattr(value, "extend"):
            getattr(frame, one.name).extend(value)
        else:
            getattr(frame, one.name).CopyFrom(value)
    return frame
