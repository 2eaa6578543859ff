"""`flowir profile --endpoint litellm`: the command through LiteLLM, on an endpoint on loopback."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flowir.profile import read_observations
from tests.profiler.commands import ENVIRONMENT, arguments, everything, invoke, rows, write
from tests.profiler.endpoint import Reply, endpoint, error, prompt

KEY = "sk-of-litellm-123"
OTHER_KEY = "sk-of-another-456"


def _command(folder: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: importing LiteLLM leaves much behind."""
    code = "from flowir.cli.main import main; main()"
    where = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": OTHER_KEY}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments(folder, "litellm", *options)],
        env={**ENVIRONMENT, **where},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _told(folder: Path) -> Counter[Any]:
    """The observations in a store, without their seconds and without who served them."""
    return Counter(
        (row.configuration.model.removeprefix("openai/"), row.query, row.correct, row.answer,
         row.input_tokens, row.output_tokens, row.error)
        for row in read_observations(folder / "p.sqlite").rows()
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_observations_are_those_of_the_endpoint_itself(tmp_path: Path, stream: bool) -> None:
    """Models `openai/name`, the address by the environment; what is busy at first is repeated."""
    plain, through = tmp_path / "plain", tmp_path / "through"
    data = [{"id": n, "task": f"t{n}", "expected": "t1"} for n in range(3)]
    options = ["--stream"] if stream else []
    refused: set[tuple[str, str]] = set()

    def answer(body: dict[str, Any]) -> Reply:
        asked = (body["model"], prompt(body))
        if asked == ("m2", "Say: t2") and asked not in refused:
            refused.add(asked)
            return error(503, "busy", **{"retry-after-ms": "20"})
        written = 1 if stream else 11
        return Reply(prompt(body)[5:], read=3, written=written)

    for folder in (plain, through):
        folder.mkdir()
        write(folder, data)
    with endpoint(answer) as running:
        assert invoke(plain, running.url, *options).exit_code == 0
        refused.clear()
        alone = running.asked()
        done = _command(through, running.url, "--models", "openai/m1,openai/m2", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert running.asked() == {asked: 2 * n for asked, n in alone.items()}
    assert _told(through) == _told(plain)
    assert len(rows(through)) == 6
    assert {row["ttft_s"] is not None for row in rows(through)} == {stream}
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_refusals_are_said_without_the_keys_of_any_provider(tmp_path: Path) -> None:
    write(tmp_path, 5)
    refusal = error(401, f"Incorrect API key provided: {KEY} or {OTHER_KEY}")
    with endpoint(lambda body: refusal) as running:
        done = _command(tmp_path, running.url, "--models", "openai/m1")
        assert len(running.bodies) == 1
        said = done.stdout + done.stderr
        assert done.returncode == 1
        assert "Incorrect API key" in said
        assert "Give Feedback" not in said
        for key in (KEY, OTHER_KEY):
            assert key not in said
            assert key.encode() not in everything(tmp_path)
        nameless = _command(tmp_path, running.url)
        assert len(running.bodies) == 1
    assert nameless.returncode == 1
    assert nameless.stderr.strip() == (
        "Error: LiteLLM does not know whose model m1 is; write provider/name, such as openai/m1"
    )


def test_without_the_extra_one_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 2)
    monkeypatch.setitem(sys.modules, "litellm", None)
    result = invoke(tmp_path, "litellm", "--models", "openai/m1")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == (
        "Error: LiteLLM is not installed; run: pip install 'flowir[litellm]'"
    )
    assert result.output.count("Error") == 1
    assert not isinstance(result.exception, ImportError)


@pytest.mark.parametrize("option", ["--provider", "--budget-field"])
def test_options_that_litellm_has_no_use_for_are_refused(tmp_path: Path, option: str) -> None:
    write(tmp_path, 2)
    result = invoke(tmp_path, "litellm", "--models", "openai/m1", option, "openai")
    assert result.exit_code == 1
    assert f"{option} is of no use with --endpoint litellm" in result.output
