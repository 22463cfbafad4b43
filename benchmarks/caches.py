"""What caches save of reading an execution: `python -m benchmarks.caches [ROUNDS]`.

`GET /executions/{id}` reads the row, its nodes and the graph of its version, which never changes.
Three places to read that graph from, on SQLite: the store, Redis (JSON text by workflow and
version) and this process's memory. And the whole answer of one that has ended, from memory and
from Redis. The sides are compared pair by pair (`benchmarks.paired`).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from api.executions.resource import execution_out
from benchmarks.paired import compare, timed
from pilot.events.model import Event, EventType
from pilot.events.redis import connection
from pilot.graph.status import ExecutionStatus
from pilot.settings import Settings
from pilot.store import Execution, WorkflowVersion, json_text
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from pilot.store.versions import Versions
from tests.redis_server import RedisServer

READS = 200
SIZES = (5, 50, 500)


def graph_of(nodes: int) -> dict[str, Any]:
    made = [
        {
            "id": f"n{n}",
            "type": "llm",
            "position": {"x": n, "y": n},
            "config": {"name": f"Node {n}", "prompt_template": "Answer this: {input} " * 10},
        }
        for n in range(nodes)
    ]
    edges = [{"source": f"n{n}", "target": f"n{n + 1}"} for n in range(nodes - 1)]
    return {"nodes": made, "edges": edges}


async def row_of(store: SqlStore, nodes: int) -> Execution:
    """A finished execution all of whose nodes have run."""
    workflow = await store.create_workflow("u", name="w", description="", graph=graph_of(nodes))
    now = datetime.now(UTC)
    row = Execution(str(uuid4()), "u", workflow.id, 1, ExecutionStatus.QUEUED, "hi", now)
    await store.create_execution(row)
    at = now.isoformat()
    events = [
        Event(EventType.NODE_SUCCEEDED, row.id, workflow.id, at, n + 1, f"n{n}",
              data={"type": "llm", "output": "An answer. " * 20})
        for n in range(nodes)
    ]  # fmt: skip
    events.append(Event(EventType.EXECUTION_SUCCEEDED, row.id, workflow.id, at, nodes + 1))
    await store.append_events(row.id, events)
    return await store.get_execution("u", row.id)


class Nothing(Versions):
    """Keeps none."""

    def put(self, *_: object) -> None:
        pass


class Reading:
    """A store whose versions come from elsewhere."""

    def __init__(self, store: SqlStore, version: Callable[[], Awaitable[WorkflowVersion]]) -> None:
        self._store = store
        self._version = version

    async def get_version(self, *_: object) -> WorkflowVersion:
        return await self._version()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def of_size(store: SqlStore, redis: Any, nodes: int, rounds: int) -> None:
    settings = Settings(_env_file=None, pilot_env="development")  # type: ignore[call-arg]
    row = await row_of(store, nodes)
    known = await store.get_version("u", row.workflow_id, 1)

    await redis.set(row.workflow_id, json_text.dumps(known.graph))

    async def from_memory() -> WorkflowVersion:
        return known

    async def from_redis() -> WorkflowVersion:
        graph = json_text.loads((await redis.get(row.workflow_id)).decode())
        return WorkflowVersion(row.workflow_id, 1, "w", graph, "", row.created_at)

    def reads(source: Any) -> Callable[[], Awaitable[float]]:
        async def read() -> None:
            for _ in range(READS):
                fresh = await store.get_execution("u", row.id)
                (await execution_out(source, settings, fresh)).model_dump_json()

        return lambda: timed(read)

    plain = reads(store)
    for name, version in (("memory", from_memory), ("Redis", from_redis)):
        found = await compare(
            f"{nodes} nodes, versions from {name}",
            reads(Reading(store, version)),
            plain,
            rounds=rounds,
        )
        print(found.line(), flush=True)
    body = (await execution_out(store, settings, row)).model_dump_json().encode()
    key = f"body:{row.id}"
    await redis.set(key, body)

    def answers(source: Callable[[], Awaitable[bytes]]) -> Callable[[], Awaitable[float]]:
        async def read() -> None:
            for _ in range(READS):
                assert await source()

        return lambda: timed(read)

    async def kept() -> bytes:
        return body

    for name, source in (("memory", kept), ("Redis", lambda: redis.get(key))):
        found = await compare(
            f"{nodes} nodes, the answer from {name}", answers(source), plain, rounds=rounds
        )
        print(found.line(), flush=True)


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        redis = connection(server.url)
        url = f"sqlite:///{folder}/pilot.db"
        await migrate(url)
        store = await SqlStore.open(url)
        store._versions = Nothing()
        print(f"{READS} reads of an execution; left: with the cache, right: from the store")
        for nodes in SIZES:
            await of_size(store, redis, nodes, rounds)
        await store.close()
        await redis.aclose()
        server.kill()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
