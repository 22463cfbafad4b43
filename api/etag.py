"""Entity tags (RFC 9110). A version's is `"<version>"`; a workflow's is its newest version's, and
`"<version>.<publication>"` from when on something was published, for what is published is shown
too. An answer that has no such number has a tag of its content. Tags are compared weakly: a proxy
that compresses an answer makes its tag weak. Ranges, which need strong ones, are not served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_OURS = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?")


def etag(version: int, publication: int = 0) -> str:
    return f'"{version}.{publication}"' if publication else f'"{version}"'


def content_tag(body: bytes) -> str:
    """Of an answer that has no number: weak, for compressed or not it is the same JSON."""
    return f'W/"{blake2b(body, digest_size=12).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Tag:
    """One that `If-Match` names. What it leaves out (None) may be whatever it is."""

    version: int
    publication: int | None = None

    def matches(self, version: int, publication: int) -> bool:
        return self.version == version and self.publication in (None, publication)


def _tags(header: str) -> list[str]:
    return _TAG.findall(header)


def none_match_hits(header: str | None, current: str) -> bool:
    """Whether `If-None-Match` names the current tag, so that 304 is the answer to a GET."""
    if header is None:
        return False
    return header.strip() == "*" or _tags(current)[0] in _tags(header)


def if_match_tags(header: str | None) -> frozenset[Tag] | None:
    """What `If-Match` allows to be changed; None: anything (`*`, or no header).

    A header without any tag of ours allows nothing. A bare number is taken as a tag.
    """
    if header is None or header.strip() == "*":
        return None
    given = [_OURS.fullmatch(tag) for tag in _tags(header) or [header.strip()]]
    return frozenset(
        Tag(int(found[1]), None if found[2] is None else int(found[2])) for found in given if found
    )
