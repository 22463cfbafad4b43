"""Schemathesis, briefly: every check on every operation. `make fuzz` sends 20,000 cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet import Fleet
from tests.fuzz import NO_RATES, fuzz


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_what_the_document_says_is_what_the_server_does(tmp_path: Path) -> None:
    async with Fleet(tmp_path, workers=1, **NO_RATES) as fleet:
        for phases, examples, with_token in (
            ("coverage", 1, True),
            ("examples,fuzzing,stateful", 5, True),
            ("examples,fuzzing", 2, False),
        ):
            outcome = await fuzz(
                fleet, tmp_path, seed=1, examples=examples, with_token=with_token, phases=phases
            )
            assert not outcome.failures, outcome.report
            assert outcome.cases > 50
        assert "Traceback" not in fleet.apis[0].log()
