"""Entity tags of workflows (RFC 9110): `"<version>"`."""

from __future__ import annotations

import re

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def etag(version: int) -> str:
    return f'"{version}"'


def _tags(header: str) -> list[str]:
    return _TAG.findall(header)


def none_match_hits(header: str | None, version: int) -> bool:
    """Whether `If-None-Match` names the version, so that 304 is the answer to a GET."""
    if header is None:
        return False
    return header.strip() == "*" or str(version) in _tags(header)


def if_match_versions(header: str | None) -> frozenset[int] | None:
    """The versions that `If-Match` allows to be replaced; None: any (`*`, or no header).

    A header without any tag of ours allows none. A bare number is taken as a tag.
    """
    if header is None or header.strip() == "*":
        return None
    tags = _tags(header) or [header.strip()]
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdecimal())
