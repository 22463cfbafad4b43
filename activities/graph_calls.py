"""What `CallGraph` does outside: begins its execution, and reads what it came to.

As with a schedule's run (`activities.scheduled`), the execution's id follows from who asks, so an
attempt that is repeated finds the row of the one before and starts it if nobody has.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import to_json
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.scheduled import least
from activities.slots import Slots
from pilot.errors import ConflictError, GraphError, NotFoundError, RefusedError
from pilot.followers import called_by
from pilot.graph.status import ExecutionStatus
from pilot.payloads.sizes import TEMPORAL_BYTES, Sizes
from pilot.payloads.values import Kept
from pilot.preparation import Preparation
from pilot.store import Execution
from pilot.versions import DRAFT, PUBLISHED, VersionName, named
from workflows_def.graph_call import BEGIN_CALL_ACTIVITY, RESULT_ACTIVITY, CallRequest, CallResult
from workflows_def.scheduled import Begun

log = logging.getLogger(__name__)

_EXECUTIONS = uuid5(NAMESPACE_URL, "https://pilot.local/graph-call")


class GraphCalls:
    """The activities, with what they need. `most` is how many runs an owner may have at once."""

    def __init__(self, preparation: Preparation, slots: Slots, most: int | None) -> None:
        self._preparation = preparation
        self._slots = slots
        self._most = most

    @activity.defn(name=BEGIN_CALL_ACTIVITY)
    async def begin(self, request: CallRequest) -> Begun:
        """Begins the execution, or finds it. What cannot be begun is refused; a store or a
        Temporal that does not answer fails the attempt, and the next one follows."""
        async with heartbeats():
            caller = activity.info().workflow_id or ""
            execution_id = str(uuid5(_EXECUTIONS, f"{caller}\n{request.caller}"))
            try:
                row = await self._row(request, execution_id, caller)
            except (GraphError, RefusedError, NotFoundError, ConflictError) as error:
                log.warning("workflow %s began no run: %s: %s", caller, error.code, error.message)
                refusal = {"code": error.code, "message": error.message}
                return Begun(execution_id, request.call.owner, refusal)
            if row.may_start:
                await self._slots.begin(row)
            return Begun(row.id, row.owner)

    async def _row(self, request: CallRequest, execution_id: str, caller: str) -> Execution:
        call, store = request.call, self._preparation.store
        try:
            return await store.get_execution(call.owner, execution_id)
        except NotFoundError:
            pass
        workflow = await store.get_workflow(call.owner, call.workflow_id)
        version = await named(store, workflow, _version(call.version))
        plan, value = await self._preparation.prepare(call.owner, version, call.input)
        await self._preparation.require_budget(call.owner, call.workflow_id, plan)
        now = datetime.now(UTC)
        row, _ = await store.create_execution(
            Execution(
                id=execution_id,
                owner=call.owner,
                workflow_id=call.workflow_id,
                workflow_version=version.version,
                status=ExecutionStatus.QUEUED,
                input=value,
                timeout_s=least(version.graph.get("timeout_s"), call.timeout_s),
                created_at=now,
                triggered_by=called_by(caller),
                triggered_at=now,
            ),
            most=self._most,
        )
        return row

    @activity.defn(name=RESULT_ACTIVITY)
    async def result(self, execution_id: str) -> CallResult:
        """What the execution came to. An execution that was deleted meanwhile has no output, and
        one over what Temporal takes is not given to others: their workers need not have the payload
        store. Raises an `ApplicationError`: `not_found`, `output_too_large`."""
        store = self._preparation.store
        for progress in await store.progress([execution_id]):
            row = await store.get_execution(progress.owner, execution_id)
            kept = Kept.of(row.output, row.id)
            size = kept.bytes if kept else len(to_json(row.output))
            if size > TEMPORAL_BYTES:
                raise ApplicationError(
                    f"the output of execution {execution_id} has {size / 1e6:.1f} MB of JSON; one "
                    f"that is called by another program has at most {Sizes().text}",
                    type="output_too_large",
                    non_retryable=True,
                )
            return CallResult(row.status.value, row.output, row.error)
        raise ApplicationError(
            f"execution {execution_id} is no longer known", type="not_found", non_retryable=True
        )


def _version(name: int | str | None) -> VersionName | None:
    if name is None or isinstance(name, int) or name in (DRAFT, PUBLISHED):
        return name  # type: ignore[return-value]
    raise RefusedError(
        f"{name!r} is no version: a number, {DRAFT!r} or {PUBLISHED!r}", code="invalid_version"
    )
