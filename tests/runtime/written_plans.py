"""Runs of a plan that a server writes, by whoever may run one; `tests.writing` is the server.

`python -m tests.runtime.written_plans URL` prints the runs through LiteLLM as JSON: importing it
takes seconds and leaves much behind.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, get_args

import httpx

from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.runtime.interpreter import interpret
from flowir.runtime.litellm import LiteLLMModels
from flowir.runtime.openai import OpenAIModels
from tests.backends.running import load
from tests.strategies_ir import entry, parse
from tests.writing import MODULE, Story

Told = dict[str, Any]
"""What came of a run: its value and the tokens of its sites, or its error."""


def module(model: str) -> Any:
    """The workflow on a model."""
    return parse(MODULE.replace("MODEL", model))


def tools(url: str, story: str) -> dict[str, Any]:
    """A tool that tells the server of its beginning."""

    async def look(x: str) -> str:
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(f"{url}/begun", params={"story": story, "x": x})
        return answer.text

    return {"look": look}


async def interpreted(llm: Any, url: str, story: str, model: str = "m") -> Told:
    """By the interpreter, which repeats nothing."""
    try:
        found = await interpret(entry(module(model)), [story], llm, tools(url, story))
    except Exception as error:
        return _failed(error)
    sites = {
        call.site: call.usage and (call.usage.input_tokens, call.usage.output_tokens)
        for call in found.calls
    }
    return {"value": found.value, "sites": sites}


async def emitted(file: ModuleType, llm: Any, url: str, story: str) -> Told:
    """By an emitted file."""
    file.BACKOFF_S = 0.01  # type: ignore[attr-defined]
    try:
        found = await file.run({"question": story}, llm=llm, tools=tools(url, story))
    except Exception as error:
        return _failed(error)
    sites = {
        site: None if used.cancelled else (used.input_tokens, used.output_tokens)
        for site, used in found.sites.items()
    }
    return {"value": found.value, "sites": sites}


def _failed(error: BaseException) -> Told:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return {
        "error": type(error).__name__,
        "message": str(error),
        "transient": getattr(error.__cause__, "transient", getattr(error, "transient", None)),
    }


async def by_the_interpreter(url: str, story: str) -> Told:
    async with OpenAIModels(base_url=url) as llm:
        return await interpreted(llm, url, story)


async def by_a_file_with_the_librarys_client(url: str, story: str) -> Told:
    """As `flowir.workflow` runs what it has compiled."""
    async with OpenAIModels(base_url=url) as llm:
        return await emitted(load(emit(module("m")), "written_library"), llm, url, story)


async def by_an_asyncio_file(url: str, story: str) -> Told:
    file = load(emit(module("m")), "written_asyncio")
    llm = file.openai_llm(url, "key")
    try:
        return await emitted(file, llm, url, story)
    finally:
        await llm.client.close()


async def by_a_langgraph_file(url: str, story: str) -> Told:
    file = load(emit_graph(module("m")), "written_langgraph")
    return await emitted(file, file.chat_model_llm(url, "key"), url, story)


RUNS: dict[str, Callable[[str, str], Any]] = {
    "interpreter": by_the_interpreter,
    "file, OpenAIModels": by_a_file_with_the_librarys_client,
    "asyncio file": by_an_asyncio_file,
    "langgraph file": by_a_langgraph_file,
}


async def main(url: str) -> None:
    """Every story through LiteLLM, by the interpreter."""
    llm = LiteLLMModels(options={"api_base": url, "api_key": "k"})
    stories = get_args(Story)
    print(json.dumps({s: await interpreted(llm, url, s, "openai/m") for s in stories}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
