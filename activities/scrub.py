"""Takes secrets out of whatever an attempt gives back: results, errors, live events, log lines.

A server that echoes a request, a model that repeats its prompt, an error that quotes a URL:
each would carry a secret into history, store and logs. The harness therefore knows every value
that an attempt resolved, and replaces it by `[secret NAME]` wherever it stands, also encoded
as base64, for a URL, or inside JSON. What no comparison of texts can find stays: a value that
was computed from a secret, reversed, cut in the middle of a text, or shorter than four
characters.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

MIN_CHARS = 4
"""A shorter value would be found in every other word."""
MIN_ENCODED_CHARS = 8
"""The same for the part of a base64 text that a value fills alone."""
MIN_CUT_CHARS = 8
"""So much of a value must stand at the edge of a text that was cut there."""
MAYBE_CUT_CHARS = 256
"""Shorter texts are not cut by anything here."""

LINGER_S = 30.0
"""How long log lines are looked through after an attempt: libraries say things late."""

# What clients leave as it is: nothing, in a form; the path's and the query's characters of
# RFC 3986; those of the URL standard, which httpx follows, with and without escapes of their own.
_URL_SAFE = (
    "",
    "/",
    "/:@!$&'()*+,;=",
    "/:@!$&'()*+,;=?",
    *(
        safe + escapes
        for safe in ("/:@!$&'()*+,;=[]|^\\", "/:@!$&'()*+,;=[]|^\\?`{}")
        for escapes in ("", "%")
    ),
)
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def forms(value: str) -> set[str]:
    """The texts in which a value may turn up."""
    found: set[str] = set()
    # a header or URL loses the blanks around it, an excerpt its line breaks, a host its capital
    # letters; and a server reads a + in a query as a blank
    said = (value, value.strip(), " ".join(value.split()), value.lower(), unquote_plus(value))
    for text in dict.fromkeys(said):
        if len(text) < MIN_CHARS:
            continue
        found |= {text, repr(text)[1:-1]}
        found |= {json.dumps(text, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False)}
        encoded = {quote(text, safe=safe) for safe in _URL_SAFE} | {quote_plus(text)}
        found |= encoded | {_PERCENT.sub(lambda m: m[0].lower(), one) for one in encoded}
        found |= set(_base64(text.encode()))
    return {form for form in found if len(form) >= MIN_CHARS}


def _base64(data: bytes) -> Iterator[str]:
    """The value's base64, and what it fills of the base64 of a longer text, such as Basic
    authentication's `user:password`: that depends on where it begins there, modulo three."""
    yield from _alphabets(b64encode(data).decode().rstrip("="))
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode()
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        alone = encoded[first:last]
        if len(alone) >= MIN_ENCODED_CHARS:
            yield from _alphabets(alone)


def _alphabets(encoded: str) -> tuple[str, str]:
    return encoded, encoded.replace("+", "-").replace("/", "_")


