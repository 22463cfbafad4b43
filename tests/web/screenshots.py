"""Makes the pictures of the documentation, in docs/images: `make screenshots`.

A stack of its own runs graphs of the gallery against the tests' model, so that a picture shows
what a reader sees who does the same.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.async_api import Page, ViewportSize, expect

from pilot.graph.status import ExecutionStatus
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.open import open_store
from pilot.store.usage import CallKey, ModelCall
from tests.openai_server import Reply
from tests.stack import execute

from .browser import MISSING, World, drawn, of_run, run_status, world

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 300_000
USER = "ada"
REPLY = (
    "Dear customer, please unplug the printer now and keep away from it. Our team on call has "
    "your report and will ring you within ten minutes."
)
TICKET = {"subject": "The printer smokes", "priority": 1}


async def seeded(shown: World) -> str:
    """The id of the workflow that is drawn and run."""
    graph = json.loads((ROOT / "examples" / "support_triage.json").read_text("utf-8"))
    async with shown.stack.client(USER) as client:
        answer = await client.post("/api/v1/workflows", json={"name": graph["name"], **graph})
        return str(answer.json()["id"])


async def canvas(_shown: World, page: Page, workflow: str) -> None:
    await page.goto(page.url.partition("/app")[0] + f"/app/workflows/{workflow}")
    await drawn(page, "reply").click()
    await expect(page.get_by_role("textbox", name="Prompt template")).to_be_visible()
    # beside the panel, once the drawing has been told how much is left for it
    for _ in range(2):
        await page.get_by_role("button", name="Show all").click()
        await page.evaluate("new Promise((done) => setTimeout(done, 400))")
    await page.mouse.move(0, 0)
    await expect(drawn(page, "output")).to_be_in_viewport(ratio=0.99)
    await expect(page.get_by_role("button", name="No issues")).to_be_visible()


async def run(shown: World, page: Page, workflow: str) -> None:
    """In the middle: a branch is taken, and the model is writing."""
    watched = asyncio.Event()

    async def answer(_request: dict[str, Any]) -> Reply:
        await watched.wait()
        return Reply(REPLY, pause_s=0.02, stall_after=len(REPLY.split()) - 6)

    shown.model.answer = answer
    async with shown.stack.client(USER) as client:
        execution = await execute(client, workflow, TICKET)
    await page.goto(page.url.partition("/app")[0] + f"/app/executions/{execution}")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    watched.set()
    await expect(of_run(page, "reply", "running")).to_contain_text("on call")
    await expect(run_status(page, "Running")).to_be_visible()


async def executions(shown: World, page: Page, workflow: str) -> None:
    """A month of them, as they would be in the store by then."""
    await _lived(shown, workflow)
    await page.goto(page.url.partition("/app")[0] + "/app/executions")
    await expect(page.get_by_role("row")).not_to_have_count(0)
    await expect(page.get_by_role("figure").first).to_contain_text("Runs a day")


async def _lived(shown: World, workflow: str) -> None:
    chance, now = random.Random(3), datetime.now(UTC)
    endings = [ExecutionStatus.SUCCEEDED] * 12 + [ExecutionStatus.FAILED, ExecutionStatus.CANCELLED]
    store = await open_store(Settings(pilot_data_dir=shown.stack.data_dir, pilot_env="development"))
    for day in range(30):
        for _ in range(chance.randint(2, 14) if (now - timedelta(days=day)).weekday() < 5 else 1):
            at = now - timedelta(days=day, minutes=chance.randint(3, 600))
            took = timedelta(seconds=chance.uniform(1, 40))
            cost = chance.randint(300, 9_000) * 1_000
            row = Execution(
                str(uuid4()),
                USER,
                workflow,
                1,
                chance.choice(endings),
                None,
                at,
                usage={
                    "prompt_tokens": cost // 4_000,
                    "completion_tokens": cost // 9_000,
                    "cost_usd": cost / 1e9,
                },
                started_at=at,
                finished_at=at + took,
            )
            await store.create_execution(row)
            key = CallKey(row.id, "reply", "", "run", 1, 1)
            await store.usage.record(
                ModelCall(key, USER, workflow, "gpt-5-mini", 400, 90, cost, at)
            )
    await store.close()


Shot = Callable[[World, Page, str], Awaitable[None]]
SHOTS: dict[str, tuple[Shot, str, ViewportSize]] = {
    "canvas": (canvas, "light", {"width": 1540, "height": 900}),
    "run": (run, "dark", {"width": 1280, "height": 750}),
    "executions": (executions, "light", {"width": 1280, "height": 750}),
}


async def make(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as data:
        async with world(Path(data)) as shown:
            workflow = await seeded(shown)
            for name, (prepare, scheme, size) in SHOTS.items():
                async with shown.page(USER, scheme, picture=size) as page:
                    await prepare(shown, page, workflow)
                    # what moves without an end (a sign that turns) is stopped at its beginning
                    await page.screenshot(path=folder / f"{name}.png", animations="disabled")
    for name in SHOTS:
        count = (folder / f"{name}.png").stat().st_size
        print(f"docs/images/{name}.png: {count // 1000} kB")
        assert count < MAX_BYTES, f"{name}.png is over {MAX_BYTES} bytes"


if __name__ == "__main__":
    if MISSING is not None:
        sys.exit(MISSING)
    IMAGES.mkdir(exist_ok=True)
    asyncio.run(make(IMAGES))
