"""Schemathesis against a real server, by its OpenAPI document: `make fuzz`.

async with Fleet(folder, workers=1, **NO_RATES) as fleet:
    outcome = await fuzz(fleet, folder, seed=1, examples=10)
    assert not outcome.failures, outcome.report
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from api.app import create_app
from pilot.settings import Settings
from tests.stack import Served

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
USER = "fuzz"
NO_RATES = {
    f"PILOT_RATE_{name}": "off"
    for name in ("READS", "WRITES", "EXECUTES", "VALIDATIONS", "ADDRESS")
}
"""For the server: it is to be asked as often as it can answer."""


@dataclass(frozen=True)
class Outcome:
    """`failures` tell each kind once; `report` is all that Schemathesis said."""

    cases: int
    seconds: float
    failures: list[str]
    report: str


def document() -> dict[str, object]:
    """The OpenAPI document: production serves none."""
    return create_app(Settings(_env_file=None, pilot_env="development")).openapi()


async def fuzz(
    served: Served,
    folder: Path,
    *,
    seed: int,
    examples: int,
    with_token: bool = True,
    phases: str = "examples,coverage,fuzzing,stateful",
    workers: int = 1,
) -> Outcome:
    """One run: `examples` cases an operation in the fuzzing phase, and as many chains of
    requests along the links in the stateful one. The same seed sends the same cases, as far as
    the ids that the server gives allow. One worker: with threads Hypothesis trips over its own
    cache of sources now and then."""
    schema, report = folder / "openapi.json", folder / f"report-{seed}.json"
    schema.write_text(json.dumps(document()))
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(CONFIGURATION)),
        *("run", str(schema), "--url", served.url, "--checks", "all", "--continue-on-failure"),
        *("--phases", phases, "--max-examples", str(examples), "--seed", str(seed)),
        *("--workers", str(workers), "--generation-database", "none", "--no-color"),
        *("--report", "json", "--report-json-path", str(report)),
        *(("-H", f"Authorization: Bearer {served.token(USER)}") if with_token else ()),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace")
    if not report.exists():
        raise RuntimeError(f"Schemathesis did not run:\n{said[-4000:]}")
    told = json.loads(report.read_text())
    found = [json.dumps(one) for one in (*told["failures"], *told["errors"])]
    if process.returncode and not found:
        found.append(f"exit code {process.returncode}")
    return Outcome(told["test_cases"]["generated"], told["running_time"], found, said)
