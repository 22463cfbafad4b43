"""Named branches: what condition and switch have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pilot.graph.issues import Issue
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE, ExpressionText

ELSE = "else"
MAX_CASES = 100


class Case(BaseModel):
    """A named branch, taken when its expression holds."""

    model_config = ConfigDict(extra="forbid")

    handle: Annotated[str, Field(min_length=1, max_length=64)]
    expression: Annotated[str, ExpressionText(returns="bool")]


def case_handles(cases: Sequence[Case]) -> tuple[str, ...]:
    """Those of the cases, and the one for when none holds."""
    return (*(case.handle for case in cases), ELSE)


def check_handles(cases: Sequence[Case]) -> Iterable[Issue]:
    seen: set[str] = set()
    for index, case in enumerate(cases):
        at = f"cases[{index}].handle"
        if case.handle in (ELSE, ERROR_HANDLE, DEFAULT_HANDLE):
            yield Issue("invalid_handle", f"the handle {case.handle!r} is reserved", field=at)
        elif case.handle in seen:
            yield Issue("duplicate_handle", f"the handle {case.handle!r} stands twice", field=at)
        seen.add(case.handle)
