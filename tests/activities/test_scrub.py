"""Secrets are taken out: of every form of text, of texts in pieces, of log lines."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from activities.scrub import LogScrubber, Scrubber, logs

KEY = 's3cr&t/Kéy+"quoted" tail'
PEM = "-----BEGIN KEY-----\nMIIabc+/def\nghi==\n-----END KEY-----\n"


def scrubber(**secrets: str) -> Scrubber:
    made = Scrubber()
    made.add(secrets)
    return made


@pytest.mark.parametrize("value", [KEY, PEM, "tok_0123456789abcdef"])
def test_every_usual_form_is_found(value: str) -> None:
    scrub = scrubber(K=value)
    for form in (
        value,
        value.strip(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        value.lower(),
        b64encode(value.encode()).decode(),
        urlsafe_b64encode(value.encode()).decode(),
    ):
        clean = scrub.text(f"before {form} after")
        assert "[secret K]" in clean, form
        assert form not in clean
        assert clean.startswith("before ") and clean.endswith(" after")


@pytest.mark.parametrize("url", ["http://x/{}/z", "http://x/?q={}&z", "http://{}.x/"])
@pytest.mark.parametrize("value", [KEY, "aB3$(x)*;:@=~|^'z", "50%25 {a} `b` [c]"])
def test_a_url_as_the_client_writes_it_is_clean(url: str, value: str) -> None:
    if "{}.x" in url:
        value = "Sub-Domain-Token"
    written = str(httpx.URL(url.format(value)))
    clean = scrubber(K=value).text(written)
    assert "[secret K]" in clean, written


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "a longer user"])
@pytest.mark.parametrize("behind", ["", "x", "xy", "xyz"])
def test_the_base64_of_a_text_around_it_is_found(user: str, behind: str) -> None:
    value = "hunter2-hunter2"
    encoded = b64encode(f"{user}:{value}{behind}".encode()).decode()
    clean = scrubber(K=value).text(f"Basic {encoded}")
    assert "[secret K]" in clean
    # what is left of it beside the mark decodes to less than two characters of the value
    assert len(clean.replace("[secret K]", "")) <= len("Basic ") + len(encoded) - 18


def test_values_of_any_shape_are_looked_through() -> None:
    scrub = scrubber(K=KEY, PIN="48151623")
    given: Any = {
        "deep": [{"x": f"a{KEY}b"}, ("t", KEY)],
        f"key {KEY}": 1,
        "number": 48151623,
        "other": [48151624, 4.5, True, None],
    }
    assert scrub.value(given) == {
        "deep": [{"x": "a[secret K]b"}, ["t", "[secret K]"]],
        "key [secret K]": 1,
        "number": "[secret PIN]",
        "other": [48151624, 4.5, True, None],
    }


def test_without_secrets_the_very_same_value_comes_back() -> None:
    given = {"a": [1, "x"]}
    assert Scrubber().value(given) is given
    assert not Scrubber()
    assert scrubber(SHORT="abc").value(given) is given


def test_the_longest_secret_wins_and_the_names_are_told() -> None:
    scrub = scrubber(A="abcdef", B="abcdefgh", C="zzzz")
    assert scrub.text("abcdefgh abcdefg zzzz") == "[secret B] [secret A]g [secret C]"


def test_the_part_that_a_cut_leaves_is_taken_out() -> None:
    value = "0123456789abcdefghijklmnop"
    scrub = scrubber(K=value)
    filler = "x" * 1000
    assert scrub.text(f"{filler} {value[:14]}…") == f"{filler} [secret K]…"
    assert scrub.text(f"{value[-14:]} {filler}") == f"[secret K] {filler}"
    assert scrub.text(f"{filler} {value[:5]}") == f"{filler} {value[:5]}"


def streamed(scrub: Scrubber, pieces: list[str]) -> tuple[str, int]:
    """The whole text that went out, and the most characters that waited at a time."""
    said, waiting, came = "", 0, 0
    for piece in pieces:
        data = scrub.streamed(("t",), {"text": piece, "model": "m"})
        came += len(piece)
        if data is not None:
            assert data["model"] == "m"
            said += data["text"]
        waiting = max(waiting, came - len(said))
    for _, data in scrub.held():
        said += data["text"]
    return said, waiting


def test_a_secret_that_comes_letter_by_letter() -> None:
    said, _ = streamed(scrubber(K=KEY), list(f"it is {KEY}, really: {KEY}"))
    assert said == "it is [secret K], really: [secret K]"


def test_a_text_without_secrets_hardly_waits() -> None:
    text = "nothing of the kind, and so it goes on. " * 20
    said, waiting = streamed(scrubber(K="kindly-not-there"), list(text))
    assert said == text
    assert waiting <= len("kind")


def test_the_beginning_of_a_secret_at_the_end_of_a_stream() -> None:
    assert streamed(scrubber(K="abcdefghij"), ["x abc"])[0] == "x abc"


@pytest.mark.parametrize("seed", range(200))
def test_a_stream_is_as_clean_as_the_whole_however_it_is_cut(seed: int) -> None:
    """Values that overlap one another, and texts made of their parts."""
    chance = random.Random(seed)
    values = {f"K{n}": "".join(chance.choices("ab", k=chance.randint(4, 9))) for n in range(3)}
    scrub = scrubber(**values)
    text = "".join(chance.choices([*values.values(), "a", "b", "c"], k=30))
    at, pieces = 0, []
    while at < len(text):
        size = chance.randint(1, 6)
        pieces.append(text[at : at + size])
        at += size
    said, _ = streamed(scrub, pieces)
    assert said == scrub.text(text)
    assert not any(value in said for value in values.values())


def test_two_streams_do_not_mix() -> None:
    scrub = scrubber(K="abcdefgh")
    assert scrub.streamed(("out",), {"text": "abcd"}) is None
    assert scrub.streamed(("err",), {"text": "efgh."}) == {"text": "efgh."}
    assert scrub.streamed(("out",), {"text": "efgh."}) == {"text": "[secret K]."}


def test_large_texts_are_looked_through_quickly() -> None:
    scrub = scrubber(**{f"K{n}": f"value-{n}-{'x' * n}" for n in range(20)})
    text = "the quick brown fox jumps over the lazy dog. " * 40_000
    began = time.perf_counter()
    assert scrub.text(text) == text
    assert time.perf_counter() - began < 1
    long = scrubber(K="a" * 32_000 + "b")
    began = time.perf_counter()
    streamed(long, ["a" * 500] * 100)
    assert time.perf_counter() - began < 2


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO)
    logs.install()
    secrets = {"K": KEY}
    logs.watch(secrets)
    yield caplog
    logs.forget(secrets)


def test_log_lines_are_clean(watched: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("some.library")
    log.info("GET %s", f"https://x/?key={quote(KEY)}")
    log.info(KEY)
    log.info("nothing")
    thread = threading.Thread(target=log.warning, args=("%s and %d", KEY, 7))
    thread.start()
    thread.join()
    assert [record.getMessage() for record in watched.records] == [
        "GET https://x/?key=[secret K]",
        "[secret K]",
        "nothing",
        "[secret K] and 7",
    ]


def test_tracebacks_are_clean(watched: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError(f"bad url {KEY}")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    try:
        raise ValueError("harmless")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    assert KEY not in watched.text
    assert "ValueError: bad url [secret K]" in watched.text
    first, second = watched.records
    assert first.exc_info is None
    assert second.exc_info is not None


def test_a_secret_of_two_attempts_is_watched_until_both_are_forgotten() -> None:
    two = LogScrubber()
    two.watch({"K": KEY})
    two.watch({"K": KEY})

    def said() -> str:
        record = logging.LogRecord("x", logging.INFO, "f", 1, KEY, (), None)
        two.clean(record)
        return record.getMessage()

    two.forget({"K": KEY})
    assert said() == "[secret K]"
    two.forget({"K": KEY})
    assert said() == KEY
