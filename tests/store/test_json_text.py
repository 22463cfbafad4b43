"""JSON text: what it must carry and what it must refuse."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.store.json_text import content_hash, dumps, loads

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**20, 10**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
)


@given(any_json)
def test_a_value_comes_back_and_the_text_is_storable(value):
    text = dumps(value)
    assert loads(text) == value
    assert "\0" not in text
    assert json.loads(text.encode()) == value  # encodes: no lone surrogate is left


def test_text_stays_readable_where_it_can():
    assert dumps({"a": ["ü", 1]}) == '{"a":["ü",1]}'
    assert dumps("ü\ud800") == '"\\u00fc\\ud800"'


def cycle():
    value: list = []
    value.append(value)
    return value


def deep():
    value: list = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        {"a": {"b": -float("inf")}},
        {1, 2},
        b"bytes",
        object(),
        {(1, 2): 3},
        10**5_000,
        cycle(),
        deep(),
    ],
    ids=["nan", "inf", "-inf", "set", "bytes", "object", "key", "digits", "cycle", "deep"],
)
def test_what_is_no_json_is_refused(value):
    for write in (dumps, content_hash):
        with pytest.raises(ValueError):
            write(value)


def test_the_hash_knows_content_from_writing():
    graph = {"nodes": [{"id": "a", "n": 1}], "edges": []}
    same = {"edges": [], "nodes": [{"n": 1, "id": "a"}]}
    assert content_hash(graph) == content_hash(same)
    assert content_hash(graph) != content_hash({**graph, "edges": [1]})
    canonical = b'{"edges":[],"nodes":[{"id":"a","n":1}]}'
    assert content_hash(graph) == hashlib.sha256(canonical).hexdigest()
    assert len(content_hash({"a": "\ud800ü"})) == 64
