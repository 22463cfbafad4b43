"""The Python example of docs/live.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "live.md"
GRAPH = {
    "nodes": [
        {"id": "start", "type": "start", "config": {"inputs": [{"name": "name"}]}},
        {"id": "output", "type": "output", "config": {"value": "Hello {input.name}"}},
    ],
    "edges": [{"source": "start", "target": "output"}],
}


def test_the_client_of_the_page_runs(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names = {"url": stack.url, "get_token": lambda: stack.token("reader"), "graph": GRAPH}
    exec(compile(example, str(PAGE), "exec"), names)
    assert capsys.readouterr().out == "Hello Ada\n"
