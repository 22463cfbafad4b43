"""Starting a run: check all that can be checked, write the row, then start the workflow.

The order makes every failure repairable. Before the row nothing is left behind, and Temporal is
known to answer. Between row and workflow the row says `queued`; the same request with its
`Idempotency-Key` finishes the job, pinned to the row's workflow version, and Temporal refuses a
second start by workflow id.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from api.access import Opened
from api.executions.choice import version_to_run
from api.executions.schemas import MAX_DELAY_S, ExecuteIn
from api.parts import Parts
from api.problems import Problem
from pilot.compiled import size_of
from pilot.errors import NotFoundError, UnavailableError
from pilot.events.wire import dumps
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.graph.status import ExecutionStatus
from pilot.nodes.start import resolve_input, start_config
from pilot.resumption import Mode, Resumption, outside, pins_of, plan_of
from pilot.runs import run_of
from pilot.store import Execution, Workflow, WorkflowVersion
from pilot.versions import named

log = logging.getLogger(__name__)

MAX_KEY_CHARS = 255
_KEYS = uuid5(NAMESPACE_URL, "https://pilot.local/idempotency-key")


@dataclass(frozen=True, slots=True)
class Started:
    """`replayed`: the execution was there before, by its `Idempotency-Key`."""

    execution: Execution
    replayed: bool


def execution_id_of(user_id: str, workflow_id: str, key: str | None) -> str:
    """A new id; with a key always the same one for the same caller and workflow."""
    if key is None:
        return str(uuid4())
    return str(uuid5(_KEYS, f"{user_id}\n{workflow_id}\n{key_of(key)}"))


def key_of(key: str) -> str:
    """A request's `Idempotency-Key`. Raises `Problem` (400)."""
    if not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable() or not key.isascii():
        raise Problem(
            400,
            "invalid_idempotency_key",
            f"Idempotency-Key has 1 to {MAX_KEY_CHARS} printable ASCII characters.",
        )
    return key


def location(execution_id: str) -> str:
    return f"/api/v1/executions/{execution_id}"


async def execute(
    parts: Parts, of: Opened, user_id: str, given: ExecuteIn, key: str | None
) -> Started:
    """Starts a run of the workflow that was opened for the user; or finds the one of the same key,
    whatever was saved or published meanwhile.

    The same key with another input is refused (422 `idempotency_key_reused`), as the IETF's
    draft on the header has it.
    """
    owner, workflow_id = of.owner, of.workflow.id
    execution_id = execution_id_of(user_id, workflow_id, key)
    if key is not None:
        try:
            row = await parts.store.get_execution(owner, execution_id)
        except NotFoundError:
            pass
        else:
            return await _repeat(parts, row, given)
    version = await version_to_run(parts, of.role, of.workflow, given.version)
    plan, value = await parts.preparation.prepare(owner, version, given.input, of.secrets)
    if not given.dry_run:
        await parts.preparation.require_budget(owner, workflow_id, plan)
    source_id, resumption = await _taken(parts, owner, workflow_id, version.graph, plan, given)
    now = datetime.now(UTC)
    start_at = _start_at(given, now)
    row = Execution(
        id=execution_id,
        owner=owner,
        workflow_id=workflow_id,
        workflow_version=version.version,
        status=ExecutionStatus.QUEUED,
        input=value,
        started_by=None if user_id == owner else user_id,
        timeout_s=_limit(version, given),
        created_at=now,
        held_at=start_at,
        start_at=start_at,
        mode=(Mode.DRY_RUN if given.dry_run else Mode.RUN).value,
        source_id=source_id,
        resume=None if resumption is None else resumption.to_json(),
    )
    started = await begin(parts, row, version.name, plan)
    # else the same request came twice at once, and the other was first
    return started or await _repeat(
        parts, await parts.store.get_execution(owner, execution_id), given
    )


async def begin(parts: Parts, new: Execution, name: str, plan: Plan) -> Started | None:
    """Writes the row of a new execution and starts its run; None where the row was there.

    Raises `Problem`: 422 `resumption_too_large`, 429 `too_many_queued`, 503.
    """
    if new.resume is not None:
        size = size_of(plan) + len(dumps(new.input)) + len(dumps(new.resume))
        most = parts.preparation.sizes.payload
        if size > most:
            raise Problem(
                422,
                "resumption_too_large",
                f"The graph, its input and what is given beside have {size:,} bytes; a run takes "
                f"{most:,}.",
            )
    await parts.backlog.require_room(new.owner)
    if new.start_at is None:
        await parts.runs.require_answer()
    row, is_new = await parts.store.create_execution(new, most=parts.settings.max_runs)
    if not is_new:
        return None
    if row.is_held:  # a worker starts it at its time, or as soon as one of the owner's runs ends
        await _set_clock(parts, row)
        return Started(row, replayed=False)
    return Started(await _start(parts, row, name, plan), replayed=False)


async def _taken(
    parts: Parts,
    owner: str,
    workflow_id: str,
    graph: dict[str, Any],
    plan: Plan,
    given: ExecuteIn,
) -> tuple[str | None, Resumption | None]:
    """What the run takes from a recording or from pins, and the execution with the recording."""
    pinned = pins_of(Graph.model_validate(graph)) if given.use_pins else {}
    if not given.dry_run:
        return None, Resumption(pinned=pinned) if pinned else None
    source_id = None if given.source_id is None else str(given.source_id)
    if source_id is None:
        page = await parts.store.list_executions(
            owner, workflow_id=workflow_id, status=ExecutionStatus.SUCCEEDED, limit=1
        )
        source_id = page.items[0].id if page.items else None
    elif (await parts.store.get_execution(owner, source_id)).workflow_id != workflow_id:
        raise NotFoundError(f"there is no execution {source_id} of this workflow")
    return source_id, Resumption(reuse=outside(plan, parts.specs), pinned=pinned)


