"""`GET /metrics`: what this process serves, and what waits, for Prometheus.

Workers have an endpoint of their own (see `pilot.metrics`). What can be asked of the store and
of Temporal stands here, because an API process lives where all workers are dead: how long the
oldest execution has been queued, how many workers poll, what the reconciler leaves behind. It
is asked at each scrape; what does not answer is left out, and its `pilot_up` is 0. Every API
process says the same of these, so take the maximum.

The page is open to this machine only, or to whoever knows PILOT_METRICS_TOKEN. A private
address is not enough: behind a proxy, everybody comes from one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TypeVar

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.parts import Parts, PartsDep
from api.problems import Problem
from pilot.errors import StoreError
from pilot.graph.status import ExecutionStatus
from pilot.store import OpenCount
from workflows_def.reconcile import ReconcileResult

router = APIRouter()

ASK_LIMIT_S = 3.0
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")

T = TypeVar("T")


class RequestMetrics:
    """ASGI middleware: counts requests by route, and measures the time to their answer's head
    (an event stream's end says nothing about us)."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "pilot_http_requests_total",
            "Requests by method, route and status",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pilot_http_request_duration_seconds",
            "From a request to the head of its answer",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                route = route_of(scope)
                self._seconds.labels(method, route).observe(time.perf_counter() - began)
                self._requests.labels(method, route, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counted)


def route_of(scope: Scope) -> str:
    """The path's pattern, such as `/api/v1/workflows/{workflow_id}`: paths hold ids."""
    # a route of an included router knows its path without the prefix
    whole = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(whole or scope.get("route"), "path", UNMATCHED)
    return path


def registry() -> CollectorRegistry:
    """The process's own, with its memory, CPU time and open files."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    return made


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, parts: PartsDep) -> Response:
    _admit(request, parts)
    page = generate_latest(request.app.state.metrics) + generate_latest(await _asked(parts))
    return Response(page, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _admit(request: Request, parts: Parts) -> None:
    """Raises `Problem` (401, 403)."""
    token = parts.settings.pilot_metrics_token
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {token.get_secret_value()}".encode()):
            raise Problem(
                401,
                "unauthorized",
                "Send PILOT_METRICS_TOKEN as a bearer token.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return
    host = request.client.host if request.client else ""
    if not _is_loopback(host) or any(name in request.headers for name in _FORWARDED):
        raise Problem(
            403,
            "metrics_forbidden",
            "Metrics are for this machine only, unless PILOT_METRICS_TOKEN is set.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _asked(parts: Parts) -> CollectorRegistry:
    """What is true now, of this process's watchers and of all that is shared."""
    counts, held, places, pollers, last, pruned = await asyncio.gather(
        _answer(parts.store.open_counts()),
        _answer(parts.store.slots.held()),
        _answer(parts.store.places.taken()),
        _answer(parts.runs.pollers()),
        _answer(parts.runs.reconciled()),
        _answer(parts.runs.pruned()),
    )
    found = _Gauges()
    found.set("pilot_watchers", "Open connections", _watchers(parts), label="transport")
    found.set(
        "pilot_up",
        "Whether a part answers",
        {"store": counts is not None, "temporal": pollers is not None},
        label="part",
    )
    if counts is not None:
        _say_counts(found, counts[0])
    if held is not None:
        found.set("pilot_executions_held", "Executions that wait for a slot", {"": held[0]})
    if places is not None:
        # where no call is, no row is: what is free has to be seen as free
        free = dict.fromkeys((limit.pattern for limit in parts.settings.pilot_model_limits), 0)
        in_use = free | {pattern: taken.held for pattern, taken in places[0].items()}
        waiting = free | {pattern: taken.waiting for pattern, taken in places[0].items()}
        found.set("pilot_llm_in_use", "Calls of models under way, by limit", in_use, label="limit")
        found.set("pilot_llm_waiting", "Calls that wait for room", waiting, label="limit")
    if pollers is not None:
        found.set("pilot_worker_pollers", "Workers that poll the queue", {"": len(pollers[0])})
    if last is not None and last[0] is not None:
        _say_reconciled(found, last[0])
    if pruned is not None and pruned[0] is not None:
        found.set(
            "pilot_retention_last_pass_age_seconds",
            "Since the retention's last pass ended",
            {"": _age_s(datetime.fromisoformat(pruned[0].at))},
        )
    return found.registry


def _watchers(parts: Parts) -> dict[str, float]:
    streams = len(parts.streams)
    return {"websocket": parts.connections.open - streams, "sse": streams}


def _say_counts(found: _Gauges, counts: dict[ExecutionStatus, OpenCount]) -> None:
    queued = counts.get(ExecutionStatus.QUEUED)
    found.set(
        "pilot_executions_open",
        "Executions that have not ended, and wait for no slot",
        {
            status.value: counts[status].count if status in counts else 0
            for status in ExecutionStatus
            if not status.is_final
        },
        label="status",
    )
    found.set(
        "pilot_queue_age_seconds",
        "How long the oldest queued execution has waited; 0 where none does",
        {"": 0 if queued is None else _age_s(queued.oldest)},
    )


def _say_reconciled(found: _Gauges, last: ReconcileResult) -> None:
    oldest = last.oldest_failed_at
    found.set(
        "pilot_reconcile_last_pass_age_seconds",
        "Since the reconciler's last pass ended",
        {"": _age_s(datetime.fromisoformat(last.at))},
    )
    found.set(
        "pilot_reconcile_unreconciled",
        "Rows that the last pass could not bring in line with Temporal",
        {"": last.failed},
    )
    found.set(
        "pilot_reconcile_oldest_unreconciled_age_seconds",
        "The age of the oldest of them; 0 where there is none",
        {"": 0 if oldest is None else _age_s(datetime.fromisoformat(oldest))},
    )
    found.set(
        "pilot_reconcile_stuck",
        "Open runs whose workflow task keeps failing",
        {"": last.stuck},
    )


class _Gauges:
    """Gauges of one scrape: what was not asked now is not told from the last time."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def set(self, name: str, about: str, values: Mapping[str, float], label: str = "") -> None:
        gauge = Gauge(name, about, (label,) if label else (), registry=self.registry)
        for key, value in values.items():
            (gauge.labels(key) if label else gauge).set(value)


async def _answer(question: Awaitable[T]) -> tuple[T] | None:
    """The answer, None where there is none in time."""
    try:
        async with asyncio.timeout(ASK_LIMIT_S):
            return (await question,)
    except (TimeoutError, Problem, StoreError):
        return None


def _age_s(moment: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
