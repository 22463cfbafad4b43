"""One completion by LiteLLM, streamed. Beside `token_count` the only file that touches LiteLLM.

LiteLLM takes seconds to import, so it is imported when it is first needed, or by `preload`.
Its types say little; what leaves this file is typed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from functools import lru_cache
from typing import Any

import httpx

from activities import demo
from activities.asked import Call, Completion, Usage
from activities.completion_errors import node_error
from activities.models import Route
from pilot.errors import NodeError

# A server of one's own often needs no key, but the client insists on one.
NO_KEY = "none"


def preload() -> None:
    """Imports LiteLLM now. Takes seconds: call it in a thread."""
    _litellm()


@lru_cache(maxsize=1)
def _litellm() -> Any:
    # its price list comes with the package; fetching a newer one would hang without network
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    # an image's URL is for the model's provider: the worker itself must not fetch it, past the
    # guard of its connections
    os.environ["MAX_IMAGE_URL_DOWNLOAD_SIZE_MB"] = "0"
    import litellm  # noqa: PLC0415 (takes seconds)

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.turn_off_message_logging = True
    return litellm


async def takes_schema(route: Route) -> bool:
    """Whether the model is known to follow a JSON Schema in `response_format`."""
    if route.kind == "demo":
        return False
    litellm = await asyncio.to_thread(_litellm)
    provider = "openai" if route.kind == "openai" else None
    return any(
        litellm.supports_response_schema(model, provider)
        for model in dict.fromkeys((route.model, route.model.removeprefix("openrouter/")))
    )


async def complete(
    call: Call,
    http: httpx.AsyncClient,
    on_text: Callable[[str], None],
    on_begun: Callable[[], None] = lambda: None,
) -> Completion:
    """Asks the model; `on_text` gets the answer piece by piece, `on_begun` is called when the
    other side has taken the request. `http` carries the calls to an OpenAI-compatible server.

    Raises `NodeError`: `llm_rate_limited`, `llm_unavailable`, `llm_timeout` (another attempt
    may help), `llm_auth`, `llm_bad_request`, `llm_model_not_found`, `llm_context_length`.
    """
    if call.route.kind == "demo":
        return await demo.answer(call, on_text)
    # in a thread, since its first import takes seconds
    litellm = await asyncio.to_thread(_litellm)
    if call.sending is not None:
        await call.sending()
    silence = _Silence(call)
    try:
        async with silence.limit:
            response = await litellm.acompletion(**_arguments(call, http))
            on_begun()
            if not call.stream:
                return _whole(call, response, on_text)
            async with contextlib.aclosing(_chunks(response)) as chunks:
                return await _collected(call, silence.heard(chunks), on_text)
    except NodeError:
        raise
    except Exception as error:
        if silence.limit.expired():
            raise silence.error() from None
        raise node_error(error, call.route, litellm.exceptions) from None


class _Silence:
    """How long a streamed answer may take to begin, and then to go on."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._begun = False
        self.limit = asyncio.timeout(call.first_token_timeout_s if call.stream else None)

    async def heard(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        loop, idle_s = asyncio.get_running_loop(), self._call.idle_timeout_s
        async for chunk in chunks:
            self._begun = self._begun or _says_something(chunk)
            if self._begun:
                self.limit.reschedule(None if idle_s is None else loop.time() + idle_s)
            yield chunk

    def error(self) -> NodeError:
        call = self._call
        if self._begun:
            said = f"fell silent for {call.idle_timeout_s:g} s in the middle of its answer"
        else:
            said = f"had not begun its answer after {call.first_token_timeout_s:g} s"
        return NodeError(
            f"the model {call.route.model} {said}",
            code="llm_timeout",
            retryable=True,
            meta={"model": call.route.model},
        )


def _says_something(chunk: Any) -> bool:
    """Whether a chunk holds a piece of the answer, or of the thoughts before it."""
    return any(
        getattr(choice.delta, name, None)
        for choice in chunk.choices[:1]
        for name in ("content", "reasoning_content", "tool_calls")
    )


def _arguments(call: Call, http: httpx.AsyncClient) -> dict[str, Any]:
    route = call.route
    arguments: dict[str, Any] = {
        **call.parameters,
        "model": route.model,
        "messages": call.messages,
        "timeout": call.timeout_s,
        # attempts are Temporal's
        "num_retries": 0,
        "max_retries": 0,
    }
    if call.stream:
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
    match route.kind:
        case "openai":
            from openai import AsyncOpenAI  # noqa: PLC0415 (comes with LiteLLM)

            key = route.api_key or NO_KEY
            # its types name httpx's successor; it takes httpx's clients as well
            carrier: Any = http
            client = AsyncOpenAI(
                api_key=key, base_url=route.api_base, http_client=carrier, max_retries=0
            )
            arguments |= {
                "custom_llm_provider": "openai",
                "api_base": route.api_base,
                "api_key": key,
                "client": client,
            }
        case "litellm":
            arguments["api_key"] = route.api_key
    return arguments


async def _chunks(response: Any) -> AsyncGenerator[Any, None]:
    """The stream's chunks. Closes the connection on the way out, so that one who cancels does
    not pay for the rest of the answer."""
    try:
        async for chunk in response:
            yield chunk
    finally:
        stream = getattr(response, "completion_stream", None)
        close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):
                closing = close()
                if hasattr(closing, "__await__"):
                    await closing


