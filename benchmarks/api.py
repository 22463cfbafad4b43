"""What the API serves: `python -m benchmarks.api [mix] [routes] [pools] [pairs] [starts]`.

One API process (`--processes N`) in production's settings, PostgreSQL (`fsync` on), Temporal's
development server and the load (`benchmarks.load`, niced) share the machine. The graph is an
example's, of six nodes. No worker runs: what is started waits.

- `mix`: list, get, save and execute at a rate, open loop.
- `routes`: each route alone, closed loop: the most it serves, and the processor time of a request
  against that of `/livez`, which is all of our middleware and nothing else, and of a bare FastAPI.
- `pools`: several sizes of the pool of connections, against the one it comes with.
- `pairs`: 304 against the whole answer; one server process against two.
- `starts`: starting runs at a rate, through the API and by Temporal's client directly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
from pydantic import SecretStr

from benchmarks.load import COUNTER, Job, Outcome, Seen, arrivals, loaded
from benchmarks.paired import Comparison, keep
from benchmarks.production import Api, Backends, backends, cpu_s
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.processes import die_with_parent, free_ports
from pilot.runs import run_of, start
from pilot.settings import Settings
from pilot.store import Execution
from pilot.temporal import connect

EXAMPLE = Path(__file__).parents[1] / "examples" / "support_triage.json"
USERS, WORKFLOWS = 100, 10
"""So many users, none of them over a limit of production's, and so many workflows of each."""
PARTS = ("mix", "routes", "pools", "pairs", "starts")
ROUTES = ("list", "list 304", "get", "get 304", "save", "execute")
MIX = ("list", "get", "save", "execute")
CONNECTIONS = 16
WARM_S = 1.0
POOLS = (2, 5, 20)
POOL_CONNECTIONS = 64
START_RATES = (25, 50, 100, 150)
LIVE = "GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor seconds, since they began to run or between two looks."""

    api: float
    postgres: float
    temporal: float

    @classmethod
    def now(cls, of: Backends, api: psutil.Process) -> Cpu:
        return cls(cpu_s(api), cpu_s(of.postgres), cpu_s(of.temporal))

    def since(self, before: Cpu) -> Cpu:
        return Cpu(
            self.api - before.api, self.postgres - before.postgres, self.temporal - before.temporal
        )

    def line(self, requests: int) -> str:
        """Milliseconds a request."""
        api, postgres, temporal = (
            seconds * 1000 / max(requests, 1)
            for seconds in (self.api, self.postgres, self.temporal)
        )
        return f"API {api:.2f} ms, PostgreSQL {postgres:.2f} ms, Temporal {temporal:.2f} ms"


