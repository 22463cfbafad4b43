"""What the processes load before they are asked for anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOR_SOME_REQUESTS = {
    "activities",
    "alembic",
    "cel_expr_python",
    "clerk_backend_api",
    "httpx",
    "jsonschema",
    "litellm",
    "opentelemetry.sdk",
    "pilot.convert.dify",
    "pilot.convert.n8n",
    "pilot.store.supabase",
    "redis",
    "rich",
    "sentry_sdk",
    "supabase",
    "temporalio.testing",
    "temporalio.worker",
    "yaml",
}
"""Each costs every process up to 18 MB and a second of its start, and is imported by what needs
it, when it is needed."""

FOR_SOME_NODES = {
    "alembic",
    "api",
    "fastapi",
    "jsonschema",
    "litellm",
    "numpy",
    "openai",
    "opentelemetry.sdk",
    "pilot.store.supabase",
    "redis",
    "sentry_sdk",
    "supabase",
    "temporalio.testing",
    "tiktoken",
    "yaml",
}
"""The same for a worker, which loads a model client only once it polls, in a thread."""

START = """
import asyncio, json, sys
from api.app import opened
from api.server import server
from pilot.settings import Settings

settings = Settings(_env_file=None, pilot_env="development", pilot_data_dir=sys.argv[1])

async def start():
    server(settings)
    async with opened(settings):
        print(json.dumps(list(sys.modules)))

asyncio.run(start())
"""

WORKER = """
import json, sys
import worker
print(json.dumps(list(sys.modules)))
"""

WARM = """
import json
import worker
worker.warm_up()
from tiktoken import registry
print(json.dumps(list(registry.ENCODINGS)))
"""

SUPERVISED = """
import json, sys
sys.argv = ["api"]
import api.__main__
print(json.dumps(list(sys.modules)))
"""


def loaded(code: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120)
    return set(json.loads(run.stdout))


def test_the_api_starts_without_what_few_requests_need(tmp_path: Path) -> None:
    modules = loaded(START, str(tmp_path))
    assert "api.executions.routes" in modules
    assert "pilot.store.sql" in modules
    assert not modules & FOR_SOME_REQUESTS


def test_a_worker_starts_without_what_few_nodes_need() -> None:
    modules = loaded(WORKER)
    assert "activities.llm" in modules
    assert "workflows_def.messages" in modules
    assert not modules & FOR_SOME_NODES


def test_nothing_is_imported_before_the_collector_of_garbage_is_off() -> None:
    modules = loaded(SUPERVISED)
    assert not {"fastapi", "sqlalchemy", "temporalio", "pydantic"} & modules


def test_a_worker_warms_up_without_the_encoding_of_few_models() -> None:
    assert loaded(WARM) == {"cl100k_base"}
