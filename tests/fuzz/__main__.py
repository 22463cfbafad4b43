"""`python -m tests.fuzz`: rounds of Schemathesis, a seed each, until enough cases were sent."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.fleet import Fleet
from tests.fuzz import NO_RATES, Outcome, fuzz


async def rounds(folder: Path, cases: int, seed: int, examples: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with Fleet(folder, workers=1, **NO_RATES) as fleet:
        while sum(outcome.cases for outcome in outcomes) < cases:
            # nobody is let in without a token, so the first round asks for little
            is_first = not outcomes
            outcome = await fuzz(
                fleet,
                folder,
                seed=seed + len(outcomes),
                examples=10 if is_first else examples,
                with_token=not is_first,
            )
            outcomes.append(outcome)
            print(
                f"seed {seed + len(outcomes) - 1}, {'no' if is_first else 'a'} token: "
                f"{outcome.cases} cases in {outcome.seconds:.0f} s, "
                f"{len(outcome.failures)} failures",
                flush=True,
            )
            if outcome.failures:
                print(outcome.report, flush=True)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--examples", type=int, default=100, help="an operation, in a round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(rounds(Path(folder), given.cases, given.seed, given.examples))
    failures = sum(len(outcome.failures) for outcome in outcomes)
    cases = sum(outcome.cases for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    print(f"{cases} cases, {failures} failures, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
