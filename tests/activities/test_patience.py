"""An attempt waits for a store that is away, within its limit."""

import time

import pytest

from activities.patience import through_outage
from pilot.errors import NotFoundError, UnavailableError


class Away:
    """Fails so many times, then answers."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error, self.calls = times, error, 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "here"


async def test_a_store_that_comes_back_is_waited_for():
    store = Away(2, UnavailableError("down"))
    assert await through_outage(store, 30) == "here"
    assert store.calls == 3


async def test_a_store_that_stays_away_is_told_within_the_limit():
    store = Away(1_000, UnavailableError("down"))
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await through_outage(store, 0.5)
    assert time.monotonic() - began < 5
    assert store.calls >= 2


async def test_any_other_error_is_not_waited_for():
    store = Away(1, NotFoundError("no such secret"))
    with pytest.raises(NotFoundError):
        await through_outage(store, 30)
    assert store.calls == 1
