"""What ended a program, as an error that its author can use: the code, the line, the frames.

Every frame of the user's is in the file `<string>`; a traceback without one ended in the
driver, and the driver's lines tell what it was doing.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_monty import (
    Frame,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
)

from activities.code_program import DUMPS_LINE, Allowance, Program
from pilot.errors import NodeError
from pilot.nodes.code import MODULES

MAX_TRACEBACK_FRAMES = 10
MAX_ERROR_CHARS = 2_000

_USER_FILE = "<string>"
_SYNTAX_LINE = re.compile(r" \(<string>, line (\d+)\)$")
_UNSUPPORTED = re.compile(r"^The monty syntax parser does not yet support (.+)$", re.DOTALL)


def node_error(error: MontyError, program: Program, allowance: Allowance) -> NodeError:
    """The error of a run that the sandbox ended: `code_error`, `invalid_code`, `code_timeout`,
    `code_memory`, `code_output_too_large`, `code_output_not_json` or `code_crashed`.

    Only a crash is worth another attempt: the same code on the same values does the same.
    """
    if isinstance(error, MontyCrashedError):
        return _timeout(allowance) if error.timed_out else _crashed()
    frames = error.traceback() if isinstance(error, MontyRuntimeError | MontySyntaxError) else []
    user_frames = [frame for frame in frames if frame.filename == _USER_FILE]
    driver_line = frames[-1].line if frames and not user_frames else None
    inner, text = error.exception(), _clip(str(error))

    if isinstance(inner, TimeoutError) and "time limit exceeded" in text:
        return _timeout(allowance)
    if isinstance(inner, MemoryError) and "memory limit" in text:
        if driver_line == DUMPS_LINE:
            return output_too_large(allowance)
        return _out_of_memory(user_frames, program, allowance)
    if driver_line == DUMPS_LINE:
        return output_not_json(
            "it is nested too deeply" if isinstance(inner, RecursionError) else text
        )
    if isinstance(error, MontySyntaxError) and not user_frames:
        return _bad_syntax(text, program)
    return _raised(inner, text, user_frames, program)


def output_too_large(allowance: Allowance) -> NodeError:
    return NodeError(
        f"the output is over its limit of {allowance.output_bytes // 1024} KB of JSON",
        code="code_output_too_large",
    )


def output_not_json(reason: str) -> NodeError:
    return NodeError(f"the output is not JSON: {reason}", code="code_output_not_json")


def _timeout(allowance: Allowance) -> NodeError:
    return NodeError(f"the code ran longer than its {allowance.time_s:g} s", code="code_timeout")


def _crashed() -> NodeError:
    return NodeError(
        "the sandbox's process died while it ran the code", code="code_crashed", retryable=True
    )


def _out_of_memory(frames: list[Frame], program: Program, allowance: Allowance) -> NodeError:
    place = _place(frames, program)
    return NodeError(
        f"the code used more than its {allowance.memory_bytes // (1024 * 1024)} MB of memory"
        f"{_at(place, program)}",
        code="code_memory",
        meta=place,
    )


def _bad_syntax(text: str, program: Program) -> NodeError:
    found = _SYNTAX_LINE.search(text)
    place = {"line": int(found[1])} if found else {}
    reason = _SYNTAX_LINE.sub("", text)
    return NodeError(
        f"Python syntax: {reason}{_at(place, program)}", code="invalid_code", meta=place
    )


def _raised(inner: BaseException, text: str, frames: list[Frame], program: Program) -> NodeError:
    """An exception of the user's code, or Python that Monty does not know."""
    place = _place(frames, program)
    where = _at(place, program)
    unsupported = _UNSUPPORTED.match(str(inner)) if isinstance(inner, NotImplementedError) else None
    if unsupported:
        return NodeError(
            f"the sandbox's Python does not support {unsupported[1]}{where}",
            code="invalid_code",
            meta=place,
        )
    hint = ""
    if isinstance(inner, ModuleNotFoundError):
        hint = f". Code nodes have no packages; their modules are {', '.join(MODULES)}"
    return NodeError(f"{text}{where}{hint}", code="code_error", meta=place)


def _place(frames: list[Frame], program: Program) -> dict[str, Any]:
    """The line that failed, and the user's frames down to it, outermost first."""
    if not frames:
        return {}
    return {
        "line": frames[-1].line,
        "traceback": [
            {
                "line": frame.line,
                "function": frame.function_name or "<module>",
                "source": program.line(frame.line),
            }
            for frame in frames[-MAX_TRACEBACK_FRAMES:]
        ],
    }


def _at(place: dict[str, Any], program: Program) -> str:
    if "line" not in place:
        return ""
    source = program.line(place["line"])
    return f" (line {place['line']}: {source})" if source else f" (line {place['line']})"


def _clip(text: str) -> str:
    return text if len(text) <= MAX_ERROR_CHARS else text[: MAX_ERROR_CHARS - 1] + "…"
