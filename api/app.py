"""The web application: its parts, its routes, and what stands around every request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from api import auth, codec, cors, health, metrics, node_types, openapi, problems
from api.api_keys.routes import router as api_keys
from api.api_keys.service import PREFIX, KeyVerifier
from api.approvals.routes import router as approvals
from api.body import BodyLimit
from api.canvas.files import PATH as CANVAS
from api.canvas.files import CanvasFiles
from api.compression import compressed
from api.directory import Directory
from api.executions.backlog import Backlog
from api.executions.escalation import escalating
from api.executions.export import router as export
from api.executions.finished import Finished
from api.executions.iterations import router as iterations
from api.executions.outputs import router as outputs
from api.executions.routes import router as executions
from api.executions.waits import router as waits
from api.hooks.routes import router as hooks
from api.limits import Limits, RateHeaders, rates
from api.live.connections import Connections
from api.live.feed import Feed
from api.live.history import History
from api.live.shared import SharedStreams
from api.live.tickets import open_tickets
from api.live.turns import Turns
from api.live.websocket import serve_socket
from api.me.routes import router as me
from api.parts import Parts
from api.pending import PendingRuns
from api.request_id import RequestId
from api.response_headers import ResponseHeaders
from api.retention.routes import router as retention
from api.route_table import RouteTable
from api.runs import Runs
from api.secrets.routes import router as secrets
from api.shared_cache import SharedCache
from api.shares.routes import router as shares
from api.templates.routes import router as templates
from api.tickets import router as tickets
from api.transfers.routes import router as transfers
from api.triggers.routes import router as triggers
from api.triggers.webhook import router as webhooks
from api.usage.routes import router as usage
from api.versions.routes import router as versions
from api.workers import Workers
from api.workflows.routes import router as workflows
from pilot import __version__, tracing
from pilot.codec import EncryptionCodec
from pilot.events.connection import serve_bus
from pilot.keys import payload_keyring, secrets_keyring
from pilot.nodes import specs
from pilot.payloads.objects import Objects
from pilot.settings import Settings
from pilot.store.open import open_store
from pilot.temporal import connect


class App(FastAPI):
    """Takes WebSockets past all middleware: what stands around a request (CORS, its id, its
    body's limit) is for HTTP, and an open WebSocket would hold a frame of each for as long as it
    lives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope["app"] = self
            if await serve_socket(scope, receive, send):
                return
        await super().__call__(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """The app of one process. Its parts open with the lifespan; the tables must be there
    (`pilot migrate`). Temporal may be down: what needs it answers 503 until it is back.

    Raises `SettingsError` for settings that are missing or contradict themselves.
    """
    settings.check()
    rates(settings)
    app = App(
        title="πlot",
        version=__version__,
        description="Durable AI workflows: graphs of nodes, run by Temporal, watched live.",
        lifespan=_lifespan(settings),
        openapi_url="/openapi.json" if settings.debug else None,
        docs_url="/docs" if settings.debug else None,
        redoc_url="/redoc" if settings.debug else None,
        generate_unique_id_function=lambda route: route.name,
    )
    openapi.install(app)
    problems.install(app)
    v1 = APIRouter(prefix="/api/v1", responses=problems.COMMON)
    for router in (
        workflows,
        transfers,
        versions,
        templates,
        shares,
        export,  # before the executions, whose ids it would be taken for
        executions,
        retention,
        me,
        iterations,
        outputs,
        waits,
        triggers,
        webhooks,
        node_types.router,
        secrets,
        usage,
        api_keys,
        tickets,
        hooks,
        approvals,
        codec.router,
    ):
        v1.include_router(router)
    for router in (v1, health.router, metrics.router):
        app.include_router(router)
    app.mount(CANVAS, CanvasFiles(settings))
    app.router.routes.insert(0, RouteTable(app.routes))
    # the last one added is the outermost
    app.add_middleware(BodyLimit)
    app.add_middleware(problems.Unexpected, shows_traceback=settings.debug)
    app.add_middleware(RateHeaders)
    app.add_middleware(compressed)
    app.add_middleware(CORSMiddleware, **cors.options(settings))
    app.add_middleware(ResponseHeaders)
    app.state.metrics = metrics.registry()
    app.add_middleware(metrics.RequestMetrics, registry=app.state.metrics)
    if tracing.is_on():
        from api.tracing import RequestSpans  # noqa: PLC0415 (few processes need it)

        app.add_middleware(RequestSpans, tracer=tracing.tracer())
    app.add_middleware(RequestId)
    return app


def _lifespan(settings: Settings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as parts:
            app.state.parts = parts
            yield

    return lifespan


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Parts]:
    """The parts of one API process, closed in reverse on the way out."""
    async with AsyncExitStack() as stack:
        shared = SharedCache.of(settings)
        stack.push_async_callback(shared.close)
        tokens = auth.verifier(settings, shared)
        payload_keys = payload_keyring(settings)
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        bus = await serve_bus(settings)
        stack.push_async_callback(bus.close)
        limits = Limits.open(settings)
        stack.push_async_callback(limits.close)
        live_tickets = open_tickets(settings)
        stack.push_async_callback(live_tickets.close)
        runs = Runs(
            await connect(settings, lazy=True),
            settings.temporal_task_queue,
            settings.pilot_priorities,
            settings.pilot_task_queues,
        )
        pending = PendingRuns(runs, Workers(runs))
        history = History(store, runs, settings, pending)
        feed = await stack.enter_async_context(Feed(bus, history, pending))
        turns = Turns()
        parts = Parts(
            settings,
            auth.Verifiers(tokens, PREFIX, KeyVerifier(store)),
            tokens.keys,
            store,
            runs,
            bus,
            history,
            feed,
            pending,
            specs(),
            Connections(
                settings.pilot_connections_per_user, settings.pilot_connections_per_address
            ),
            limits,
            live_tickets,
            Finished(shared),
            turns,
            SharedStreams(feed, turns),
            Backlog(store.slots, settings),
            keyring=secrets_keyring(settings),
            codec=None if payload_keys is None else EncryptionCodec(payload_keys),
            objects=Objects.open(settings),
            directory=None
            if settings.clerk_secret_key is None
            else Directory(settings.clerk_secret_key),
        )
        await stack.enter_async_context(escalating(parts))
        yield parts
