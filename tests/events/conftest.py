"""Reading a bus as its one user."""

from contextlib import asynccontextmanager
from typing import Any

import pytest

USER = "ada"


@asynccontextmanager
async def _hearing(bus: Any) -> Any:
    async with bus.subscribe() as events:
        events.follow(USER)
        await events.following(USER)
        yield events


@pytest.fixture
def hearing() -> Any:
    """`async with hearing(bus) as events`"""
    return _hearing
