"""Chat models among the objects that a function can reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowir.frontends.langgraph.facts import Model, Via

_NAMES = ("model_name", "model", "model_id", "deployment_name")
_DEPTH = 6


def chat_model(value: Any, depth: int = _DEPTH) -> Any | None:
    """The chat model inside a runnable (a binding, a sequence, a retry), or None."""
    from langchain_core.language_models import BaseLanguageModel

    if isinstance(value, BaseLanguageModel):
        return value
    if depth == 0:
        return None
    for inner in _inside(value):
        if (found := chat_model(inner, depth - 1)) is not None:
            return found
    return None


def _inside(value: Any) -> Iterator[Any]:
    from langchain_core.runnables import Runnable

    if isinstance(value, Runnable):
        for name in ("bound", "runnable"):
            if (inner := vars(value).get(name)) is not None:
                yield inner
        yield from getattr(value, "steps", None) or ()


def describe_model(value: Any) -> Model:
    """The name of a chat model and what its client was told."""
    found = next((v for n in _NAMES if isinstance(v := getattr(value, n, None), str) and v), None)
    reasoning = getattr(value, "reasoning", None)
    effort = getattr(value, "reasoning_effort", None)
    if effort is None and isinstance(reasoning, dict):
        effort = reasoning.get("effort")
    return Model(
        name=found or type(value).__name__,
        via=Via.OBJECT,
        budget=effort if isinstance(effort, str) else None,
        temperature=_number(getattr(value, "temperature", None)),
        retries=_retries(value),
        streams_usage=getattr(value, "stream_usage", None),
        elsewhere=bool(getattr(value, "openai_api_base", None)),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _retries(value: Any) -> int | None:
    """`max_retries`; clients of OpenAI's SDK repeat twice where nothing is said."""
    retries = getattr(value, "max_retries", None)
    if retries is None and hasattr(value, "root_client"):
        retries = getattr(value.root_client, "max_retries", None)
    return retries if isinstance(retries, int) else None


def names_its_model(value: Any) -> bool:
    """Whether an object says which model it calls."""
    return any(isinstance(getattr(value, name, None), str) for name in _NAMES)
