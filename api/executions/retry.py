"""Going on from an execution that has ended: the nodes that failed are run again, the others keep
what they came to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from api.executions.choice import version_to_run
from api.executions.schemas import RetryIn
from api.executions.start import Started, begin, key_of, repeat
from api.parts import Parts
from api.problems import Problem
from pilot.errors import NotFoundError
from pilot.graph.model import Graph
from pilot.graph.status import ExecutionStatus
from pilot.resumption import Mode, Resumption, decide
from pilot.roles import Role
from pilot.store import Execution, Workflow, WorkflowVersion

_KEYS = uuid5(NAMESPACE_URL, "https://pilot.local/retry-key")


async def retry(
    parts: Parts,
    owner: str,
    user_id: str,
    role: Role,
    execution_id: str,
    given: RetryIn,
    key: str | None,
) -> Started:
    """A new execution that goes on from an old one; with the same key always the same one.

    Raises `Problem`: 409 `execution_open`, `not_retryable`; 410 `events_pruned`; 422
    `idempotency_key_reused`. And what the decision, the preparation and the start raise.
    """
    source = await parts.store.get_execution(owner, execution_id)
    if not source.status.is_final:
        raise Problem(
            409, "execution_open", "The execution has not ended: there is nothing to go on from."
        )
    if source.mode != Mode.RUN:
        raise Problem(409, "not_retryable", f"An execution of the mode {source.mode} is not.")
    await parts.history.require_kept(source, 0)
    version = await _version(parts, role, source, given)
    graph = Graph.model_validate(version.graph)
    new_id = str(uuid4())
    if key is not None:
        new_id = str(uuid5(_KEYS, f"{user_id}\n{execution_id}\n{key_of(key)}"))
        try:
            found = await parts.store.get_execution(owner, new_id)
        except NotFoundError:
            pass
        else:
            return await _repeat(parts, found, given)
    plan, value = await parts.preparation.prepare(owner, version, source.input)
    await parts.preparation.require_budget(owner, source.workflow_id, plan)
    old = await parts.store.get_version(owner, source.workflow_id, source.workflow_version)
    decision = decide(
        Graph.model_validate(old.graph),
        graph,
        plan,
        await parts.store.node_runs(owner, execution_id),
        given.begin,
    )
    row = Execution(
        id=new_id,
        owner=owner,
        workflow_id=source.workflow_id,
        workflow_version=version.version,
        status=ExecutionStatus.QUEUED,
        input=value,
        started_by=None if user_id == owner else user_id,
        timeout_s=source.timeout_s,
        created_at=datetime.now(UTC),
        source_id=source.id,
        resume=Resumption(decision.reuse, decision.partial, asked=_asked(given)).to_json(),
    )
    started = await begin(parts, row, version.name, plan)
    return started or await _repeat(parts, await parts.store.get_execution(owner, new_id), given)


async def _version(
    parts: Parts, role: Role, source: Execution, given: RetryIn
) -> Workflow | WorkflowVersion:
    if given.version == "same":
        return await parts.store.get_version(
            source.owner, source.workflow_id, source.workflow_version
        )
    workflow = await parts.store.get_workflow(source.owner, source.workflow_id)
    return await version_to_run(parts, role, workflow, given.version)


async def _repeat(parts: Parts, row: Execution, given: RetryIn) -> Started:
    resumption = Resumption.of(row)
    if resumption is None or resumption.asked != _asked(given):
        raise Problem(
            422,
            "idempotency_key_reused",
            f"The Idempotency-Key belongs to execution {row.id}, which begins elsewhere or runs "
            "another version.",
        )
    version = await parts.store.get_version(row.owner, row.workflow_id, row.workflow_version)
    return await repeat(parts, row, version, Graph.model_validate(version.graph))


def _asked(given: RetryIn) -> dict[str, Any]:
    return {"from": given.begin, "version": given.version}
