"""llm: asks a language model, and streams its answer to those who watch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any

import httpx

from activities import resources
from activities.accounting import BUDGET_CODES, Ledger
from activities.answer_cache import AnswerCache
from activities.answer_format import AnswerError, AnswerFormat
from activities.asked import Call, Completion, Usage
from activities.attempt import Attempt, node_activity
from activities.call_journal import CallJournal
from activities.chat import chat
from activities.completion import takes_schema
from activities.evaluation import render
from activities.live_tokens import LiveTokens
from activities.models import Route, route
from activities.resources import Resources
from activities.token_count import preload
from activities.tool_calls import asked, read_calls, tool_parameters
from pilot.errors import NodeError
from pilot.graph.task import MODEL_BUSY, NodeResult
from pilot.graph.values import as_text
from pilot.nodes.llm import LlmConfig

__all__ = ["llm", "preload"]

MAX_ATTEMPT_S = 3600.0
MAX_QUOTED_CHARS = 500


@node_activity("llm", LlmConfig)
async def llm(attempt: Attempt[LlmConfig]) -> NodeResult:
    """The output is the whole answer; with a format of JSON, the JSON. `meta` has `model`,
    `usage`, `finish_reason`, `repaired` where the answer had to be mended, `cached` where it
    was kept from before, `recovered` where an earlier attempt had got it and could not report
    it, and `demo` where no model was asked. A model that calls tools has not answered yet: the
    result says which."""
    config = await render(attempt.config, attempt.task.scope, secrets=await attempt.secrets())
    seconds = min(attempt.timeout_s or MAX_ATTEMPT_S, MAX_ATTEMPT_S)
    return await answer(config, attempt, resources.current(), seconds)


async def answer(
    config: LlmConfig, attempt: Attempt[LlmConfig], shared: Resources, seconds: float
) -> NodeResult:
    """The answer within `seconds`, with what it used in `meta`."""
    ledger = shared.accounting.ledger(attempt, seconds)
    async with CallJournal.open(shared.llm_calls, attempt) as journal:
        return await ledger.closed(_answer(config, attempt, shared, ledger, journal))


async def _answer(
    config: LlmConfig,
    attempt: Attempt[LlmConfig],
    shared: Resources,
    ledger: Ledger,
    journal: CallJournal,
) -> NodeResult:
    """Asks the model of a rendered configuration within `seconds`, then its fallbacks in turn
    while the error is one that another model may not have."""
    failures: list[tuple[str, NodeError]] = []
    try:
        async with asyncio.timeout(ledger.seconds):
            for model in (config.model, *config.fallback_models):
                try:
                    return await _ask(model, config, attempt, shared, ledger, journal, failures)
                except NodeError as error:
                    if error.code in BUDGET_CODES or (error.code == MODEL_BUSY and not failures):
                        raise
                    failures.append((model, error))
                    if not (error.retryable or error.code in _OTHER_MODEL_HELPS):
                        raise
    except TimeoutError:
        raise NodeError(
            f"the model {config.model} took longer than {ledger.seconds:g} s",
            code="llm_timeout",
            retryable=True,
        ) from None
    # one that may pass is worth another attempt, whatever the other models said
    raise next((error for _, error in failures if error.retryable), failures[-1][1])


_OTHER_MODEL_HELPS = frozenset(
    {"llm_model_not_found", "llm_unknown_model", "llm_context_length", MODEL_BUSY}
)


async def _ask(
    model: str,
    config: LlmConfig,
    attempt: Attempt[LlmConfig],
    shared: Resources,
    ledger: Ledger,
    journal: CallJournal,
    failures: list[tuple[str, NodeError]],
) -> NodeResult:
    way = route(model, config, shared.settings, os.environ)
    form = AnswerFormat.of(config)
    schema_taken = form.schema is not None and await takes_schema(way)
    messages = chat(config)
    call = Call(
        route=way,
        messages=[
            *form.instruct(messages, takes_schema=schema_taken),
            *attempt.task.transcript,
        ],
        parameters={
            **_parameters(config, form.parameter(takes_schema=schema_taken)),
            **tool_parameters(config, attempt.task.round),
        },
        stream=config.stream,
        timeout_s=ledger.seconds,
        first_token_timeout_s=config.first_token_timeout_s,
        idle_timeout_s=config.idle_timeout_s,
        canned=_demo_answer(messages) if way.kind == "demo" else None,
    )
    http = shared.model_http
    if not way.trusted:
        await _check_base(way, shared)
        http = shared.http

    meta: dict[str, Any] = {"model": way.model}
    cache = AnswerCache(shared.llm_calls, attempt)

    async def send(call: Call, **labels: Any) -> Completion:
        step = "-".join((str(len(failures)), *labels))
        known = journal.recall(step)
        if known is not None:
            meta["recovered"] = True
            return known
        call = replace(call, sending=lambda: journal.sending(step))
        tokens = LiveTokens(attempt, model=way.model, **labels)
        try:
            # an answer that is to be mended is not thrown away for want of room
            completion = await ledger.complete(call, http, tokens.add, may_leave=not labels)
        except NodeError:
            await journal.failed(step)
            raise
        except asyncio.CancelledError:
            journal.cut_off(step)
            raise
        finally:
            tokens.flush()
        await journal.answered(step, completion)
        return completion

    completion = await cache.find(call, form.schema)
    if completion is not None:
        meta["cached"] = True
        completion = replace(completion, usage=Usage(0, 0, 0, 0.0))
    else:
        completion = await send(call)
    meta |= _meta(completion, way)
    if failures:
        meta["fallback_from"] = [{"model": name, "code": error.code} for name, error in failures]
    if way.kind == "demo":
        return NodeResult(output=completion.text, meta=meta)
    calls = await read_calls(config, completion, attempt.task.round)
    if calls:
        if not meta.get("cached"):
            await cache.keep(call, form.schema, completion)
        return NodeResult(meta=meta, tool_calls=calls, messages=[asked(completion)])
    output, completion = await _output(form, call, completion, send, meta)
    if not meta.get("cached"):
        await cache.keep(call, form.schema, completion)
    return NodeResult(output=output, meta=meta)


Send = Callable[..., Awaitable[Completion]]


async def _output(
    form: AnswerFormat, call: Call, completion: Completion, send: Send, meta: dict[str, Any]
) -> tuple[Any, Completion]:
    """The answer's value, and the answer. One that its schema refuses goes back to the model
    once, with what is wrong with it. Adds the second answer's usage to `meta`."""
    try:
        return await form.read(completion.text), completion
    except AnswerError as error:
        if form.schema is None or completion.finish_reason == "length":
            raise _format_error(error, completion, meta) from None
        repair = replace(call, messages=[*call.messages, *_to_mend(completion, error)])
    meta["repaired"] = True
    try:
        completion = await send(repair, repair=True)
    except NodeError as failure:
        failure.meta = {**meta, **failure.meta}
        raise
    meta["finish_reason"] = completion.finish_reason
    _add_usage(meta, completion.usage)
    try:
        return await form.read(completion.text), completion
    except AnswerError as error:
        raise _format_error(error, completion, meta) from None


