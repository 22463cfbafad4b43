from __future__ import annotations

import pytest

from activities.models import DEMO_MODEL, Route, openrouter_model, route
from pilot.errors import NodeError
from pilot.nodes.llm import LlmConfig

from .conftest import settings


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-3.5-turbo", "openrouter/openai/gpt-3.5-turbo"),
        ("gpt-4o", "openrouter/openai/gpt-4o"),
        ("o3-mini", "openrouter/openai/o3-mini"),
        ("claude-3-haiku", "openrouter/anthropic/claude-3-haiku"),
        ("gemini-2.0-flash-001", "openrouter/google/gemini-2.0-flash-001"),
        ("llama-3-70b-instruct", "openrouter/meta-llama/llama-3-70b-instruct"),
        ("mistral-7b-instruct", "openrouter/mistralai/mistral-7b-instruct"),
        ("mixtral-8x7b", "openrouter/mistralai/mixtral-8x7b"),
        ("deepseek-chat", "openrouter/deepseek/deepseek-chat"),
        ("Qwen-2.5-72b", "openrouter/qwen/Qwen-2.5-72b"),
        ("grok-2", "openrouter/x-ai/grok-2"),
        ("openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ("gemini/gemini-1.5-pro", "openrouter/google/gemini-1.5-pro"),
        ("xai/grok-2", "openrouter/x-ai/grok-2"),
        ("somebody/new-model:free", "openrouter/somebody/new-model:free"),
        ("openrouter/openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ("openrouter/auto", "openrouter/openrouter/auto"),
        ("ollama/llama3", "openrouter/ollama/llama3"),
    ],
)
def test_names_at_openrouter(model: str, expected: str) -> None:
    assert openrouter_model(model) == expected


def test_an_unknown_bare_name_asks_for_its_provider() -> None:
    with pytest.raises(NodeError, match="provider/model") as caught:
        openrouter_model("my-model")
    assert caught.value.code == "llm_unknown_model"


def way(
    model: str,
    environment: dict[str, str] | None = None,
    *,
    api_base: str | None = None,
    api_key: str | None = None,
    **values: object,
) -> Route:
    config = LlmConfig(model=model, api_base=api_base, api_key=api_key)
    return route(model, config, settings(**values), environment or {})


def test_a_nodes_own_server_never_gets_the_operators_key() -> None:
    found = way(
        "gpt-4o",
        {"OPENAI_API_KEY": "env"},
        api_base="https://mine.example/v1",
        openrouter_api_key="operator",
        pilot_llm_api_base="https://operator.example/v1",
        pilot_llm_api_key="operator",
    )
    assert found == Route("openai", "gpt-4o", "https://mine.example/v1", None, trusted=False)
    own = way("gpt-4o", api_base="https://mine.example/v1", api_key="mine")
    assert own.api_key == "mine"


def test_the_operators_server_takes_every_model() -> None:
    values = {"pilot_llm_api_base": "http://vllm:8000/v1", "openrouter_api_key": "k"}
    for model in ("gpt-4o", "anthropic/claude-3", "whatever"):
        found = way(model, {"ANTHROPIC_API_KEY": "env"}, **values)
        assert found == Route("openai", model, "http://vllm:8000/v1", None)


def test_a_providers_own_key_leads_to_the_provider() -> None:
    values = {"openrouter_api_key": "k"}
    direct = way("anthropic/claude-3", {"ANTHROPIC_API_KEY": "env"}, **values)
    assert direct == Route("litellm", "anthropic/claude-3", api_key="env")
    assert way("anthropic/claude-3", {}, **values).model == "openrouter/anthropic/claude-3"
    assert way("claude-3", {"ANTHROPIC_API_KEY": "env"}, **values).api_key == "k"


@pytest.mark.parametrize("model", ["ollama/llama3", "sagemaker/x", "bedrock/x", "vertex_ai/x"])
def test_no_name_leads_to_the_workers_own_machine_or_account(model: str) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "OLLAMA_API_KEY": "b"}
    assert way(model, environment, openrouter_api_key="k").model == f"openrouter/{model}"


def test_without_a_key_there_is_a_demo_in_development_only() -> None:
    assert way("gpt-4o") == Route("demo", DEMO_MODEL)
    with pytest.raises(NodeError, match="OPENROUTER_API_KEY") as caught:
        way("gpt-4o", pilot_env="production")
    assert caught.value.code == "no_model_key"
    assert not caught.value.retryable


def test_a_route_does_not_show_its_key() -> None:
    assert "secret" not in repr(way("gpt-4o", openrouter_api_key="secret"))
