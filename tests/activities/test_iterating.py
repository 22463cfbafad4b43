"""map and loop as activities: what they go on with, and what is asked at each iteration."""

from __future__ import annotations

from typing import Any

import pytest

from activities.code_program import Program
from activities.loop import loop, loop_condition
from activities.map import map, map_stop
from pilot.graph.iteration import LoopFollow, MapFollow, read_follow
from pilot.graph.task import Scope
from pilot.nodes.code import CodeConfig
from tests.activities.test_pure_nodes import failure, run


async def mapped(config: dict[str, Any], **scope: Any) -> MapFollow:
    result = await run(map, config, **scope)
    assert result.output is None
    return read_follow(MapFollow, result.follow or {})


async def looped(config: dict[str, Any], **scope: Any) -> LoopFollow:
    return read_follow(LoopFollow, (await run(loop, config, **scope)).follow or {})


async def test_a_map_runs_on_its_input_or_on_what_items_gives() -> None:
    assert await mapped({}, input=[1, "a"]) == MapFollow([1, "a"], 10, "fail")
    config = {
        "items": ["{input.a}", 2],
        "parallelism": 3,
        "on_item_error": "collect",
        "stop_when": "item == 1",
        "window": 50,
    }
    assert await mapped(config, input={"a": {"b": 1}}) == MapFollow(
        [{"b": 1}, 2], 3, "collect", stops=True, window=50
    )


@pytest.mark.parametrize(
    ("input", "code"),
    [
        ({"a": 1}, "items_not_a_list"),
        (None, "items_not_a_list"),
        ("abc", "items_not_a_list"),
        ([0] * 100_001, "too_many_items"),
    ],
)
async def test_a_map_runs_on_a_list(input: Any, code: str) -> None:
    assert (await failure(map, {}, input=input)).type == code


async def test_items_that_fit_into_no_payload_are_said_so() -> None:
    found = await failure(map, {"items": "{input + input}"}, input=["x" * 1_000_000])
    assert found.type == "output_too_large"


@pytest.mark.parametrize(("item", "stops"), [(3, True), (2, False)])
async def test_a_map_stops_when_its_expression_holds(item: Any, stops: bool) -> None:
    config = {"stop_when": "item == input + 1 || index == 9"}
    assert (await run(map_stop, config, item=item, index=0, input=2)).output is stops
    assert (await run(map_stop, config, item=item, index=9, input=2)).output
    assert not (await run(map_stop, {}, item=item, index=0)).output


async def test_a_loop_begins_with_its_state_and_says_whether_it_runs_at_all() -> None:
    config: dict[str, Any] = {"condition": "item < 3 && index == 0"}
    assert await looped(config, input=2) == LoopFollow(2, True, 100, "fail")
    assert await looped(config, input=3) == LoopFollow(3, False, 100, "fail")
    config = {
        "initial": {"n": "{input + item}"},
        "condition": "item.n == 7",
        "max_iterations": 5,
        "on_limit": "stop",
    }
    # in a map: the outer item in `initial`, the loop's own state in `condition`
    assert await looped(config, input=2, item=5, index=4) == LoopFollow({"n": 7}, True, 5, "stop")


async def test_a_loops_condition_is_asked_of_each_state() -> None:
    config = {"condition": "item < vars.top && index < 5"}
    assert (await run(loop_condition, config, item=1, index=4, vars={"top": 2})).output
    assert not (await run(loop_condition, config, item=1, index=5, vars={"top": 2})).output
    assert not (await run(loop_condition, config, item=2, index=0, vars={"top": 2})).output
    found = await failure(loop_condition, config, item="x", index=0, vars={"top": 2})
    assert (found.type, str(found)[:24]) == ("expression_failed", "expression_failed: condi")


@pytest.mark.parametrize(
    ("source", "inside", "outside"),
    [
        ("def main(item):\n    return item", {"item": 7}, {"input": [1]}),
        ("def main(index):\n    return index", {"index": 3}, {"input": [1]}),
        ("item + index", {"item": 7, "index": 3}, {}),
    ],
)
def test_code_is_given_item_and_index_by_name(
    source: str, inside: dict[str, Any], outside: dict[str, Any]
) -> None:
    def values(scope: Scope) -> dict[str, Any]:
        program = Program.of(CodeConfig(source=source), scope)
        return {name: value for name, value in program.values.items() if name[0] != "_"}

    assert values(Scope(input=[1], item=7, index=3)) == inside
    assert values(Scope(input=[1])) == outside
