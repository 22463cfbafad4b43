"""llm: asks a language model, and streams its answer to those who watch."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from typing import Any

import httpx

from activities import resources
from activities.attempt import Attempt, node_activity
from activities.completion import Call, Completion, complete, preload
from activities.evaluation import render
from activities.models import Route, route
from activities.resources import Resources
from pilot.errors import NodeError
from pilot.events.model import EventType
from pilot.graph.task import NodeResult
from pilot.nodes.llm import LlmConfig

__all__ = ["llm", "preload"]

MAX_ATTEMPT_S = 3600.0
# Tokens go out in batches: a person sees no difference, and a bus carries twenty times fewer.
BATCH_S = 0.05
BATCH_TOKENS = 20
MAX_QUOTED_CHARS = 500


@node_activity("llm", LlmConfig)
async def llm(attempt: Attempt[LlmConfig]) -> NodeResult:
    """The output is the whole answer; with a `response_format` of JSON, the JSON. `meta` has
    `model`, `usage`, `finish_reason`, and `demo` where no model was asked."""
    config = await render(attempt.config, attempt.task.scope)
    seconds = min(attempt.timeout_s or MAX_ATTEMPT_S, MAX_ATTEMPT_S)
    return await answer(config, attempt, resources.current(), seconds)


async def answer(
    config: LlmConfig, attempt: Attempt[LlmConfig], shared: Resources, seconds: float
) -> NodeResult:
    """Asks the model of a rendered configuration within `seconds`, then its fallbacks in turn
    while the error is one that another model may not have."""
    failures: list[tuple[str, NodeError]] = []
    try:
        async with asyncio.timeout(seconds):
            for model in (config.model, *config.fallback_models):
                try:
                    return await _ask(model, config, attempt, shared, seconds, failures)
                except NodeError as error:
                    failures.append((model, error))
                    if not (error.retryable or error.code in _OTHER_MODEL_HELPS):
                        raise
    except TimeoutError:
        raise NodeError(
            f"the model {config.model} took longer than {seconds:g} s",
            code="llm_timeout",
            retryable=True,
        ) from None
    # one that may pass is worth another attempt, whatever the other models said
    raise next((error for _, error in failures if error.retryable), failures[-1][1])


_OTHER_MODEL_HELPS = frozenset({"llm_model_not_found", "llm_unknown_model", "llm_context_length"})


async def _ask(
    model: str,
    config: LlmConfig,
    attempt: Attempt[LlmConfig],
    shared: Resources,
    seconds: float,
    failures: list[tuple[str, NodeError]],
) -> NodeResult:
    way = route(model, config, shared.settings, os.environ)
    messages = _messages(config)
    call = Call(
        route=way,
        messages=messages,
        parameters=_parameters(config),
        stream=config.stream,
        timeout_s=seconds,
        canned=_demo_answer(messages) if way.kind == "demo" else None,
    )
    http = shared.model_http
    if not way.trusted:
        await _check_base(way, shared)
        http = shared.http
    tokens = _Tokens(attempt, way.model)
    try:
        completion = await complete(call, http, tokens.add)
    finally:
        tokens.flush()
    meta = _meta(completion, way)
    if failures:
        meta["fallback_from"] = [{"model": name, "code": error.code} for name, error in failures]
    return NodeResult(output=_output(config, completion, meta), meta=meta)


def _messages(config: LlmConfig) -> list[dict[str, Any]]:
    """The system message, the chat's messages, and the prompt as the user's last one."""
    messages: list[dict[str, Any]] = []
    if config.system_template is not None:
        messages.append({"role": "system", "content": _text(config.system_template)})
    messages += [
        {
            "role": message.role,
            "content": message.content
            if isinstance(message.content, list)
            else _text(message.content),
        }
        for message in config.messages
    ]
    if config.prompt_template is not None:
        messages.append({"role": "user", "content": _text(config.prompt_template)})
    if not messages:
        raise NodeError("there is neither a prompt nor a message", code="missing_prompt")
    return messages


def _text(value: object) -> str:
    """A rendered template as text: a lone `{expression}` kept its type."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parameters(config: LlmConfig) -> dict[str, Any]:
    named = {
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "stop": config.stop,
        "seed": config.seed,
        "response_format": config.response_format,
    }
    return {name: value for name, value in named.items() if value is not None}


def _demo_answer(messages: list[dict[str, Any]]) -> str:
    said = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    quoted = _text(said)
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


def _output(config: LlmConfig, completion: Completion, meta: dict[str, Any]) -> Any:
    wanted = (config.response_format or {}).get("type")
    if wanted not in ("json_object", "json_schema") or meta.get("demo"):
        return completion.text
    try:
        return json.loads(completion.text)
    except (ValueError, RecursionError) as error:
        hint = (
            ": it was cut at max_tokens" if completion.finish_reason == "length" else f": {error}"
        )
        raise NodeError(
            f"the model {completion.model} did not answer in JSON{hint}",
            code="llm_bad_json",
            retryable=True,
            meta=meta,
        ) from None


class _Tokens:
    """Gathers the answer's pieces and sends them as `llm.token` events. `model` tells a watcher
    where a fallback model begins anew."""

    def __init__(self, attempt: Attempt[LlmConfig], model: str) -> None:
        self._attempt = attempt
        self._model = model
        self._pieces: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        self._pieces.append(text)
        if len(self._pieces) >= BATCH_TOKENS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pieces:
            text = "".join(self._pieces)
            self._pieces.clear()
            self._attempt.emit_live(EventType.LLM_TOKEN, {"text": text, "model": self._model})