async def _collected(
    call: Call, chunks: AsyncIterator[Any], on_text: Callable[[str], None]
) -> Completion:
    texts: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    finish_reason, usage = None, None
    async for chunk in chunks:
        usage = getattr(chunk, "usage", None) or usage
        for choice in chunk.choices[:1]:
            finish_reason = choice.finish_reason or finish_reason
            for piece in choice.delta.tool_calls or ():
                _add_piece(calls, piece)
            text = choice.delta.content
            if text:
                texts.append(text)
                on_text(text)
    if not texts and not calls and usage is None:
        # LiteLLM ends a stream that it could not read as if the model had said nothing
        raise NodeError(
            f"the model {call.route.model} gave an empty answer",
            code="llm_unavailable",
            retryable=True,
        )
    tool_calls = _identified(calls[index] for index in sorted(calls))
    text = "".join(texts)
    return Completion(text, call.route.model, finish_reason, _usage(call, usage), tool_calls)


def _add_piece(calls: dict[int, dict[str, str]], piece: Any) -> None:
    """A streamed piece of a tool call: its id and name come once, its arguments bit by bit."""
    call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
    call["id"] = piece.id or call["id"]
    call["name"] = piece.function.name or call["name"]
    call["arguments"] += piece.function.arguments or ""


def _identified(calls: Iterable[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Each call with an id of its own: some servers give none, or the same to all."""
    taken: set[str] = set()
    identified = []
    for index, call in enumerate(calls):
        id = call["id"] if call["id"] and call["id"] not in taken else f"call_{index}"
        taken.add(id)
        identified.append({**call, "id": id})
    return tuple(identified)


def _whole(call: Call, response: Any, on_text: Callable[[str], None]) -> Completion:
    choice = response.choices[0]
    text = choice.message.content or ""
    if text:
        on_text(text)
    usage = _usage(call, getattr(response, "usage", None))
    tool_calls = _identified(
        {
            "id": one.id or "",
            "name": one.function.name or "",
            "arguments": one.function.arguments or "",
        }
        for one in choice.message.tool_calls or ()
    )
    return Completion(text, call.route.model, choice.finish_reason, usage, tool_calls)


def _usage(call: Call, usage: Any) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = int(usage.prompt_tokens or 0), int(usage.completion_tokens or 0)
    reported = getattr(usage, "cost", None)
    cost = float(reported) if isinstance(reported, int | float) else None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=int(usage.total_tokens or prompt + completion),
        cost_usd=cost if cost is not None else price(call.route, prompt, completion),
    )


def price(route: Route, prompt_tokens: int, completion_tokens: int) -> float | None:
    """By LiteLLM's price list; None for models that it does not know."""
    if route.kind == "demo":
        return 0.0
    for model in dict.fromkeys((route.model, route.model.removeprefix("openrouter/"))):
        try:
            prompt, completion = _litellm().cost_per_token(
                model=model, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
            )
        except Exception:  # noqa: S112 (LiteLLM raises a bare one for an unknown model)
            continue
        return float(prompt + completion)
    return None
