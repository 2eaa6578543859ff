"""LangChain chat models as model clients."""

from __future__ import annotations

import importlib
from typing import Any

from flowir.backends.asyncio.library.calls import LLM, Completion, Usage
from flowir.backends.asyncio.library.errors import WorkflowError


def chat_model_llm(base_url: str | None = None, api_key: str | None = None) -> LLM:
    """Chat models of any provider, by `init_chat_model` of the langchain package.

    There is one client for every node and configuration. None of them repeats a request.

    Args:
        base_url: an OpenAI-compatible endpoint for all models; by default each has its provider's.
        api_key: by default the provider's variable of the environment has it.
    """
    clients: dict[tuple[str, str, str], Any] = {}
    given: dict[str, Any] = {"max_retries": 0, "stream_usage": True}
    if base_url is not None:
        given |= {"model_provider": "openai", "base_url": base_url, "api_key": "none"}
    if api_key is not None:
        given["api_key"] = api_key

    def client_of(node: str, model: str, params: dict[str, Any]) -> Any:
        key = (node, model, repr(sorted(params.items())))
        if key not in clients:
            try:
                init: Any = importlib.import_module("langchain.chat_models").init_chat_model
                clients[key] = init(model, **given, **params)
            except ImportError as error:
                raise WorkflowError(f"{error}; pip install langchain langchain-openai") from error
            except Exception as error:
                raise WorkflowError(f"{node}: no client for the model {model}: {error}") from error
        return clients[key]

    async def llm(
        node: str,
        messages: list[dict[str, str]],
        *,
        model: str,
        **params: Any,
    ) -> Completion:
        # <budgets>
        budget = params.pop("budget", None)
        if isinstance(budget, str):
            params["reasoning_effort"] = budget
        elif budget is not None:  # as LiteLLM and Anthropic have it; OpenAI itself refuses
            thinking = {"type": "enabled", "budget_tokens": budget}
            if base_url is None:
                params["thinking"] = thinking
            else:
                params["extra_body"] = {"thinking": thinking}
        # </budgets>
        client = client_of(node, model, params)
        try:
            answer = await client.ainvoke(messages)
        except Exception as error:
            if type(error).__name__ in ("APIConnectionError", "APITimeoutError"):
                raise ConnectionError(str(error)) from error
            raise
        used = answer.usage_metadata or {}
        name = answer.response_metadata.get("model_name", model)
        counted = Usage(1, used.get("input_tokens", 0), used.get("output_tokens", 0))
        return Completion(answer.text, counted, name)

    return llm
