"""What is sent as the chat: history, messages, images."""

from __future__ import annotations

from typing import Any

import pytest

from activities.llm import llm
from pilot.nodes.chat import MAX_DATA_URL_CHARS
from tests.openai_server import OpenAIServer

from .conftest import environment, failure, task

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

HISTORY = "{execution.input.history}"


def node(given: Any, /, **config: Any) -> Any:
    return task("llm", config, input="hi", execution={"id": "e", "input": {"history": given}})


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


async def test_history_stands_between_system_and_prompt(server: OpenAIServer) -> None:
    parts = [{"type": "text", "text": "see {this}"}, image("https://example.com/a.png")]
    history = [{"role": "user", "content": "{not.a.template}"}, {"role": "user", "content": parts}]
    config = {"system_template": "Be brief", "history": HISTORY, "prompt_template": "{input}"}
    await environment().run(llm, node(history, **config))
    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "Be brief"},
        *history,
        {"role": "user", "content": "hi"},
    ]


async def test_an_empty_history_is_none(server: OpenAIServer) -> None:
    for nothing in ([], None):
        await environment().run(llm, node(nothing, history=HISTORY, prompt_template="x"))
    assert [len(request["messages"]) for request in server.requests] == [1, 1]
    error = await failure(llm, node([], history=HISTORY))
    assert error.type == "missing_prompt"


@pytest.mark.parametrize(
    ("history", "where"),
    [
        ("text", "history must give a list"),
        (["x"], "history[0]: a message is an object"),
        ([{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}], "history[1].role"),
        ([{"role": "user", "content": 5}], "history[0].content"),
        ([{"role": "user"}], "history[0].content"),
        ([{"role": "user", "content": "a", "name": "x"}], "history[0].name"),
        ([{"role": "user", "content": [{"type": "audio"}]}], "history[0].content[0].type"),
        ([{"role": "user", "content": [image("file:///etc/passwd")]}], "image_url.url"),
        ([{"role": "user", "content": "a"}] * 1001, "1,001 messages"),
    ],
)
async def test_a_bad_history_names_its_place(
    server: OpenAIServer, history: Any, where: str
) -> None:
    error = await failure(llm, node(history, history=HISTORY))
    assert (error.type, error.non_retryable) == ("invalid_messages", True)
    assert where in error.message
    assert server.requests == []


async def test_images_go_through_templates(server: OpenAIServer) -> None:
    data = "data:image/png;base64,aGk="
    content = [{"type": "text", "text": "{input}"}, image("{execution.input.history}"), image(data)]
    messages = [{"role": "user", "content": content}]
    await environment().run(llm, node("https://example.com/b.png", messages=messages))
    assert server.requests[0]["messages"][0]["content"] == [
        {"type": "text", "text": "hi"},
        image("https://example.com/b.png"),
        image(data),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + "a" * MAX_DATA_URL_CHARS,
        "data:text/html;base64,aGk=",
        "data:image/svg+xml,<svg/>",
        "gopher://x",
        "",
    ],
)
async def test_an_image_that_is_not_sent(server: OpenAIServer, url: str) -> None:
    messages = [{"role": "user", "content": [image("{execution.input.history}")]}]
    error = await failure(llm, node(url, messages=messages))
    assert error.type == "invalid_messages"
    assert "messages[0].content[0].image_url.url" in error.message
