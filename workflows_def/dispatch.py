"""Runs one node's activity under the policy of its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError

from pilot.events.model import rfc3339
from pilot.graph.plan import PlanNode
from pilot.graph.spec import Policy
from pilot.graph.task import NodeResult, NodeTask, Scope
from workflows_def.failure import (
    cut_off_at,
    failure_of,
    is_away,
    is_cancelled,
    waiting_of,
    was_lost,
)
from workflows_def.messages import RunInput
from workflows_def.pace import Pace

PATCH_CUT_OFF = "another attempt after a worker's stop"
PATCH_LOST = "another attempt after a worker's death"

Tell = Callable[[dict[str, Any] | None], None]

ASK_NO_MODEL = frozenset({"code", "http"})
"""Types whose tasks need not say that the workflow waits for room at a model."""

FIRST_PAUSE_S, MAX_PAUSE_S = 5.0, 60.0
"""Before a node is begun anew that the payload store has failed."""

MAX_LOST = 10
"""So many attempts that died with their worker count for nothing, beyond those that the policy
allows: a worker's death is no failure of the node's. More look as if the node kills its worker."""


def policy_of(run: RunInput, node: PlanNode) -> Policy:
    return run.plan.policies[node.policy]


def keeps(run: RunInput, node: PlanNode, path: str) -> bool:
    """Whether the node's output may be a reference. Not inside of loops and maps, which collect
    outputs, nor where the run's output is put together of several, or is another run's value."""
    if not run.sizes.keeps or path:
        return False
    if node.output_key is None:
        return True
    outputs = (one for one in run.plan.nodes if one.output_key is not None)
    return run.parent is None and len(list(islice(outputs, 2))) == 1


async def dispatch(
    run: RunInput,
    pace: Pace,
    node: PlanNode,
    scope: Scope,
    *,
    path: str = "",
    round: int = 0,
    transcript: Sequence[dict[str, Any]] = (),
    quiet: bool = False,
    tell: Tell | None = None,
) -> NodeResult:
    """The result of a node's activity, after as many attempts as its policy allows. `tell` is
    called where it waits for room at a model, with what is known of that, and with None when it
    asks again; without it the activity itself waits, or fails."""
    task = NodeTask(
        execution_id=run.execution_id,
        workflow_id=run.workflow_id,
        user_id=run.user_id,
        node_id=node.id,
        type=node.type,
        name=node.name,
        config=node.config,
        scope=scope,
        path=path,
        round=round,
        transcript=list(transcript),
        quiet=quiet,
        callers=run.callers,
        keeps=keeps(run, node, path),
        yields=tell is not None and node.type not in ASK_NO_MODEL,
    )
    await pace.admit(task)
    policy = policy_of(run, node)
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await _attempts(pace, node, task, policy, run.queues.get(node.type), tell)
        except FailureError as error:
            if not is_away(error) or is_cancelled(error):
                raise
        # only histories that were written with a payload store come here: no patch is needed
        await workflow.sleep(pause, summary="the payload store does not answer")
        pause = min(pause * 2, MAX_PAUSE_S)


async def _attempts(
    pace: Pace,
    node: PlanNode,
    task: NodeTask,
    policy: Policy,
    queue: str | None,
    tell: Tell | None,
) -> NodeResult:
    retry = RetryPolicy(
        initial_interval=timedelta(seconds=policy.retry.initial_s),
        backoff_coefficient=policy.retry.backoff,
        maximum_interval=timedelta(seconds=policy.retry.max_s),
        maximum_attempts=policy.retry.max_attempts,
        non_retryable_error_types=list(policy.retry.non_retryable),
    )
    timeout = timedelta(seconds=policy.timeout_s)
    result: NodeResult
    if policy.local:
        result = await workflow.execute_local_activity(
            node.type,
            task,
            result_type=NodeResult,
            start_to_close_timeout=timeout,
            retry_policy=retry,
            summary=node.name,
        )
        pace.add(result)
        return result
    lost = 0
    while True:
        try:
            return await _execute(node, task, policy, retry, queue)
        except ActivityError as error:
            waiting = waiting_of(error) if tell else None
            if tell and waiting is not None and not is_cancelled(error):
                # only tasks that say `yields` come here: no patch is needed
                await _wait_for_room(waiting, tell)
                before = (failure_of(error, policy).attempt or 1) - 1
                left = max(policy.retry.max_attempts - before, 1)
                task = replace(task, attempts_before=before)
                retry = replace(retry, maximum_attempts=left)
                continue
            last = cut_off_at(error, policy)
            if last is not None:
                if not workflow.patched(PATCH_CUT_OFF):
                    raise
            elif was_lost(error, policy) and lost < MAX_LOST and workflow.patched(PATCH_LOST):
                lost += 1
                last = policy.retry.max_attempts + lost - 1
            else:
                raise
            task = replace(task, attempts_before=last)
            retry = replace(retry, maximum_attempts=1)


async def _wait_for_room(waiting: dict[str, Any], tell: Tell) -> None:
    seconds = float(waiting["seconds"])
    until = workflow.now() + timedelta(seconds=seconds)
    told = {name: value for name, value in waiting.items() if name != "seconds"}
    tell({**told, "until": rfc3339(until)})
    await workflow.sleep(seconds, summary=f"waits for room at the model {waiting['model']}")
    tell(None)


async def _execute(
    node: PlanNode, task: NodeTask, policy: Policy, retry: RetryPolicy, queue: str | None
) -> NodeResult:
    result: NodeResult = await workflow.execute_activity(
        node.type,
        task,
        result_type=NodeResult,
        activity_id=_activity_id(node.id, task.path, task.round),
        task_queue=queue,
        start_to_close_timeout=timedelta(seconds=policy.timeout_s),
        heartbeat_timeout=timedelta(seconds=policy.heartbeat_s) if policy.heartbeat_s else None,
        retry_policy=retry,
        # the run waits for what was under way, so that its last word on it is true
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=node.name,
    )
    return result


def _activity_id(node_id: str, path: str, round: int) -> str:
    """Unique among a run's: no node's id holds a slash."""
    if round:
        return f"{node_id}/{path}/{round}"
    return f"{node_id}/{path}" if path else node_id


def node_of(activity_id: str) -> tuple[str, str]:
    """The node and the path of an activity that `dispatch` named."""
    node_id, _, rest = activity_id.partition("/")
    path, slash, _ = rest.rpartition("/")
    return node_id, path if slash else rest
