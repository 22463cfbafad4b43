"""Settings in a real browser: what goes in is not shown again, and what is made is shown once."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from .browser import MISSING, World

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


async def test_secrets_go_in_and_keys_are_shown_once(a_world: World) -> None:
    async with a_world.page("settler") as page:
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_role("button", name="New secret").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("9_BAD")
        await expect(dialog.get_by_role("button", name="Store")).to_be_disabled()
        await dialog.get_by_label("Name").fill("SEARCH_KEY")
        await dialog.get_by_label("Value").fill("hush-hush")
        await dialog.get_by_role("button", name="Store").click()
        await expect(page.get_by_role("cell", name="SEARCH_KEY", exact=True)).to_be_visible()
        assert "hush-hush" not in await page.content()
        await page.get_by_role("button", name="Replace SEARCH_KEY").click()
        await expect(page.get_by_role("dialog").get_by_label("Value")).to_have_value("")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Delete SEARCH_KEY").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("No secrets yet")).to_be_visible()

        await page.get_by_role("tab", name="API keys").click()
        await page.get_by_role("button", name="New API key").click()
        await page.get_by_role("dialog").get_by_label("Name").fill("nightly")
        await page.get_by_role("dialog").get_by_label("Role").select_option("viewer")
        await page.get_by_role("button", name="Make key").click()
        key = await page.get_by_label("API key", exact=True).input_value()
        async with a_world.stack.client("settler") as client:
            client.headers["Authorization"] = f"Bearer {key}"
            assert (await client.get("/api/v1/workflows")).status_code == 200
            assert (await client.put("/api/v1/budgets", json={})).status_code == 403
        await page.get_by_role("button", name="I have kept it").click()
        assert key not in await page.content()
        await page.get_by_role("button", name="Revoke nightly").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("Revoked", exact=True)).to_be_visible()

        await page.get_by_role("tab", name="Usage and budget").click()
        await expect(page.get_by_text("No limit").first).to_be_visible()
        await page.get_by_role("button", name="Change the budget").click()
        await page.get_by_role("dialog").get_by_label("US dollars a day").fill("2.5")
        await page.get_by_role("dialog").get_by_role("button", name="Set").click()
        await expect(page.get_by_text("of $2.50 a day")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("of $2.50 a day")).to_be_visible()
