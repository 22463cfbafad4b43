"""What is asked of a model, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from activities.models import Route


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, and their price in US dollars where it is known."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Completion:
    text: str
    model: str
    finish_reason: str | None
    usage: Usage | None
    tool_calls: tuple[dict[str, str], ...] = ()
    """What the model asks to be called: `id`, `name` and `arguments`, a text of JSON."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: OpenAI's messages and parameters, by which route."""

    route: Route
    messages: list[dict[str, Any]]
    parameters: dict[str, Any]
    stream: bool
    timeout_s: float
    first_token_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    canned: str | None = None
    """The demo model's answer."""
    sending: Callable[[], Awaitable[None]] | None = None
    """Awaited just before the request goes out."""
