"""What a model's failure means: its code, whether to try again, and what may be told of it.

The text of a failure comes from the other side by way of LiteLLM, so class names and keys are
taken out of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from activities.models import Route
from activities.retry_after import retry_after_s
from pilot.errors import NodeError

MAX_ERROR_CHARS = 1_000

_KEYS = re.compile(r"\b(sk-|Bearer\s+)[A-Za-z0-9_\-.*]{6,}")
_PREFIX = re.compile(r"^.*?(?:Exception|Error) - ", re.DOTALL)
_CONTEXT_LENGTH = re.compile(r"context[ _](length|window)|maximum context", re.IGNORECASE)
_RETRYABLE_CODES = frozenset({"llm_rate_limited", "llm_unavailable", "llm_timeout"})


def node_error(error: Exception, route: Route, exceptions: Any) -> NodeError:
    """A call's failure by any of `exceptions` (LiteLLM's module of that name), or by another."""
    status = getattr(error, "status_code", None)
    code = _code(error, status if isinstance(status, int) else None, exceptions)
    retryable = code in _RETRYABLE_CODES
    return NodeError(
        f"the model {route.model}: {_reason(error, route)}",
        code=code,
        retryable=retryable,
        retry_after_s=retry_after_s(_header(error, "retry-after")) if retryable else None,
        meta={"model": route.model, **({"status": status} if status else {})},
    )


def _code(error: Exception, status: int | None, exceptions: Any) -> str:
    if isinstance(error, exceptions.ContextWindowExceededError):
        return "llm_context_length"
    if isinstance(error, exceptions.Timeout | TimeoutError) or status == 408:
        return "llm_timeout"
    match status:
        case 429:
            return "llm_rate_limited"
        case 401 | 402 | 403:
            return "llm_auth"
        case 404:
            return "llm_model_not_found"
        case 400 | 413 if _CONTEXT_LENGTH.search(str(error)):
            return "llm_context_length"
        case int() if 400 <= status < 500:
            return "llm_bad_request"
        case _:
            return "llm_unavailable"


def _header(error: Exception, name: str) -> str | None:
    for headers in (
        getattr(error, "litellm_response_headers", None),
        getattr(getattr(error, "response", None), "headers", None),
    ):
        value = headers.get(name) if headers is not None else None
        if isinstance(value, str):
            return value
    return None


def _reason(error: Exception, route: Route) -> str:
    """What the other side said, without LiteLLM's class names and without any key."""
    said = str(error).partition(" Original exception:")[0]
    text = _said(_PREFIX.sub("", said, count=1).strip()) or type(error).__name__
    if route.api_key:
        text = text.replace(route.api_key, "***")
    return _KEYS.sub(r"\1***", text)[:MAX_ERROR_CHARS]


def _said(text: str) -> str:
    """The message inside OpenAI's error object, where the text is one."""
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    return message if isinstance(message, str) else text
