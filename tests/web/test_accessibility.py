"""Every page by axe, in light and in dark: nothing serious, nothing critical."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.openai_server import Reply
from tests.stack import save

from .browser import MISSING, World, answers, asking, drawn, of_run, run_status, start_run
from .conftest import WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there: `make web` installs it"),
]

# Every way that a form can look: text, templates, expressions, code, JSON, choices, pairs, lists.
GALLERY: dict[str, Any] = {
    "nodes": [
        {
            "id": "start",
            "type": "start",
            "config": {"inputs": [{"name": "who", "type": "string", "required": True}]},
        },
        {"id": "ask", "type": "llm", "config": {"prompt_template": "Greet {input.who}"}},
        {"id": "http", "type": "http", "config": {"url": "https://example.com/{input}"}},
        {"id": "code", "type": "code", "config": {"source": "def main(input):\n    return 1"}},
        {"id": "choose", "type": "condition", "config": {"expression": "size(input) > 3"}},
        {"id": "wait", "type": "wait", "config": {"duration": "1s"}},
        {"id": "vars", "type": "variable", "config": {"assignments": {"a": "{input}"}}},
        {"id": "check", "type": "approval", "config": {"title": "Send it?"}},
        {"id": "output", "type": "output"},
    ],
    "edges": [
        {"source": "start", "target": "ask"},
        {"source": "ask", "target": "http"},
        {"source": "http", "target": "code"},
        {"source": "code", "target": "choose"},
        {"source": "choose", "target": "wait", "source_handle": "true"},
        {"source": "choose", "target": "vars", "source_handle": "false"},
        {"source": "wait", "target": "check"},
        {"source": "check", "target": "output", "source_handle": "approved"},
    ],
}
WAITING = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "check", "type": "approval", "config": {"title": "Send it?", "on_reject": "fail"}},
        {"id": "output", "type": "output"},
    ],
    "edges": [
        {"source": "start", "target": "check"},
        {"source": "check", "target": "output", "source_handle": "approved"},
    ],
}


SETTLED = """Promise.all(document.getAnimations()
    .filter((one) => one.effect.getTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => null)))
    .then(() => null)"""


class Found:
    """What axe says of the pages shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.violations: list[str] = []

    async def look(self, where: str) -> None:
        # a colour that fades in is another colour until it is there
        await self.page.evaluate(SETTLED)
        await self.page.evaluate(AXE.read_text("utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        for one in found["violations"]:
            if one["impact"] in ("serious", "critical"):
                self.violations += [
                    f"{where}: {one['id']}: {node['target']}: {node['failureSummary']}"
                    for node in one["nodes"]
                ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page(a_world: World, scheme: str) -> None:
    user = f"axe-{scheme}"
    url = f"{a_world.stack.url}/app"
    watched = answers(a_world.model, Reply("An answer"))
    async with a_world.page(user, scheme) as page:
        found = Found(page)
        await expect(page.get_by_text("Draw your first workflow")).to_be_visible()
        await found.look("no workflows")
        async with a_world.stack.client(user) as client:
            # with its issues, which are shown as well
            answer = await client.post("/api/v1/workflows", json={"name": "gallery", **GALLERY})
            gallery = answer.json()["id"]
            assert {one["severity"] for one in answer.json()["issues"]} == {"error", "warning"}
            waiting, talking = await save(client, WAITING), await save(client, asking())

        await page.goto(f"{url}/workflows")
        await expect(page.get_by_role("main").get_by_role("listitem").first).to_be_visible()
        await page.get_by_role("button", name="New workflow").first.click()
        await expect(page.get_by_role("radio").nth(3)).to_be_visible()
        await found.look("new workflow")
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="Import").click()
        await found.look("import")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="More about").first.click()
        await found.look("workflows, with a menu")

        await page.goto(f"{url}/workflows/{gallery}")
        panel = page.get_by_role("complementary", name="The chosen node")
        for node in GALLERY["nodes"]:
            await page.get_by_role("button", name="Show all").click()  # beside the panel too
            await drawn(page, node["id"]).click()
            await expect(panel).to_contain_text(node["id"])
            for more in await panel.get_by_text("More options").all():
                await more.click()
            await found.look(f"canvas, {node['type']}")
        for tab in ("Errors and retries", "Test"):
            await panel.get_by_role("tab", name=tab).click()
            await found.look(f"canvas, {tab}")
        await page.get_by_role("button", name="Versions").click()
        await found.look("canvas, versions")
        await page.get_by_role("button", name="Publish", exact=True).first.click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await found.look("canvas, publish")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Run", exact=True).click()
        await expect(page.get_by_label("who")).to_be_visible()
        await found.look("canvas, run")

        await page.goto(f"{url}/workflows/{waiting}")
        await start_run(page, "a draft")
        await of_run(page, "check", "waiting").click()
        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        await found.look("a run that waits")
        for tab in ("Logs", "Input and output"):
            await page.get_by_role("tab", name=tab).click()
            await found.look(f"a run, {tab}")
        await page.goto(f"{url}/approvals")
        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        await found.look("approvals")

        await page.goto(f"{url}/workflows/{talking}")
        await start_run(page, "hello")
        watched.set()
        await expect(run_status(page, "Succeeded")).to_be_visible()
        await found.look("a run that succeeded")
        await page.goto(f"{url}/executions")
        await expect(page.get_by_role("link", name="w").first).to_be_visible()
        await found.look("executions")
        await page.goto(f"{url}/settings")
        await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        async with a_world.stack.client(user) as client:
            await client.post("/api/v1/secrets", json={"name": "KEY", "value": "x"})
            await client.post("/api/v1/api-keys", json={"name": "nightly"})
            await client.put("/api/v1/budgets", json={"usd_per_day": 1})
        for tab, shown in (("secrets", "KEY"), ("keys", "nightly"), ("usage", "of $1.00 a day")):
            await page.goto(f"{url}/settings?tab={tab}")
            await expect(page.get_by_role("main").get_by_text(shown, exact=True)).to_be_visible()
            await found.look(f"settings: {tab}")
        await page.goto(f"{url}/nowhere")
        await expect(page.get_by_role("main")).to_be_visible()
        await found.look("no such page")
        await page.evaluate("localStorage.removeItem('pilot.token')")
        await page.reload()
        await expect(page.get_by_label("Token")).to_be_visible()
        await found.look("sign in")
    assert found.violations == [], "\n".join(found.violations)
