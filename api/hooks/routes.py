"""`/api/v1/hooks/{token}`: nobody signs in here, the address is the permission."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.body import JsonRequest
from api.executions.deliveries import MAX_PAYLOAD_BYTES, deliver, digest_of
from api.parts import Parts, PartsDep
from api.problems import INVALID, MISSING, Problem, documented
from api.reply import reply
from api.route import require_json
from pilot import hooks

router = APIRouter(tags=["hooks"])


class HookOut(BaseModel):
    """What came of a delivery: `accepted`; `buffered` (the run is not there yet, it will be looked
    at then); `no_match` (the node's condition does not hold for it, and it goes on waiting)."""

    status: Literal["accepted", "buffered", "no_match"]
    message: str | None = None


@router.post(
    "/hooks/{token}",
    response_model=HookOut,
    responses={
        202: {"model": HookOut, "description": "Kept until the run waits for it."},
        **MISSING,
        **documented(410, "The run has ended, or waits no more."),
        **INVALID,
    },
    openapi_extra={
        "requestBody": {"content": {"application/json": {"schema": {"description": "Any JSON."}}}}
    },
)
async def receive_hook(
    request: Request,
    parts: PartsDep,
    token: Annotated[str, Path(max_length=hooks.MAX_TOKEN_CHARS)],
    idempotency_key: Annotated[
        str | None, Header(description="A repetition with the same key gets the same answer.")
    ] = None,
    webhook_id: Annotated[str | None, Header(description="Another name of the same.")] = None,
    x_github_delivery: Annotated[str | None, Header(description="A third.")] = None,
) -> Response:
    """Answers a node that waits for a webhook. The payload is any JSON, of 256 KB at most; where it
    is taken, that is durable by the time of the answer."""
    address = request.client.host if request.client else None
    parts.limits.require_address(request.scope, address)
    await parts.limits.admit_hook(request.scope, address, None)
    hook = None if parts.keyring is None else hooks.read(parts.keyring, token)
    if hook is None:
        await parts.limits.failed(request.scope, address)
        raise Problem(404, "unknown_hook", "There is no such webhook.")
    await parts.limits.admit_hook(request.scope, None, token)
    payload = await _payload(request)
    key = idempotency_key or webhook_id or x_github_delivery
    digest = digest_of(payload, idempotency_key)
    return await _answer(parts, hook, payload, key, digest)


async def _payload(request: Request) -> Any:
    """The body as strict JSON; nothing is null."""
    declared = request.headers.get("content-length", "")
    size = int(declared[:20]) if declared.isdecimal() else 0
    strict = JsonRequest(request.scope, request.receive)
    if size > MAX_PAYLOAD_BYTES or len(body := await strict.body()) > MAX_PAYLOAD_BYTES:
        raise Problem(
            413, "body_too_large", f"A payload has at most {MAX_PAYLOAD_BYTES // 1024} KB."
        )
    if not body:
        return None
    require_json(strict)
    return await strict.json()


async def _answer(
    parts: Parts, hook: hooks.Hook, payload: Any, key: str | None, digest: str
) -> Response:
    [receipt] = await deliver(
        parts,
        await parts.runs.host_of(hook.execution_id, hook.path),
        [(hook.node_id, hook.path)],
        payload,
        key,
        closed=Problem(410, "hook_gone", "The run has ended, or waits no more."),
        digest=digest,
    )
    out = HookOut.model_validate({"status": receipt.status, "message": receipt.message})
    return reply(out, 202 if receipt.status == "buffered" else 200)
