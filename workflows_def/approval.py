"""approval: waits for people's answers, each of which comes as an update."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from pilot.events.model import rfc3339
from pilot.graph.task import NodeResult
from pilot.roles import Role
from workflows_def.inbox import Desk, inbox, refused
from workflows_def.messages import (
    Answer,
    AnswerResult,
    DeliveryCheck,
    DeliveryVerdict,
    WaitNote,
)
from workflows_def.noting import Noting
from workflows_def.steps import FOLLOWS, Step
from workflows_def.wait import TIMEOUT_HANDLE, check_delivery

APPROVED, REJECTED = "approved", "rejected"
MAX_REMINDERS = 200
PATCH_UNNAMED = "approval-unnamed"
"""The error of a rejection does not name who rejected."""


async def approval(step: Step) -> NodeResult:
    return await Approval(step).result()


class Approval(Desk):
    """One node that asks. Its answers are only ever appended; the one that decides is the last."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._config = step.node.config
        self._required: int = self._config.get("required", 1)
        self._answers: list[dict[str, Any]] = []
        self._decision: str | None = None
        self._reminders = 0
        timeout_s: float | None = step.follow.get("timeout_s")
        self._until = None if timeout_s is None else workflow.now() + timedelta(seconds=timeout_s)
        self._noting = Noting(self._note())

    async def result(self) -> NodeResult:
        place = (self._step.node.id, self._step.path)
        self._tell()
        inbox().sit(place, self)
        try:
            while self._decision is None and not await self._decided_within(self._pause_s()):
                if self._until is not None and workflow.now() >= self._until:
                    self._decision = TIMEOUT_HANDLE
                else:
                    self._reminders += 1
                    self._tell()
        finally:
            inbox().rise(place)
        await self._noting.close()
        return self._ended()

    async def _decided_within(self, seconds: float | None) -> bool:
        try:
            await workflow.wait_condition(
                lambda: self._decision is not None,
                timeout=seconds,
                timeout_summary=self._step.node.name,
            )
        except TimeoutError:
            return False
        return True

    def _pause_s(self) -> float | None:
        """Until the next reminder, or the end of the time."""
        reminder: float | None = self._config.get("reminder_s")
        if self._reminders >= MAX_REMINDERS:
            reminder = None
        left = None
        if self._until is not None:
            left = max((self._until - workflow.now()).total_seconds(), 0)
        pauses = [one for one in (reminder, left) if one is not None]
        return min(pauses, default=None)

    # -- answers -------------------------------------------------------------------------

    def check(self, answer: Answer) -> None:
        """Refuses what cannot count, before it is in the history."""
        if self._decision is not None:
            raise self.standing()
        for one in self._answers:
            if one["by"] == answer.user_id:
                raise refused("already_answered", "you have answered already", one["decision"])
        if not self._may_answer(answer):
            raise refused("not_approver", "you are not among those who may answer")
        if answer.is_starter and not self._config.get("allow_self", True):
            raise refused("self_approval", "who started the run may not answer")

    def standing(self) -> ApplicationError:
        """What comes too late is told the decision that stands."""
        if self._decision is None:  # the run was stopped
            return refused("not_waiting", "the node does not wait any more")
        return refused("already_decided", f"it is {self._decision} already", self._decision)

    def _may_answer(self, answer: Answer) -> bool:
        if answer.user_id in self._step.follow["users"]:
            return True
        role: str | None = self._step.follow["role"]
        return (
            role is not None and answer.role is not None and Role(answer.role).includes(Role(role))
        )

    async def take(self, answer: Answer) -> AnswerResult:
        form = self._config.get("form")
        if answer.decision == APPROVED and form is not None:
            verdict: DeliveryVerdict = await check_delivery(
                DeliveryCheck(answer.values, form), self._step.node.name
            )
            if verdict.problems:
                return AnswerResult("invalid", problems=verdict.problems)
            if not verdict.matches:
                problem = {"path": "$", "message": verdict.message or "it cannot be checked"}
                return AnswerResult("invalid", problems=[problem])
            self.check(answer)  # others may have answered meanwhile
        self._answers.append(
            {
                "by": answer.user_id,
                "at": rfc3339(workflow.now()),
                "decision": answer.decision,
                "comment": answer.comment,
                "values": answer.values,
            }
        )
        if answer.decision == REJECTED:
            self._decision = REJECTED
        elif self._approvals >= self._required:
            self._decision = APPROVED
        if self._decision is None:
            self._tell()
        return AnswerResult(
            self._decision or "waiting", approvals=self._approvals, required=self._required
        )

    @property
    def _approvals(self) -> int:
        return sum(one["decision"] == APPROVED for one in self._answers)

    # -- what is told --------------------------------------------------------------------

    def _tell(self) -> None:
        shown = [{name: one[name] for name in ("by", "at", "decision")} for one in self._answers]
        self._step.waits(
            **{
                "for": "approval",
                "title": self._step.follow["title"],
                "required": self._required,
                "approvals": self._approvals,
                "answers": shown,
                "reminders": self._reminders,
                "until": None if self._until is None else rfc3339(self._until),
            }
        )
        self._noting.tell(**self._state())

    def _note(self) -> WaitNote:
        step, follow = self._step, self._step.follow
        return WaitNote(
            execution_id=step.run.execution_id,
            node_id=step.node.id,
            path=step.path,
            kind="approval",
            created_at="",
            expires_at=None if self._until is None else rfc3339(self._until),
            role=follow["role"],
            users=follow["users"],
            allow_self=self._config.get("allow_self", True),
        )

    def _state(self) -> dict[str, Any]:
        follow = self._step.follow
        return {
            "answered": [one["by"] for one in self._answers],
            "data": {
                "title": follow["title"],
                "description": follow.get("description"),
                "form": self._config.get("form"),
                "required": self._required,
                "approvals": self._approvals,
                "reminders": self._reminders,
            },
        }

    def _ended(self) -> NodeResult:
        assert self._decision is not None
        meta = {"decision": self._decision, "answers": len(self._answers)}
        last = self._answers[-1] if self._answers else None
        if self._decision == REJECTED and self._config.get("on_reject", "branch") == "fail":
            assert last is not None
            # who, the answers say: an error's message goes to logs and alarms
            is_unnamed = workflow.patched(PATCH_UNNAMED)
            who = "it was rejected" if is_unnamed else f"{last['by']} rejected it"
            comment = f": {last['comment']}" if last["comment"] else ""
            raise ApplicationError(
                f"{who}{comment}",
                {"meta": {**self._step.first.meta, **meta, "answers": self._answers}},
                type="rejected",
                non_retryable=True,
            )
        values = last["values"] if last is not None and self._decision == APPROVED else None
        output = {"decision": self._decision, "values": values, "answers": self._answers}
        return self._step.result(output, handles=[self._decision], meta=meta)


FOLLOWS["approval"] = approval
