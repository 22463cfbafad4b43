"""`/api/v1/executions/{id}/output` and `/executions/{id}/nodes/{node_id}/output`: a whole output,
however large, or a part of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from api import access
from api.auth import CallerDep
from api.etag import none_match_hits
from api.executions.iterations import MAX_NAME_CHARS
from api.parts import Parts, PartsDep
from api.problems import DOWN, FORBIDDEN, GONE, MISSING, Problem
from api.route import ApiRoute
from pilot.payloads.values import Kept, digest_of
from pilot.roles import Role
from pilot.store import json_text

router = APIRouter(tags=["executions"], route_class=ApiRoute, responses={**FORBIDDEN})

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

RangeHeader = Annotated[str | None, Header(alias="Range", description="One range of bytes.")]
IfRange = Annotated[str | None, Header(description="The range only if this is still the tag.")]
IfNoneMatch = Annotated[str | None, Header(description="304 if this is still the tag.")]

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {}}}, "description": "The output, as JSON."},
    206: {
        "content": {"application/json": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The bytes of `Content-Range`.",
    },
    304: {"description": "It is what `If-None-Match` names."},
    416: {"description": "It has fewer bytes."},
    **MISSING,
    **GONE,
    **DOWN,
}


@router.get(
    "/executions/{execution_id}/output", response_class=StreamingResponse, responses=ANSWERS
)
async def read_output(
    parts: PartsDep,
    caller: CallerDep,
    execution_id: UUID,
    range_: RangeHeader = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The output of a run, whole, as it is in `output` where it is not too large for that; null
    for one that has none yet."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    row = await parts.store.get_execution(owner, str(execution_id))
    return await _answer(parts, row.id, row.output, range_, if_range, if_none_match)


@router.get(
    "/executions/{execution_id}/nodes/{node_id}/output",
    response_class=StreamingResponse,
    responses=ANSWERS,
)
async def read_node_output(
    parts: PartsDep,
    caller: CallerDep,
    execution_id: UUID,
    node_id: Annotated[str, Path(max_length=MAX_NAME_CHARS)],
    path: Annotated[
        str, Query(max_length=MAX_NAME_CHARS, description="The node's `path`, where it has one.")
    ] = "",
    range_: RangeHeader = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The output of a node of a run, whole."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    for run in await parts.store.node_runs(owner, str(execution_id)):
        if (run.node_id, run.path) == (node_id, path):
            return await _answer(
                parts, str(execution_id), run.output, range_, if_range, if_none_match
            )
    raise Problem(404, "unknown_output", "The run has not come to such a node.")


async def _answer(
    parts: Parts,
    execution_id: str,
    output: Any,
    range_: str | None,
    if_range: str | None,
    if_none_match: str | None,
) -> Response:
    kept = Kept.of(output, execution_id)
    text = b"" if kept else json_text.dumps(output).encode()
    size = kept.bytes if kept else len(text)
    tag = f'"{kept.digest if kept else digest_of(text)}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        # a part of what was compressed could not be asked for
        "Cache-Control": "private, no-cache, no-transform",
    }
    if none_match_hits(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    begin, end = 0, size
    wanted = None if if_range not in (None, tag) else _range(range_, size)
    if wanted is not None:
        begin, end = wanted
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - begin)
    body = _some(text[begin:end]) if kept is None else parts.store.values.read(kept, begin, end)
    return StreamingResponse(
        await _begun(body),
        206 if wanted else 200,
        headers=headers,
        media_type="application/json",
    )


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """From which byte to before which; None: all, as for what is no range of bytes or several of
    them (RFC 9110, 14.2). Raises `Problem` (416)."""
    found = None if header is None else _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    begin = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):
        return None
    if begin >= size:
        raise Problem(
            416,
            "range_not_satisfiable",
            f"The output has {size:,} bytes.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return begin, end


async def _some(text: bytes) -> AsyncIterator[bytes]:
    yield text


async def _begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, of which the first is there: what fails at once is an answer of its own.
    Raises `PayloadGoneError` and `PayloadStoreError`."""
    first = await anext(pieces, b"")

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_them()
