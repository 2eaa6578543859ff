"""OpenAI-compatible endpoints as model clients."""

from __future__ import annotations

import importlib
from typing import Any

from flowir.backends.asyncio.library.calls import LLM, Completion, Usage
from flowir.backends.asyncio.library.errors import WorkflowError


def openai_llm(base_url: str | None = None, api_key: str | None = None) -> LLM:
    """A client of an OpenAI-compatible endpoint, through the openai package."""
    try:
        openai: Any = importlib.import_module("openai")
        key = api_key or ("none" if base_url else None)
        client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
    except ImportError as error:
        raise WorkflowError("the openai package is missing: pip install openai") from error
    except openai.OpenAIError as error:
        raise WorkflowError(str(error)) from error

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
            params["extra_body"] = {"thinking": {"type": "enabled", "budget_tokens": budget}}
        # </budgets>
        try:
            answer = await client.chat.completions.create(model=model, messages=messages, **params)
        except openai.APIConnectionError as error:
            raise ConnectionError(str(error)) from error
        if not answer.choices:
            raise ConnectionError("a completion without choices")
        read, written = 0, 0
        if answer.usage is not None:
            read, written = answer.usage.prompt_tokens, answer.usage.completion_tokens
        text = answer.choices[0].message.content or ""
        return Completion(text, Usage(1, read, written), answer.model)

    return llm
