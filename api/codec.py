"""`/api/v1/codec`: Temporal's remote codec protocol, for the Web UI and the `temporal` command.

What a run's history only refers to is brought from the payload store for those whom the execution
belongs to, up to 8 MB a request: a browser shows no more. Of others' the reference is given back.

A payload belongs to whom its scope names (`pilot.codec`): to the owner of the execution whose
run it is, or to the user who had it encoded here. A caller is given their own in the clear, and
everything else back as it came: still encrypted, as if it were not theirs to ask for. Operators
(PILOT_CODEC_USERS; in development the user `dev`) are given everything.

https://docs.temporal.io/production-deployment/data-encryption
"""

from __future__ import annotations

import binascii
import logging
import re
import time
from base64 import b64encode
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from starlette.responses import Response
from temporalio.api.common.v1 import Payload

from api import access
from api.auth import CallerDep
from api.caller import Caller
from api.parts import Parts, PartsDep, parts_of
from api.problems import INVALID
from api.reply import reply
from api.route import ApiRoute
from pilot.codec import is_encrypted, run_scope, scope_of
from pilot.errors import CiphertextError, NotFoundError, PayloadGoneError, PayloadStoreError
from pilot.payloads.driver import key_in
from pilot.payloads.objects import execution_in
from pilot.roles import Role
from pilot.settings import Settings
from pilot.store import temporal_workflow_id

log = logging.getLogger(__name__)

MAX_PAYLOADS = 10_000
MAX_BROUGHT_BYTES = 8_000_000
DEVELOPER = "dev"

_EXECUTION = re.compile(
    re.escape(run_scope(temporal_workflow_id(""))) + r"([0-9a-f-]{36})(?![\w-])"
)


def origins(settings: Settings) -> list[str]:
    """The origin of Temporal's Web UI, whose pages call the codec."""
    url = urlsplit(settings.temporal_ui_url or "")
    return [f"{url.scheme}://{url.netloc}"] if url.scheme and url.netloc else []


class CodecRoute(ApiRoute):
    """The development server's Web UI knows no sign-in, and so sends no token. There, and only
    there, its pages act for the user `dev`."""

    async def caller(self, request: Request) -> Caller:
        settings = parts_of(request).settings
        if (
            settings.uses_development_issuer
            and "authorization" not in request.headers
            and request.headers.get("origin") in origins(settings)
        ):
            return Caller(DEVELOPER, time.time() + 60)
        return await super().caller(request)


router = APIRouter(prefix="/codec", tags=["codec"], route_class=CodecRoute)


def _decoded(value: object) -> bytes:
    try:
        if isinstance(value, str):
            return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        pass
    raise ValueError("bytes are written in base64")


_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Bytes = Annotated[
    bytes, BeforeValidator(_decoded), WithJsonSchema({"type": "string", "pattern": _BASE64})
]


class PayloadJson(BaseModel):
    """A payload in protobuf's JSON: bytes are base64."""

    metadata: dict[str, Bytes] = Field(default_factory=dict)
    data: Bytes = b""


class PayloadsIn(BaseModel):
    payloads: Annotated[list[PayloadJson], Field(max_length=MAX_PAYLOADS)] = Field(
        default_factory=list
    )

    def messages(self) -> list[Payload]:
        return [Payload(metadata=one.metadata, data=one.data) for one in self.payloads]


class PayloadOut(BaseModel):
    metadata: dict[str, str]
    data: str


class PayloadsOut(BaseModel):
    payloads: list[PayloadOut]


@router.post("/decode", response_model=PayloadsOut, responses={**INVALID})
async def decode(parts: PartsDep, caller: CallerDep, body: PayloadsIn) -> Response:
    """The caller's payloads, brought from the payload store and decrypted; all others as they
    came."""
    readable: dict[str, bool] = {}
    answer = []
    for payload in await _brought(parts, caller, body.messages(), readable):
        if parts.codec is not None and is_encrypted(payload):
            scope = scope_of(payload)
            if await _is_readable(parts, caller, scope, readable):
                try:
                    payload = parts.codec.decrypted(payload)  # noqa: PLW2901
                except CiphertextError as error:
                    log.warning("a payload of %s was not decoded: %s", scope, error.message)
        answer.append(payload)
    return _reply(answer)


@router.post("/encode", response_model=PayloadsOut, responses={**INVALID})
async def encode(parts: PartsDep, caller: CallerDep, body: PayloadsIn) -> Response:
    """The payloads encrypted for the caller alone: for signals sent by hand."""
    payloads = body.messages()
    if parts.codec is not None:
        payloads = await parts.codec.for_user(caller.owner).encode(payloads)
    return _reply(payloads)


async def _is_readable(parts: Parts, caller: Caller, scope: str, readable: dict[str, bool]) -> bool:
    if scope not in readable:
        readable[scope] = await may_read(parts, caller, scope)
    return readable[scope]


async def _brought(
    parts: Parts, caller: Caller, payloads: list[Payload], readable: dict[str, bool]
) -> list[Payload]:
    """The payloads, with what the caller's references refer to in their place."""
    if parts.objects is None:
        return payloads
    left = MAX_BROUGHT_BYTES
    brought = list(payloads)
    for at, payload in enumerate(payloads):
        key = key_in(payload)
        if key is None:
            continue
        scope = run_scope(temporal_workflow_id(str(execution_in(key))))
        if not await _is_readable(parts, caller, scope, readable):
            continue
        try:
            size = await parts.objects.size(key)
            if size > left:
                continue
            brought[at] = Payload.FromString(await parts.objects.get(key))
            left -= size
        except (PayloadStoreError, PayloadGoneError) as error:
            log.warning("a payload of %s could not be brought: %s", scope, error.message)
    return brought


async def may_read(parts: Parts, caller: Caller, scope: str) -> bool:
    """Whether what is of this scope is the caller's to read. A scope that is a lie allows
    nothing: the payload does not open under it."""
    if caller.user_id in operators(parts.settings) or scope == f"user:{caller.owner}":
        return True
    execution = _EXECUTION.match(scope)
    if execution is None:
        return False
    try:
        await access.to_execution(parts, caller, execution[1], Role.VIEWER)
    except NotFoundError:
        return False
    return True


def operators(settings: Settings) -> frozenset[str]:
    users = set(settings.pilot_codec_users)
    return frozenset(users | {DEVELOPER} if settings.uses_development_issuer else users)


def _reply(payloads: list[Payload]) -> Response:
    return reply(
        PayloadsOut(
            payloads=[
                PayloadOut(
                    metadata={name: _base64(value) for name, value in payload.metadata.items()},
                    data=_base64(payload.data),
                )
                for payload in payloads
            ]
        )
    )


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
