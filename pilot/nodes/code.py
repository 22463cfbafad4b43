"""code: a small Python program in a sandbox."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pilot.graph.issues import Issue
from pilot.graph.spec import TEXT, NodeConfig, NodeSpec, Policy, PythonScope, Retry

MAX_SOURCE_CHARS = 100_000
ITERATION_NAMES = ("item", "index")
SCOPE_NAMES = ("input", "nodes", "vars", "execution", *ITERATION_NAMES)

_MODULES = (
    "asyncio, base64, binascii, bisect, collections, copy, csv, dataclasses, datetime, decimal, "
    "functools, hashlib, itertools, json, math, os, pathlib, posixpath, random, re, sys, time, "
    "tomllib, typing, unicodedata"
)
MODULES = tuple(_MODULES.split(", "))
"""The modules that the sandbox's Python has, each in part."""

Main = ast.FunctionDef | ast.AsyncFunctionDef


class Limits(BaseModel):
    """What one run of a code node may use, within the operator's ceiling.

    Time in seconds of execution, memory in MB of the sandbox's heap, output and logs in KB
    of UTF-8.
    """

    model_config = ConfigDict(extra="forbid")

    time_s: Annotated[float, Field(gt=0, le=300)] = 5.0
    memory_mb: Annotated[int, Field(ge=1, le=1024)] = 64
    output_kb: Annotated[int, Field(ge=1, le=1536)] = 1024
    logs_kb: Annotated[int, Field(ge=0, le=1024)] = 64

    def within(self, ceiling: Limits) -> Limits:
        """These limits where they are lower, the ceiling's where they are not."""
        mine, highest = self.model_dump(), ceiling.model_dump()
        return Limits(**{name: min(mine[name], highest[name]) for name in mine})


class CodeConfig(NodeConfig):
    language: Literal["python"] = "python"
    source: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE_CHARS)] = Field(
        description="`def main(input, nodes, vars)`, or statements whose last expression is "
        "the output.",
        json_schema_extra={TEXT: {"text": "python"}},
    )
    limits: Limits = Field(default_factory=Limits)


@lru_cache(maxsize=4096)
def _parse(source: str) -> ast.Module | SyntaxError | None:
    """The source's tree, its syntax error, or None where it is too deeply nested."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError):
        return None


def main_function(source: str) -> Main | None:
    """The source's last top-level `def main` (or `async def main`), None where it has none."""
    tree = _parse(source)
    if not isinstance(tree, ast.Module):
        return None
    for statement in reversed(tree.body):
        if isinstance(statement, Main) and statement.name == "main":
            return statement
    return None


def main_parameters(source: str) -> tuple[str, ...] | None:
    """The names of `main`'s parameters in order; None where there is no `main`."""
    main = main_function(source)
    if main is None:
        return None
    arguments = main.args
    return tuple(
        argument.arg
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    )


def last_expression(source: str) -> ast.Expr | None:
    """The source's last statement where it is an expression: the output without a `main`."""
    tree = _parse(source)
    if isinstance(tree, ast.Module) and tree.body and isinstance(tree.body[-1], ast.Expr):
        return tree.body[-1]
    return None


def _outside_functions(tree: ast.Module) -> Iterable[ast.AST]:
    """The nodes that no function holds, where neither `return` nor `await` can stand."""
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, Main | ast.Lambda):
            continue
        yield node
        stack.extend(ast.iter_child_nodes(node))


@lru_cache(maxsize=4096)
def _loaded_names(source: str) -> frozenset[str]:
    tree = _parse(source)
    if not isinstance(tree, ast.Module):
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def python_scope(config: CodeConfig) -> PythonScope:
    """`main`'s parameters by name, a lone one of another name being `input`; without `main`
    the names that the statements mention."""
    parameters = main_parameters(config.source)
    outside: Literal["error", "input", "own"] = "error"
    if parameters is None:
        names, outside = _loaded_names(config.source), "own"
    else:
        names = frozenset(parameters)
        if len(parameters) == 1:
            outside = "input"
            if parameters[0] not in SCOPE_NAMES:
                names = frozenset({"input"})
    asked = {name: name in names for name in SCOPE_NAMES}
    return PythonScope(**asked, outside=outside)


def _lacking(tree: ast.Module) -> Iterable[Issue]:
    """Warnings of what the sandbox's Python does not have, each with its line."""
    for node in ast.walk(tree):
        for module in _imported(node):
            if module not in MODULES:
                yield _warning(
                    node,
                    f"no module {module!r} in the sandbox: it has {_MODULES}",
                    "unknown_module",
                )
        lacks = {
            ast.Yield: "`yield`: give a list",
            ast.YieldFrom: "`yield from`: give a list",
            ast.Delete: "`del`: assign None, or use `pop`",
        }.get(type(node))
        if isinstance(node, ast.ClassDef) and (node.bases or node.keywords):
            lacks = "classes with bases"
        if lacks is not None:
            yield _warning(node, f"the sandbox's Python has no {lacks}", "unsupported_python")


def _imported(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name.partition(".")[0] for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module.partition(".")[0]]
    return []


def _warning(node: ast.AST, message: str, code: str) -> Issue:
    line = getattr(node, "lineno", None)
    column = getattr(node, "col_offset", None)
    return Issue(
        code,
        message,
        severity="warning",
        field="source",
        line=line,
        column=None if column is None else column + 1,
    )


def check(config: CodeConfig) -> Iterable[Issue]:
    tree = _parse(config.source)
    if tree is None:
        yield Issue("invalid_code", "the source is nested too deeply to parse", field="source")
        return
    if isinstance(tree, SyntaxError):
        yield Issue(
            "invalid_code",
            f"Python syntax: {tree.msg}",
            field="source",
            line=tree.lineno,
            column=tree.offset,
        )
        return
    for node in _outside_functions(tree):
        if isinstance(node, ast.Return | ast.Await):
            word = "return" if isinstance(node, ast.Return) else "await"
            yield Issue(
                "invalid_code",
                f"`{word}` outside a function: put it into `main`",
                field="source",
                line=node.lineno,
                column=node.col_offset + 1,
            )
    yield from _lacking(tree)
    parameters = main_parameters(config.source)
    if parameters is not None and len(parameters) > 1:
        for name in parameters:
            if name not in SCOPE_NAMES:
                yield Issue(
                    "invalid_code",
                    f"main's parameter {name!r} is none of {', '.join(SCOPE_NAMES)}",
                    field="source",
                )
    if parameters is None and last_expression(config.source) is None:
        yield Issue(
            "no_output",
            "the code has neither a function `main` nor a last expression: its output is null",
            severity="warning",
            field="source",
        )


SPEC = NodeSpec(
    type="code",
    title="Code",
    description="Runs Python in a sandbox without files, network or processes.",
    usable_as_tool=True,
    category="data",
    icon="code",
    config=CodeConfig,
    policy=Policy(
        retry=Retry(max_attempts=3, initial_s=0.5, backoff=2, max_s=10),
        timeout_s=330,
        heartbeat_s=10,
    ),
    check=check,
    python_scope=python_scope,
    outside=False,
)
