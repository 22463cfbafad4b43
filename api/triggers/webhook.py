"""`POST /api/v1/webhooks/{token}`: begins a run for whoever knows the address.

Nobody signs in here. The token is the right to call, the signature the proof of who does. A token
that is unknown and a webhook that is paused are answered alike, and are counted as failed sign-ins
of the caller's address, as a wrong signature is. What is wrong inside (the graph, the budget) is
noted with the trigger for its owner, and not told to strangers.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.executions import service as executions
from api.executions.start import MAX_KEY_CHARS, Started, begin_once, canonical
from api.parts import Parts, PartsDep
from api.problems import (
    COMMON,
    CONFLICT,
    FORBIDDEN,
    INVALID,
    MISSING,
    Problem,
    not_found,
    unavailable,
)
from api.reply import reply
from api.triggers import challenge
from api.triggers.received import Received
from api.triggers.schemas import ReceivedOut
from api.triggers.service import token_hash
from pilot import vault
from pilot.errors import (
    CiphertextError,
    ConflictError,
    GraphError,
    NotFoundError,
    PilotError,
    RefusedError,
)
from pilot.events.model import rfc3339
from pilot.graph.status import ExecutionStatus
from pilot.payloads.values import Kept
from pilot.store import Execution
from pilot.store.triggers import Trigger, TriggerKind
from pilot.triggers.configuration import MAX_WAIT_S, SignatureConfig, WebhookConfig
from pilot.triggers.signatures import SignatureError, verify

log = logging.getLogger(__name__)

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

_DELIVERIES = uuid5(NAMESPACE_URL, "https://pilot.local/webhook")
MAX_TOKEN_CHARS = 200


@router.post(
    "/{token}",
    status_code=202,
    response_model=ReceivedOut,
    responses={
        200: {"model": ReceivedOut, "description": "It ended while it was waited for."},
        **COMMON,
        **MISSING,
        **CONFLICT,
        **INVALID,
    },
    openapi_extra={
        "security": [],
        "requestBody": {
            "description": "JSON, a form, text, or anything else, which a run is given as base64.",
            "content": {"application/json": {"schema": {}}, "*/*": {"schema": {}}},
        },
    },
)
async def call_webhook(
    request: Request,
    parts: PartsDep,
    token: str,
    wait: Annotated[
        float,
        Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait, as far as the webhook allows."),
    ] = 0,
) -> Response:
    """Begins a run. Answers 202 with its id, or 200 with its output where the webhook lets callers
    `wait` and it ended in time. The same delivery again gives the same run."""
    address = request.client.host if request.client else None
    parts.limits.require_address(request.scope, address)
    await parts.limits.admit_hook(request.scope, address, None)
    trigger = await _find(parts, token)
    if trigger is None:
        await parts.limits.failed(request.scope, address)
        raise not_found("webhook")
    await parts.limits.admit_hook(request.scope, None, trigger.id)
    config = WebhookConfig.model_validate(trigger.definition)
    received = await Received.of(request, config.max_body_bytes)
    try:
        signed = await _verified(parts, trigger, config.signature, received)
    except SignatureError as error:
        await parts.limits.failed(request.scope, address)
        raise Problem(401, error.code, f"{error.message[:1].upper()}{error.message[1:]}.") from None
    if config.challenge is not None and config.challenge.kind == "slack":
        answer = challenge.of_slack(received.body)
        if answer is not None:
            return answer
    started = await _begun(parts, trigger, config, received, _delivery(config, received) or signed)
    row = started.execution
    seconds = min(wait, config.max_wait_s)
    if seconds:
        row = await executions.wait(parts, row.owner, row.id, seconds)
    shown = ReceivedOut(execution_id=row.id, status=row.status)
    if seconds and row.status is ExecutionStatus.SUCCEEDED:
        # one that is too large to stand in a row is not given to strangers
        shown.output = None if Kept.of(row.output, row.id) else row.output
    elif seconds and row.error is not None:
        shown.error = str(row.error.get("code", "failed"))
    headers = {"Idempotent-Replayed": "true"} if started.replayed else {}
    return reply(shown, 200 if seconds and row.status.is_final else 202, headers)


@router.get(
    "/{token}",
    response_class=PlainTextResponse,
    responses={**COMMON, **MISSING, **FORBIDDEN},
    openapi_extra={"security": []},
)
async def answer_challenge(request: Request, parts: PartsDep, token: str) -> Response:
    """Answers `hub.challenge`, by which a service makes sure of the address, where the webhook's
    `challenge` is `hub`. Begins nothing."""
    address = request.client.host if request.client else None
    parts.limits.require_address(request.scope, address)
    await parts.limits.admit_hook(request.scope, address, None)
    trigger = await _find(parts, token)
    if trigger is None:
        await parts.limits.failed(request.scope, address)
        raise not_found("webhook")
    await parts.limits.admit_hook(request.scope, None, trigger.id)
    asks = WebhookConfig.model_validate(trigger.definition).challenge
    if asks is None or asks.kind != "hub":
        raise Problem(405, "method_not_allowed", "This webhook is called by POST.")
    wanted = None
    if asks.verify_token is not None:
        wanted = await _secret(parts, trigger, asks.verify_token)
    try:
        return challenge.of_hub(request.query_params, wanted)
    except Problem as problem:
        if problem.code == "invalid_verify_token":
            await parts.limits.failed(request.scope, address)
        raise


async def _find(parts: Parts, token: str) -> Trigger | None:
    if len(token) > MAX_TOKEN_CHARS:
        return None
    trigger = await parts.store.triggers.find(token_hash(token))
    if trigger is None or trigger.kind is not TriggerKind.WEBHOOK or trigger.paused:
        return None
    return trigger


async def _verified(
    parts: Parts, trigger: Trigger, config: SignatureConfig | None, received: Received
) -> str | None:
    """What the signature says the delivery is called. Raises `SignatureError`, and `Problem` (503)
    where the owner's secret is not there: callers try again, and nothing is lost."""
    if config is None:
        return None
    secret = await _secret(parts, trigger, config.secret)
    signed = verify(
        config.scheme,
        secret,
        received.headers,
        received.body,
        now=time.time(),
        header=config.header,
        tolerance_s=config.tolerance_s,
    )
    return signed.delivery


