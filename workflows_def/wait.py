"""wait: a timer, or deliveries until there are enough."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from pilot.events.model import rfc3339
from pilot.graph.spec import DEFAULT_HANDLE
from pilot.graph.task import NodeResult
from workflows_def.inbox import inbox
from workflows_def.messages import (
    CHECK_DELIVERY_ACTIVITY,
    DeliveryCheck,
    DeliveryVerdict,
    Receipt,
)
from workflows_def.steps import FOLLOWS, Step

TIMEOUT_HANDLE = "timeout"
MAX_KEPT_CHARS = 1_500_000
"""Of all payloads that a node collects, as JSON: its output has to fit into an event."""

CHECK_LIMIT = timedelta(seconds=90)
CHECK_RETRY = RetryPolicy(maximum_attempts=3)


async def wait(step: Step) -> NodeResult:
    follow = step.follow
    if follow["for"] in ("signal", "webhook"):
        return await Collecting(step).result()
    now = workflow.now()
    if follow["for"] == "until":
        until = datetime.fromisoformat(follow["at"])
    else:
        until = now + timedelta(seconds=follow["seconds"])
    if until > now:
        step.waits(**{"for": follow["for"], "until": rfc3339(until)})
        await workflow.sleep(until - now, summary=step.node.name)
    return step.result(rfc3339(workflow.now()))


class Collecting:
    """A node that waits for deliveries, until as many have come as it asks for."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._config = step.node.config
        self._count: int = self._config.get("count", 1)
        self._taken: list[Any] = []
        self._chars = 0
        self._is_done = False

    async def result(self) -> NodeResult:
        place = (self._step.node.id, self._step.path)
        timeout_s: float | None = self._step.follow.get("timeout_s")
        self._tell(timeout_s)
        opened = asyncio.ensure_future(inbox().open(place, self._take))
        try:
            await workflow.wait_condition(
                lambda: self._is_done or (opened.done() and opened.exception() is not None),
                timeout=timeout_s,
                timeout_summary=self._step.node.name,
            )
            if not self._is_done:
                opened.result()
        except TimeoutError:
            return self._timed_out()
        finally:
            opened.cancel()
            inbox().close(place)
        return self._ended(DEFAULT_HANDLE)

    async def _take(self, payload: Any) -> Receipt:
        place = (self._step.node.id, self._step.path)
        if self._is_done:
            return Receipt(*place, "closed")
        verdict = await self._check(payload)
        if self._is_done:
            return Receipt(*place, "closed")
        if verdict.problems:
            return Receipt(*place, "invalid", verdict.message, verdict.problems)
        if not verdict.matches:
            return Receipt(*place, "no_match", verdict.message)
        size = len(str(payload))
        if self._chars + size > MAX_KEPT_CHARS:
            message = "what the node has collected grows too large"
            return Receipt(*place, "invalid", message, [{"path": "$", "message": message}])
        self._chars += size
        self._taken.append(payload)
        self._is_done = verdict.done or len(self._taken) >= self._count
        return Receipt(*place, "accepted")

    async def _check(self, payload: Any) -> DeliveryVerdict:
        config = self._config
        asked = DeliveryCheck(
            payload=payload,
            schema=config.get("payload_schema"),
            condition=config.get("condition"),
            done_when=config.get("done_when"),
            scope=self._step.scope,
        )
        if asked.schema is None and asked.condition is None and asked.done_when is None:
            return DeliveryVerdict()
        return await check_delivery(asked, self._step.node.name)

    def _tell(self, timeout_s: float | None) -> None:
        waiting: dict[str, Any] = {"for": self._step.follow["for"]}
        if waiting["for"] == "signal":
            waiting["signal"] = self._config["signal"]
        if timeout_s is not None:
            waiting["until"] = rfc3339(workflow.now() + timedelta(seconds=timeout_s))
        self._step.waits(**waiting)

    def _timed_out(self) -> NodeResult:
        self._is_done = True
        if self._config.get("on_timeout", "branch") == "branch":
            return self._ended(TIMEOUT_HANDLE)
        raise ApplicationError(
            f"nothing came in {self._step.follow['timeout_s']:g} s: {len(self._taken)} of "
            f"{self._count} deliveries",
            type="wait_timeout",
            non_retryable=True,
        )

    def _ended(self, handle: str) -> NodeResult:
        several = self._count > 1 or self._config.get("done_when") is not None
        output: Any = self._taken if several else next(iter(self._taken), None)
        return self._step.result(
            output,
            handles=[handle],
            meta={"deliveries": len(self._taken), "ended_at": rfc3339(workflow.now())},
        )


async def check_delivery(asked: DeliveryCheck, name: str) -> DeliveryVerdict:
    """Whether what was sent is what the node of that name asks for."""
    verdict: DeliveryVerdict = await workflow.execute_local_activity(
        CHECK_DELIVERY_ACTIVITY,
        asked,
        result_type=DeliveryVerdict,
        start_to_close_timeout=CHECK_LIMIT,
        retry_policy=CHECK_RETRY,
        summary=name,
    )
    return verdict


FOLLOWS["wait"] = wait
