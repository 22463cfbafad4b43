"""The WebSocket from a page in a real browser: of an origin that may, and of one that may not."""

import asyncio
import json
import shutil
from contextlib import asynccontextmanager

import pytest

from api.live.subscriptions import HOLD_S
from pilot.events.model import Envelope, Event, EventType
from pilot.processes import free_ports

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

# The seed's five lines, its server's address filled in, and the one that signs in.
PAGE = """<!doctype html><title>a canvas</title><script>
const userId = "ada"
const ws = new WebSocket("%(ws)s/ws/" + userId%(subprotocols)s)
ws.onmessage = (e) => {
  const event = JSON.parse(e.data)
  console.log(event.type, event.node_id, event.status)
}
ws.onopen = () => { %(sign_in)s; console.log("open", ws.extensions) }
ws.onclose = (e) => console.log("closed", e.code)
</script>"""


@asynccontextmanager
async def page_server(port, body):
    """Serves one page: `http://127.0.0.1:<port>` is its origin."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        content = body.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
            + f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


@pytest.fixture(scope="module")
async def browser():
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        await running.close()


@pytest.fixture
async def canvas(serve, tmp_path):
    """An API that lets one origin in, and that origin's port."""
    serving, settings_for = serve
    [port] = free_ports(1)
    settings = settings_for(tmp_path, backend_cors_origins=[f"http://127.0.0.1:{port}"])
    async with serving(settings) as api:
        yield api, port


@asynccontextmanager
async def shown(browser, port, body):
    """What the page says on its console, as a queue of lines."""
    lines = asyncio.Queue()
    async with page_server(port, body) as url:
        page = await browser.new_page()
        page.on("console", lambda message: lines.put_nowait(message.text))
        await page.goto(url)
        yield lines
        await page.close()


async def line(lines):
    """The next line of the page's own: a browser notes failed connections there as well."""
    async with asyncio.timeout(30):
        while True:
            text = await lines.get()
            if text.startswith(("open", "closed", "node.", "execution.", "log")):
                return text


def event(seq, kind, status, **data):
    return Event(kind, "in-a-browser", "w", "t", seq=seq, node_id="llm", status=status, data=data)


@pytest.mark.parametrize("how", ["message", "subprotocol"])
async def test_a_page_of_an_allowed_origin_is_told_what_happens(browser, canvas, how):
    api, port = canvas
    token = api.token()
    body = PAGE % {
        "ws": api.ws,
        "subprotocols": f', ["bearer.{token}"]' if how == "subprotocol" else "",
        "sign_in": f"ws.send({json.dumps(json.dumps({'type': 'auth', 'token': token}))})"
        if how == "message"
        else "",
    }
    async with shown(browser, port, body) as lines:
        opened = await line(lines)
        assert opened.startswith("open permessage-deflate")
        async with asyncio.timeout(20):
            while not api.parts.connections.users["ada"]:
                await asyncio.sleep(0.02)
        await asyncio.sleep(2 * HOLD_S)
        for one in (
            event(1, EventType.NODE_STARTED, "running"),
            event(2, EventType.NODE_SUCCEEDED, "succeeded", output="words " * 1_000),
        ):
            await api.parts.bus.publish([Envelope("ada", one)])
        assert await line(lines) == "node.started llm running"
        assert await line(lines) == "node.succeeded llm succeeded"


async def test_a_page_of_another_origin_does_not_connect(browser, canvas):
    api, _ = canvas
    [port] = free_ports(1)
    body = PAGE % {"ws": api.ws, "subprotocols": "", "sign_in": ""}
    async with shown(browser, port, body) as lines:
        assert await line(lines) == "closed 1006"
    assert api.parts.connections.open == 0


async def test_a_page_without_a_token_is_closed_4401(browser, canvas):
    api, port = canvas
    body = PAGE % {"ws": api.ws, "subprotocols": "", "sign_in": 'ws.send("{}")'}
    async with shown(browser, port, body) as lines:
        assert (await line(lines)).startswith("open")
        assert await line(lines) == "closed 4401"
