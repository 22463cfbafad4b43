"""A workflow that is shared for reading, in a real browser: it is looked at, and not changed."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.stack import save

from .browser import MISSING, World, asking, drawn

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


async def beside(page: Page) -> tuple[int, int]:
    """Where one node stands as seen from another, in pixels."""
    ask = await drawn(page, "ask").bounding_box()
    start = await drawn(page, "start").bounding_box()
    assert ask is not None
    assert start is not None
    return round(ask["x"] - start["x"]), round(ask["y"] - start["y"])


async def test_a_viewer_looks_and_changes_nothing(a_world: World) -> None:
    async with a_world.stack.client("sharer") as client:
        workflow = await save(client, asking())
        url = f"/api/v1/workflows/{workflow}"
        answer = await client.put(f"{url}/shares/reader", json={"role": "viewer"})
        assert answer.is_success, answer.text
        assert "role" not in (await client.get(url)).json()
    async with a_world.page("reader") as page:
        await page.goto(f"{a_world.stack.url}/app/workflows/{workflow}")
        await expect(page.get_by_text("You may look, and change nothing")).to_be_visible()
        await expect(page.get_by_role("button", name="Publish")).to_have_count(0)
        node = drawn(page, "ask")
        await node.click()
        apart = await beside(page)
        before = await node.bounding_box()
        await page.keyboard.press("Delete")
        await page.keyboard.press("ArrowRight")
        assert before is not None
        await page.mouse.move(before["x"] + 40, before["y"] + 20)
        await page.mouse.down()
        await page.mouse.move(before["x"] + 240, before["y"] + 120, steps=5)
        await page.mouse.up()
        await expect(node).to_be_visible()
        # the whole drawing has moved, not the node in it
        assert await beside(page) == apart
        async with a_world.stack.client("reader") as client:
            body = (await client.get(f"/api/v1/workflows/{workflow}")).json()
            assert (body["role"], body["version"]) == ("viewer", 1)
