"""JSON to Python and back: the same JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.build.source import to_python
from pilot.gallery import templates
from pilot.graph.model import Graph

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def built(document: dict[str, Any]) -> Any:
    """What the module builds that the document is turned into."""
    module: dict[str, Any] = {"__name__": "built"}
    exec(compile(to_python(document), "built.py", "exec"), module)
    return module["graph"]


@pytest.mark.parametrize("name", sorted(templates()))
def test_every_example_comes_back_as_it_was(name: str) -> None:
    document = json.loads((EXAMPLES / f"{name}.json").read_text())
    graph = built(document)
    assert graph.to_json() == document
    assert graph.graph == Graph.model_validate(document)
    assert "node.other" not in to_python(document)


@given(
    ids=st.lists(TEXT, min_size=1, max_size=5, unique=True),
    types=st.lists(st.sampled_from(["code", "llm", "map", "nobody's"]), min_size=5, max_size=5),
    config=st.dictionaries(TEXT, JSON, max_size=3),
    handle=TEXT | st.sampled_from(["default", "error", "true", "class", "then"]),
    more=st.dictionaries(TEXT.filter(lambda one: one not in FIELDS), JSON, max_size=2),
    name=TEXT,
)
@settings(max_examples=60, deadline=None)
def test_any_draft_comes_back_as_it_was(ids, types, config, handle, more, name) -> None:
    nodes = [
        {"id": one, "type": kind, "config": config, **more}
        for one, kind in zip(ids, types, strict=False)
    ]
    nodes[0]["on_error"] = "branch"
    nodes[0]["retry"] = {"max_attempts": 2}
    edges = [
        {"source": ids[0], "target": ids[-1], "source_handle": handle},
        {"source": ids[-1], "target": ids[0], "animated": True},
        {"source": ids[0], "target": ids[0]},
    ]
    document = {"name": name, "description": "", "nodes": nodes, "edges": edges}
    assert built(document).to_json() == document


def test_a_name_that_python_would_write_otherwise_comes_back_as_it_was() -> None:
    micro = "\N{MICRO SIGN}"
    document = {
        "name": micro,
        "description": "",
        "nodes": [{"id": micro, "type": "start", micro: 1}, {"id": "o", "type": "output"}],
        "edges": [{"source": micro, "target": "o", "source_handle": micro}],
    }
    assert built(document).to_json() == document


FIELDS = ("id", "type", "config", "position", "retry", "timeout_s", "on_error", "join", "pinned")


def test_the_source_reads_as_one_writes_it() -> None:
    source = to_python(json.loads((EXAMPLES / "support_triage.json").read_text()))
    assert "    is_urgent.true >> page\n" in source
    assert "    queue >> reply >> output\n" in source
    assert 'reply = node.llm(\n        "reply",\n        name="Write the reply",' in source
    assert "from pilot.nodes.start import InputField\n" in source
