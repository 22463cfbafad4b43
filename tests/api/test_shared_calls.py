"""One call for all who ask at once, and never one that began before they asked."""

import asyncio

import pytest

from api.live.shared_calls import SharedCalls


class Counter:
    def __init__(self) -> None:
        self.began = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.began += 1
        number = self.began
        await self.go_on.wait()
        return number


async def test_those_who_come_while_a_call_is_under_way_share_the_next_one():
    shared, counter = SharedCalls(), Counter()
    first = [asyncio.create_task(shared("key", counter)) for _ in range(50)]
    while not counter.began:
        await asyncio.sleep(0)
    later = [asyncio.create_task(shared("key", counter)) for _ in range(50)]
    await asyncio.sleep(0.01)
    assert counter.began == 1
    counter.go_on.set()
    assert await asyncio.gather(*first) == [1] * 50
    assert await asyncio.gather(*later) == [2] * 50
    assert await shared("key", counter) == 3


async def test_different_questions_do_not_wait_for_each_other():
    shared, slow, quick = SharedCalls(), Counter(), Counter()
    waiting = asyncio.create_task(shared("slow", slow))
    quick.go_on.set()
    async with asyncio.timeout(5):
        assert await shared("quick", quick) == 1
    slow.go_on.set()
    assert await waiting == 1


async def test_who_leaves_takes_the_answer_from_nobody():
    shared, counter = SharedCalls(), Counter()
    leaving = asyncio.create_task(shared("key", counter))
    staying = asyncio.create_task(shared("key", counter))
    while not counter.began:
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    counter.go_on.set()
    assert await staying == 1


async def test_a_failure_is_everybodys_and_the_next_call_is_new():
    shared = SharedCalls()

    async def fail() -> int:
        raise KeyError("gone")

    async def succeed() -> int:
        return 7

    asked = [asyncio.create_task(shared("key", fail)) for _ in range(3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, KeyError) for answer in answers)
    with pytest.raises(KeyError):
        await shared("key", fail)
    assert await shared("key", succeed) == 7
