"""A short chaos in every test run; `make chaos` is the long one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.chaos import chaos

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="signals"), pytest.mark.slow]


async def test_kills_at_random_moments_cost_nothing(tmp_path: Path) -> None:
    tally = await chaos(tmp_path, seed=5, seconds=20, workers=3)
    assert tally.kills
    assert tally.runs
    assert tally.is_clean, tally.report()
