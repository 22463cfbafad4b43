"""What a person does in the canvas, in a real browser: drawing, running, watching, stopping."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.openai_server import Reply
from tests.stack import finished, save, until

from .browser import MISSING, World, answers, asking, drawn, edge, of_run, run_status, start_run

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

ANSWER = "The sky is blue because air scatters short waves"
RESUME_MS = 60_000
"""A dead worker is missed after its heartbeat's time-out of 10 s, and another one starts."""


async def join(page: Page, source: str, target: str) -> None:
    """Drags an edge, as a hand does."""
    start = await drawn(page, source).locator(".react-flow__handle.source").bounding_box()
    end = await drawn(page, target).locator(".react-flow__handle.target").bounding_box()
    assert start is not None
    assert end is not None
    await page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=8)
    await page.mouse.up()
    await expect(edge(page, source, target)).to_be_attached()


async def test_the_chatbot_is_drawn_by_hand_and_watched_as_it_answers(a_world: World) -> None:
    released = asyncio.Event()
    watched = answers(a_world.model, Reply(ANSWER, stall_after=4, release=released))
    async with a_world.page("drawer") as page:
        await page.get_by_role("button", name="New workflow").first.click()
        await page.get_by_role("dialog").get_by_label("Name").fill("My chatbot")
        await page.get_by_role("button", name="Create").click()
        await expect(drawn(page, "start")).to_be_visible()
        await expect(drawn(page, "output")).to_be_visible()

        # out of the palette, onto the canvas
        flow = page.locator(".react-flow")
        await (
            page.get_by_role("complementary", name="Nodes")
            .get_by_role("button", name="LLM")
            .drag_to(flow, target_position={"x": 400, "y": 450})
        )
        await expect(drawn(page, "llm")).to_be_visible()
        # the blank one's own edge makes room for it
        await edge(page, "start", "output").locator("path").first.dispatch_event("click")
        await page.keyboard.press("Delete")
        await expect(edge(page, "start", "output")).not_to_be_attached()
        await join(page, "start", "llm")
        await join(page, "llm", "output")

        await drawn(page, "llm").click()
        panel = page.get_by_role("complementary", name="The chosen node")
        await panel.get_by_label("Name", exact=True).fill("Chatbot")
        prompt = panel.get_by_role("textbox", name="Prompt template")
        await prompt.click()
        await expect(prompt).to_have_text("{input}")  # what a new one begins with
        await prompt.press("Control+A")
        await prompt.press_sequentially("Respond to: {inp")
        await expect(page.get_by_role("option", name="input")).to_be_visible()
        await prompt.press("Escape")
        await prompt.press_sequentially("ut}")
        await expect(prompt).to_have_text("Respond to: {input}")
        await expect(page.get_by_role("button", name="No issues")).to_be_visible()

        run = await start_run(page, "Why is the sky blue?")
        watched.set()
        await expect(of_run(page, "start", "succeeded")).to_be_visible()
        await expect(of_run(page, "llm", "running")).to_contain_text("The sky is blue")
        await page.reload()  # whoever comes while the model speaks reads it from the beginning
        await expect(of_run(page, "llm", "running")).to_contain_text("The sky is blue")
        await expect(of_run(page, "output", "pending")).to_be_visible()
        released.set()
        await expect(of_run(page, "llm", "succeeded")).to_contain_text("tokens")
        await expect(of_run(page, "output", "succeeded")).to_be_visible()
        await expect(run_status(page, "Succeeded")).to_be_visible()
        await page.get_by_role("tab", name="Input and output").click()
        await expect(page.get_by_role("region", name="Output")).to_contain_text(ANSWER)
    [request] = a_world.model.requests
    assert request["messages"][-1]["content"] == "Respond to: Why is the sky blue?"
    async with a_world.stack.client("drawer") as client:
        assert (await finished(client, run))["output"] == ANSWER


async def test_a_worker_killed_in_the_middle_is_seen_to_be_replaced(a_world: World) -> None:
    watched = answers(a_world.model, Reply(ANSWER, stall_after=4), Reply(ANSWER))
    async with a_world.stack.client("survivor") as client:
        workflow = await save(client, asking(on_unknown="retry"))
    async with a_world.page("survivor") as page:
        await page.goto(f"{a_world.stack.url}/app/workflows/{workflow}")
        await start_run(page, "hello")
        watched.set()
        await expect(of_run(page, "ask", "running")).to_contain_text("The sky is blue")
        a_world.kill_worker()
        await expect(of_run(page, "ask", "succeeded")).to_be_visible(timeout=RESUME_MS)
        await expect(run_status(page, "Succeeded")).to_be_visible()
        await expect(of_run(page, "ask", "succeeded")).to_contain_text("attempt 2")
        await page.get_by_role("tab", name="Input and output").click()
        await expect(page.get_by_role("region", name="Output")).to_contain_text(ANSWER)
    assert len(a_world.model.requests) == 2


async def test_a_run_is_cancelled_and_its_model_s_answer_is_cut(a_world: World) -> None:
    watched = answers(a_world.model, Reply(ANSWER, stall_after=4))
    async with a_world.stack.client("stopper") as client:
        workflow = await save(client, asking())
    async with a_world.page("stopper") as page:
        await page.goto(f"{a_world.stack.url}/app/workflows/{workflow}")
        await start_run(page, "hello")
        watched.set()
        await expect(of_run(page, "ask", "running")).to_contain_text("The sky is blue")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await page.get_by_role("button", name="Cancel the run").click()
        await expect(run_status(page, "Cancelled")).to_be_visible()
        await expect(of_run(page, "ask", "cancelled")).to_be_visible()
        await page.reload()
        await expect(run_status(page, "Cancelled")).to_be_visible()
    await until(lambda: a_world.model.left, within_s=10)


async def test_an_approval_is_answered_in_the_page(a_world: World) -> None:
    graph = {
        "nodes": [
            {"id": "start", "type": "start"},
            {
                "id": "check",
                "type": "approval",
                "config": {
                    "title": "Send it?",
                    "form": {
                        "type": "object",
                        "required": ["subject"],
                        "properties": {"subject": {"type": "string", "title": "Subject"}},
                    },
                },
            },
            {"id": "sent", "type": "output", "config": {"value": "{nodes.check.output}"}},
            {"id": "dropped", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "check"},
            {"source": "check", "target": "sent", "source_handle": "approved"},
            {"source": "check", "target": "dropped", "source_handle": "rejected"},
        ],
    }
    async with a_world.stack.client("approver") as client:
        workflow = await save(client, graph)
    async with a_world.page("approver") as page:
        await page.goto(f"{a_world.stack.url}/app/workflows/{workflow}")
        run = await start_run(page, "a draft")
        await expect(run_status(page, "Waiting")).to_be_visible()
        await of_run(page, "check", "waiting").click()
        panel = page.get_by_role("complementary", name="Node check")
        await expect(panel.get_by_role("heading", name="Send it?")).to_be_visible()
        await panel.get_by_role("button", name="Approve").click()
        await expect(panel.get_by_label("Subject")).to_have_attribute("aria-invalid", "true")
        await panel.get_by_label("Subject").fill("Our offer")
        await panel.get_by_role("button", name="Approve").click()
        await expect(run_status(page, "Succeeded")).to_be_visible()
        await expect(of_run(page, "sent", "succeeded")).to_be_visible()
        await expect(of_run(page, "dropped", "skipped")).to_be_visible()
    async with a_world.stack.client("approver") as client:
        [output] = (await finished(client, run))["output"].values()
        assert output["values"] == {"subject": "Our offer"}
