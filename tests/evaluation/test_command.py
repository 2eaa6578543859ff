"""`flowir evaluate` against an endpoint on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.cli.main import cli
from flowir.profile.prices import Price
from flowir.search.annotate import annotate
from flowir.search.front import Estimate, Facts, Front, FrontPoint
from tests.profiler.endpoint import Endpoint, Reply, endpoint, error, prompt
from tests.strategies_ir import parse

WORKFLOW = """
flow.agent @x prompt "Say: {task}" space <models = ["good", "bad"]> baseline <"bad">
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""
QUERIES = 8
PREDICTED = {
    "bad": {"accuracy": (0.5, 0.4, 0.6), "latency_s": (0.05, 0.01, 0.5), "cost_usd": (2e-5,) * 3},
    "good": {"accuracy": (0.97, 0.9, 1.0), "latency_s": (0.1, 0.01, 0.5), "cost_usd": (9e-5,) * 3},
}
PRICES = {"bad": Price(1.0, 1.0), "good": Price(10.0, 10.0)}


def right(body: Mapping[str, Any]) -> bool:
    """`bad` is right on every second query."""
    return body["model"] == "good" or int(prompt(body).split()[-1]) % 2 == 0


def answer(body: dict[str, Any]) -> Reply:
    return Reply("ok" if right(body) else "wrong", delay_s=0.01 if body["model"] == "bad" else 0.05)


def write(folder: Path, *, expected: object = "ok", queries: int = QUERIES) -> None:
    """`front.mlir` and `data.jsonl`."""
    module = parse(WORKFLOW)
    workflow = find_workflow(module)
    terms = workflow_terms(workflow)
    points = tuple(
        FrontPoint(
            {name: Estimate(*three) for name, three in PREDICTED[one.model].items()},
            1.0,
            {"calls": 1},
            (one,),
            (),
            baseline=one.model == "bad",
        )
        for one in sorted(terms.decisions[0].configurations, key=lambda one: one.model)
    )
    facts = Facts(
        ("accuracy", "latency", "cost"), "mean", "asyncio", "scenario", "population", "enumerated",
        0.9, 200, 256, 0, 2, 2, 2, prices=tuple(PRICES.items()),
    )  # fmt: skip
    annotate(workflow, Front("w", terms.decisions, terms.structures, points, facts))
    (folder / "front.mlir").write_text(str(module))
    lines = ({"id": f"q{n}", "task": f"task {n}", "expected": expected} for n in range(queries))
    (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def arguments(folder: Path, url: str, *options: str) -> list[str]:
    files = ["--data", str(folder / "data.jsonl"), "--store", str(folder / "e.sqlite")]
    return ["evaluate", str(folder / "front.mlir"), *files, "--endpoint", url, *options]


def invoke(folder: Path, url: str, *options: str) -> Result:
    return CliRunner(env={"OPENAI_API_KEY": "none"}).invoke(cli, arguments(folder, url, *options))


@pytest.fixture
def served() -> Iterator[Endpoint]:
    with endpoint(answer) as running:
        yield running


def test_predicted_stands_beside_what_was_measured(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path)
    done = invoke(tmp_path, served.url, "--json", str(tmp_path / "e.json"))
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "e.json").read_text())
    assert (found["schema"], found["version"], found["queries"]) == ("flowir.evaluation", 1, 8)
    bad, good = (row["values"] for row in found["rows"])
    assert bad["accuracy"]["measured"] == 0.5
    assert good["accuracy"]["measured"] == 1.0
    # The endpoint reads 5 tokens and writes 7.
    assert bad["cost_usd"]["measured"] == pytest.approx(12e-6)
    assert good["cost_usd"]["measured"] == pytest.approx(120e-6)
    assert bad["latency_s"]["measured"] > 0.01
    assert good["latency_s"]["measured"] > 0.05
    assert found["agreement"]["accuracy"]["pairwise"] == 1.0
    assert found["agreement"]["accuracy"]["mean_absolute_error"] == pytest.approx(0.015)
    assert found["agreement"]["accuracy"]["coverage"] == 1.0
    # 8 queries tell little: the predictive interval is wider than the credible one.
    assert bad["accuracy"]["predictive_low"] < bad["accuracy"]["low"]
    assert good["accuracy"]["predictive_high"] == 1.0
    assert 0.0 < found["attained"] <= found["best"] <= 1.0
    assert 0.0 < found["utility"] <= found["best_utility"] <= 1.0


