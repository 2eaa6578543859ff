"""A workflow that is served without an endpoint: what is drawn, and that it says so."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from flowir.cli.main import cli
from flowir.errors import ServingError
from flowir.serving.build import service_of
from flowir.serving.compiled import Compiled, Wanted, read_compiled
from flowir.serving.service import Answer, Asked, Limits, Service
from flowir.serving.simulated import SIMULATED, SimulatedRuns, simulated_runs
from flowir.sim import clock
from flowir.source.workflows import read_module
from tests.serving_fronts import TWO_STAGES, Known, write_front
from tests.serving_http import process, running
from tests.strategies_ir import parse

POINTS = [
    Known(("small", "small"), 0.5, 1e-4),
    Known(("small", "large"), 0.7, 2e-4),
    Known(("large", "large"), 0.9, 3e-4),
]


def observations(folder: Path, agents: tuple[str, ...] = ("first", "second")) -> str:
    """`large` is right more often, and slower; none takes long."""
    rows = [
        f"{agent},{model},q{query},{int(query % 10 < right)},{seconds * (1 + query / 100)},10,5"
        for agent in agents
        for model, right, seconds in (("small", 5, 0.001), ("large", 9, 0.002))
        for query in range(40)
    ]
    path = folder / "observations.csv"
    head = "sub_agent,model,query_id,correct,latency_s,input_tokens,output_tokens"
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def served(folder: Path, number: int) -> tuple[Compiled, SimulatedRuns]:
    path = write_front(folder / "front.mlir", POINTS)
    what = read_compiled(path, wanted=Wanted(number, tolerance=None))
    return what, simulated_runs(read_module(path), what, observations(folder))


async def _right(service: Service, count: int) -> float:
    answers: list[Answer] = []
    for start in range(0, count, 60):  # No more than are served at the same time.
        some = (service.run({"task": f"question {start + n}"}, Asked()) for n in range(60))
        answers += await asyncio.gather(*some)
    assert all(answer.simulated and answer.account.calls == 2 for answer in answers)
    return sum("simulated_right" in answer.text for answer in answers) / count


def test_as_many_are_right_as_the_scenarios_say_of_the_point_that_is_served(tmp_path: Path) -> None:
    """A wrong draft is never mended, so both calls have to be right."""
    count = 300
    for number, models in enumerate(point.models for point in POINTS):
        what, runs = served(tmp_path, number)
        places = [["small", "large"].index(model) for model in models]
        first, second = (
            call.success[place] for call, place in zip(runs.scenarios.calls, places, strict=True)
        )
        expected = float(np.mean(first * second))
        service = service_of(what, [SIMULATED], Limits(), scheduler="static", stand_in=runs)
        error = math.sqrt(expected * (1 - expected) / count)
        assert abs(clock.run(_right(service, count)) - expected) < 4 * error


def test_a_question_that_is_asked_again_is_as_hard_as_before(tmp_path: Path) -> None:
    """Of one question the share of right answers is that of one scenario, not of all."""
    what, runs = served(tmp_path, 0)
    first, second = (call.success[0] for call in runs.scenarios.calls)
    chances = first * second

    async def again(text: str, count: int) -> float:
        service = service_of(what, [SIMULATED], Limits(), scheduler="static", stand_in=runs)
        asked = [service.run({"task": text}, Asked()) for _ in range(count)]
        return sum("simulated_right" in one.text for one in await asyncio.gather(*asked)) / count

    shares = np.array([clock.run(again(f"question {n}", 40)) for n in range(20)])
    noise = float(np.mean(chances * (1 - chances))) / 40
    assert shares.var(ddof=1) > 2 * noise
    assert shares.var(ddof=1) < 4 * (chances.var() + noise)


def test_over_http_an_answer_says_that_it_is_simulated(tmp_path: Path) -> None:
    what, runs = served(tmp_path, 2)
    with running(what, [SIMULATED], stand_in=runs) as server:
        whole = server.ask("a question")
        assert whole.status_code == 200
        assert whole.json()["flowir"]["simulated"] is True
        assert whole.json()["choices"][0]["message"]["content"].startswith("simulated_")
        streamed = server.ask("a question", stream=True).text
        assert '"simulated":true' in streamed
        assert streamed.endswith("data: [DONE]\n\n")
        assert 'endpoint="simulated"' in server.metrics()


def test_the_command_needs_no_endpoint_and_no_key(tmp_path: Path) -> None:
    path = write_front(tmp_path / "front.mlir", POINTS)
    options = ["--simulate", observations(tmp_path), "--port", "0"]
    with process(path, *options) as (url, _, said):
        assert url.startswith("http://127.0.0.1:")
    assert any("no model is asked" in line for line in said)


def test_what_cannot_be_simulated_is_said_before_anybody_asks(tmp_path: Path) -> None:
    good = str(write_front(tmp_path / "front.mlir", POINTS))
    rows = observations(tmp_path)
    (tmp_path / "other").mkdir()
    others = observations(tmp_path / "other", ("first", "third"))
    for options, words in (
        ([good, "--simulate", str(tmp_path / "missing.csv")], "missing.csv"),
        ([good, "--simulate", rows, "--endpoint", "http://a/v1"], "--endpoint is of no use with"),
        ([good, "--simulate", rows, "--engines", "e.json"], "--engines is of no use with"),
        ([good, "--simulate", others], "no observations of second"),
    ):
        result = CliRunner().invoke(cli, ["serve", *options])
        assert result.exit_code == 1, result.output
        assert words in result.output


def test_a_program_of_another_workflow_is_refused(tmp_path: Path) -> None:
    what, _ = served(tmp_path, 0)
    other = parse(TWO_STAGES.replace("@second(%draft)", '@second(%draft) at "elsewhere"'))
    with pytest.raises(ServingError, match=r"calls a model only at .*elsewhere"):
        simulated_runs(other, what, observations(tmp_path))