def request(method: str, path: str, token: str, body: Any = None, **headers: str) -> str:
    """A request as a browser sends it."""
    lines = [f"{method} /api/v1{path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {token}"]
    lines += ["Accept-Encoding: gzip, deflate, br, zstd", "Accept: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    text = "" if body is None else json.dumps(body)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join([*lines, "", text])


async def prepared(of: Backends, api: Api) -> dict[str, list[str]]:
    """Requests by route, of many users, whose workflows are made here."""
    example = json.loads(EXAMPLE.read_text())
    graph = {"nodes": example["nodes"], "edges": example["edges"]}
    found: dict[str, list[str]] = {route: [] for route in ROUTES}
    async with httpx.AsyncClient(base_url=api.url) as client:
        for number in range(USERS):
            user = f"user_{number}"
            token = of.issuer.token(user)
            made = [
                (await of.store.create_workflow(user, name="w", description="", graph=graph)).id
                for _ in range(WORKFLOWS)
            ]
            headers = {"Authorization": f"Bearer {token}"}
            tag = (await client.get("/api/v1/workflows", headers=headers)).headers["ETag"]
            found["list"].append(request("GET", "/workflows", token))
            found["list 304"].append(request("GET", "/workflows", token, If_None_Match=tag))
            # what is saved is not what is read with a tag
            read, saved, run = f"/workflows/{made[0]}", f"/workflows/{made[1]}", made[2]
            found["get"].append(request("GET", read, token))
            found["get 304"].append(request("GET", read, token, If_None_Match='"1"'))
            body = {
                "name": "saved",
                **graph,
                "nodes": [_moved(graph["nodes"][0]), *graph["nodes"][1:]],
            }
            found["save"].append(request("PUT", saved, token, body))
            found["execute"].append(
                request("POST", f"/workflows/{run}/execute", token, {"input": {"priority": 1}})
            )
    return found


def _moved(node: dict[str, Any]) -> dict[str, Any]:
    """Each save is of another graph."""
    return {**node, "config": {**node["config"], "name": f"Ticket {COUNTER.decode()}"}}


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def latencies(name: str, seen: Seen) -> str:
    wrong = sum(n for status, n in seen.statuses.items() if not 200 <= status < 400)
    took = seen.took_ms
    return (
        f"{name:<10} {len(took):>7} {percentile(took, 0.5):>9.1f} {percentile(took, 0.9):>8.1f} "
        f"{percentile(took, 0.99):>8.1f} {max(took, default=0):>8.1f} {wrong:>7}"
    )


LATENCIES = (
    f"{'':<10} {'answers':>7} {'median ms':>9} {'90 %':>8} {'99 %':>8} {'most':>8} {'errors':>7}"
)


@dataclass(slots=True)
class Bench:
    """The parts that run, and the requests that are sent."""

    of: Backends
    api: Api
    requests: dict[str, list[str]]
    found: list[Comparison]

    async def mix(self, routes: Sequence[str], per_s: float, seconds: float, seed: int) -> None:
        """Open loop: all routes at the same rate, `per_s` in sum."""
        rates = {route: per_s / len(routes) for route in routes}
        await self.closed(self.api, routes[0], WARM_S)
        plan = arrivals(rates, seconds, seed)
        before = Cpu.now(self.of, self.api.process)
        job = Job(self.api.port, {route: self.requests[route] for route in routes}, plan)
        outcome = await loaded(job)
        spent = Cpu.now(self.of, self.api.process).since(before)
        print(f"\n{' + '.join(routes)}: {per_s:g}/s for {seconds:g} s, open loop")
        print(LATENCIES)
        for route in routes:
            print(latencies(route, outcome.seen[route]))
        every = [took for seen in outcome.seen.values() for took in seen.took_ms]
        print(
            f"achieved {outcome.answers / outcome.seconds:.0f}/s; a request: "
            f"{spent.line(outcome.answers)}; API {spent.api / outcome.seconds:.2f} of a core; "
            f"the load sent {percentile(outcome.late_ms, 0.99):.1f} ms late at the 99th percentile"
        )
        name = f"{'+'.join(routes)} at {per_s:g}/s: p99, median"
        self.found.append(
            Comparison(name, "ms", [percentile(every, 0.99)], [statistics.median(every)])
        )

    async def closed(
        self, api: Api, route: str, seconds: float, connections: int = CONNECTIONS
    ) -> tuple[Outcome, Cpu]:
        requests = {route: [LIVE] if route == "livez" else self.requests[route]}
        before = Cpu.now(self.of, api.process)
        outcome = await loaded(Job(api.port, requests, closed=(route, connections, seconds)))
        return outcome, Cpu.now(self.of, api.process).since(before)

    async def routes(self, rounds: int, seconds: float) -> None:
        """Closed loop, each route alone, against `/livez` and a bare FastAPI in the same round."""
        async with AsyncExitStack() as parts:
            bare = parts.enter_context(_Bare())
            sides = {"bare FastAPI": (bare.api, "livez"), "livez": (self.api, "livez")}
            sides |= {route: (self.api, route) for route in ROUTES}
            cost: dict[str, list[float]] = {name: [] for name in sides}
            rate: dict[str, list[float]] = {name: [] for name in sides}
            postgres: dict[str, list[float]] = {name: [] for name in sides}
            for api, route in sides.values():
                await self.closed(api, route, WARM_S)
            for round_ in range(rounds):
                for name in sides if round_ % 2 == 0 else reversed(sides):
                    api, route = sides[name]
                    outcome, spent = await self.closed(api, route, seconds)
                    _require_good(outcome)
                    cost[name].append(spent.api * 1000 / outcome.answers)
                    postgres[name].append(spent.postgres * 1000 / outcome.answers)
                    rate[name].append(outcome.answers / outcome.seconds)
        print(f"\neach route alone, {CONNECTIONS} connections, closed loop, {rounds} rounds")
        print(f"{'':<14} {'most/s':>8} {'API ms':>8} {'PG ms':>7} {'of livez':>9}  (spread)")
        for name in sides:
            pair = Comparison(f"{name}, against livez", "ms", cost[name], cost["livez"])
            ratios = sorted(pair.ratios)
            print(
                f"{name:<14} {statistics.median(rate[name]):>8.0f} "
                f"{statistics.median(cost[name]):>8.2f} {statistics.median(postgres[name]):>7.2f} "
                f"{statistics.median(ratios):>9.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
            self.found.append(pair)

    async def pairs(self, rounds: int, seconds: float) -> None:
        """What is compared pair by pair: a 304, and two processes."""
        print(f"\n{'':<34} {'one':>10} {'other':>10} {'':<6} {'ratio':>6}  (spread)")
        for route in ("list", "get"):
            await self._pair(
                f"{route}: 304 / whole, API's CPU",
                (self.api, f"{route} 304"),
                (self.api, route),
                rounds,
                seconds,
            )
        shared = {"REDIS_URL": self.of.redis_url}
        async with (
            self.of.api(**shared) as one,
            self.of.api(**shared, PILOT_API_WORKERS="2") as two,
        ):
            for route in ("get", "save"):
                await self._pair(
                    f"{route}: two processes / one, rate",
                    (two, route),
                    (one, route),
                    rounds,
                    seconds,
                    of_rate=True,
                )

    async def pools(self, rounds: int, seconds: float) -> None:
        """With more requests at a time than a pool has connections."""
        print(f"\n{POOL_CONNECTIONS} requests at a time, against a pool of the default's size")
        for size in POOLS:
            async with self.of.api(PILOT_DATABASE_POOL=str(size)) as api:
                for route in ("list", "get", "save", "execute"):
                    await self._pair(
                        f"{route}: pool of {size}, rate",
                        (api, route),
                        (self.api, route),
                        rounds,
                        seconds,
                        of_rate=True,
                        connections=POOL_CONNECTIONS,
                    )

    async def _pair(
        self,
        name: str,
        ours: tuple[Api, str],
        theirs: tuple[Api, str],
        rounds: int,
        seconds: float,
        *,
        of_rate: bool = False,
        connections: int = CONNECTIONS,
    ) -> None:
        figures: list[list[float]] = [[], []]
        sides = [(ours, figures[0]), (theirs, figures[1])]
        for (api, route), _ in sides:
            await self.closed(api, route, WARM_S)
        for round_ in range(rounds):
            for (api, route), into in sides if round_ % 2 == 0 else reversed(sides):
                outcome, spent = await self.closed(api, route, seconds, connections)
                _require_good(outcome)
                if of_rate:
                    into.append(outcome.answers / outcome.seconds)
                else:
                    into.append(spent.api * 1000 / outcome.answers)
        pair = Comparison(name, "1/s" if of_rate else "ms", *figures)
        print(pair.line(), flush=True)
        self.found.append(pair)

    async def starts(self, seconds: float, seed: int) -> None:
        """Open loop: runs started at a rate, by the API and directly, in turn."""
        print("\nruns started, open loop: through the API, and by Temporal's client directly")
        print(f"{'':<10} {LATENCIES}")
        await self.closed(self.api, "execute", WARM_S)
        for per_s in START_RATES:
            plan = arrivals({"execute": per_s}, seconds, seed)
            job = Job(self.api.port, {"execute": self.requests["execute"]}, plan)
            outcome = await loaded(job)
            direct = await self._direct([at for at, _ in plan])
            for name, seen in (("API", outcome.seen["execute"]), ("client", direct)):
                print(f"{per_s:>6}/s   {latencies(name, seen)}", flush=True)
            p99 = [percentile(one.took_ms, 0.99) for one in (outcome.seen["execute"], direct)]
            self.found.append(Comparison(f"starts at {per_s}/s, p99", "ms", [p99[0]], [p99[1]]))

    async def _direct(self, plan: Sequence[float]) -> Seen:
        """The same runs at the same times, started from this process."""
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            pilot_data_dir=self.of.folder,
            temporal_address=self.of.temporal_address,
            pilot_encryption_key=SecretStr(self.of.encryption_key),
        )
        client = await connect(settings)
        plan_of_run = compile_plan(Graph.model_validate(json.loads(EXAMPLE.read_text())), specs())
        seen = Seen()
        began = time.perf_counter() + 0.1

        async def one(at: float) -> None:
            await asyncio.sleep(began + at - time.perf_counter())
            row = Execution(
                id=str(uuid4()),
                owner="user_0",
                workflow_id=str(uuid4()),
                workflow_version=1,
                status=ExecutionStatus.QUEUED,
                input={"priority": 1, "subject": "The printer smokes"},
                created_at=datetime.now(UTC),
            )
            run = run_of(row, "w", plan_of_run)
            await start(client, run, settings.temporal_task_queue, limit=timedelta(seconds=30))
            seen.note(time.perf_counter() - began - at, 202)

        await asyncio.gather(*(one(at) for at in plan))
        return seen


class _Bare:
    """`benchmarks.bare`, running."""

    def __enter__(self) -> _Bare:
        [port] = free_ports(1)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bare", str(port)],
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )
        self.api = Api(port, psutil.Process(self._process.pid))
        while True:
            try:
                httpx.get(f"{self.api.url}/livez")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def _require_good(outcome: Outcome) -> None:
    for name, seen in outcome.seen.items():
        if any(not 200 <= status < 400 for status in seen.statuses):
            raise SystemExit(f"{name}: {seen.statuses}")


