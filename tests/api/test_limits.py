"""Rates: who is counted as what, the headers, Redis shared, slow and dead, failed sign-ins."""

import asyncio
import socket

import pytest
from limits import parse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from api.caller import Caller
from api.limits import HEADERS, Limits, Rate, rate_of, rates
from api.problems import Problem
from api.workflows.schemas import CHATBOT
from pilot.errors import SettingsError
from pilot.settings import Settings

W = "/api/v1/workflows"
RATES = {
    "pilot_rate_reads": "3/hour",
    "pilot_rate_writes": "2/hour",
    "pilot_rate_executes": "1/hour",
    "pilot_rate_validations": "2/hour",
    "pilot_rate_address": "4/hour",
}
PATIENT_S = 10.0  # for what shares a machine with other tests


def told(answer) -> tuple[int, int]:
    assert 0 < int(answer.headers["RateLimit-Reset"]) <= 3600
    return int(answer.headers["RateLimit-Limit"]), int(answer.headers["RateLimit-Remaining"])


def require_refused(answer) -> None:
    assert answer.status_code == 429, answer.text
    assert answer.json()["code"] == "rate_limited"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["RateLimit-Remaining"] == "0"


async def test_each_class_of_routes_and_each_caller_has_its_own_rate(serve, tmp_path):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, **RATES)) as api:
        ada, bob = api.client("ada"), api.client("bob")
        assert [told(await ada.get(W)) for _ in range(3)] == [(3, 2), (3, 1), (3, 0)]
        require_refused(await ada.get("/api/v1/executions"))
        assert told(await bob.get(W)) == (3, 2)
        made = await ada.post(W, json=CHATBOT)
        assert (made.status_code, told(made)) == (201, (2, 1))
        # what is refused for another reason counts, and says what is left
        failed = await ada.post(W, content=b"{")
        assert (failed.status_code, told(failed)) == (415, (2, 0))
        require_refused(await ada.post(W, json=CHATBOT))
        assert told(await ada.post(f"{W}/validate", json=CHATBOT)) == (2, 1)
        execute = f"{W}/{made.json()['id']}/execute"
        assert told(await ada.post(execute, json={})) == (1, 0)
        require_refused(await ada.post(execute, json={}))
        for _ in range(6):
            health = await api.client(None).get("/health")
            assert "RateLimit-Limit" not in health.headers
            assert health.status_code != 429


async def test_a_key_is_counted_apart_from_its_user(serve, tmp_path):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, **RATES)) as api:
        ada = api.client("ada")
        key = (await ada.post("/api/v1/api-keys", json={"name": "ci"})).json()["key"]
        program = api.client(None, Authorization=f"Bearer {key}")
        assert [told(await program.get(W)) for _ in range(3)] == [(3, 2), (3, 1), (3, 0)]
        require_refused(await program.get(W))
        assert told(await ada.get(W)) == (3, 2)


async def test_an_address_that_guesses_tokens_is_refused_before_its_token_is_read(serve, tmp_path):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, **RATES)) as api:
        assert told(await api.client("ada").get(W)) == (3, 2)
        stranger = api.client(None, Authorization="Bearer guess")
        answers = [await stranger.get(W) for _ in range(3)]
        assert [(one.status_code, *told(one)) for one in answers] == [
            (401, 4, 3),
            (401, 4, 2),
            (401, 4, 1),
        ]
        with pytest.raises(ConnectionClosed) as closed:
            headers = {"Authorization": "Bearer guess"}
            async with connect(f"{api.ws}/ws/ada", additional_headers=headers) as ws:
                await ws.recv()
        assert closed.value.rcvd.code == 4401
        require_refused(await stranger.get(W))
        require_refused(await api.client("ada").get(W))
        with pytest.raises(ConnectionClosed) as closed:
            headers = {"Authorization": f"Bearer {api.token('ada')}"}
            async with connect(f"{api.ws}/ws/ada", additional_headers=headers) as ws:
                await ws.recv()
        assert closed.value.rcvd.code == 4429


