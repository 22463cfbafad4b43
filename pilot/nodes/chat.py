"""Chat messages as OpenAI's API has them: their shape, checked before and after rendering."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, JsonValue

from pilot.graph.spec import TemplateText

Role = Literal["system", "user", "assistant"]
ROLES: tuple[str, ...] = get_args(Role)

MAX_MESSAGES = 1_000
MAX_DATA_URL_CHARS = 1_500_000
"""Of an image inside the message itself: its bytes in base64 are in the run's history too,
where a payload has 2 MB."""


class Message(BaseModel):
    """A chat message. `content` is a template, or a list of OpenAI content parts whose
    strings are templates."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    content: Annotated[str | list[dict[str, JsonValue]], TemplateText(secrets=True)]


def parts_problems(content: Any, *, rendered: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with a message's content parts, as (path within the content, message).
    URLs are looked at only when they are `rendered`."""
    if not content:
        yield "", "a list of content parts is empty"
    for index, part in enumerate(content):
        at = f"[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        match kind:
            case "text":
                if not isinstance(part.get("text"), str):
                    yield f"{at}.text", "a text part has a string `text`"
            case "image_url":
                image = part.get("image_url")
                if not isinstance(image, dict) or not isinstance(image.get("url"), str):
                    yield f"{at}.image_url", 'an image part has `image_url: {"url": ...}`'
                elif rendered:
                    problem = _url_problem(image["url"])
                    if problem:
                        yield f"{at}.image_url.url", problem
            case _:
                yield (
                    f"{at}.type",
                    f"there is no content part of type {kind!r}: there are text and image_url",
                )


def _url_problem(url: str) -> str | None:
    if url.startswith("data:image/"):
        if len(url) > MAX_DATA_URL_CHARS:
            return f"a data: URL has at most {MAX_DATA_URL_CHARS:,} characters"
        return None if ";base64," in url[:100] else "a data: URL of an image is in base64"
    if url.startswith(("https://", "http://")):
        return None
    return f"an image's URL begins with https://, http:// or data:image/, not {url[:20]!r}"


def message_problem(message: Any) -> tuple[str, str] | None:
    """What is wrong with a message that a template gave, as (path, problem)."""
    if not isinstance(message, dict):
        return "", f"a message is an object with role and content, not {_kind(message)}"
    if message.get("role") not in ROLES:
        return ".role", f"the role is one of {', '.join(ROLES)}, not {message.get('role')!r:.50}"
    extra = message.keys() - {"role", "content"}
    if extra:
        return f".{min(extra)}", "a message has role and content, and no other field"
    content = message.get("content")
    if isinstance(content, str):
        return None
    if isinstance(content, list):
        for path, problem in parts_problems(content, rendered=True):
            return f".content{path}", problem
        return None
    return ".content", f"the content is a text or a list of parts, not {_kind(content)}"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
