"""Where a model's name leads: which server, with whose key.

In this order:

1. the node's own `api_base`: an OpenAI-compatible server, reached through the guard, with the
   node's own key and never with the operator's;
2. `PILOT_LLM_API_BASE`: the operator's OpenAI-compatible server, for every model;
3. a provider whose own key is in the worker's environment (`ANTHROPIC_API_KEY` for
   `anthropic/claude-...`), for names written as `provider/model`;
4. OpenRouter, for everything else: a bare name gets the provider it is known by;
5. with none of these, the demo model in development, and an error in production.

Providers are a fixed list. LiteLLM knows a hundred more, and some of them (`ollama/...`,
`sagemaker/...`) would take a graph's author to the worker's own machine or cloud account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pilot.errors import NodeError
from pilot.nodes.llm import LlmConfig
from pilot.settings import Settings

DEMO_MODEL = "demo"

# LiteLLM's providers that are called directly where the worker has their key.
_DIRECT_KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "cerebras": "CEREBRAS_API_KEY",
    "cohere": "COHERE_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "perplexity": "PERPLEXITYAI_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "xai": "XAI_API_KEY",
}

# OpenRouter's names for providers that LiteLLM calls otherwise.
_OPENROUTER_NAMES = {
    "gemini": "google",
    "meta_llama": "meta-llama",
    "mistral": "mistralai",
    "moonshot": "moonshotai",
    "xai": "x-ai",
}

# By which provider OpenRouter has a bare name, by how the name begins.
_FAMILIES = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4", "codex-"), "openai"),
    (("claude",), "anthropic"),
    (("gemini", "gemma"), "google"),
    (("llama", "codellama"), "meta-llama"),
    (("mistral", "mixtral", "ministral", "codestral", "pixtral", "magistral", "devstral"),
     "mistralai"),
    (("deepseek",), "deepseek"),
    (("qwen", "qwq"), "qwen"),
    (("grok",), "x-ai"),
    (("command",), "cohere"),
    (("kimi",), "moonshotai"),
    (("glm",), "z-ai"),
    (("phi-",), "microsoft"),
    (("sonar",), "perplexity"),
    (("nova-",), "amazon"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """`openai` is any OpenAI-compatible server at `api_base`; `litellm` leaves it to LiteLLM;
    `demo` answers by itself. Only an `api_base` of a node is not `trusted`."""

    kind: Literal["openai", "litellm", "demo"]
    model: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    trusted: bool = True


def route(
    model: str, config: LlmConfig, settings: Settings, environment: Mapping[str, str]
) -> Route:
    """The way to a model. Raises `NodeError` `no_model_key` or `llm_unknown_model`."""
    if config.api_base:
        return Route("openai", model, config.api_base, config.api_key, trusted=False)
    if settings.pilot_llm_api_base:
        key = settings.pilot_llm_api_key
        return Route(
            "openai",
            model,
            settings.pilot_llm_api_base,
            key.get_secret_value() if key else None,
        )
    provider, _, name = model.partition("/")
    direct = environment.get(_DIRECT_KEYS.get(provider, "")) if name else None
    if direct:
        return Route("litellm", model, api_key=direct)
    if settings.openrouter_api_key is not None:
        key_text = settings.openrouter_api_key.get_secret_value()
        return Route("litellm", openrouter_model(model), api_key=key_text)
    if settings.is_development:
        return Route("demo", DEMO_MODEL)
    raise NodeError(
        f"there is no key for the model {model!r}: the operator sets OPENROUTER_API_KEY or "
        "PILOT_LLM_API_BASE, or the node its api_base",
        code="no_model_key",
    )


def openrouter_model(model: str) -> str:
    """LiteLLM's name of a model at OpenRouter: `openrouter/<provider>/<model>`."""
    provider, _, name = model.partition("/")
    if not name:
        return f"openrouter/{_family(model)}/{model}"
    if provider == "openrouter":
        # OpenRouter's own models, such as openrouter/auto, keep the name as their provider's
        return model if "/" in name else f"openrouter/{model}"
    return f"openrouter/{_OPENROUTER_NAMES.get(provider, provider)}/{name}"


def _family(model: str) -> str:
    plain = model.lower()
    for beginnings, provider in _FAMILIES:
        if plain.startswith(beginnings):
            return provider
    raise NodeError(
        f"the provider of the model {model!r} is not known: write provider/model",
        code="llm_unknown_model",
    )
