"""What every engine is given: a step that adds one, and notes that it ran.

A program is told on stdin, a JSON array a line, what to run, and answers with a line each:
`["chain", steps]` and `["many", steps, runs]` with seconds; `["keep", id, steps, log]` runs the
chain as the run of that id and answers with its result; `["resume", id, steps, log]` in a new
process does what the engine offers after a kill. A step with a log waits a little, so that there is
time to kill.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

STEP_S = 0.05


def add(value: int, log: str | None) -> int:
    """The work of one step."""
    if log:
        with Path(log).open("a") as file:
            file.write(f"{value}\n")
        time.sleep(STEP_S)
    return value + 1


def serve(commands: dict[str, Callable[..., Any]]) -> None:
    """Answers the lines of stdin until it ends. stdout is the answers' alone."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    _say(answers, "ready")
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        _say(answers, commands[name](*arguments))


def timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _say(answers: TextIO, answer: object) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
