"""The canvas in a real browser: Debian's Chromium, on a whole stack whose model is scripted."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, Page, ViewportSize, async_playwright, expect

from api.canvas.files import built
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.stack import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = (
    "there is no Chromium on this machine"
    if CHROMIUM is None
    else None
    if built()
    else "the canvas is not built: `make web`"
)
"""Why nothing can be tried in a browser, or None."""

LIMIT_MS = 30_000
"""Whole stacks share two cores: what comes at all may come late."""
SIZE: ViewportSize = {"width": 1440, "height": 900}
PICTURE_PX = 1920


@dataclass
class World:
    """A stack, its model, and a browser."""

    stack: Stack
    model: OpenAIServer
    browser: Browser

    @asynccontextmanager
    async def page(
        self, user: str, scheme: str = "light", *, picture: ViewportSize | None = None
    ) -> AsyncIterator[Page]:
        """A page of a browser session of its own, where `user` has signed in; what its scripts
        throw, and what its Content-Security-Policy refuses, is an error of the test. `picture`
        is its size where one is made of it, in finer pixels."""
        wrong: list[str] = []
        context = await self.browser.new_context(
            viewport=picture or SIZE,
            device_scale_factor=PICTURE_PX / picture["width"] if picture else 1,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        context.set_default_timeout(LIMIT_MS)
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda said: wrong.append(said.text) if "Content Security" in said.text else None,
        )
        await page.goto(f"{self.stack.url}/app/#token={self.stack.token(user)}")
        await expect(page.get_by_role("heading", name="Workflows")).to_be_visible()
        try:
            yield page
        finally:
            await context.close()
        assert wrong == []

    def kill_worker(self) -> None:
        os.kill(self.stack.state()["worker"]["pid"], signal.SIGKILL)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """All of it, running."""
    expect.set_options(timeout=LIMIT_MS)
    async with openai_server() as model, async_playwright() as playwright:
        stack = Stack(folder, PILOT_LLM_API_BASE=model.base_url)
        try:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            yield World(stack, model, browser)
            await browser.close()
        finally:
            stack.stop()


def answers(model: OpenAIServer, *replies: Reply) -> asyncio.Event:
    """Lets the model give these, as soon as the event is set: a page that is opened later than
    a token was sent does not show it."""
    watched, left = asyncio.Event(), deque(replies)

    async def answer(_request: dict[str, Any]) -> Reply:
        await watched.wait()
        return left.popleft()

    model.reset()
    model.answer = answer
    return watched


def drawn(page: Page, node_id: str) -> Locator:
    return page.locator(f'.react-flow__node[data-id="{node_id}"]')


def edge(page: Page, source: str, target: str) -> Locator:
    return page.locator(f'.react-flow__edge[data-id="{source}:default:{target}"]')


def of_run(page: Page, node_id: str, status: str) -> Locator:
    return page.locator(f'[data-node="{node_id}"][data-status="{status}"]')


def run_status(page: Page, text: str) -> Locator:
    return page.locator("header").get_by_text(text, exact=True)


async def start_run(page: Page, text: str) -> str:
    """Runs the workflow whose canvas is shown; the id of the run whose page is then shown."""
    await page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Input").fill(text)
    await dialog.get_by_role("button", name="Run", exact=True).click()
    await page.wait_for_url("**/app/executions/*")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page.url.rpartition("/")[2]


def asking(**config: Any) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {
                "id": "ask",
                "type": "llm",
                "config": {"prompt_template": "{input}", **config},
            },
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "ask"},
            {"source": "ask", "target": "output"},
        ],
    }
