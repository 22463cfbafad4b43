"""A response's body that is too large for a row, as a node's output that nobody holds whole.

It is decoded, freed of secrets and written as JSON by the piece, from one file into another
(`pilot.payloads.spool`), and goes to the payload store from there.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Iterator

import httpx
import orjson

from activities.http_body import charset_of, kind_of
from activities.http_file import file_head
from activities.json_parts import IrregularError, rewritten
from activities.kept import Large
from activities.payload import too_large
from activities.scrub import Scrubber
from pilot.events.preview import PREVIEW_CHARS, preview
from pilot.nodes.http import ResponseType
from pilot.payloads.sizes import Sizes
from pilot.payloads.spool import Spool
from pilot.payloads.values import ROW_BYTES

CHUNK = 3 * 64 * 1024
"""Bytes of the body. A multiple of three, so that the base64 of several follows one another."""
BY_THE_PIECE = ("utf-8", "ascii", "iso8859", "cp125", "utf-16", "utf-32")
"""What the names of encodings begin with whose decoders need no more than a piece."""


def large_output(
    wanted: ResponseType,
    response: httpx.Response,
    body: Spool,
    sizes: Sizes,
    scrubber: Scrubber,
    execution_id: str,
) -> Large | None:
    """The output that `activities.http_body.response_value` gives of the body. None where the body
    has to be looked at whole: it is no JSON, or has an odd encoding, or fits into a row.

    Raises `NodeError`: `response_too_large`, `output_too_large`.
    """
    text, beginning = Spool(), None
    try:
        match kind_of(wanted, response):
            case "file":
                pieces = _file(response, body, sizes, scrubber)
            case "json":
                pieces = rewritten(_decoded_json(body), scrubber.value)
            case _:
                charset = codecs.lookup(charset_of(response)).name
                if not charset.startswith(BY_THE_PIECE):
                    return None
                texts = scrubber.pieces(_decoded(body, charset))
                first = next(texts)
                beginning = first[:PREVIEW_CHARS]
                pieces = _text(first, texts)
        for piece in pieces:
            text.write(piece)
            if len(text) > sizes.payload:
                raise too_large(f"over {sizes.payload / 1e6:g} MB of JSON", sizes)
    except IrregularError:
        return None
    if len(text) <= ROW_BYTES:
        return None
    if beginning is None:
        beginning = preview(None, text.read(0, PREVIEW_CHARS * 4))
    return Large(execution_id, text, beginning)


def _chunks(body: Spool) -> Iterator[bytes]:
    return (body.read(at, at + CHUNK) for at in range(0, len(body), CHUNK))


def _decoded(body: Spool, charset: str, errors: str = "replace") -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(charset)(errors)
    for chunk in _chunks(body):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _decoded_json(body: Spool) -> Iterator[str]:
    return _decoded(body, json.detect_encoding(body.read(0, 4)), "strict")


def _text(first: str, rest: Iterator[str]) -> Iterator[bytes]:
    yield b'"' + orjson.dumps(first)[1:-1]
    for text in rest:
        yield orjson.dumps(text)[1:-1]
    yield b'"'


def _file(
    response: httpx.Response, body: Spool, sizes: Sizes, scrubber: Scrubber
) -> Iterator[bytes]:
    head = scrubber.value(file_head(response, len(body), sizes))
    yield orjson.dumps(head)[:-1] + b',"base64":"'
    for piece in scrubber.pieces(base64.b64encode(chunk).decode() for chunk in _chunks(body)):
        yield piece.encode()
    yield b'"}'
