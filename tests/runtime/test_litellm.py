"""The LiteLLM adapter: its calls to the real server, as three providers' APIs have them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.openai_server import echoed
from tests.runtime.litellm_calls import CALLS, MESSAGES, MODES, REFUSED

pytestmark = pytest.mark.filterwarnings("ignore")

FAILURES = {"fails-429": 429, "fails-503": 503, "fails-401": 401}


@pytest.fixture(scope="module")
def found(server: str) -> dict[str, Any]:
    """What the calls of `litellm_calls.py` gave, and the requests that the server saw."""
    behaviors = [
        {
            "type": "fail",
            "status": status,
            "retry_after": 0.5,
            "times": None,
            "match": {"model": model},
        }
        for model, status in FAILURES.items()
    ]
    httpx.post(f"{server}/_llmock/reset").raise_for_status()
    httpx.post(f"{server}/_llmock/scenario", json={"behaviors": behaviors}).raise_for_status()
    script = Path(__file__).with_name("litellm_calls.py")
    done = subprocess.run(
        [sys.executable, script, server], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = httpx.get(f"{server}/_llmock/requests").json()["requests"]
    httpx.post(f"{server}/_llmock/reset").raise_for_status()
    assert "LiteLLM" not in done.stdout  # It advises whoever reads what a program prints.
    whole, streamed, pieces, *refused = json.loads(done.stdout.splitlines()[-1])
    return {
        "whole": whole,
        "streamed": streamed,
        "pieces": pieces,
        "refused": refused,
        "bodies": [request["body"] for request in seen],
        "seen": seen,
    }


def test_answers_and_their_tokens(found: dict[str, Any]) -> None:
    """In one piece and as streams; the server counts a token for every four characters."""
    told, text = len(MESSAGES[0]["content"]) // 4, echoed(MESSAGES)
    for (model, *_), whole, streamed in zip(CALLS, found["whole"], found["streamed"], strict=True):
        for answer in (whole, streamed):
            assert answer.get("text") == text, (model, answer)
            assert answer["usage"] == [told, len(text) // 4], model
        assert streamed["timed"]
        assert not whole["timed"]


def test_pieces_are_the_text_and_what_comes_last_is_the_answer(found: dict[str, Any]) -> None:
    """Google's API streams as one piece what is short."""
    for (model, *_), streamed, written in zip(
        CALLS, found["streamed"], found["pieces"], strict=True
    ):
        assert "".join(written.pop("pieces")) == written["text"], model
        assert written == {n: v for n, v in streamed.items() if n != "pieces"}, model


def _sent(found: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """The requests for a model, which Google has in the path."""
    return [
        request["body"]
        for request in found["seen"]
        if request["body"].get("model") == model or f"/{model}:" in request["path"]
    ]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gpt-5-mini", {"reasoning_effort": "low"}),
        ("claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("anthropic/claude-3.7-sonnet", {"reasoning": {"max_tokens": 4000}}),
        ("openai/gpt-5-mini", {"reasoning": {"effort": "low"}}),
        ("qwen3-32b", {"enable_thinking": True, "thinking_budget": 300}),
        ("grok-4.5", {"reasoning_effort": "medium"}),
        ("openai/gpt-oss-20b", {"reasoning_effort": "high"}),
        ("gpt-4o-mini", {"temperature": 0.5}),
    ],
)
def test_budgets_go_over_the_wire_as_the_provider_reads_them(
    found: dict[str, Any], model: str, fields: dict[str, Any]
) -> None:
    sent = _sent(found, model)
    assert len(sent) == len(MODES)
    assert all(fields.items() <= body.items() for body in sent)


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        ("gemini-2.5-flash", "thinkingBudget", 512),
        ("gemini-3-pro-preview", "thinkingLevel", "high"),
    ],
)
def test_budgets_go_to_google_as_it_reads_them(
    found: dict[str, Any], model: str, field: str, value: Any
) -> None:
    sent = _sent(found, model)
    assert [body["generationConfig"]["thinkingConfig"][field] for body in sent] == [value] * len(
        MODES
    )


def test_what_a_provider_does_not_take_is_refused_and_never_dropped(found: dict[str, Any]) -> None:
    for failures in found["refused"]:
        *lasting, busy, down, barred = failures
        for (model, _, params), failure in zip(REFUSED, lasting, strict=False):
            assert "error" in failure, (model, params)
            assert not failure["transient"]
            assert model.partition("/")[2] in failure["error"]
        assert [f["status"] for f in (busy, down, barred)] == [429, 503, 401]
        assert [f["transient"] for f in (busy, down, barred)] == [True, True, False]
        assert busy["retry_after_s"] == 0.5
    assert all("frequency_penalty" not in body for body in found["bodies"])


def test_failures_are_not_repeated(found: dict[str, Any]) -> None:
    for model in FAILURES:
        assert len(_sent(found, model)) == len(MODES)


def test_without_litellm_the_adapter_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from flowir.runtime.litellm import LiteLLMModels
    from flowir.runtime.llm import CallError

    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(CallError, match=r"pip install 'flowir\[litellm\]'"):
        LiteLLMModels()
