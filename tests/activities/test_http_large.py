"""A large body that is taken by the piece becomes what it would have become as a whole."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from activities.http_body import response_value
from activities.http_large import CHUNK, large_output
from activities.kept import Large
from activities.scrub import Scrubber
from pilot.errors import NodeError
from pilot.events.preview import PREVIEW_CHARS, preview
from pilot.nodes.http import ResponseType
from pilot.payloads.sizes import Sizes
from pilot.payloads.spool import Spool

SIZES = Sizes(16_000_000, 131_072, keeps=True)
SECRET = "s3cr&t/Kéy of the api"
WORDS = 'é€ words 😀 \t\u0001 " \\ '
TEXT = WORDS * 150_000
LATIN = "déjà vu, " * 400_000
RECORDS = {"items": [{"id": n, "name": f"né {n}", "of": [1.5, None]} for n in range(60_000)]}


def spooled(body: bytes) -> Spool:
    spool = Spool()
    spool.write(body)
    return spool


def taken(
    body: bytes, kind: str, wanted: ResponseType = "auto", secret: str | None = None, **headers: str
) -> tuple[Large | None, Any]:
    """By the piece, and as a whole."""
    scrubber = Scrubber()
    if secret is not None:
        scrubber.add({"KEY": secret})
    response = httpx.Response(
        200, headers={"content-type": kind, **headers}, request=httpx.Request("GET", "http://x/a.b")
    )
    found = large_output(wanted, response, spooled(body), SIZES, scrubber, "execution")
    whole = scrubber.value(response_value(wanted, response, body, {}, SIZES))
    return found, whole


@pytest.mark.parametrize(
    ("body", "kind", "wanted"),
    [
        (TEXT.encode(), "text/plain; charset=utf-8", "auto"),
        (TEXT.encode(), "text/plain", "text"),
        (b"\xff\xfe broken " + TEXT.encode() + b"\xe2", "text/plain", "auto"),
        (TEXT.encode("utf-16"), "text/plain; charset=utf-16", "auto"),
        (LATIN.encode("latin-1"), "text/plain; charset=iso-8859-1", "auto"),
        (LATIN.encode("cp1252"), "text/plain; charset=windows-1252", "auto"),
        (json.dumps(RECORDS, indent=1).encode(), "application/json", "auto"),
        (json.dumps(RECORDS).encode("utf-16"), "application/problem+json", "auto"),
        (json.dumps([TEXT]).encode(), "text/plain", "json"),
        (TEXT.encode(), "image/png", "file"),
        (TEXT.encode()[: CHUNK * 10 + 1], "image/png", "file"),
    ],
)
def test_the_value_is_the_same(body: bytes, kind: str, wanted: ResponseType) -> None:
    found, whole = taken(body, kind, wanted)
    assert found is not None
    assert found.value() == whole
    assert found._beginning == preview(whole)
    assert len(found._beginning) == PREVIEW_CHARS


@pytest.mark.parametrize("step", [997, CHUNK - 5, CHUNK])
def test_no_secret_is_left(step: int) -> None:
    """Wherever a piece ends, in every form, and cut at the ends of the text."""
    forms = [SECRET, json.dumps(SECRET)[1:-1], b64encode(SECRET.encode()).decode()]
    filling = "x" * (step - len(SECRET))
    texts = [SECRET[9:] + filling]
    while len(texts) * step < 3_000_000:
        texts.append(forms[len(texts) % 3] + filling)
    text = "".join(texts) + SECRET[:11]
    for body, kind in (
        (text.encode(), "text/plain"),
        (json.dumps({"items": texts, SECRET: 1}).encode(), "application/json"),
    ):
        found, whole = taken(body, kind, secret=SECRET)
        assert found is not None
        value = found.value()
        assert value == whole
        said = json.dumps(value, ensure_ascii=False)
        assert said.count("[secret KEY]") >= len(texts)
        assert SECRET not in said and SECRET[:11] not in said and SECRET[9:] not in said


def test_a_secret_in_a_file_is_taken_out() -> None:
    found, whole = taken(
        b"abc" * 1_000_000 + SECRET.encode() + b"abc" * 1_000_000, "a/b", "file", SECRET
    )
    assert found is not None
    assert found.value() == whole
    assert "[secret KEY]" in whole["base64"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a": 1, ' + json.dumps(RECORDS).encode()[1:-1] + b', "a": 2}', "application/json"),
        (json.dumps(RECORDS).encode()[:-3], "application/json"),
        (b"[NaN" + b", 1" * 2_000_000 + b"]", "application/json"),
        (json.dumps([0] * 600_000).encode(), "application/json"),  # JSON of 1.2 MB
        (("+AGE-" * 800_000).encode(), "text/plain; charset=utf-7"),
        (("a" * 1_200_000).encode("utf-32"), "text/plain; charset=utf-32"),
    ],
)
def test_what_is_odd_is_looked_at_whole(body: bytes, kind: str) -> None:
    response = httpx.Response(200, headers={"content-type": kind})
    assert large_output("auto", response, spooled(body), SIZES, Scrubber(), "execution") is None


def test_what_grows_beyond_the_ceiling_is_refused() -> None:
    """Each byte is six characters of JSON."""
    with pytest.raises(NodeError) as caught:
        taken(b"\x01" * 3_000_000, "text/plain")
    assert caught.value.code == "output_too_large"
    assert "over 16 MB of JSON; at most 16 MB (PILOT_PAYLOADS_MAX_MB) fit" in caught.value.message
    with pytest.raises(NodeError) as caught:
        taken(b"x" * 12_000_000, "image/png", "file")
    assert caught.value.code == "response_too_large"
