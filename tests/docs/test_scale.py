"""docs/scale.md is about this code: what it says that a run and a node cost is counted anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.scale import SMALL, Counts, measure

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
ROW = re.compile(r"^\| (a (?:run|node|pure node)[a-z ]*) \|(.*)\|$", re.M)


def told() -> dict[str, list[float]]:
    return {
        name: [float(cell) for cell in row.split("|")]
        for name, row in ROW.findall(PAGE.read_text())
    }


@pytest.mark.slow
async def test_the_pages_figures_are_what_is_counted() -> None:
    counted = await measure()
    page = told()
    for kind, by_itself, name in (
        ("outside (an activity)", "a run by itself", "a node that is an activity"),
        ("pure (variable)", "a run of pure nodes alone", "a pure node"),
    ):
        run, node = counted[kind]
        _agree(page[by_itself], page[name], run, node)


def _agree(told_run: list[float], told_node: list[float], run: Counts, node: Counts) -> None:
    events, _, workflow_tasks, activity_tasks, actions, _, _, _ = told_node
    # these do not depend on how busy the machine is
    assert (events, workflow_tasks, activity_tasks) == (
        node.events,
        node.workflow_tasks,
        node.activity_tasks,
    )
    assert actions == node.actions
    # what a worker writes at once does: a run of ten, in all
    whole = [own + SMALL * each for own, each in zip(told_run, told_node, strict=True)]
    found = run.plus(node, SMALL)
    assert whole[0] == found.events
    assert whole[1] * 1000 == pytest.approx(found.bytes, rel=0.15)
    assert whole[6] == pytest.approx(found.rows, rel=0.3)
