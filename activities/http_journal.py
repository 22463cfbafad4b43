"""A request that may not be repeated, remembered beyond the worker that sends it.

A worker that dies leaves it open whether the server has acted on a POST, just as a cut
connection does, and Temporal tries the node again either way. So such a request is written to
the store before it is sent, and its answer when it has come: the attempt after the worker's
death uses the answer, or fails with `http_outcome_unknown`. (Models' calls are kept in the same
place by `activities.call_journal`, which allows several calls an attempt.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from socket import gethostname
from typing import Any

from temporalio import activity

from activities import resources
from activities.attempt import Attempt
from activities.kept import Large
from pilot.errors import NodeError, PayloadStoreError, StoreError
from pilot.graph.task import NodeResult
from pilot.nodes.http import HttpConfig
from pilot.payloads.values import Kept
from pilot.store.llm_calls import LlmCall, LlmCallStore

STEP = "request"


async def once(
    attempt: Attempt[HttpConfig], send: Callable[[], Awaitable[NodeResult]]
) -> NodeResult:
    """The result of `send`, or that of an earlier attempt whose worker was lost after its answer
    had come (`meta.recovered`).

    Raises `NodeError` `http_outcome_unknown` where an earlier attempt had sent the request and
    nobody knows the rest, and `UnavailableError` where the store cannot be asked about that. A
    first attempt does without a store that is away.
    """
    store = resources.current().llm_calls
    if store is None:
        return await send()
    # the first attempt has none before it: what is there is from before a reset of the run
    earlier = (await store.of(attempt.key)).get(STEP) if attempt.number > 1 else None
    if earlier is not None:
        return _recalled(earlier)
    call = LlmCall(
        key=attempt.key,
        step=STEP,
        execution_id=attempt.task.execution_id,
        attempt=attempt.number,
        # the run's id too: after a reset the attempts count from 1 again
        worker=f"{gethostname()}:{os.getpid()}:{activity.info().workflow_run_id}",
    )
    with contextlib.suppress(StoreError):
        await store.sent(call)
    try:
        result = await send()
    except NodeError:
        # the server was heard, or never reached: whether to repeat it is for the retry policy
        await _forget(store, attempt.key)
        raise
    await _keep(store, call, attempt, result)
    return result


def _recalled(earlier: LlmCall) -> NodeResult:
    if earlier.state == "answered":
        answer = earlier.answer
        output = Kept.of(answer["output"], earlier.execution_id) or answer["output"]
        return NodeResult(output=output, meta={**answer["meta"], "recovered": True})
    raise NodeError(
        f"attempt {earlier.attempt} had sent the request when its worker was lost, so the server "
        "may have acted on it. It is not repeated, because retry_unsafe is false",
        code="http_outcome_unknown",
        meta={"lost_attempt": earlier.attempt},
    )


async def _forget(store: LlmCallStore, key: str) -> None:
    with contextlib.suppress(StoreError):
        await store.forget(key, STEP)


async def _keep(
    store: LlmCallStore, call: LlmCall, attempt: Attempt[HttpConfig], result: NodeResult
) -> None:
    """The answer is in hand, so a store that is down costs only the memory of it."""
    large = result.output if isinstance(result.output, Large) else None
    said = {"output": None if large else result.output, "meta": result.meta}
    answer = attempt.scrubber.value(said)
    try:
        if large is not None:
            answer["output"] = await _kept(large)
        await store.answered(call, answer)
    except (StoreError, ValueError) as error:
        activity.logger.warning("an answer could not be kept for another attempt: %s", error)


async def _kept(output: Large) -> Any:
    """Where it is; itself, while the payload store is away."""
    try:
        return (await output.keep()).to_json()
    except PayloadStoreError:
        return await asyncio.to_thread(output.value)
