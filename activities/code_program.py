"""A program for the sandbox: the user's source, and the driver around it.

The driver is a few lines of ours that `exec` the source from a string and then serialise the
output inside the sandbox:

- every frame of the user's code is in the file `<string>`, so its line numbers are the
  user's and no line of ours can be mistaken for one;
- a stray `return` or last expression cannot hand a value to the host: the driver's result is
  the slice of a JSON text that Monty's own `json` module made. User code can neither replace
  a function of a module nor the slice of a string, and after the user's code the driver
  looks up no builtin that it could have shadowed. A value that shares its parts (64 MB can
  alias itself into gigabytes of JSON) runs into the sandbox's memory limit, not into ours.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pilot.graph.task import Scope
from pilot.nodes.code import (
    ITERATION_NAMES,
    SCOPE_NAMES,
    CodeConfig,
    Limits,
    Main,
    last_expression,
    main_function,
    python_scope,
)

_DRIVER = """\
exec(__pilot_source)
__pilot_output = {output}
import json as __pilot_json
__pilot_json.dumps(__pilot_output, ensure_ascii=False, allow_nan=False)[:{limit}]
"""
DUMPS_LINE = 4
_VALUE = "__pilot_value"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a run may use. Bytes are of the sandbox's heap, and of UTF-8."""

    time_s: float
    memory_bytes: int
    output_bytes: int
    log_bytes: int

    @classmethod
    def of(cls, limits: Limits, timeout_s: float | None = None) -> Allowance:
        """The node's limits, and no more time than its attempt has."""
        return cls(
            time_s=limits.time_s if timeout_s is None else min(limits.time_s, timeout_s),
            memory_bytes=limits.memory_mb * 1024 * 1024,
            output_bytes=limits.output_kb * 1024,
            log_bytes=limits.logs_kb * 1024,
        )


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: the source as its author wrote it and as it runs (line for line the same),
    the driver's expression for the output, and the values that both see as globals."""

    written: str
    source: str
    output: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, config: CodeConfig, scope: Scope) -> Program:
        """A node's program, given the values that it asks for."""
        # Python's own line ends, so that lines and columns mean the same everywhere
        source = config.source.replace("\r\n", "\n").replace("\r", "\n")
        wanted = python_scope(config)
        values = {name: getattr(scope, name) for name in SCOPE_NAMES if getattr(wanted, name)}
        if scope.index is None:  # no loop and no map is around
            asked = [values.pop(name) for name in ITERATION_NAMES if name in values]
            if asked and wanted.outside == "input":
                values["input"] = scope.input
        main = main_function(source)
        if main is not None:
            # under names of our own too, lest top-level code that says `input = ...` changes
            # what `main` is given
            given = {f"__pilot_{name}": value for name, value in values.items()}
            return cls(source, source, _call(main, values), {**values, **given})
        expression = last_expression(source)
        if expression is None:
            return cls(source, source, "None", values)
        return cls(source, _named(source, expression), _VALUE, values)

    def driver(self, allowance: Allowance) -> str:
        # a text of more characters than bytes are allowed is too long whatever they are
        return _DRIVER.format(output=self.output, limit=allowance.output_bytes + 1)

    @property
    def inputs(self) -> dict[str, Any]:
        return {**self.values, "__pilot_source": self.source}

    def line(self, number: int) -> str:
        """A line as its author wrote it, without its indentation."""
        lines = self.written.split("\n")
        return lines[number - 1].strip()[:200] if 0 < number <= len(lines) else ""


def _call(main: Main, given: Collection[str]) -> str:
    """The call of `main`, each parameter given the value of its name, or a lone one the input."""
    arguments = main.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    names = [parameter.arg for parameter in parameters]
    values = {name: f"__pilot_{name}" for name in names if name in given}
    if len(names) == 1:
        values.setdefault(names[0], "__pilot_input")
    by_position = {argument.arg for argument in arguments.posonlyargs}
    passed = [value if name in by_position else f"{name}={value}" for name, value in values.items()]
    call = f"main({', '.join(passed)})"
    return f"await {call}" if isinstance(main, ast.AsyncFunctionDef) else call


def _named(source: str, expression: ast.Expr) -> str:
    """The source with its last expression given to a name, each line where it was."""
    lines = source.split("\n")
    end_line, end_column = expression.end_lineno, expression.end_col_offset
    if end_line is None or end_column is None:  # only on nodes that were not parsed
        return source
    # columns count UTF-8 bytes, and the end is inserted first lest it moves the start
    for number, column, text in (
        (end_line, end_column, ")"),
        (expression.lineno, expression.col_offset, f"{_VALUE} = ("),
    ):
        line = lines[number - 1].encode()
        lines[number - 1] = (line[:column] + text.encode() + line[column:]).decode()
    return "\n".join(lines)