async def _secret(parts: Parts, trigger: Trigger, name: str) -> str:
    found = (await parts.store.secrets.get(trigger.owner, [name])).get(name)
    reason = f"the secret {name} is not stored"
    if found is not None and parts.keyring is None:
        reason = "the operator has set no PILOT_ENCRYPTION_KEY"
    elif found is not None and parts.keyring is not None:
        try:
            return vault.reveal(parts.keyring, found)
        except CiphertextError as error:
            reason = f"the secret {name} cannot be read: {error.message}"
    await _failed(parts, trigger, "missing_secret", reason)
    raise unavailable("webhook_not_ready", "This webhook cannot check signatures now.", after_s=60)


def _delivery(config: WebhookConfig, received: Received) -> str | None:
    """What the caller calls this delivery. Raises `Problem` (400)."""
    for name in (config.delivery_header, "idempotency-key"):
        given = received.headers.get(name) if name is not None else None
        if given is None:
            continue
        if not 1 <= len(given) <= MAX_KEY_CHARS or not given.isprintable() or not given.isascii():
            raise Problem(
                400,
                "invalid_delivery",
                f"{name} has 1 to {MAX_KEY_CHARS} printable ASCII characters.",
            )
        return given
    return None


def _has_key(config: WebhookConfig, received: Received) -> bool:
    """Whether the delivery is known by its `Idempotency-Key`. What a provider calls its own
    deliveries it may send again in other words."""
    own = config.delivery_header
    named = own is not None and own in received.headers
    return "idempotency-key" in received.headers and (not named or own == "idempotency-key")


def _require_same(first: Any, now: Any) -> None:
    """Of two inputs by their bodies: headers and the query may differ. Raises `Problem` (422)."""
    if canonical(_body(first)) != canonical(_body(now)):
        raise Problem(
            422,
            "idempotency_key_reused",
            "The Idempotency-Key belongs to a request with another body.",
        )


def _body(given: Any) -> Any:
    is_request = isinstance(given, dict) and {"method", "body", "body_type"} <= given.keys()
    return given["body"] if is_request else given


async def _begun(
    parts: Parts,
    trigger: Trigger,
    config: WebhookConfig,
    received: Received,
    delivery: str | None,
) -> Started:
    execution_id = (
        str(uuid4()) if delivery is None else str(uuid5(_DELIVERIES, f"{trigger.id}\n{delivery}"))
    )
    now = datetime.now(UTC)
    draft = Execution(
        id=execution_id,
        owner=trigger.owner,
        workflow_id=trigger.workflow_id,
        workflow_version=0,
        status=ExecutionStatus.QUEUED,
        input=None,
        started_by=None if trigger.created_by == trigger.owner else trigger.created_by,
        timeout_s=trigger.timeout_s,
        created_at=now,
        triggered_by=trigger.key,
        triggered_at=now,
    )
    try:
        started = await begin_once(
            parts,
            draft,
            received.input(config),
            require_same=_require_same if _has_key(config, received) else None,
        )
    except (GraphError, RefusedError, NotFoundError, ConflictError) as error:
        await _failed(parts, trigger, error.code, error.message)
        raise _refused(error) from None
    if trigger.failure is not None:
        await parts.store.triggers.failed(trigger.id, None)
    return started


def _refused(error: PilotError) -> Problem:
    """What a stranger is told."""
    if isinstance(error, RefusedError) and error.retry_after_s is not None:
        headers = {"Retry-After": str(error.retry_after_s)}
        return Problem(429, "over_budget", "Nothing more may be run today.", headers=headers)
    if isinstance(error, RefusedError):
        return Problem(422, error.code, "The workflow does not take this.", issues=error.issues)
    return Problem(409, "workflow_not_ready", "The workflow cannot be run as it is.")


async def _failed(parts: Parts, trigger: Trigger, code: str, message: str) -> None:
    log.warning("webhook %s began no run: %s: %s", trigger.id, code, message)
    failure = {"code": code, "message": message, "at": rfc3339(datetime.now(UTC))}
    await parts.store.triggers.failed(trigger.id, failure)
