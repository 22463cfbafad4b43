"""docs/errors.md has every code that the sources raise, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("pilot", "api", "activities", "workflows_def")
POSITIONAL = {"Issue", "Problem", "Failure", "unavailable", "issue", "failed", "cancelled"}
"""Those that take the code as their first or second argument."""
SEVERITIES = {"error", "warning"}
CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def sources() -> Iterator[ast.AST]:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            yield from ast.walk(ast.parse(path.read_text()))


def texts(node: ast.AST) -> set[str]:
    """What the expression may be: itself, or either side of a condition."""
    match node:
        case ast.Constant(value=str(text)) if CODE.fullmatch(text):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return texts(body) | texts(orelse)
        case ast.BoolOp(values=values):
            return set().union(*map(texts, values))
    return set()


def of_call(call: ast.Call) -> set[str]:
    name = ast.unparse(call.func).rpartition(".")[2]
    found: set[str] = set()
    if name in POSITIONAL:
        found = set().union(*map(texts, call.args[:2])) - SEVERITIES
    key = "type" if name == "ApplicationError" else "code"
    return found.union(*(texts(word.value) for word in call.keywords if word.arg == key))


def raised() -> set[str]:
    found: set[str] = set()
    for node in sources():
        match node:
            case ast.Call():
                found |= of_call(node)
            case ast.ClassDef(body=body):
                for line in body:
                    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                        found |= texts(line.value)
    return found


def rows() -> Iterator[tuple[list[str], list[str]]]:
    """The codes and the other cells of each row."""
    for line in (ROOT / "docs" / "errors.md").read_text().splitlines():
        first, *rest = [cell.strip() for cell in line.strip("|").split("|")]
        codes = re.findall(r"`([a-z0-9_]+)`", first)
        if line.startswith("| `"):
            yield codes, rest


def test_every_code_is_on_the_page_and_once() -> None:
    listed = [code for codes, _ in rows() for code in codes]
    assert sorted(listed) == sorted(set(listed))
    assert raised() - set(listed) == set()


def test_every_code_on_the_page_is_in_the_sources() -> None:
    strings = {
        node.value for node in sources() if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
    }  # fmt: skip
    assert {code for codes, _ in rows() for code in codes} - strings == set()


def test_the_statuses_are_those_that_are_answered() -> None:
    said = {code: rest[0] for codes, rest in rows() if rest[0].isdigit() for code in codes}
    for node in sources():
        match node:
            case ast.Call(func=ast.Name("Problem"), args=[ast.Constant(int(status)), code, *_]):
                for one in texts(code):
                    assert said.get(one) == str(status), one
