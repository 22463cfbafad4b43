"""JSON Schemas (Draft 2020-12) that a graph's author writes: which of them are accepted.

A schema is data from outside that a validator follows, so it is bounded, refers only to
itself, and its patterns compile. What checking a value by it may cost is bounded where it is
checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from pilot.graph.issues import Issue

MAX_SCHEMA_CHARS = 50_000
MAX_SCHEMA_DEPTH = 32
MAX_PATTERN_CHARS = 500

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def schema_problem(schema: JsonValue) -> str | None:
    """Why a schema is not accepted, beginning with where; None where it is."""
    if not isinstance(schema, dict):
        return "a schema is a JSON object"
    if len(json.dumps(schema)) > MAX_SCHEMA_CHARS:
        return f"a schema has at most {MAX_SCHEMA_CHARS:,} characters of JSON"
    try:
        nodes = list(_nodes(schema, "$", 0))
    except RecursionError:
        return f"a schema is nested at most {MAX_SCHEMA_DEPTH} levels deep"
    for path, node in nodes:
        problem = _reference_problem(node, schema) or _pattern_problem(node)
        if problem:
            return f"{path}: {problem}"
    return _meta_problem(schema)


def schema_issues(schema: JsonValue, field: str) -> Iterable[Issue]:
    message = None if schema is None else schema_problem(schema)
    if message is not None:
        yield Issue("invalid_schema", message, field=field)


def _nodes(value: Any, path: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object inside the schema. `const`, `enum`, `default` and `examples` hold data."""
    if depth > MAX_SCHEMA_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            if key not in ("const", "enum", "default", "examples"):
                yield from _nodes(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nodes(item, f"{path}[{index}]", depth + 1)


def _reference_problem(node: dict[str, Any], schema: dict[str, Any]) -> str | None:
    for keyword in _REFERENCES:
        reference = node.get(keyword)
        # a property may have any name: then its value is a schema
        if isinstance(reference, str) and not _resolves(reference, schema):
            return (
                f"{keyword} {reference[:100]!r} leads nowhere in this schema: only references "
                "such as #/$defs/name are followed"
            )
    if isinstance(node.get("$id"), str):
        return "$id is not understood: references are followed inside this schema only"
    return None


def _resolves(reference: str, schema: Any) -> bool:
    if reference == "#":
        return True
    if not reference.startswith("#/"):
        return False
    at = schema
    for step in reference[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, list) and key.isdecimal() and int(key) < len(at):
            at = at[int(key)]
        elif isinstance(at, dict) and key in at:
            at = at[key]
        else:
            return False
    return isinstance(at, dict | bool)


def _pattern_problem(node: dict[str, Any]) -> str | None:
    patterns = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
    by_name = node.get("patternProperties")
    patterns += by_name if isinstance(by_name, dict) else []
    for pattern in patterns:
        if len(pattern) > MAX_PATTERN_CHARS:
            return f"a pattern has at most {MAX_PATTERN_CHARS} characters"
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            return f"the pattern {pattern[:100]!r} is no regular expression: {error}"
    return None


def _meta_problem(schema: dict[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 (few graphs have a schema)
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    dialect = schema.get("$schema", Draft202012Validator.META_SCHEMA["$id"])
    if dialect != Draft202012Validator.META_SCHEMA["$id"]:
        return f"$.$schema: only {Draft202012Validator.META_SCHEMA['$id']} is understood"
    validator = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    error = best_match(validator.iter_errors(schema))
    return None if error is None else f"{error.json_path}: {error.message[:300]}"