def _limit(workflow: Workflow | WorkflowVersion, given: ExecuteIn) -> float | None:
    """The run's time limit in seconds: the lesser of the workflow's own and the one asked for."""
    return _lesser(workflow.graph.get("timeout_s"), given.timeout_s)


def _lesser(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _start_at(given: ExecuteIn, now: datetime) -> datetime | None:
    if given.delay_s is not None:
        return now + timedelta(seconds=given.delay_s)
    if given.start_at is None:
        return None
    if not now < given.start_at <= now + timedelta(seconds=MAX_DELAY_S):
        raise Problem(422, "invalid_start_at", "`start_at` is in the past, or over a year away.")
    return given.start_at


def _is_same_time(given: ExecuteIn, row: Execution) -> bool:
    if given.delay_s is not None:
        return row.start_at == row.created_at + timedelta(seconds=given.delay_s)
    return given.start_at == row.start_at


async def _set_clock(parts: Parts, row: Execution) -> None:
    if row.start_at is None:
        return
    try:
        await parts.runs.set_clock(row)
    except Problem as problem:
        log.warning("execution %s is started by the reconciler: %s", row.id, problem.code)


async def _repeat(parts: Parts, row: Execution, given: ExecuteIn) -> Started:
    """Gives back the execution of a key, started if it never was."""
    version = await parts.store.get_version(row.owner, row.workflow_id, row.workflow_version)
    graph = Graph.model_validate(version.graph)
    value, issues = resolve_input(start_config(graph), given.input)
    same = not issues and canonical(value) == canonical(row.input)
    # a name may mean another version by now, and still be the same request
    same = same and not (isinstance(given.version, int) and given.version != row.workflow_version)
    same = same and (row.mode == Mode.DRY_RUN) == given.dry_run
    if not (same and _limit(version, given) == row.timeout_s and _is_same_time(given, row)):
        raise Problem(
            422,
            "idempotency_key_reused",
            f"The Idempotency-Key belongs to execution {row.id}, which has another input, "
            "version, time limit or time.",
        )
    return await repeat(parts, row, version, graph)


async def repeat(parts: Parts, row: Execution, version: WorkflowVersion, graph: Graph) -> Started:
    """Gives back an execution that was asked for before, started if it never was."""
    if row.is_held:
        await _set_clock(parts, row)
    elif row.may_start:
        plan = await asyncio.to_thread(plan_of, row, graph, parts.specs)
        row = await _start(parts, row, version.name, plan)
        # a cancel that came meanwhile found no run, and took the row for one that never began
        fresh = await parts.store.get_execution(row.owner, row.id)
        if fresh.status.is_final or fresh.cancel_requested_at is not None:
            await parts.runs.cancel(row.id)
            row = fresh
    return Started(row, replayed=True)


async def begin_once(
    parts: Parts,
    draft: Execution,
    given: Any,
    *,
    require_same: Callable[[Any, Any], None] | None = None,
) -> Started:
    """Starts the execution of that id, or finds it; the version (the published one, or the newest
    where none ever was), the input and the time limit are filled in.

    Unlike `execute` it does not ask whether a repetition has the same input: who sends a thing
    again may say it differently. Where that may not be, `require_same` is given the input of the
    execution that is there, and this one, and raises. Raises as `execute` does.
    """
    try:
        row = await parts.store.get_execution(draft.owner, draft.id)
    except NotFoundError:
        pass
    else:
        return await _found(parts, row, given, require_same)
    workflow = await parts.store.get_workflow(draft.owner, draft.workflow_id)
    version = await named(parts.store, workflow, None)
    plan, value = await parts.preparation.prepare(draft.owner, version, given)
    await parts.preparation.require_budget(draft.owner, draft.workflow_id, plan)
    new = dataclasses.replace(
        draft,
        workflow_version=version.version,
        input=value,
        timeout_s=_lesser(version.graph.get("timeout_s"), draft.timeout_s),
    )
    started = await begin(parts, new, version.name, plan)
    if started is None:
        row = await parts.store.get_execution(draft.owner, draft.id)
        return await _found(parts, row, given, require_same)
    return started


async def _found(
    parts: Parts,
    row: Execution,
    given: Any,
    require_same: Callable[[Any, Any], None] | None,
) -> Started:
    version = await parts.store.get_version(row.owner, row.workflow_id, row.workflow_version)
    graph = Graph.model_validate(version.graph)
    if require_same is not None:
        require_same(row.input, resolve_input(start_config(graph), given)[0])
    return await repeat(parts, row, version, graph)


async def _start(parts: Parts, row: Execution, name: str, plan: Plan) -> Execution:
    """Starts the Temporal workflow of a queued row. Raises `Problem` (503) and leaves the
    row queued where Temporal does not answer; the answer then says where the row is."""
    try:
        run_id = await parts.runs.start(run_of(row, name, plan))
    except Problem as problem:
        problem.headers = {**(problem.headers or {}), "Location": location(row.id)}
        raise
    try:
        await parts.store.set_temporal_run(row.id, run_id)
    except UnavailableError:
        # the run has begun, so the answer is yes; the reconciler notes its id later
        log.warning("the Temporal run id of execution %s could not be noted", row.id)
    return dataclasses.replace(row, temporal_run_id=run_id)


def canonical(value: Any) -> bytes:
    """The same for JSON that is the same."""
    return json.dumps(value, sort_keys=True).encode()