class Scrubber:
    """What to take out: empty until secrets are added to it, and then costs nothing."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._streams: dict[tuple[Any, ...], _Stream] = {}

    def __bool__(self) -> bool:
        return self._pattern is not None

    def add(self, secrets: Mapping[str, str]) -> None:
        """Secrets by name, to be taken out from now on."""
        self.secrets.update(secrets)
        for name, value in secrets.items():
            for form in forms(value):
                self._names.setdefault(form, name)
        if self._names:
            # the longest first: one value may be the beginning of another
            ordered = sorted(self._names, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered)))

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        clean = self._marked(text)
        return self._edges(clean) if len(text) >= MAYBE_CUT_CHARS else clean

    def _marked(self, text: str) -> str:
        # far faster than the pattern, which tries each of them at every character
        if self._pattern is None or not any(form in text for form in self._names):
            return text
        return self._pattern.sub(self._mark, text)

    def value(self, value: Any) -> Any:
        """JSON without the secrets, in its strings, its keys, and numbers that are one."""
        if self._pattern is None:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return {
                    self.text(key) if isinstance(key, str) else key: self.value(item)
                    for key, item in value.items()
                }
            case list() | tuple():
                return [self.value(item) for item in value]
            case bool() | None:
                return value
            case int() | float():
                name = self._names.get(str(value))
                return value if name is None else _marker(name)
        return value

    def pieces(self, texts: Iterable[str]) -> Iterator[str]:
        """`text` for a long text that comes in pieces, and goes on in pieces: one at least."""
        if self._pattern is None:
            yield from texts
            return
        longest = max(map(len, self._names))
        held, is_first = "", True
        for text in texts:
            held += text
            if len(held) < 3 * longest:
                continue
            # whatever begins before this place has ended
            cut = len(held) - 2 * longest
            if any(form in held for form in self._names):
                for match in self._pattern.finditer(held):
                    if match.start() < cut < match.end():
                        cut = match.start()
            clean, held = self._marked(held[:cut]), held[cut:]
            yield self._edges(clean, ends=False) if is_first else clean
            is_first = False
        yield self._edges(self._marked(held), begins=is_first)

    def streamed(self, key: tuple[Any, ...], data: dict[str, Any]) -> dict[str, Any] | None:
        """A piece of a text that comes in many, as live events carry it: its `text` is held
        back where a secret may have begun. None where nothing is left to say yet."""
        if self._pattern is None:
            return data
        stream = self._streams.setdefault(key, _Stream(self._pattern, tuple(self._names)))
        rest = {name: self.value(item) for name, item in data.items() if name != "text"}
        text = stream.add(data["text"])
        stream.rest = rest
        return {**rest, "text": self._marked(text)} if text else None

    def held(self) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        """What was held back of each stream, now that nothing follows."""
        streams, self._streams = self._streams, {}
        for key, stream in streams.items():
            if stream.held:
                yield key, {**stream.rest, "text": self._edges(self.text(stream.held))}

    def _mark(self, match: re.Match[str]) -> str:
        return _marker(self._names[match[0]])

    def _edges(self, text: str, *, begins: bool = True, ends: bool = True) -> str:
        """Takes out the part of a secret that is left where a text was cut: where it `begins`
        here, and where it `ends`."""
        for form, name in self._names.items():
            if len(form) < MIN_CUT_CHARS:
                continue
            body = text.rstrip("….")
            start = body.find(form[:MIN_CUT_CHARS], max(0, len(body) - len(form)))
            while ends and start >= 0:
                if form.startswith(body[start:]):
                    text = body[:start] + _marker(name) + text[len(body) :]
                    break
                start = body.find(form[:MIN_CUT_CHARS], start + 1)
            end = text.rfind(form[-MIN_CUT_CHARS:], 0, len(form))
            while begins and end >= 0:
                if form.endswith(text[: end + MIN_CUT_CHARS]):
                    text = _marker(name) + text[end + MIN_CUT_CHARS :]
                    break
                end = text.rfind(form[-MIN_CUT_CHARS:], 0, end + MIN_CUT_CHARS - 1)
        return text


class _Stream:
    """A text that comes in pieces. What may be the beginning of a secret waits for the next."""

    def __init__(self, pattern: re.Pattern[str], all_forms: tuple[str, ...]) -> None:
        self._pattern = pattern
        self._forms = all_forms
        self._longest = max(map(len, all_forms))
        self.held = ""
        self.rest: dict[str, Any] = {}

    def add(self, piece: str) -> str:
        """What may go out now, secrets still in it: no secret crosses its end."""
        text = self.held + piece
        cut = self._open_end(text)
        if any(form in text for form in self._forms):
            for match in self._pattern.finditer(text):
                if match.start() < cut < match.end():
                    cut = match.start()
        self.held = text[cut:]
        return text[:cut]

    def _open_end(self, text: str) -> int:
        """Where the first ending begins that some form continues."""
        first = len(text)
        for form in self._forms:
            at = text.find(form[0], max(0, len(text) - len(form) + 1), first)
            while at >= 0:
                if form.startswith(text[at : at + 32]) and form.startswith(text[at:]):
                    first = at
                    break
                at = text.find(form[0], at + 1, first)
        return first


def _marker(name: str) -> str:
    return f"[secret {name}]"


class LogScrubber:
    """Takes the secrets of all attempts that run now, and of those that just ended, out of the
    process's log lines: they come from any library and any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: Counter[tuple[str, str]] = Counter()
        self._scrubber: Scrubber | None = Scrubber()
        self._installed = False

    def install(self) -> None:
        """Watches every log record of the process from now on."""
        if self._installed:
            return
        self._installed = True
        make = logging.getLogRecordFactory()

        def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            if self._live:
                self.clean(record)
            return record

        logging.setLogRecordFactory(factory)

    def watch(self, secrets: Mapping[str, str]) -> None:
        with self._lock:
            self._live.update(secrets.items())
            self._scrubber = None

    def forget_later(self, secrets: Mapping[str, str]) -> None:
        if secrets:
            asyncio.get_running_loop().call_later(LINGER_S, self.forget, dict(secrets))

    def forget(self, secrets: Mapping[str, str]) -> None:
        with self._lock:
            self._live.subtract(secrets.items())
            self._live = +self._live
            self._scrubber = None

    def clean(self, record: logging.LogRecord) -> None:
        scrubber = self._current()
        try:
            said = record.getMessage()
        except Exception:
            said = f"{record.msg!s} {record.args!r}"  # a bad format: its handler would quote both
        clean = scrubber.text(said)
        if clean != said:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[1] is not None:
            trace = logging.Formatter().formatException(record.exc_info)
            clean = scrubber.text(trace)
            if clean != trace:
                # the text alone: whoever takes the exception itself would take the secret
                record.exc_text, record.exc_info = clean, None

    def _current(self) -> Scrubber:
        with self._lock:
            if self._scrubber is None:
                self._scrubber = Scrubber()
                for name, value in self._live:
                    self._scrubber.add({name: value})
            return self._scrubber


logs = LogScrubber()
"""The process's."""
