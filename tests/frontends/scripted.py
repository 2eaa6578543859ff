"""Runs a LangGraph graph, and the files emitted for what was imported of it, on one script."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI

from flowir.backends.asyncio.emit import emit as emit_asyncio
from flowir.backends.langgraph.emit import emit as emit_langgraph
from flowir.dialects import flow
from flowir.frontends.langgraph import Imported
from flowir.runtime.llm import Completion, Usage
from tests.backends.running import load

Messages = tuple[tuple[str, str], ...]
_ROLES = {"human": "user", "ai": "assistant"}


class Script:
    """Answers by the model, the messages and how often those were sent; remembers who asked what.

    Prompts that ask for JSON get an object with the fields of every schema in the graphs.
    """

    def __init__(self, seed: int, fails_after: int | None = None) -> None:
        self.seed, self.fails_after = seed, fails_after
        self.asked: Counter[tuple[str, Messages]] = Counter()

    def answer(self, model: str, messages: Messages) -> str:
        if self.fails_after is not None and self.asked.total() >= self.fails_after:
            raise RuntimeError("the script is over")
        self.asked[model, messages] += 1
        words = json.dumps([self.seed, model, messages, self.asked[model, messages]])
        number = int(hashlib.sha256(words.encode()).hexdigest(), 16)
        if not any("as JSON" in content for _, content in messages):
            return f" answer {number % 1000}{'?' if number % 2 else ''} "
        count = number % 4
        return json.dumps(
            {
                "step": ("poem", "story", "joke")[number % 3],
                "who": ("research", "write", "finish")[number % 3],
                "grade": ("funny", "not funny")[number % 2],
                "feedback": f"more {number % 97}" if number % 3 else "",
                "subjects": [f"subject {i}" for i in range(1, count + 2)],
                "sections": [{"name": f"n{i}", "description": f"d{i}"} for i in range(count + 1)],
                "relevant": ("yes", "no")[number % 2],
                "steps": [f"step {number % 11}.{i}" for i in range(1, count + 1)],
                "answer": "" if number % 3 else "done",
            }
        )

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Every ChatOpenAI answers from this script."""

        def generate(model: Any, messages: list[Any], *_: Any, **kwargs: Any) -> ChatResult:
            said = tuple((_ROLES.get(m.type, m.type), str(m.content)) for m in messages)
            text = self.answer(model.model_name, said)
            extra = {}
            if (schema := kwargs.get("response_format")) is not None:
                extra["parsed"] = schema.model_validate_json(text)
            message = AIMessage(content=text, additional_kwargs=extra)
            return ChatResult(generations=[ChatGeneration(message=message)])

        async def agenerate(model: Any, messages: list[Any], *_: Any, **kw: Any) -> ChatResult:
            return generate(model, messages, **kw)

        patch.setattr(ChatOpenAI, "_generate", generate)
        patch.setattr(ChatOpenAI, "_agenerate", agenerate)

    async def llm(self, node: str, messages: list[Any], *, model: str, **_: Any) -> Completion:
        said = tuple((message["role"], message["content"]) for message in messages)
        return Completion(self.answer(model, said), Usage(1, 1), None, model)


def run_original(graph: Any, inputs: dict[str, Any], script: Script) -> dict[str, Any]:
    """What the graph gives."""
    with pytest.MonkeyPatch.context() as patch:
        script.install(patch)
        return asyncio.run(graph.ainvoke(inputs))  # type: ignore[no-any-return]


def run_emitted(imported: Imported, kind: str, inputs: dict[str, Any], script: Script) -> Any:
    """What the emitted file of what was imported gives."""
    emit = {"asyncio": emit_asyncio, "langgraph": emit_langgraph}[kind]
    file = load(emit(imported.module), f"imported_{kind}")
    code = load(imported.adapters, "graph_tools")
    result = asyncio.run(file.run(inputs, llm=script.llm, tools=tools(imported, code)))
    return result.value


def tools(imported: Imported, code: ModuleType) -> dict[str, Any]:
    """The adapters by the symbols of their tools."""
    return {
        op.sym_name.data: getattr(code, op.impl.data.partition(":")[2])
        for op in imported.module.ops
        if isinstance(op, flow.ToolOp)
    }
