"""Lists: `limit` and `cursor` in, `{"items", "next_cursor"}` out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from pilot.store import MAX_PAGE

T = TypeVar("T")


class PageOut(BaseModel, Generic[T]):
    """A page, newest first. `next_cursor` is opaque; null on the last page."""

    items: list[T]
    next_cursor: str | None = Field(default=None)


@dataclass(frozen=True, slots=True)
class PageQuery:
    limit: int
    cursor: str | None


async def _page_query(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items in a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=500, description="`next_cursor` of the page before."),
    ] = None,
) -> PageQuery:
    return PageQuery(limit, cursor)


PageDep = Annotated[PageQuery, Depends(_page_query)]
