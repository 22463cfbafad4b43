"""JSON as the store writes it: text, by the standard library.

A node's output is whatever a model, a server or a person's code said, so the text must hold
what JSON can hold: integers of any size (orjson refuses them on the way in and rounds them on
the way out), NUL characters and lone surrogates (written as escapes, which PostgreSQL's `json`
keeps and its `jsonb` refuses). What JSON cannot hold is refused here, before a transaction
begins: NaN and the infinities (orjson writes `null` for them without a word).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def dumps(value: Any) -> str:
    """Compact JSON text, free of raw control characters and of lone surrogates.

    Raises `ValueError` for NaN, an infinity, a value that contains itself or nests deeper than
    the interpreter can follow (about 1,000 levels), an integer of over 4,300 digits, and for
    what is no JSON at all.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if text.isascii() or _is_utf8(text):
            return text
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("the value nests too deeply to be stored as JSON") from None
    except TypeError as error:
        raise ValueError(f"the value is not JSON: {error}") from None


def loads(text: str) -> Any:
    """The value of a JSON text; integers come back exact."""
    return json.loads(text)


def content_hash(value: Any) -> str:
    """The SHA-256, in hex, of the value's canonical JSON: sorted keys, no blanks, ASCII."""
    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("the value nests too deeply to be stored as JSON") from None
    except TypeError as error:
        raise ValueError(f"the value is not JSON: {error}") from None
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
