"""Calls through LiteLLM, in a process of their own: `python litellm_calls.py ADDRESS` prints JSON.

Importing LiteLLM takes seconds and leaves much behind; tests read what is printed here.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from flowir.runtime.litellm import LiteLLMModels
from flowir.runtime.llm import CallError, Completion

MESSAGES = [{"role": "user", "content": "say something nice, please"}]

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("openai/gpt-5-mini", "/v1", {"budget": "low"}),
    ("anthropic/claude-sonnet-4-5", "/anthropic", {"budget": 2048}),
    ("gemini/gemini-2.5-flash", "/gemini/v1beta", {"budget": 512}),
    ("gemini/gemini-3-pro-preview", "/gemini/v1beta", {"budget": "high"}),
    ("openrouter/openai/gpt-5-mini", "/v1", {"budget": "low"}),
    ("openrouter/anthropic/claude-3.7-sonnet", "/v1", {"budget": 4000}),
    ("dashscope/qwen3-32b", "/v1", {"budget": 300}),
    ("xai/grok-4.5", "/xai/v1", {"budget": "medium"}),
    ("hosted_vllm/openai/gpt-oss-20b", "/v1", {"budget": "high"}),
    ("openai/gpt-4o-mini", "/v1", {"temperature": 0.5}),
]
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("openai/gpt-4o-mini", "/v1", {"budget": "low"}),
    ("anthropic/claude-sonnet-4-5", "/anthropic", {"budget": "low"}),
    ("anthropic/claude-sonnet-4-5", "/anthropic", {"budget": 100}),
    ("anthropic/claude-sonnet-4-5", "/anthropic", {"frequency_penalty": 1}),
    ("openai/fails-429", "/v1", {}),
    ("openai/fails-503", "/v1", {}),
    ("openai/fails-401", "/v1", {}),
]


MODES = ("whole", "streamed", "pieces")


async def _call(address: str, mode: str, model: str, path: str, params: Any) -> dict[str, Any]:
    options = {"api_base": address + path, "api_key": "k"}
    llm = LiteLLMModels(stream=mode == "streamed", options=options)
    pieces: list[Any] = []
    try:
        if mode == "pieces":
            written = llm.pieces("site", MESSAGES, model=model, **params)
            *pieces, answer = [piece async for piece in written]
            assert isinstance(answer, Completion)
        else:
            answer = await llm("site", MESSAGES, model=model, **params)
    except CallError as error:
        return {
            "error": str(error),
            "transient": error.transient,
            "status": error.status,
            "retry_after_s": error.retry_after_s,
        }
    return {
        "text": answer.text,
        "usage": [answer.usage.input_tokens, answer.usage.output_tokens],
        "timed": answer.ttft_s is not None,
        "pieces": pieces,
    }


async def main(address: str) -> None:
    found = [
        [await _call(address, mode, *call) for call in calls]
        for calls in (CALLS, REFUSED)
        for mode in MODES
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
