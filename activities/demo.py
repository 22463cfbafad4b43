"""The demo model: what answers in development where no key of a real one is set.

It needs no model client, whose import takes seconds: the first thing a newcomer sees is an
answer that comes word by word.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from activities.asked import Call, Completion, Usage

PACE_S = 0.015
MODEL = "demo"

_WORD = re.compile(r"\s*\S+\s*")


async def answer(call: Call, on_text: Callable[[str], None]) -> Completion:
    """The call's canned answer. Tokens are words, and cost nothing."""
    text = call.canned or ""
    words = _WORD.findall(text)
    for word in words:
        on_text(word)
        if call.stream:
            await asyncio.sleep(PACE_S)
    prompt = sum(_words(message["content"]) for message in call.messages)
    usage = Usage(prompt, len(words), prompt + len(words), 0.0)
    return Completion(text, MODEL, "stop", usage)


def _words(content: Any) -> int:
    """Words of a message's content, which may be a list of parts."""
    if isinstance(content, str):
        return len(content.split())
    return sum(len(str(part.get("text", "")).split()) for part in content or ())
