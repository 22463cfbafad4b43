"""Answers: a model's JSON as it is, without being validated once more on the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from api.etag import content_tag, none_match_hits

IfNoneMatch = Annotated[str | None, Header(max_length=1000)]
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "It is still what If-None-Match names."}
}


def reply(
    model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        model.model_dump_json(), status, dict(headers or {}), media_type="application/json"
    )


def unless_known(content: BaseModel | bytes, if_none_match: str | None) -> Response:
    """200 with a model, or with JSON that is written already, and with its tag; 304 where the
    caller has just that."""
    body = content if isinstance(content, bytes) else content.model_dump_json().encode()
    headers = {"ETag": content_tag(body)}
    if none_match_hits(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
