"""The canvas's files at /app: what may be kept, what may run, and what is there without a build."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import httpx
import pytest

from api.canvas.files import NONCE, CanvasFiles
from pilot.settings import Settings

FOR_EVER = "public, max-age=31536000, immutable"
KEY = "pk_test_" + base64.b64encode(b"clerk.example.com$").decode()


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(f'<meta name="csp-nonce" content="{NONCE}">')
    (tmp_path / "assets" / "index-1a2b.js").write_text("start()")
    (tmp_path / "secret.txt").write_text("not an asset")
    return tmp_path


def client(build: Path, **settings: object) -> httpx.AsyncClient:
    given = Settings(_env_file=None, pilot_env="development", **settings)
    app = CanvasFiles(given, build)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://canvas")


async def test_assets_are_kept_for_ever_and_the_page_is_not(build: Path) -> None:
    async with client(build) as caller:
        script = await caller.get("/assets/index-1a2b.js")
        assert script.text == "start()"
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cache-control"] == FOR_EVER
        for path in ("/", "/workflows", "/workflows/5b6f1c0e", "/index.html"):
            page = await caller.get(path)
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert page.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/assets/gone.js", "/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/"]
)
async def test_what_is_no_asset_is_not_found(build: Path, path: str) -> None:
    async with client(build) as caller:
        found = await caller.get(path)
    assert "not an asset" not in found.text
    assert found.status_code == 404 or found.text.startswith("<meta")


async def test_each_page_has_a_nonce_of_its_own(build: Path) -> None:
    async with client(build) as caller:
        pages = [await caller.get("/") for _ in range(2)]
    nonces = [re.findall(r'content="(.+)"', page.text)[0] for page in pages]
    assert len(set(nonces)) == 2
    for page, nonce in zip(pages, nonces, strict=True):
        policy = page.headers["content-security-policy"]
        assert f"style-src 'self' 'nonce-{nonce}';" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "clerk" not in policy


async def test_clerk_is_let_in_where_it_signs_in(build: Path) -> None:
    async with client(build, clerk_publishable_key=KEY) as caller:
        policy = (await caller.get("/")).headers["content-security-policy"]
        config = (await caller.get("/config.json")).json()
    assert (
        "script-src 'self' https://clerk.example.com https://challenges.cloudflare.com;" in policy
    )
    assert "connect-src 'self' https://clerk.example.com;" in policy
    assert "unsafe-eval" not in policy
    assert config["clerk_publishable_key"] == KEY
    assert config["development"] is False


async def test_nothing_is_written_to_it(build: Path) -> None:
    async with client(build) as caller:
        assert (await caller.head("/")).text == ""
        assert (await caller.post("/")).status_code == 405


async def test_without_a_build_it_says_how_to_make_one(tmp_path: Path) -> None:
    async with client(tmp_path) as caller:
        missing = await caller.get("/workflows")
        assert missing.status_code == 404
        assert "make web" in missing.text
        assert (await caller.get("/config.json")).json()["development"] is True


async def test_the_api_serves_it_to_everybody(api) -> None:  # type: ignore[no-untyped-def]
    caller = api.client(None)
    config = await caller.get("/app/config.json")
    assert config.status_code == 200
    assert config.headers["cache-control"] == "no-store"
    assert config.headers["x-frame-options"] == "DENY"
    assert set(config.json()) == {"version", "development", "clerk_publishable_key", "temporal_ui"}
    bare = await caller.get("/app")
    assert bare.status_code == 307
    assert bare.headers["location"].endswith("/app/")
    assert (await caller.get("/")).json()["links"]["canvas"] == "/app/"