def _to_mend(completion: Completion, error: AnswerError) -> list[dict[str, Any]]:
    return [
        {"role": "assistant", "content": completion.text},
        {
            "role": "user",
            "content": "This answer is not valid by the JSON Schema:\n"
            f"{error.text}\n"
            "Answer again, with the whole corrected JSON and no other text.",
        },
    ]


def _format_error(error: AnswerError, completion: Completion, meta: dict[str, Any]) -> NodeError:
    """Bad JSON may be a matter of luck, so it is worth another attempt; what two rounds did not
    mend is not."""
    code = "llm_schema_mismatch" if meta.get("repaired") else error.code
    reason = error.text.partition("\n")[0]
    if completion.finish_reason == "length":
        reason = "it was cut at max_tokens"
    if code == "llm_bad_json":
        said = f"did not answer in JSON: {reason}"
    else:
        said = f"did not answer as the JSON Schema says: {reason}"
    return NodeError(
        f"the model {completion.model} {said}",
        code=code,
        retryable=code == "llm_bad_json",
        meta=meta,
    )


def _add_usage(meta: dict[str, Any], usage: Usage | None) -> None:
    """Adds a further answer's tokens and cost; an unknown cost makes the sum unknown."""
    before = meta.get("usage")
    if usage is None or before is None:
        meta["usage"] = before if usage is None else asdict(usage)
        return
    for name, value in asdict(usage).items():
        known = before[name] is not None and value is not None
        before[name] = before[name] + value if known else None


def _parameters(config: LlmConfig, response_format: dict[str, Any] | None) -> dict[str, Any]:
    named = {
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "stop": config.stop,
        "seed": config.seed,
        "response_format": response_format,
    }
    return {name: value for name, value in named.items() if value is not None}


def _demo_answer(messages: list[dict[str, Any]]) -> str:
    said = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    quoted = as_text(said)
    if len(quoted) > MAX_QUOTED_CHARS:
        quoted = quoted[:MAX_QUOTED_CHARS] + "…"
    return (
        f"[demo model] No OPENROUTER_API_KEY is set, so this is a canned answer. You said: {quoted}"
    )


async def _check_base(way: Route, shared: Resources) -> None:
    """Refuses a node's `api_base` in a private place, in the guard's own words. The connection
    is checked again when it is made; the client in between would hide the reason."""
    try:
        url = httpx.URL(way.api_base or "")
    except httpx.InvalidURL as error:
        raise NodeError(f"api_base: {error}", code="llm_bad_request") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise NodeError(
            "api_base must begin with http:// or https:// and name a host", code="llm_bad_request"
        )
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        await shared.guard.addresses(url.host, port)
    except (OSError, UnicodeError) as error:
        raise NodeError(
            f"api_base: {url.host}: {error}", code="llm_unavailable", retryable=True
        ) from None


def _meta(completion: Completion, way: Route) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "model": completion.model,
        "finish_reason": completion.finish_reason,
    }
    if completion.usage is not None:
        meta["usage"] = asdict(completion.usage)
    if way.kind == "demo":
        meta["demo"] = True
    return meta
