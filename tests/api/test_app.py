"""The app as a whole: its OpenAPI document, CORS, failures of its parts, its process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from inspect import iscoroutinefunction

import httpx
import jsonschema
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from api.workflows.schemas import CHATBOT
from pilot.errors import ConflictError, SettingsError, StoreError, UnavailableError
from pilot.processes import die_with_parent
from pilot.settings import Settings
from pilot.store.migrate import migrate
from pilot.tokens import DevelopmentIssuer

W = "/api/v1/workflows"


@pytest.fixture(scope="session")
def document(api):
    return create_app(api.settings.model_copy(update={"debug": True})).openapi()


def test_the_document_names_every_route(document):
    paths = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert paths == {
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/api/v1/templates"),
        ("GET", "/api/v1/templates/{template_id}"),
        ("POST", "/api/v1/templates/{template_id}/use"),
        ("GET", "/api/v1/node-types"),
        ("GET", "/api/v1/schema/graph.json"),
        ("POST", W),
        ("GET", W),
        ("POST", f"{W}/validate"),
        ("POST", f"{W}/import"),
        ("GET", f"{W}/{{workflow_id}}/export"),
        ("GET", f"{W}/{{workflow_id}}"),
        ("GET", f"{W}/{{workflow_id}}/openapi.json"),
        ("PUT", f"{W}/{{workflow_id}}"),
        ("DELETE", f"{W}/{{workflow_id}}"),
        ("POST", f"{W}/{{workflow_id}}/execute"),
        ("GET", "/api/v1/executions"),
        ("GET", "/api/v1/executions/export"),
        ("GET", "/api/v1/executions/{execution_id}"),
        ("DELETE", "/api/v1/executions/{execution_id}"),
        ("GET", f"{W}/{{workflow_id}}/retention"),
        ("PUT", f"{W}/{{workflow_id}}/retention"),
        ("DELETE", "/api/v1/me"),
        ("GET", "/api/v1/me/deletion"),
        ("GET", "/api/v1/executions/{execution_id}/events"),
        ("GET", "/api/v1/executions/{execution_id}/nodes/{node_id}/iterations"),
        ("GET", "/api/v1/executions/{execution_id}/nodes/{node_id}/output"),
        ("GET", "/api/v1/executions/{execution_id}/output"),
        ("GET", "/api/v1/executions/{execution_id}/children"),
        ("GET", "/api/v1/executions/{execution_id}/waits"),
        ("POST", "/api/v1/executions/{execution_id}/cancel"),
        ("POST", "/api/v1/executions/{execution_id}/retry"),
        ("POST", f"{W}/{{workflow_id}}/nodes/{{node_id}}/test"),
        ("POST", "/api/v1/executions/{execution_id}/pause"),
        ("POST", "/api/v1/executions/{execution_id}/resume"),
        ("GET", f"{W}/{{workflow_id}}/versions"),
        ("GET", f"{W}/{{workflow_id}}/versions/diff"),
        ("GET", f"{W}/{{workflow_id}}/versions/{{version}}"),
        ("POST", f"{W}/{{workflow_id}}/versions/{{version}}/restore"),
        ("POST", f"{W}/{{workflow_id}}/publish"),
        ("POST", f"{W}/{{workflow_id}}/unpublish"),
        ("POST", "/api/v1/executions/{execution_id}/signals/{name}"),
        ("POST", "/api/v1/hooks/{token}"),
        ("GET", "/api/v1/approvals"),
        ("GET", "/api/v1/executions/{execution_id}/approvals"),
        ("POST", "/api/v1/executions/{execution_id}/approvals/{node_id}"),
        ("GET", f"{W}/{{workflow_id}}/shares"),
        ("PUT", f"{W}/{{workflow_id}}/shares/{{grantee}}"),
        ("DELETE", f"{W}/{{workflow_id}}/shares/{{grantee}}"),
        ("POST", "/api/v1/api-keys"),
        ("GET", "/api/v1/api-keys"),
        ("DELETE", "/api/v1/api-keys/{key_id}"),
        ("POST", "/api/v1/secrets"),
        ("GET", "/api/v1/secrets"),
        ("DELETE", "/api/v1/secrets/{name}"),
        ("POST", "/api/v1/triggers"),
        ("GET", "/api/v1/triggers"),
        ("GET", "/api/v1/triggers/{trigger_id}"),
        ("PUT", "/api/v1/triggers/{trigger_id}"),
        ("DELETE", "/api/v1/triggers/{trigger_id}"),
        ("POST", "/api/v1/triggers/{trigger_id}/pause"),
        ("POST", "/api/v1/triggers/{trigger_id}/resume"),
        ("POST", "/api/v1/triggers/{trigger_id}/run"),
        ("POST", "/api/v1/triggers/{trigger_id}/backfill"),
        ("POST", "/api/v1/triggers/{trigger_id}/rotate"),
        ("GET", "/api/v1/triggers/{trigger_id}/executions"),
        ("GET", "/api/v1/webhooks/{token}"),
        ("POST", "/api/v1/webhooks/{token}"),
        ("POST", "/api/v1/tickets"),
        ("POST", "/api/v1/codec/decode"),
        ("POST", "/api/v1/codec/encode"),
        ("GET", "/api/v1/usage"),
        ("GET", "/api/v1/usage/executions"),
        ("GET", "/api/v1/budgets"),
        ("PUT", "/api/v1/budgets"),
        ("DELETE", "/api/v1/budgets"),
        ("GET", f"{W}/{{workflow_id}}/budget"),
        ("PUT", f"{W}/{{workflow_id}}/budget"),
        ("DELETE", f"{W}/{{workflow_id}}/budget"),
    }


OPEN = {"/api/v1/webhooks/{token}", "/api/v1/hooks/{token}"}
"""Where nobody signs in: the address is the right to call."""


def test_every_operation_is_described_and_protected(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            is_open = not path.startswith("/api/") or path in OPEN
            assert bool(operation.get("security")) is not is_open
    assert document["components"]["schemas"]["WorkflowIn"]["examples"] == [CHATBOT]


async def test_answers_match_their_schemas(client, document):
    def check(answer: httpx.Response, path: str, method: str) -> None:
        responses = document["paths"][path][method]["responses"]
        content = responses[str(answer.status_code)]["content"]
        schema = content[answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})

    made = await client.post(W, json=CHATBOT)
    check(made, W, "post")
    url = f"{W}/{made.json()['id']}"
    check(await client.get(url), f"{W}/{{workflow_id}}", "get")
    check(await client.get(W), W, "get")
    check(await client.get("/health"), "/health", "get")
    check(await client.get("/"), "/", "get")
    check(await client.get("/api/v1/node-types"), "/api/v1/node-types", "get")
    check(await client.post(f"{W}/validate", json=CHATBOT), f"{W}/validate", "post")
    check(await client.post(W, json={}), W, "post")
    check(await client.post(f"{url}/execute", json={}), f"{W}/{{workflow_id}}/execute", "post")
    check(await client.get("/api/v1/executions"), "/api/v1/executions", "get")


async def test_docs_only_with_debug_and_cors_only_for_the_named(serve, tmp_path):
    serving, settings_for = serve
    settings = settings_for(tmp_path, debug=True, backend_cors_origins=["http://canvas.test"])
    async with serving(settings) as api:
        client = api.client()
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
        for origin, allowed in (("http://canvas.test", True), ("http://evil.test", False)):
            preflight = await client.options(
                W,
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,idempotency-key",
                },
            )
            answers = [
                preflight,
                await client.get(W, headers={"Origin": origin}),
                await client.get("/api/v1/nothing", headers={"Origin": origin}),
                await api.client(None).get(W, headers={"Origin": origin}),
            ]
            for answer in answers:
                assert (answer.headers.get("access-control-allow-origin") == origin) == allowed


@pytest.mark.parametrize("debug", [True, False])
async def test_a_traceback_is_for_debug_only(serve, tmp_path, monkeypatch, debug):
    async def broken(*_args, **_kwargs):
        raise RuntimeError("hush")

    serving, settings_for = serve
    async with serving(settings_for(tmp_path, debug=debug)) as api:
        monkeypatch.setattr(type(api.parts.store), "list_workflows", broken)
        answer = await api.client().get(W)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        if debug:
            assert answer.json()["traceback"][-1] == "RuntimeError: hush"
        else:
            assert "hush" not in answer.text
            assert "traceback" not in answer.json()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnavailableError("secret host"), 503, "store_unavailable"),
        (StoreError("secret host"), 503, "store_failed"),
        (ConflictError("they differ"), 409, "conflict"),
    ],
)
async def test_what_the_store_says_is_told_in_http(api, monkeypatch, error, status, code):
    async def broken(*_args, **_kwargs):
        raise error

    for name in ("admit", "list_workflows", "create_workflow", "get_execution"):
        monkeypatch.setattr(type(api.parts.store), name, broken)
    for name in ("grant", "of_execution"):
        monkeypatch.setattr(type(api.parts.store.shares), name, broken)
    some = "00000000-0000-0000-0000-000000000000"
    calls = [
        ("GET", W, None),
        ("POST", W, CHATBOT),
        ("GET", f"{W}/{some}", None),
        ("POST", f"{W}/{some}/execute", {}),
        ("GET", f"/api/v1/executions/{some}", None),
        ("GET", f"/api/v1/executions/{some}/events", None),
        ("POST", f"/api/v1/executions/{some}/cancel", None),
    ]
    for method, url, body in calls:
        answer = await api.client().request(method, url, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), url
        assert "secret" not in answer.text
        assert ("retry-after" in answer.headers) == (status == 503)


async def test_tables_that_are_not_there_are_503(api, serve, tmp_path):
    _, settings_for = serve
    settings = settings_for(tmp_path)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {DevelopmentIssuer.open(tmp_path).mint('ada')}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://x", headers=headers
        ) as client:
            assert (await client.get(W)).status_code == 503


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pilot_env": "production"}, "CLERK_JWT_ISSUER"),
        ({"pilot_bus_url": "tcp://0.0.0.0:1", "pilot_bus_token": "x"}, "PILOT_BUS_URL"),
        ({"pilot_bus_url": "tcp://127.0.0.1:0"}, "PILOT_BUS_TOKEN"),
    ],
)
async def test_bad_settings_are_named_at_start(tmp_path, fields, named):
    settings = Settings(
        _env_file=None, **{"pilot_env": "development", "pilot_data_dir": tmp_path, **fields}
    )
    with pytest.raises(SettingsError, match=named):
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            pass


async def test_the_process_serves_and_ends_on_sigterm_with_sockets_open(serve, tmp_path):
    _, settings_for = serve
    settings = settings_for(tmp_path)
    await migrate(settings.store_url)
    token = DevelopmentIssuer.open(tmp_path).mint("ada")
    environment = {
        "PATH": os.environ["PATH"],
        "PILOT_ENV": "development",
        "PILOT_DATA_DIR": str(tmp_path),
        "PILOT_PORT": str(settings.pilot_port),
        "TEMPORAL_ADDRESS": "127.0.0.1:9",
    }
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "api"],
        env=environment,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent(),  # noqa: PLW1509
    )
    try:
        url = f"127.0.0.1:{settings.pilot_port}"
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=f"http://{url}", headers=headers) as client:
            async with asyncio.timeout(20):
                while True:
                    try:
                        assert (await client.get(W)).status_code == 200
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
        async with connect(f"ws://{url}/ws/ada", additional_headers=headers) as socket:
            await socket.send('{"type": "ping"}')
            assert json.loads(await socket.recv())["type"] == "pong"
            before = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            while process.poll() is None:
                await asyncio.sleep(0.02)
        assert time.monotonic() - before < 5
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_no_dependency_is_run_in_a_thread(api):
    """FastAPI hands each that is not `async` to a thread, which costs more than what it does."""
    waiting, seen = [], set()

    def walk(routes):
        for route in routes:
            inner = getattr(route, "original_router", None)
            walk(inner.routes if inner is not None else ())
            if hasattr(route, "dependant"):
                waiting.append(route.dependant)

    walk(create_app(api.settings).routes)
    while waiting:
        one = waiting.pop()
        waiting += one.dependencies
        seen.add(one.call)
    assert len(seen) > 50
    assert [
        call
        for call in seen
        if not (iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__))
    ] == []
