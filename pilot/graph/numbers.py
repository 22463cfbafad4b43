"""Numbers of JSON, as JSON Schema means them: `5.0` is an integer, `true` and `"5"` are no numbers.

pydantic by itself takes all of these, and strictly it takes no `5.0`.
"""

from __future__ import annotations

from pydantic import BeforeValidator


def _number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise ValueError("input should be a number")
    return value


JSON_NUMBER = BeforeValidator(_number)
"""For `Annotated`, behind the bounds, which would be missing in the JSON Schema otherwise."""