async def main(options: argparse.Namespace) -> None:
    parts = options.parts or PARTS
    several = options.processes > 1
    async with AsyncExitStack() as running:
        of = await running.enter_async_context(backends())
        workers = {"PILOT_API_WORKERS": str(options.processes), "REDIS_URL": of.redis_url}
        api = await running.enter_async_context(of.api(**(workers if several else {})))
        bench = Bench(of, api, await prepared(of, api), [])
        if "mix" in parts:
            for routes in (MIX[:3], MIX):
                await bench.mix(routes, options.rate, options.seconds, options.seed)
        if "routes" in parts:
            await bench.routes(options.rounds, options.each)
        if "pools" in parts:
            await bench.pools(options.rounds, options.each)
        if "pairs" in parts:
            await bench.pairs(options.rounds, options.each)
        if "starts" in parts:
            await bench.starts(options.each * 2, options.seed)
        print(f"\nkept in {keep('api', bench.found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=PARTS)
    parser.add_argument("--rate", type=float, default=500, help="of `mix`, requests a second")
    parser.add_argument("--processes", type=int, default=1, help="that serve the API")
    parser.add_argument("--seconds", type=float, default=20, help="of each `mix`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=float, default=3, help="seconds of a round's side")
    parser.add_argument("--seed", type=int, default=9)
    asyncio.run(main(parser.parse_args()))
