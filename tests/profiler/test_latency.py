"""Engine profiles: exact on a virtual clock, and end to end on a real streaming endpoint."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flowir.cli.main import cli
from flowir.engines.measured import read_engines, write_engines
from flowir.errors import ProfileError, ProfilerError
from flowir.profiler.latency import Probe, line, measure
from flowir.runtime.llm import CallError, Completion, Message, Usage
from flowir.sim import clock
from tests.profiler.endpoint import Reply, endpoint


class Engine:
    """0.2 s and 1 ms per input token to the first token; a token takes 10 ms and 2 ms for each
    request that is open."""

    def __init__(self) -> None:
        self.open = self.most = 0
        self.prompts: list[str] = []

    async def llm(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        self.prompts.append(messages[0]["content"])
        tokens = len(messages[0]["content"].split())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            first = 0.2 + 0.001 * tokens
            await asyncio.sleep(first)
            for _ in range(params["max_tokens"] - 1):
                await asyncio.sleep(0.010 + 0.002 * self.open)
        finally:
            self.open -= 1
        return Completion("x", Usage(tokens, params["max_tokens"]), first, model)


def test_a_known_engine_is_found_again(tmp_path: Path) -> None:
    engine = Engine()
    probe = Probe((1, 4, 16), (100, 1000), 50, 32)
    found = clock.run(measure(engine.llm, "m", probe))
    assert engine.most == 16
    assert len(set(engine.prompts)) == len(engine.prompts)
    assert found.prefill_per_token_s == pytest.approx(0.001)
    assert found.prefill_base_s == pytest.approx(0.2)
    # Requests that end together begin together, so the load is what was asked for.
    assert found.decode_base_s == pytest.approx(0.010, rel=1e-6)
    assert found.decode_per_request_s == pytest.approx(0.002, rel=1e-6)
    assert [load.concurrency for load in found.loads] == [1, 4, 16]
    for load in found.loads:
        assert load.per_output_token_s.mean == pytest.approx(found.step_s(load.concurrency))
        each = found.prefill_s(load.input_tokens) + 49 * found.step_s(load.concurrency)
        assert load.output_tokens_per_s == pytest.approx(load.concurrency * 50 / each)
    write_engines(tmp_path / "e.json", [found])
    assert read_engines(tmp_path / "e.json") == {"m": found}


def test_a_failure_is_an_error_and_no_number() -> None:
    async def llm(*args: Any, **kwargs: Any) -> Completion:
        raise CallError("rate limit", transient=True)

    with pytest.raises(ProfilerError, match="m, 1 at a time: rate limit"):
        clock.run(measure(llm, "m", Probe()))


def test_the_command_writes_what_simulations_read(tmp_path: Path) -> None:
    """On a real endpoint: a sleep is never shorter than asked for."""
    out = tmp_path / "engines.json"
    options = ["--concurrency", "1,2", "--input-tokens", "10,20", "--requests", "2", "-o", str(out)]
    reply = Reply(delay_s=0.05, per_token_s=0.01, written=5)
    with endpoint(lambda body: reply) as running:
        command = ["latency", "--endpoint", running.url, "--models", "a, b", *options]
        result = CliRunner(env={"OPENAI_API_KEY": None}).invoke(cli, command)
        assert result.exit_code == 0, result.output
        assert all(body["stream"] and body["max_tokens"] == 64 for body in running.bodies)
    engines = read_engines(out)
    assert sorted(engines) == ["a", "b"]
    for engine in engines.values():
        assert [load.concurrency for load in engine.loads] == [1, 2]
        assert all(load.ttft_s.p50 >= 0.05 for load in engine.loads)
        assert all(load.per_output_token_s.p50 >= 0.009 for load in engine.loads)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not JSON"),
        ("[]", "no engine profile"),
        ('{"schema": 9, "engines": []}', "schema 9"),
        ('{"schema": 1, "engines": [{"model": "m"}]}', "engine 1: 'prefill' is missing"),
        (
            json.dumps(
                {
                    "schema": 1,
                    "engines": [
                        {
                            "model": "m",
                            "prefill": {"base_s": -1, "per_token_s": 0},
                            "decode": {"base_s": 0, "per_request_s": 0},
                        }
                    ],
                }
            ),
            "base_s is -1",
        ),
    ],
)
def test_what_is_no_engine_profile_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(ProfileError, match=words):
        read_engines(tmp_path / "e.json")


def test_lines_never_go_below_zero() -> None:
    assert line([1, 2, 3], [2, 4, 6]) == pytest.approx((0, 2))
    assert line([1, 2, 3], [3, 2, 1]) == (2, 0)
    assert line([2, 2], [1, 3]) == (2, 0)
    assert line([1, 2, 3], [0, 2, 4]) == pytest.approx((0, 16 / 14))
