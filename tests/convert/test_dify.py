"""Dify's DSL: what it becomes, and that it does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilot.convert.document import Conversion, NotConvertibleError
from pilot.convert.formats import convert, parse_document
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs

SAMPLES = Path(__file__).parent / "samples" / "dify"


def converted(name: str) -> Conversion:
    return convert(parse_document((SAMPLES / f"{name}.yml").read_text()), specs())


def node(found: Conversion, node_id: str) -> Any:
    return next(one for one in found.graph.nodes if one.id == node_id)


def test_a_chatflow_is_carried_whole() -> None:
    found = converted("support_chat")
    assert (found.name, found.report.format) == ("Support chat", "dify")
    assert errors(validate(found.graph, specs(), frozenset({"SHOP_KEY"}))) == []
    assert {one.source_id for one in found.report.carried} == set("1234567")
    assert [one for one in found.report.findings if one.severity == "error"] == []
    said = {one.field: one.message for one in found.report.findings if one.field}
    assert "SHOP_KEY is not carried" in said["environment_variables.SHOP_KEY"]
    assert "lives for one run" in said["conversation_variables.topics"]
    assert "top_p" in said["model.completion_params.top_p"]
    assert "history" in said["memory"]
    assert "sk-very-secret" not in str(found)
    start, setup = found.graph.nodes[1], found.graph.nodes[0]
    assert [one["name"] for one in start.config["inputs"]] == [
        "customer", "tone", "files", "query", "history", "conversation_id",
    ]  # fmt: skip
    assert setup.config["assignments"] == {
        "env_SHOP": "Tea {{and}} more",
        "conversation_topics": [],
    }
    look = node(found, "look_up_the_order").config
    assert look["url"] == "{nodes.start.output.query}"
    assert look["headers"] == {"X-Shop": "{vars.env_SHOP}", "Accept": "application/json"}
    assert look["query"] == {"customer": "{nodes.start.output.customer}"}
    assert look["auth"] == {"type": "bearer", "token": "{secrets.SHOP_KEY}"}
    assert (look["response"], look["connect_timeout_s"]) == ("text", 5)
    assert node(found, "look_up_the_order").timeout_s == 20
    write = node(found, "write").config
    assert (write["model"], write["max_tokens"]) == ("openai/gpt-4o-mini", 300)
    assert write["history"] == "{nodes.start.output.history}"
    assert write["prompt_template"] == "{nodes.start.output.query}"
    answer = node(found, "answer").config["value"]
    assert answer == (
        "{nodes.write.output} (status {(has(nodes.look_up_the_order.meta) ? "
        'nodes.look_up_the_order.meta.status : "")})'
    )


def test_an_iteration_is_a_map_and_a_loop_a_loop() -> None:
    found = converted("loops")
    assert errors(validate(found.graph, specs())) == []
    assert [one for one in found.report.findings if one.severity != "info"] == []
    each, grow = node(found, "each_word").config, node(found, "grow").config
    assert {name: each[name] for name in ("items", "parallelism", "on_item_error")} == {
        "items": "{nodes.start.output.words.list}",
        "parallelism": 3,
        "on_item_error": "collect",
    }
    inner = {one["id"]: one["config"] for one in each["body"]["nodes"]}
    assert inner["long"]["expression"] == 'item.contains("ee")'
    assert "def main(nodes, item, index):" in inner["shout"]["source"]
    assert "word=_at(item), place=_at(index)" in inner["shout"]["source"]
    assert inner["keep"]["assignments"] == {"keep": "{item}"}
    assert inner["each_word_item"]["value"] == "{vars.pick}"
    assert grow["initial"] == {"num": 1, "text": "{nodes.start.output.mark}"}
    assert (grow["condition"], grow["max_iterations"]) == ("!(item.num >= 5)", 10)
    inner = {one["id"]: one["config"] for one in grow["body"]["nodes"]}
    assert inner["grow_state"]["assignments"] == {
        "grow_num": "{item.num}",
        "grow_text": "{item.text}",
    }
    assert inner["more"]["operations"] == {"grow_num": "increment"}
    assert inner["grow_next"]["value"] == {"num": "{vars.grow_num}", "text": "{vars.grow_text}"}
    assert node(found, "end").config["value"] == {
        "words": "{nodes.each_word.output}",
        "num": "{nodes.grow.output.num}",
        "text": "{nodes.grow.output.text}",
    }


def test_what_cannot_be_carried_is_an_error_that_holds_it() -> None:
    found = converted("lost")
    broken = {(one.node_id, one.field) for one in errors(validate(found.graph, specs()))}
    assert broken == {
        ("find_it", "type"),
        ("script", "type"),
        ("render", "config.assignments.render"),
        ("post", "config.url"),
    }
    find = node(found, "find_it")
    assert find.type == "dify:knowledge-retrieval"
    kept = find.model_extra["imported"]
    assert kept["data"]["dataset_ids"] == ["d1"]
    assert (find.position.x, find.position.y) == (5, 6)
    render = node(found, "render")
    assert "untranslated(" in render.config["assignments"]["render"]
    assert render.model_extra["imported"]["not_carried"] == {
        "template": "{% for x in docs %}{{ x.title }}{% endfor %}"
    }
    post = node(found, "post").config
    assert post["auth"] == {"type": "header", "name": "X-Key", "value": "{secrets.POST_API_KEY}"}
    assert "literal-key-1234" not in str(found)
    assert post["body"] == '{{"doc": "{nodes.find_it.output.result}", "a": [1]}}'
    assert (post["body_type"], post["headers"]) == ("raw", {"Content-Type": "application/json"})
    dropped = {(one.name, one.field, one.severity) for one in found.report.dropped}
    assert ("Find it", "type", "error") in dropped
    assert ("Script", "type", "error") in dropped
    assert ("Post", "url", "error") in dropped
    assert ("Post", "authorization.api_key", "error") in dropped
    assert ("note", None, "info") in dropped
    assert any("version 9.9.0" in one.message for one in found.report.approximated)


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "app", "app": {"mode": "chat"}, "model_config": {}},
        {"workflow": {}},
        {"workflow": {"graph": {"nodes": "x"}}},
    ],
)
def test_an_app_without_a_graph_is_said(body: Any) -> None:
    with pytest.raises(NotConvertibleError):
        convert(body, specs())
