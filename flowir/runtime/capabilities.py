"""How providers take a reasoning budget: an effort label or a token count, and its wire form.

A budget is never left out in silence: what no row covers is refused, with what is known. Some
providers ignore what they do not understand, so a guess would change accuracy, latency and money
without a word. Rows say where they come from; add your own in front of :data:`CAPABILITIES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowir.runtime.llm import CallError

BUDGET = "$budget"
"""Stands in a wire form for the budget."""

Wire = Mapping[str, Any]
"""Fields of a chat completions request, as the `openai` SDK takes them; not sent: `extra_body`
itself, whose content is."""


@dataclass(frozen=True)
class Capability:
    """What one provider's models take.

    Attributes:
        provider: by the name that OpenTelemetry's GenAI conventions or LiteLLM have for it.
        models: a regular expression for the whole name of a model, whatever its case.
        labels: effort labels, from least to most.
        tokens: smallest and largest budget in tokens; the largest is None where none is stated.
        label_wire, token_wire: the fields of a request, with BUDGET for the budget.
        source: where this is written.
    """

    provider: str
    models: str
    labels: tuple[str, ...] = ()
    tokens: tuple[int, int | None] | None = None
    label_wire: Wire | None = None
    token_wire: Wire | None = None
    source: str = ""

    def covers(self, provider: str, model: str) -> bool:
        """Whether the row is about a model."""
        found = re.fullmatch(self.models, model, re.IGNORECASE)
        return self.provider == provider and found is not None

    def takes(self) -> str:
        """The budgets it takes, in words."""
        words = []
        if self.labels:
            words.append(f"labels {', '.join(self.labels)}")
        if self.tokens is not None:
            low, high = self.tokens
            words.append(f"{low} tokens or more" if high is None else f"{low} to {high} tokens")
        return " or ".join(words)

    def request(self, budget: int | str) -> Wire | None:
        """The fields of a request; None where it does not take the budget."""
        if isinstance(budget, str):
            known = budget in self.labels and self.label_wire is not None
            return _filled(self.label_wire, budget) if known else None
        if self.tokens is None or self.token_wire is None:
            return None
        low, high = self.tokens
        fits = low <= budget and (high is None or budget <= high)
        return _filled(self.token_wire, budget) if fits else None


def _filled(wire: Any, budget: int | str) -> Any:
    if isinstance(wire, Mapping):
        return {name: _filled(value, budget) for name, value in wire.items()}
    return budget if wire == BUDGET else wire


EFFORT: Wire = {"reasoning_effort": BUDGET}
THINKING: Wire = {"extra_body": {"thinking": {"type": "enabled", "budget_tokens": BUDGET}}}
QWEN: Wire = {"extra_body": {"enable_thinking": True, "thinking_budget": BUDGET}}
GEMINI: Wire = {
    # The inner `extra_body` is a field of Google's, not of the SDK's.
    "extra_body": {"extra_body": {"google": {"thinking_config": {"thinking_budget": BUDGET}}}}
}
OPENROUTER_EFFORT: Wire = {"extra_body": {"reasoning": {"effort": BUDGET}}}
OPENROUTER_TOKENS: Wire = {"extra_body": {"reasoning": {"max_tokens": BUDGET}}}

_LOW_TO_HIGH = ("low", "medium", "high")
_DATE = r"(-\d{4}-\d\d-\d\d)?"
_OPENAI = "developers.openai.com, guide and model pages on reasoning; LiteLLM's map of models"
_ANTHROPIC = "docs.claude.com, OpenAI SDK compatibility (reasoning_effort is ignored there)"
_GOOGLE = "ai.google.dev, OpenAI compatibility and thinking"
_OPENROUTER = "openrouter.ai/docs, reasoning tokens"
_XAI = "docs.x.ai, reasoning (other models refuse the field)"
_GROQ = "console.groq.com/docs, reasoning"
_QWEN = "alibabacloud.com, Model Studio, deep thinking"
_CLAUDE_BUDGETS = r"(sonnet|opus)-4([-.][0156])?|haiku-4[-.]5"


def _openai(models: str, *labels: str) -> Capability:
    return Capability("openai", models, labels, label_wire=EFFORT, source=_OPENAI)


def _gemini(models: str, labels: tuple[str, ...], low: int, high: int) -> Capability:
    return Capability("gemini", models, labels, (low, high), EFFORT, GEMINI, _GOOGLE)


def _openrouter(
    models: str, labels: tuple[str, ...], tokens: tuple[int, int | None] | None = None
) -> Capability:
    return Capability(
        "openrouter", models, labels, tokens, OPENROUTER_EFFORT, OPENROUTER_TOKENS, _OPENROUTER
    )


def _effort(provider: str, models: str, labels: tuple[str, ...], source: str) -> Capability:
    return Capability(provider, models, labels, label_wire=EFFORT, source=source)


CAPABILITIES: tuple[Capability, ...] = (
    _openai(rf"(o1|o3|o3-mini|o4-mini){_DATE}", *_LOW_TO_HIGH),
    _openai(rf"gpt-5(-mini|-nano)?{_DATE}", "minimal", *_LOW_TO_HIGH),
    _openai(rf"gpt-5\.1{_DATE}", "none", *_LOW_TO_HIGH),
    _openai(rf"gpt-5\.[2456](-mini|-nano)?{_DATE}", "none", *_LOW_TO_HIGH, "xhigh"),
    _openai(rf"gpt-6-(sol|luna){_DATE}", "none", *_LOW_TO_HIGH, "xhigh", "max"),
    _openai(rf"gpt-6-astra{_DATE}", *_LOW_TO_HIGH, "xhigh", "max"),
    Capability(
        "anthropic",
        rf"claude-(3-7-sonnet|{_CLAUDE_BUDGETS})(-\d{{8}}|-latest)?",
        tokens=(1024, None),
        token_wire=THINKING,
        source=_ANTHROPIC,
    ),
    _gemini(r"gemini-2\.5-pro.*", _LOW_TO_HIGH, 128, 32768),
    _gemini(r"gemini-2\.5-flash-lite.*", ("none", *_LOW_TO_HIGH), 512, 24576),
    _gemini(r"gemini-2\.5-flash(-preview.*|-\d.*)?", ("none", *_LOW_TO_HIGH), 0, 24576),
    _effort("gemini", r"gemini-3(\.\d+)?-pro(-preview)?", ("low", "high"), _GOOGLE),
    _effort("gemini", r"gemini-3(\.\d+)?-flash.*", ("minimal", *_LOW_TO_HIGH), _GOOGLE),
    _openrouter(r"openai/(gpt-5.*|o\d.*)", ("minimal", *_LOW_TO_HIGH)),
    _openrouter(r"openai/gpt-oss-.*", _LOW_TO_HIGH),
    _openrouter(rf"anthropic/claude-(3\.7-sonnet|{_CLAUDE_BUDGETS}).*", _LOW_TO_HIGH, (1024, None)),
    _openrouter(r"google/gemini-2\.5-.*", _LOW_TO_HIGH, (1, None)),
    _openrouter(r"x-ai/grok-3-mini.*", ("low", "high")),
    _effort("xai", r"grok-3-mini(-fast)?(-latest)?", ("low", "high"), _XAI),
    _effort("xai", r"grok-4\.3", ("none", *_LOW_TO_HIGH), _XAI),
    _effort("xai", r"grok-4\.5", _LOW_TO_HIGH, _XAI),
    _effort("groq", r"openai/gpt-oss-(20|120)b", _LOW_TO_HIGH, _GROQ),
    _effort("groq", r"qwen/qwen3-32b", ("none", "default"), _GROQ),
    _effort("vllm", r"(.*/)?gpt-oss-(20|120)b", _LOW_TO_HIGH, "the model card of gpt-oss"),
    Capability(
        "qwen",
        r"qwen3-.*|qwen-(plus|flash|turbo).*",
        tokens=(1, None),
        token_wire=QWEN,
        source=_QWEN,
    ),
)
"""The first row that covers a model counts."""

HOSTS: Mapping[str, str] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
    "openrouter.ai": "openrouter",
    "api.x.ai": "xai",
    "api.groq.com": "groq",
    "dashscope.aliyuncs.com": "qwen",
    "dashscope-intl.aliyuncs.com": "qwen",
}
"""Whose endpoint an address is."""


def reasoning(
    provider: str,
    model: str,
    budget: int | str,
    capabilities: Sequence[Capability] = CAPABILITIES,
) -> Wire:
    """The fields of a request that ask a model for a reasoning budget.

    Raises:
        CallError: it is not known how, or the model takes other budgets; says what is known.
    """
    row = next((c for c in capabilities if c.covers(provider, model)), None)
    if row is not None and (fields := row.request(budget)) is not None:
        return fields
    asked = f'the reasoning budget "{budget}"' if isinstance(budget, str) else f"{budget} tokens"
    if row is not None:
        raise CallError(
            f"{model} at {provider} does not take {asked}: it takes {row.takes()} ({row.source})",
            transient=False,
        )
    raise CallError(
        f"how {model} at {provider or 'a provider whose name was not given'} takes {asked} is not "
        f"known; known are: {_known(provider, capabilities)}. Name the provider, or give a "
        "Capability for it",
        transient=False,
    )


def _known(provider: str, capabilities: Iterable[Capability]) -> str:
    """The models of a provider, or all providers where it is none of them."""
    own = [f"{c.models} ({c.takes()})" for c in capabilities if c.provider == provider]
    return "; ".join(own or dict.fromkeys(c.provider for c in capabilities))


LITELLM_THINKING: Wire = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}}
_LITELLM_NAMES = {"qwen": "dashscope", "vllm": "hosted_vllm"}


def for_litellm(capabilities: Iterable[Capability] = CAPABILITIES) -> tuple[Capability, ...]:
    """The same models as LiteLLM takes them.

    It has one form of its own for the token budgets of Anthropic and Google, and passes the others
    on; effort labels go through as they are.
    """
    return tuple(
        replace(
            row,
            provider=_LITELLM_NAMES.get(row.provider, row.provider),
            token_wire=LITELLM_THINKING
            if row.provider in ("anthropic", "gemini")
            else row.token_wire,
        )
        for row in capabilities
    )
