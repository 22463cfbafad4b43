"""Files in a run: small ones, as JSON that any node can pass on.

A file travels by value: `{name, content_type, bytes, base64}`, bounded by what one payload may
have. What is larger is passed on by its address.
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import httpx

from pilot.errors import NodeError
from pilot.payloads.sizes import TEMPORAL_BYTES, Sizes

MAX_FILE_BYTES = 1_350_000
"""Without a payload store. Base64 makes 1.8 MB of it; an output ends at 1.9."""
MAX_NAME_CHARS = 200

_FILENAME = re.compile(r"""filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))""", re.IGNORECASE)
_FILENAME_UTF8 = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


def file_of(response: httpx.Response, body: bytes, sizes: Sizes) -> dict[str, Any]:
    """A response's body as a file. Raises as `file_head` does."""
    return {**file_head(response, len(body), sizes), "base64": base64.b64encode(body).decode()}


def file_head(response: httpx.Response, size: int, sizes: Sizes) -> dict[str, Any]:
    """The file without its content, which has so many bytes. Raises `response_too_large` over
    1.35 MB, and with a payload store over the same part of what that takes."""
    most = MAX_FILE_BYTES * sizes.payload // TEMPORAL_BYTES
    if size > most:
        raise NodeError(
            f"the file has {size / 1e6:.3g} MB; at most {most / 1e6:.3g} MB fit where a "
            f"result may have {sizes.text}. Pass its address on instead.",
            code="response_too_large",
        )
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return {
        "name": file_name(response.headers.get("content-disposition", ""), response.url),
        "content_type": kind or "application/octet-stream",
        "bytes": size,
    }


def file_name(disposition: str, url: httpx.URL) -> str:
    """The name that the server gives (RFC 6266), else the last part of the path: without
    folders, so that nobody who saves it by that name writes elsewhere."""
    if found := _FILENAME_UTF8.search(disposition):
        name = unquote(found[1], errors="replace")
    elif found := _FILENAME.search(disposition):
        name = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    else:
        name = unquote(url.path)
    name = PurePosixPath(name.replace("\\", "/")).name
    name = "".join(character for character in name if character.isprintable())
    return name[:MAX_NAME_CHARS].lstrip(".") or "file"


def decoded(text: Any) -> bytes:
    """The bytes of base64. Raises `invalid_request`."""
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise NodeError("a file's `base64` is not base64", code="invalid_request")
