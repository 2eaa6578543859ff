"""The front of a real profile against workflows that were really run on the same tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowir.cli import opt

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

MEASURED = {"gpt-4-0613": 0.888, "gpt-3.5-turbo-0613": 0.750}
"""HumanEval, retried up to five times until the visible tests pass (agent-evals, MIT)."""


@pytest.fixture(scope="module")
def retried(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, float]]:
    """The accuracy estimate of retrying each model, as the command line writes it."""
    out = tmp_path_factory.mktemp("front") / "front.json"
    code = opt.main(
        [
            str(ROOT / "examples/code_repair/code_repair.mlir"),
            "--dse=objectives=accuracy,latency",
            "--profile",
            str(data_dir / "agent_evals_humaneval/profile_single_call.csv"),
            "-t",
            "pareto-json",
            "-o",
            str(out),
        ]
    )
    assert code in (0, None)
    front = json.loads(out.read_text())
    return {
        point["configurations"]["coder"]["model"]: point["estimates"]["accuracy"]
        for point in front["points"] + front["dominated"]
        if point["choices"]["strategy"] == "retry"
    }


@pytest.mark.parametrize("model", sorted(MEASURED))
def test_retry_is_predicted_as_it_was_measured(
    retried: dict[str, dict[str, float]], model: str
) -> None:
    estimate, measured = retried[model], MEASURED[model]
    assert estimate["mean"] == pytest.approx(measured, abs=0.03)
    assert estimate["low"] <= measured <= estimate["high"]
