"""Lists of the API, page after page, as the API gives them: `{"items", "next_cursor"}`."""

from __future__ import annotations

from typing import Any

from pilot.client import AsyncClient

PAGE = 200


async def some(
    client: AsyncClient, path: str, limit: int, query: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The first `limit` of a list; `next_cursor` says where the rest begins."""
    items: list[Any] = []
    cursor = (query or {}).get("cursor")
    while True:
        size = min(PAGE, limit - len(items))
        page = await client.transport.request(
            "GET", path, query={**(query or {}), "cursor": cursor, "limit": size}
        )
        items += page["items"]
        cursor = page.get("next_cursor")
        if cursor is None or len(items) >= limit:
            return {"items": items, "next_cursor": cursor}


async def everything(
    client: AsyncClient, path: str, query: dict[str, Any] | None = None
) -> dict[str, Any]:
    return await some(client, path, 1_000_000_000, query)
