"""Who may answer an approval, and what comes of an answer.

Whoever has a role for the execution is told what they may not do (403); to everybody else it is not
there (404), unless the approval names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.approvals.schemas import AnswerIn, AnswerOut, ApprovalOut
from api.caller import Caller
from api.executions.deliveries import digest_of, payload_issues, require_same, update_id
from api.pagination import PageOut, PageQuery
from api.parts import Parts
from api.problems import Problem
from api.runs import UpdateRefusedError
from pilot.errors import NotFoundError
from pilot.roles import Role
from pilot.store import Execution, temporal_workflow_id
from pilot.store.acting import acting_as
from pilot.store.shares import Grant
from pilot.store.waits import APPROVAL, Person, Wait
from workflows_def.messages import UPDATE_ANSWER, Answer, AnswerResult

_FORBIDDEN = frozenset({"not_approver", "self_approval"})
_CONFLICTS = frozenset({"already_decided", "already_answered", "not_waiting"})


@dataclass(frozen=True, slots=True)
class _Seat:
    """As whom somebody answers: the execution, their role for it (None: they are named), and the
    row of the node, which is written a moment after it begins to wait."""

    row: Execution
    role: Role | None
    wait: Wait | None


async def waiting_for(parts: Parts, caller: Caller, page: PageQuery) -> PageOut[ApprovalOut]:
    person = Person(caller.user_id, caller.owner, caller.role, caller.grantees)
    found = await parts.store.waits.waiting_for(person, limit=page.limit, cursor=page.cursor)
    return PageOut(
        items=[
            ApprovalOut.of(
                one.wait.data,
                **_place(one.wait),
                workflow_id=one.workflow_id,
                workflow_name=one.workflow_name,
            )
            for one in found.items
        ],
        next_cursor=found.next_cursor,
    )


async def of_execution(parts: Parts, execution_id: str) -> PageOut[ApprovalOut]:
    waits = await parts.store.waits.of_execution(execution_id)
    return PageOut(
        items=[
            ApprovalOut.of(
                one.data, **_place(one), closed_at=one.closed_at, answered=list(one.answered)
            )
            for one in waits
            if one.kind == APPROVAL
        ],
        next_cursor=None,
    )


def _place(wait: Wait) -> dict[str, Any]:
    return {
        "execution_id": wait.execution_id,
        "node_id": wait.node_id,
        "path": wait.path,
        "created_at": wait.created_at,
        "expires_at": wait.expires_at,
    }


async def answer(
    parts: Parts, caller: Caller, execution_id: str, node_id: str, given: AnswerIn, key: str | None
) -> AnswerOut:
    """Raises `NotFoundError`, and `Problem`: 403, 404, 409 (with the decision that stands), 422,
    503."""
    seat = await _seat(parts, caller, execution_id, node_id, given.path)
    if seat.wait is None and given.path:
        raise Problem(404, "unknown_approval", "No approval waits there.")
    workflow_id = temporal_workflow_id(execution_id)
    if seat.wait is not None:
        workflow_id = seat.wait.temporal_id
    starter = seat.row.started_by or seat.row.owner
    digest = digest_of([given.decision, given.values, given.comment], key)
    try:
        result = await parts.runs.update(
            workflow_id,
            UPDATE_ANSWER,
            Answer(
                node_id,
                given.path,
                caller.user_id,
                given.decision,
                given.values,
                given.comment,
                None if seat.role is None else seat.role.value,
                starter == caller.user_id,
                digest,
            ),
            id=update_id("answer", key, execution_id, node_id, given.path, caller.user_id),
            result_type=AnswerResult,
        )
    except UpdateRefusedError as error:
        raise _refused(error) from error
    if result is None:
        raise await _over(parts, seat.row, node_id, given.path)
    require_same(digest, result.digest)
    if result.status == "invalid":
        raise Problem(
            422,
            "invalid_values",
            "The values are not as the form asks.",
            issues=payload_issues(result.problems, node_id, "values"),
        )
    return AnswerOut.model_validate(
        {"status": result.status, "approvals": result.approvals, "required": result.required}
    )


async def _seat(parts: Parts, caller: Caller, execution_id: str, node_id: str, path: str) -> _Seat:
    absent = NotFoundError(f"there is no execution {execution_id}")
    wait = await parts.store.waits.get(execution_id, node_id, path)
    is_named = wait is not None and caller.user_id in wait.users and caller.key_id is None
    if is_named:  # whose own token may not see another tenant's run
        with acting_as(None, 0):
            return await _seat_of(parts, caller, execution_id, wait)
    grant = await parts.store.shares.of_execution(execution_id, caller.grantees)
    role = _role(caller, grant)
    if grant is None or role is None:
        raise absent
    least = Role.RUNNER if wait is None or wait.role is None else wait.role
    if not role.includes(least):
        raise Problem(
            403,
            "insufficient_role",
            f"This needs the role {least.value}; you have {role.value} here.",
        )
    return _Seat(await parts.store.get_execution(grant.owner, execution_id), role, wait)


async def _seat_of(parts: Parts, caller: Caller, execution_id: str, wait: Wait | None) -> _Seat:
    """Of somebody whom the approval names."""
    grant = await parts.store.shares.of_execution(execution_id, caller.grantees)
    if grant is None:
        raise NotFoundError(f"there is no execution {execution_id}")
    row = await parts.store.get_execution(grant.owner, execution_id)
    return _Seat(row, _role(caller, grant), wait)


def _role(caller: Caller, grant: Grant | None) -> Role | None:
    if grant is None:
        return None
    return caller.role if grant.owner == caller.owner else grant.role


def _refused(error: UpdateRefusedError) -> Problem:
    if error.code in _FORBIDDEN:
        return Problem(403, error.code, f"{error.message[:1].upper()}{error.message[1:]}.")
    if error.code in _CONFLICTS:
        return Problem(409, error.code, f"{error.message[:1].upper()}{error.message[1:]}.")
    return Problem(
        503, "answer_failed", "The answer failed. Try again.", headers={"Retry-After": "2"}
    )


async def _over(parts: Parts, row: Execution, node_id: str, path: str) -> Problem:
    """Of a run that is not there, or no longer: the decision that stands, if there is one."""
    for node in await parts.store.node_runs(row.owner, row.id):
        if (node.node_id, node.path) == (node_id, path) and node.meta.get("decision"):
            return Problem(409, "already_decided", f"It is {node.meta['decision']} already.")
    if row.status.is_final or row.last_seq:
        return Problem(409, "already_finished", f"Execution {row.id} has finished.")
    return Problem(409, "not_waiting", "The run has not begun.")
