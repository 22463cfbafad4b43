"""Statements that are built once. To build one again takes SQLAlchemy as long as to send it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Executable, bindparam

P = ParamSpec("P")
S = TypeVar("S", bound=Executable)


def prepared(build: Callable[P, S]) -> Callable[P, tuple[S, dict[str, Any]]]:
    """The function of a statement, called once with the statement's parameters in place of its
    arguments: it may do nothing with them but compare them, or put them in. What it is then called
    with is given back beside the statement, as `execute` takes them."""
    names = tuple(inspect.signature(build).parameters)

    @cache
    def statement() -> S:
        of: Callable[..., S] = build
        return of(**{name: bindparam(name) for name in names})

    @wraps(build)
    def with_values(*values: P.args, **named: P.kwargs) -> tuple[S, dict[str, Any]]:
        return statement(), {**dict(zip(names, values, strict=False)), **named}

    return with_values
