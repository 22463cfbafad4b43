"""What a program that was written against one OpenAPI document would miss in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]


def breaking_changes(old: Document, new: Document) -> list[str]:
    """In words, one a change. Additions that an old program need not know break nothing."""
    return list(_Comparison(old, new).all())


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new

    def all(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, was in methods.items():
                at = f"{method.upper()} {path}"
                now = self._new["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{at} is gone"
                    continue
                yield from self._parameters(at, was, now)
                yield from self._request(at, was, now)
                yield from self._responses(at, was, now)

    def _parameters(self, at: str, was: Any, now: Any) -> Iterator[str]:
        def named(operation: Any) -> dict[tuple[str, str], Any]:
            return {(one["in"], one["name"]): one for one in operation.get("parameters", ())}

        before, after = named(was), named(now)
        for key in before.keys() - after.keys():
            yield f"{at}: the parameter {key[1]} is gone"
        for key, one in after.items():
            if one.get("required") and not before.get(key, {}).get("required"):
                yield f"{at}: the parameter {key[1]} is required now"

    def _request(self, at: str, was: Any, now: Any) -> Iterator[str]:
        before, after = was.get("requestBody"), now.get("requestBody")
        if after is None:
            return
        if after.get("required") and not (before or {}).get("required"):
            yield f"{at}: a body is required now"
        for kind, media in (before or {}).get("content", {}).items():
            if kind not in after["content"]:
                yield f"{at}: a body of {kind} is not taken any more"
                continue
            pair = media.get("schema", {}), after["content"][kind].get("schema", {})
            yield from self._taken(f"{at} body", *pair, frozenset())

    def _responses(self, at: str, was: Any, now: Any) -> Iterator[str]:
        for status, response in was["responses"].items():
            if not status.startswith("2"):
                continue
            if status not in now["responses"]:
                yield f"{at}: it does not answer {status} any more"
                continue
            content = now["responses"][status].get("content", {})
            for kind, media in response.get("content", {}).items():
                if kind not in content:
                    yield f"{at}: {status} is not {kind} any more"
                    continue
                pair = media.get("schema", {}), content[kind].get("schema", {})
                yield from self._given(f"{at} {status}", *pair, frozenset())

    def _taken(self, at: str, was: Any, now: Any, seen: frozenset[str]) -> Iterator[str]:
        """Of what a program sends: all that it sent must be taken as it was."""
        for name, one, other, deeper in self._fields(at, was, now, seen):
            if other is None:
                yield f"{name} is not taken any more"
            else:
                yield from self._taken(name, one, other, deeper)
        was, now = _found(self._old, was), _found(self._new, now)
        for name in set(now.get("required", ())) - set(was.get("required", ())):
            yield f"{at}.{name} is required now"
        for value in set(map(str, was.get("enum", ()))) - set(map(str, now.get("enum", ()))):
            if "enum" in now:
                yield f"{at}: {value} is not taken any more"

    def _given(self, at: str, was: Any, now: Any, seen: frozenset[str]) -> Iterator[str]:
        """Of what a program is answered: all that it read must still be there."""
        for name, one, other, deeper in self._fields(at, was, now, seen):
            if other is None:
                yield f"{name} is gone"
            else:
                yield from self._given(name, one, other, deeper)
        was, now = _found(self._old, was), _found(self._new, now)
        for name in set(was.get("required", ())) - set(now.get("required", ())):
            if name in now.get("properties", {}):
                yield f"{at}.{name} may be missing now"

    def _fields(
        self, at: str, was: Any, now: Any, seen: frozenset[str]
    ) -> Iterator[tuple[str, Any, Any | None, frozenset[str]]]:
        reference = was.get("$ref", "")
        if reference in seen:
            return
        deeper = seen | {reference} if reference else seen
        was, now = _found(self._old, was), _found(self._new, now)
        fields = now.get("properties", {})
        for name, one in was.get("properties", {}).items():
            yield f"{at}.{name}", one, fields.get(name), deeper
        if "items" in was and "items" in now:
            yield f"{at}[]", was["items"], now["items"], deeper


def _found(document: Document, schema: Any) -> Any:
    """What a reference names; of a type or null, the type."""
    while True:
        kept = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif len(kept) == 1:
            schema = kept[0]
        else:
            return schema
