"""Paired comparison: two sides in turn, in alternating order, and the ratio pair by pair.

Machines are shared and their speed drifts, so a single time says little; the ratio of two
runs a moment apart says much. What is quoted is the median of the ratios, with their spread.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

Side = Callable[[], Awaitable[float]]
"""One run of a side; gives what is compared, such as seconds or bytes."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of the sides by round, and the ratios `ours / theirs` round by round."""

    name: str
    unit: str
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def line(self) -> str:
        ratios = sorted(self.ratios)
        return (
            f"{self.name:<44} {statistics.median(self.ours):>10.4g} "
            f"{statistics.median(self.theirs):>10.4g} {self.unit:<6} "
            f"{statistics.median(ratios):>6.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


HEADER = f"{'':<44} {'πlot':>10} {'by hand':>10} {'':<6} {'ratio':>6}  (spread)"


async def timed(run: Callable[[], Awaitable[object]]) -> float:
    """Wall seconds of one run."""
    begin = time.perf_counter()
    await run()
    return time.perf_counter() - begin


async def compare(
    name: str, ours: Side, theirs: Side, *, rounds: int, unit: str = "s", warmup: int = 1
) -> Comparison:
    """Runs both sides `rounds` times, who goes first alternating."""
    for _ in range(warmup):
        await ours()
        await theirs()
    our_figures: list[float] = []
    their_figures: list[float] = []
    for round_ in range(rounds):
        pair = [(ours, our_figures), (theirs, their_figures)]
        for side, figures in pair if round_ % 2 == 0 else reversed(pair):
            figures.append(await side())
    return Comparison(name, unit, our_figures, their_figures)


def keep(benchmark: str, comparisons: list[Comparison]) -> Path:
    """Writes the figures with the machine's description; the file's path."""
    RESULTS.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = RESULTS / f"{benchmark}-{at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(
            {
                "benchmark": benchmark,
                "at": at.isoformat(timespec="seconds"),
                "machine": f"{platform.machine()}, Python {platform.python_version()}",
                "comparisons": [
                    {**asdict(one), "ratio": statistics.median(one.ratios)} for one in comparisons
                ],
            },
            indent=1,
        )
    )
    return path
