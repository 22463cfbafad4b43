"""What this is, whether it lives, is ready, and whether its parts answer. No token is needed.

`/livez` is for whoever restarts a process that hangs, `/readyz` for whoever sends it requests,
`/health` for people and dashboards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.parts import Parts, PartsDep
from api.problems import Problem
from api.reply import reply
from pilot import __version__
from pilot.errors import PilotError, StorageFullError
from pilot.events.bus import NoBus
from pilot.identity import LAYERS, layers_of
from pilot.retention import Policy

router = APIRouter(tags=["health"])

Checks = dict[str, Callable[[], Awaitable["PartOut | None"]]]

PART_LIMIT_S = 2.0


class LinksOut(BaseModel):
    health: str = "/health"
    workflows: str = "/api/v1/workflows"
    executions: str = "/api/v1/executions"
    node_types: str = "/api/v1/node-types"
    canvas: str = "/app/"
    docs: str | None = None
    temporal_ui: str | None = None


class RootOut(BaseModel):
    name: str = "πlot"
    version: str = __version__
    status: Literal["ok"] = "ok"
    links: LinksOut


class PartOut(BaseModel):
    status: Literal["ok", "down", "no_worker", "off", "stuck", "full"]
    latency_ms: float
    detail: str | None = Field(default=None, exclude_if=lambda detail: detail is None)
    layers: list[str] | None = Field(
        default=None,
        exclude_if=lambda layers: layers is None,
        description="Of `sandbox`: what the system confines code nodes by, on every worker.",
    )


class HealthOut(BaseModel):
    """`ok`; `degraded`: something waits (no worker, no Temporal, no room on the store's disk);
    `down`: nothing can be read or saved, so the answer is 503. `build` is PILOT_BUILD_ID."""

    status: Literal["ok", "degraded", "down"]
    version: str = __version__
    build: str | None
    parts: dict[str, PartOut]


class LiveOut(BaseModel):
    status: Literal["ok"] = "ok"


class ReadyOut(BaseModel):
    """`ready`; `draining`: it is about to end, and finishes what it was sent; `down`: nothing
    can be read, or nobody let in."""

    status: Literal["ready", "draining", "down"]
    parts: dict[str, PartOut]


@router.get("/", response_model=RootOut)
async def root(parts: PartsDep) -> Response:
    """The service's name, version and links."""
    links = LinksOut(
        docs="/docs" if parts.settings.debug else None,
        temporal_ui=parts.settings.temporal_ui_url,
    )
    return reply(RootOut(links=links))


@router.get("/livez", response_model=LiveOut)
async def live() -> Response:
    """The process answers. Nothing else is asked: no restart brings a database back."""
    return reply(LiveOut())


@router.get("/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut}})
async def ready(parts: PartsDep) -> Response:
    """Whether requests should be sent here: the store answers, and the keys of the tokens'
    issuer are known. 503 also from SIGTERM on. Temporal and the bus do not count: without them
    reading goes on, and every other process lacks them too."""
    found = await _asked({"store": parts.store.ping, "issuer": parts.keys.require})
    status: Literal["ready", "draining", "down"] = "ready"
    if parts.draining.is_set():
        status = "draining"
    elif any(part.status == "down" for part in found.values()):
        status = "down"
    return reply(ReadyOut(status=status, parts=found), 200 if status == "ready" else 503)


@router.get("/health", response_model=HealthOut, responses={503: {"model": HealthOut}})
async def health(parts: PartsDep) -> Response:
    """Each part with its state and latency. 200 while requests can be served, degraded or
    not; 503 when the store is down."""
    found = await health_of(parts)
    return reply(found, 503 if found.status == "down" else 200)


async def health_of(parts: Parts) -> HealthOut:
    checks: Checks = {
        "store": parts.store.ping,
        "issuer": parts.keys.require,
        "temporal": parts.runs.ping,
        "worker": lambda: _worker(parts),
        "sandbox": lambda: _sandbox(parts),
        "bus": lambda: _bus(parts),
        "encryption": lambda: _encryption(parts),
        "reconciler": lambda: _reconciler(parts),
        "retention": lambda: _retention(parts),
        "payloads": lambda: _payloads(parts),
    }
    if parts.settings.redis_url is not None:
        checks["redis"] = lambda: _redis(parts)
    found = await _asked(checks)
    status: Literal["ok", "degraded", "down"] = "ok"
    if any(part.status not in ("ok", "off") for part in found.values()):
        status = "degraded"
    if found["store"].status == "down":
        status = "down"
    return HealthOut(status=status, build=parts.settings.pilot_build_id, parts=found)


async def _asked(checks: Checks) -> dict[str, PartOut]:
    """All at once, so that the slowest is what it takes."""
    results = await asyncio.gather(*(_measured(check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _measured(check: Callable[[], Awaitable[PartOut | None]]) -> PartOut:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PART_LIMIT_S):
            found = await check()
    except TimeoutError:
        found = PartOut(status="down", latency_ms=0, detail=f"no answer in {PART_LIMIT_S:g} s")
    except StorageFullError as error:
        found = PartOut(status="full", latency_ms=0, detail=error.code)
    except (Problem, PilotError) as error:
        found = PartOut(status="down", latency_ms=0, detail=error.code)
    except Exception as error:
        # what it says may name hosts and users, and this is for everybody
        found = PartOut(status="down", latency_ms=0, detail=type(error).__name__)
    part = found or PartOut(status="ok", latency_ms=0)
    return part.model_copy(update={"latency_ms": round((time.perf_counter() - began) * 1000, 1)})


async def _worker(parts: Parts) -> PartOut:
    pollers = await parts.runs.pollers()
    if not pollers or await parts.pending.workers.absent_since() is not None:
        return _no_worker(parts)
    return PartOut(status="ok", latency_ms=0, detail=f"{len(pollers)} pollers")


async def _sandbox(parts: Parts) -> PartOut:
    """What confines the workers' sandboxes, as their identities tell; where they differ, what
    all of them have. A worker that tells nothing has nothing to be relied on."""
    pollers = await parts.runs.pollers()
    if not pollers:
        return _no_worker(parts)
    told = [layers_of(identity) or () for identity in pollers]
    layers = [layer for layer in LAYERS.values() if all(layer in each for each in told)]
    detail = None if layers else "code nodes are confined by their interpreter alone"
    return PartOut(status="ok", latency_ms=0, detail=detail, layers=layers)


def _no_worker(parts: Parts) -> PartOut:
    queue = parts.runs.task_queue
    return PartOut(
        status="no_worker", latency_ms=0, detail=f"no worker polls the task queue {queue}"
    )


async def _reconciler(parts: Parts) -> PartOut:
    """Rows that could not be brought in line with Temporal, and runs that their workers cannot go
    on with, make it `stuck`."""
    last = await parts.runs.reconciled()
    if last is None:
        return PartOut(status="ok", latency_ms=0, detail="no pass yet")
    repaired = sum(last.repaired.values())
    detail = f"last pass {last.at}: {last.checked} checked, {repaired} repaired"
    if last.failed:
        detail += f", {last.failed} not, the oldest of {last.oldest_failed_at}"
    if last.stuck:
        detail += f"; {last.stuck} whose workflow task keeps failing"
    is_stuck = bool(last.failed or last.stuck)
    return PartOut(status="stuck" if is_stuck else "ok", latency_ms=0, detail=detail)


async def _retention(parts: Parts) -> PartOut:
    """What the last pass deleted; `off` where all is kept unless a workflow says otherwise."""
    last = await parts.runs.pruned()
    detail = "no pass yet"
    if last is not None:
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(last.pruned.items()))
        detail = f"last pass {last.at}: {said or 'nothing'} deleted"
        if last.archived:
            detail += f", {last.archived} archived"
        if last.skipped:
            detail += f", {last.skipped} left for their open run"
    status: Literal["ok", "off"] = "ok" if Policy.of(parts.settings).is_on else "off"
    return PartOut(status=status, latency_ms=0, detail=detail)


async def _payloads(parts: Parts) -> PartOut | None:
    if parts.objects is None:
        return PartOut(status="off", latency_ms=0)
    await parts.objects.ping()
    return None


async def _encryption(parts: Parts) -> PartOut:
    if parts.keyring is None:
        detail = "PILOT_ENCRYPTION_KEY is not set: secrets cannot be stored"
        return PartOut(status="off", latency_ms=0, detail=detail)
    sealed = "secrets" if parts.codec is None else "secrets and payloads"
    return PartOut(status="ok", latency_ms=0, detail=sealed)


async def _bus(parts: Parts) -> PartOut:
    if parts.settings.redis_url is not None:
        await _redis(parts)
    status: Literal["ok", "off"] = "off" if isinstance(parts.bus, NoBus) else "ok"
    return PartOut(status=status, latency_ms=0, detail=parts.bus.condition)


async def _redis(parts: Parts) -> None:
    from pilot.events.redis import RedisBus  # noqa: PLC0415 (8 MB, for some only)

    assert isinstance(parts.bus, RedisBus)
    await parts.bus.ping()
