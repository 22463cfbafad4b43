"""Answers: a model's JSON as it is, without being validated once more on the way out."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from starlette.responses import Response


def reply(
    model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        model.model_dump_json(), status, dict(headers or {}), media_type="application/json"
    )
