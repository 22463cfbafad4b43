"""Tokens counted here, for calls whose usage the other side did not say (yet).

LiteLLM's counter knows OpenAI's encodings and takes them for the other models too: within a
tenth or so of the truth for text. It takes no network: neither a tokenizer nor an image is
fetched.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from activities import completion
from activities.models import Route

MAX_COUNTED_CHARS = 400_000
"""Longer texts are taken at four characters a token, which is a matter of no time."""
CHARS_PER_TOKEN = 4
IMAGE_TOKENS = 250
COUNT_LIMIT_S = 0.25
"""How long a count may hold up a call or its end."""
DEFAULT_COMPLETION_TOKENS = 4_096
"""What is reserved for an answer of a node without `max_tokens`."""


def preload() -> None:
    """Loads LiteLLM and the encoding that it takes for most models. Takes seconds: call it in a
    thread. That of OpenAI's later models takes 70 MB and a third of a second, which the first
    call of such a one need not wait for: it is counted by its length (`COUNT_LIMIT_S`)."""
    _count("gpt-3.5-turbo", None, "encode")


async def count_prompt(route: Route, messages: list[dict[str, Any]]) -> int:
    """The prompt's tokens, about."""
    size = sum(_size(message) for message in messages)
    if size <= MAX_COUNTED_CHARS:
        counted = await _soon(_count, route.model, messages, None)
        if counted is not None:
            return counted
    return size // CHARS_PER_TOKEN + 4 * len(messages)


async def count_text(route: Route, text: str) -> int:
    """An answer's tokens, about."""
    if not text:
        return 0
    if len(text) <= MAX_COUNTED_CHARS:
        counted = await _soon(_count, route.model, None, text)
        if counted is not None:
            return counted
    return len(text) // CHARS_PER_TOKEN + 1


async def expected_answer(route: Route, max_tokens: int | None) -> int:
    """How many tokens an answer is to be expected to take at most."""
    if max_tokens is not None:
        return max_tokens
    longest = await asyncio.to_thread(_max_output, route.model)
    return min(longest or DEFAULT_COMPLETION_TOKENS, DEFAULT_COMPLETION_TOKENS)


async def _soon(function: Any, *arguments: Any) -> int | None:
    """The count; None where it failed or its time was up (an encoding is loaded at first)."""
    counting = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    done, _ = await asyncio.wait({counting}, timeout=COUNT_LIMIT_S)
    if not done or counting.exception() is not None:
        return None
    return int(counting.result())


def _litellm() -> Any:
    completion.preload()
    import litellm  # noqa: PLC0415 (takes seconds)

    litellm.disable_hf_tokenizer_download = True
    return litellm


def _count(model: str, messages: list[dict[str, Any]] | None, text: str | None) -> int:
    counter = _litellm().token_counter
    if messages is None:
        return int(counter(model=model, text=text))
    return int(counter(model=model, messages=messages, use_default_image_token_count=True))


def _max_output(model: str) -> int | None:
    for name in dict.fromkeys((model, model.removeprefix("openrouter/"))):
        try:
            longest = _litellm().get_model_info(name).get("max_output_tokens")
        except Exception:  # noqa: S112 (LiteLLM raises a bare one for an unknown model)
            continue
        if isinstance(longest, int) and longest > 0:
            return longest
    return None


def _size(message: dict[str, Any]) -> int:
    content = message.get("content")
    if isinstance(content, str):
        size = len(content)
    elif isinstance(content, list):
        size = sum(
            IMAGE_TOKENS * CHARS_PER_TOKEN
            if isinstance(part, dict) and part.get("type") != "text"
            else len(str(part))
            for part in content
        )
    else:
        size = 0
    calls = message.get("tool_calls")
    return size + (len(json.dumps(calls, default=str)) if calls else 0)