async def test_behind_a_trusted_proxy_each_client_has_its_own_address(serve, tmp_path):
    serving, settings_for = serve
    settings = settings_for(tmp_path, pilot_trusted_proxies=["127.0.0.1"], **RATES)
    async with serving(settings) as api:

        def guess(address: str):
            return api.client(
                None, **{"Authorization": "Bearer guess", "X-Forwarded-For": address}
            ).get(W)

        for host in range(4):  # one network of IPv6 is one address
            assert (await guess(f"2001:db8::{host}")).status_code == 401
        require_refused(await guess("2001:db8::9"))
        assert (await guess("2001:db8:0:1::1")).status_code == 401
        assert (await guess("203.0.113.7")).status_code == 401
        # a client may claim what it likes in front of what the proxy adds
        assert (await guess("2001:db8::1, 203.0.113.7")).status_code == 401


async def test_pages_may_read_the_headers(serve, tmp_path):
    serving, settings_for = serve
    settings = settings_for(tmp_path, backend_cors_origins=["http://canvas.test"], **RATES)
    async with serving(settings) as api:
        answer = await api.client().get(W, headers={"Origin": "http://canvas.test"})
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {*HEADERS, "Retry-After"} <= set(exposed)


ADA = Caller("ada", 0.0)


async def admitted(limits: Limits) -> bool:
    try:
        await limits.admit({}, ADA, Rate.READS)
    except Problem:
        return False
    return True


async def test_processes_share_one_window_through_redis(redis_server):
    items = {"reads": parse("100/hour")}
    processes = [Limits(items, redis_server.url, answer_limit_s=PATIENT_S) for _ in range(3)]
    results: list[bool] = []
    for _ in range(25):  # a few at once: to connect takes long on a busy machine
        results += await asyncio.gather(*(admitted(processes[i % 3]) for i in range(6)))
    assert sum(results) == 100
    for process in processes:
        await process.close()


async def test_without_redis_requests_go_on_and_are_limited_by_each_process(redis_server, caplog):
    limits = Limits({"reads": parse("5/hour")}, redis_server.url)
    redis_server.kill()
    assert [await admitted(limits) for _ in range(8)] == [True] * 5 + [False] * 3
    said = [
        record for record in caplog.records if "each process limits by itself" in record.message
    ]
    assert len(said) == 1
    redis_server.start()
    async with asyncio.timeout(30):  # asked again after a while, and it knows of nothing
        while not await admitted(limits):
            await asyncio.sleep(0.1)
    await limits.close()


async def test_a_redis_that_accepts_and_says_nothing_costs_little(caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        limits = Limits({"reads": parse("1000/hour")}, url)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(200):
            assert await admitted(limits)
        # 20 s if each had waited; the bound is for a busy machine
        assert loop.time() - began < 10
        await limits.close()


def test_what_a_route_is_counted_as_is_said_where_it_stands(api):
    app = create_app(api.settings)
    found = {}

    def walk(routes):
        for route in routes:
            if hasattr(route, "endpoint") and hasattr(route, "methods"):
                found[route.endpoint.__name__] = rate_of(route.endpoint, route.methods or ())
            inner = getattr(route, "original_router", None)
            walk(inner.routes if inner is not None else ())

    walk(app.routes)
    assert found["execute_workflow"] is Rate.EXECUTES
    assert found["validate_graph"] is Rate.VALIDATIONS
    assert found["list_workflows"] is Rate.READS
    assert found["cancel_execution"] is Rate.WRITES


@pytest.mark.parametrize(
    "rate", ["many", "0/minute", "5", "5/fortnight", "1/second;5/minute", "-1/minute"]
)
def test_a_rate_that_is_none_is_named_at_the_start(rate):
    settings = Settings(_env_file=None, pilot_env="development", pilot_rate_writes=rate)
    with pytest.raises(SettingsError, match="PILOT_RATE_WRITES"):
        create_app(settings)


def test_production_is_limited_and_development_is_not():
    production = Settings(_env_file=None, clerk_jwt_issuer="https://x", pilot_rate_reads="OFF")
    assert sorted(rates(production)) == [
        "address",
        "executes",
        "exports",
        "hooks",
        "validations",
        "writes",
    ]
    assert rates(Settings(_env_file=None, pilot_env="development")) == {}