def test_the_same_command_asks_nothing_again(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path)
    first = invoke(tmp_path, served.url)
    asked = len(served.bodies)
    again = invoke(tmp_path, served.url)
    assert asked == 2 * QUERIES == len(served.bodies)
    assert again.output == first.output


def test_limits_stop_and_the_rest_is_made_later(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path)
    part = invoke(tmp_path, served.url, "--max-runs", "5")
    assert part.exit_code == 0
    assert "stopped at a limit: 5 runs" in part.output
    assert "6 of 8 queries are not complete" in part.output
    assert len(served.bodies) == 5
    assert invoke(tmp_path, served.url).exit_code == 0
    assert len(served.bodies) == 2 * QUERIES


def test_dollars_are_not_passed(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path)
    done = invoke(tmp_path, served.url, "--max-dollars", "0.0004")
    assert "stopped at a limit: 0.0004 dollars" in done.output
    spent = sum(12e-6 if body["model"] == "bad" else 120e-6 for body in served.bodies)
    assert 0 < spent <= 0.0004 + 1e-9


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_costs_one_request_and_is_no_wrong_answer(tmp_path: Path, status: int) -> None:
    write(tmp_path)
    with endpoint(lambda body: error(status)) as running:
        done = invoke(tmp_path, running.url)
        assert len(running.bodies) == 1
    assert done.exit_code == 1
    assert "1 runs failed" in done.output
    assert "hypervolume" not in done.output


def test_runs_that_fail_are_missing_and_never_wrong(tmp_path: Path) -> None:
    write(tmp_path)

    def sometimes(body: dict[str, Any]) -> Reply:
        return error(400) if prompt(body).endswith("task 3") else answer(body)

    with endpoint(sometimes) as running:
        done = invoke(tmp_path, running.url, "--json", str(tmp_path / "e.json"))
    assert done.exit_code == 1
    assert "1 of 8 queries are not complete" in done.output
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["queries"] == 7
    assert found["rows"][0]["values"]["accuracy"]["measured"] == pytest.approx(4 / 7)


def test_a_kill_loses_no_run_that_ended_and_repeats_none(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path, queries=40)
    command = [sys.executable, "-m", "flowir.cli.main", *arguments(tmp_path, served.url)]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while len(served.bodies) < 20:
        assert killed.poll() is None
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = served.asked()
    assert invoke(tmp_path, served.url).exit_code == 0
    repeated = served.asked() - before
    # Only what was under way when it was killed is asked again: at most 4 runs.
    again = sum(1 for key in before if served.asked()[key] > before[key])
    assert again <= 4
    assert len(repeated) + len(before) - again == 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--points", "0,7"], "--points 7: the front has points 0 to 1"),
        (["--judge", "llm"], "--judge-model"),
        (["--judge", "y=exact"], "no agent @y"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    tmp_path: Path, served: Endpoint, options: list[str], message: str
) -> None:
    write(tmp_path)
    done = invoke(tmp_path, served.url, *options)
    assert done.exit_code == 1
    assert message in done.output
    assert not served.bodies


def test_what_was_measured_on_other_data_is_not_mixed(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path)
    invoke(tmp_path, served.url)
    write(tmp_path, expected="wrong")
    done = invoke(tmp_path, served.url)
    assert done.exit_code == 1
    assert "another expected answer" in done.output


def test_stale_fronts_and_data_without_labels_are_refused(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path, expected=None)
    assert 'no "expected"' in invoke(tmp_path, served.url).output
    write(tmp_path)
    front = tmp_path / "front.mlir"
    front.write_text(front.read_text().replace("Say: ", "Tell: "))
    assert "another version of the workflow" in invoke(tmp_path, served.url).output
    front.write_text(WORKFLOW)
    assert "no workflow has a front" in invoke(tmp_path, served.url).output
    assert not served.bodies


def test_a_plan_asks_nobody(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path)
    done = invoke(tmp_path, served.url, "--plan")
    assert "2 points x 8 queries: 16 runs, about $0.00088" in done.output
    assert not served.bodies
