"""What an answer must be besides text: JSON, or JSON by a schema.

A model that knows schemas is sent it as OpenAI's `response_format`, any other is told it in a
system message. Either way the answer is checked, in a process of its own: a schema's patterns
may backtrack for ever.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from activities.apart import LIMITS_TEXT, TooCostlyError, apart
from pilot.errors import NodeError
from pilot.nodes.llm import LlmConfig, answer_schema

MAX_MISMATCHES = 10
MAX_MISMATCH_CHARS = 300
MAX_RULE_CHARS = 200

_FENCED = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)


class AnswerError(Exception):
    """An answer that is not as it was asked for. `text` tells the model what to mend."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a value is not as its schema says: a JSON path such as `$.items[0].price`."""

    path: str
    message: str
    """With the value, or a part of it."""
    rule: str = ""
    """What the schema asks there, such as `type "number"`: nothing of the value."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The format of a node's answers. `response_format` is what its author wrote, if anything."""

    response_format: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None

    @classmethod
    def of(cls, config: LlmConfig) -> AnswerFormat:
        return cls(config.response_format, answer_schema(config))

    @property
    def is_json(self) -> bool:
        wanted = (self.response_format or {}).get("type")
        return self.schema is not None or wanted == "json_object"

    def parameter(self, *, takes_schema: bool) -> dict[str, Any] | None:
        """The `response_format` to send."""
        if self.schema is None:
            return self.response_format
        if not takes_schema:
            return None
        return self.response_format or {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": self.schema},
        }

    def instruct(
        self, messages: list[dict[str, Any]], *, takes_schema: bool
    ) -> list[dict[str, Any]]:
        """The messages, with the schema told in a system message where it is not sent."""
        if self.schema is None or takes_schema:
            return messages
        told = (
            "Answer with JSON only, without any other text, that is valid by this JSON Schema:\n"
            + json.dumps(self.schema, ensure_ascii=False)
        )
        first = messages[0]
        # many servers take one system message, and only as the first
        if first["role"] == "system" and isinstance(first["content"], str):
            return [{**first, "content": f"{first['content']}\n\n{told}"}, *messages[1:]]
        return [{"role": "system", "content": told}, *messages]

    async def read(self, text: str) -> Any:
        """The answer's value. Raises `AnswerError` for one that is not as asked for, and
        `NodeError` `schema_too_costly`."""
        if not self.is_json:
            return text
        try:
            value = parse_json(text)
        except (ValueError, RecursionError) as error:
            raise AnswerError("llm_bad_json", f"it is not JSON: {error}") from None
        if self.schema is not None:
            mismatches = await check(value, self.schema)
            if mismatches:
                raise AnswerError("llm_schema_mismatch", "\n".join(map(str, mismatches)))
        return value


def parse_json(text: str) -> Any:
    """JSON, by itself or in a ``` fence. Raises `ValueError` or `RecursionError`."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        fenced = _FENCED.search(text)
        if fenced is None:
            raise
        return json.loads(fenced[1], parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


async def check(value: Any, schema: dict[str, Any]) -> list[Mismatch]:
    """Where the value is not as the schema says, at most ten places. Raises `NodeError`
    `schema_too_costly`."""
    try:
        return await apart(_mismatches, value, schema)
    except (TooCostlyError, RecursionError):
        raise NodeError(
            f"checking an answer by its JSON Schema needs more than {LIMITS_TEXT}: "
            "simplify its patterns and references",
            code="schema_too_costly",
        ) from None


def _mismatches(value: Any, schema: dict[str, Any]) -> list[Mismatch]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 (only the process needs it)
    from referencing import Registry  # noqa: PLC0415

    # an empty registry: the default one fetches what a `$ref` names
    validator = Draft202012Validator(schema, registry=Registry())
    return [
        Mismatch(error.json_path, error.message[:MAX_MISMATCH_CHARS], _rule(error))
        for error in islice(validator.iter_errors(value), MAX_MISMATCHES)
    ]


def _rule(error: Any) -> str:
    if error.validator is None:  # the schema `false`
        return "nothing may stand here"
    asked = json.dumps(error.validator_value, ensure_ascii=False)
    return f"{error.validator} {asked if len(asked) <= MAX_RULE_CHARS else '…'}"
