"""The table of reasoning budgets: what it says, what it refuses, and how it is kept."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.runtime.capabilities import (
    BUDGET,
    CAPABILITIES,
    HOSTS,
    Capability,
    for_litellm,
    reasoning,
)
from flowir.runtime.llm import CallError

PROVIDERS = sorted({row.provider for row in CAPABILITIES})


def _times_in(fields: Any, budget: int | str) -> int:
    """How often a budget is in a request, with its own type: True is no 1."""
    if isinstance(fields, dict):
        return sum(_times_in(inner, budget) for inner in fields.values())
    return int(type(fields) is type(budget) and fields == budget)


@pytest.mark.parametrize("table", [CAPABILITIES, for_litellm()])
def test_every_row_says_what_it_takes_how_and_where_that_is_written(
    table: tuple[Capability, ...],
) -> None:
    for row in table:
        re.compile(row.models)
        assert row.source
        assert row.labels or row.tokens
        assert len(set(row.labels)) == len(row.labels)
        assert bool(row.labels) <= (row.label_wire is not None)
        assert (row.tokens is not None) <= (row.token_wire is not None)
        for label in row.labels:
            assert _times_in(row.request(label), label) == 1
        if row.tokens is not None:
            low, high = row.tokens
            assert _times_in(row.request(low), low) == 1
            assert row.request(low - 1) is None
            assert high is None or row.request(high + 1) is None


def test_hosts_are_of_providers_in_the_table() -> None:
    assert set(HOSTS.values()) <= set(PROVIDERS)


@given(
    st.sampled_from([*PROVIDERS, "", "nobody"]),
    st.sampled_from(["gpt-5-mini", "gpt-5.1", "claude-sonnet-4-5", "gpt-4o", "m"]),
    st.one_of(st.sampled_from(["low", "high", "none", "LOW", BUDGET, ""]), st.integers(-9, 99999)),
)
def test_a_budget_is_asked_for_exactly_or_refused(
    provider: str, model: str, budget: int | str
) -> None:
    """It is in the request once, with its type; nothing is rounded, renamed or left out."""
    rows = [row for row in CAPABILITIES if row.covers(provider, model)]
    if not rows or rows[0].request(budget) is None:
        with pytest.raises(CallError, match=re.escape(model)) as caught:
            reasoning(provider, model, budget)
        assert not caught.value.transient
    else:
        assert _times_in(reasoning(provider, model, budget), budget) == 1


@pytest.mark.parametrize(
    ("provider", "model", "budget", "says"),
    [
        ("openai", "gpt-5", "xhigh", "does not take the reasoning budget \"xhigh\": it takes "
         "labels minimal, low, medium, high"),
        ("openai", "gpt-5", 100, "does not take 100 tokens"),
        ("anthropic", "claude-sonnet-4-5", 1023, "it takes 1024 tokens or more"),
        ("gemini", "gemini-2.5-pro", 99999, "or 128 to 32768 tokens"),
        ("openai", "gpt-4o", "low", "is not known; known are: "),
        ("nobody", "gpt-5", "low", "known are: openai; anthropic; gemini"),
        ("", "gpt-5", "low", "Name the provider"),
        # Models of the same family that take other budgets, or none.
        ("openai", "gpt-5-chat", "low", "is not known"),
        ("openai", "gpt-5.2-pro", "low", "is not known"),
        ("anthropic", "claude-opus-4-7", 2048, "is not known"),
    ],
)  # fmt: skip
def test_refusals_say_what_is_known(provider: str, model: str, budget: Any, says: str) -> None:
    with pytest.raises(CallError, match=re.escape(says)):
        reasoning(provider, model, budget)


def test_rows_of_ones_own_go_first() -> None:
    own = Capability("openai", "gpt-4o", ("low",), label_wire={"mine": BUDGET}, source="here")
    assert reasoning("openai", "gpt-4o", "low", (own, *CAPABILITIES)) == {"mine": "low"}


def test_efforts_of_openai_are_those_that_litellm_has_on_record() -> None:
    """Its map of models, for the efforts it tells apart; others keep it."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("LiteLLM is not installed")
    place = Path(spec.submodule_search_locations[0], "model_prices_and_context_window_backup.json")
    compared = 0
    for model, facts in json.loads(place.read_text()).items():
        row = next((r for r in CAPABILITIES if r.covers("openai", model)), None)
        if row is None or facts.get("litellm_provider") != "openai":
            continue
        for label in ("none", "minimal", "xhigh", "max"):
            told = facts.get(f"supports_{label}_reasoning_effort")
            if told is not None:
                assert (label in row.labels) == told, (model, label)
                compared += 1
    assert compared >= 40


def test_the_documentation_names_every_provider_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    section = page[page.index("## Reasoning budgets") : page.index("## Tracing")]
    named = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(named) == PROVIDERS
    wires = [w for row in CAPABILITIES for w in (row.label_wire, row.token_wire) if w is not None]
    for name in {name for wire in wires for name in wire} - {"extra_body"}:
        assert f"`{name}`" in section
