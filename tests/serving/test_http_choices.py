"""Which configuration each call of a request is made with, end to end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flowir.cli.commands.serve import SCHEDULERS as NAMES
from flowir.errors import ServingError
from flowir.serving.build import SCHEDULERS
from flowir.serving.compiled import Wanted, read_compiled
from flowir.serving.endpoints import Endpoint
from flowir.serving.expectations import Expectations, FirstTokens
from flowir.serving.service import Limits, Route
from flowir.serving.sets import ConfigurationSet
from tests.profiler.endpoint import Reply, endpoint, error
from tests.serving_fronts import TWO_STAGES, Known, write_front
from tests.serving_http import free_port, running
from tests.strategies_ir import parse

ALIKE = (
    Known(("small", "small"), 0.80, 2e-5),
    Known(("large", "large"), 0.81, 3e-4),
    Known(("small", "large"), 0.70, 1e-4),
)
"""The two that keep accuracy have one model for both stages: one choice decides the other."""


def test_the_command_line_knows_all_schedulers() -> None:
    assert tuple(SCHEDULERS) == NAMES


def test_what_is_open_is_what_keeps_accuracy(tmp_path: Path) -> None:
    path = write_front(tmp_path / "w.mlir", ALIKE)
    within = read_compiled(path)
    assert [[one.model for one in row.choices] for row in within.rows] == [
        ["large", "large"], ["small", "small"],
    ]  # fmt: skip
    assert dict(within.stages) == {"first": (), "second": ("first",)}
    assert within.written_at == "end"
    exactly = read_compiled(path, wanted=Wanted(tolerance=None))
    assert len(exactly.rows) == 1
    cheap = read_compiled(path, wanted=Wanted(max_cost=1e-4, tolerance=0.2))
    assert [one.model for one in cheap.rows[0].choices] == ["small", "small"]
    assert [[one.model for one in row.choices] for row in cheap.rows[1:]] == [["small", "large"]]
    enough = read_compiled(path, wanted=Wanted(max_cost=1e-3, min_accuracy=0.79, tolerance=0.2))
    assert ["small", "large"] not in [[one.model for one in row.choices] for row in enough.rows]
    with pytest.raises(ServingError, match=r"w.mlir: .*no point"):
        read_compiled(path, wanted=Wanted(min_accuracy=0.99))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_run_keeps_to_the_set_whatever_fails(tmp_path: Path, scheduler: str) -> None:
    draw = random.Random(scheduler)

    def answer(body: dict[str, Any]) -> Reply:
        return error(503) if draw.random() < 0.2 else Reply(body["model"], delay_s=0.005)

    path = write_front(tmp_path / "w.mlir", ALIKE)
    with endpoint(answer) as one, endpoint(answer) as other:
        places = [Endpoint("one", one.url, slots=2), Endpoint("other", other.url, slots=2)]
        limits = Limits(retries=12)
        with running(read_compiled(path), places, limits, scheduler=scheduler) as served:
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: served.ask(str(n)), range(24)))
            assert Counter(one.status_code for one in answers) == {200: 24}
            for one_ in answers:
                told = one_.json()
                made = tuple(told["flowir"]["configurations"].values())
                assert made in {("small", "small"), ("large", "large")}
                assert told["choices"][0]["message"]["content"] == made[-1]
                assert told["flowir"]["calls"] == 2
            assert max(one.most["small"], one.most["large"]) <= 2
            for replica in served.service.dispatcher.replicas.values():
                assert not replica.flights
            assert not served.service.dispatcher.waiting


def test_when_a_model_is_down_the_others_that_keep_accuracy_are_used(tmp_path: Path) -> None:
    path = write_front(tmp_path / "w.mlir", ALIKE)
    with endpoint(lambda body: Reply(body["model"])) as backend:
        places = [
            Endpoint("down", f"http://127.0.0.1:{free_port()}/v1", ("large",)),
            Endpoint("up", backend.url, ("small",)),
        ]
        with running(read_compiled(path), places) as served:
            for _ in range(6):
                answer = served.ask()
                assert answer.status_code == 200
                made = answer.json()["flowir"]["configurations"]
                assert made == {"first": "small", "second": "small"}


def test_a_route_narrows_what_is_open_and_one_that_fails_does_not(tmp_path: Path) -> None:
    def route_of(expectations: Expectations) -> Route:
        large = expectations.set_of([expectations.compiled.rows[0]])
        small = expectations.set_of([expectations.compiled.rows[1]])

        def of(inputs: Mapping[str, Any]) -> ConfigurationSet:
            if inputs["task"] == "fails":
                raise ValueError
            return large if "hard" in inputs["task"] else small

        return of

    compiled = read_compiled(write_front(tmp_path / "w.mlir", ALIKE))
    route = route_of(Expectations(compiled, FirstTokens()))
    backend = endpoint(lambda body: Reply(body["model"]))
    with (
        backend as asked,
        running(compiled, [Endpoint("e", asked.url)], route=route) as served,
    ):
        for text, models in (("hard", {"large"}), ("easy", {"small"}), ("fails", set())):
            made = served.ask(text).json()["flowir"]["configurations"]
            assert len(made) == 2
            assert set(made.values()) == models or not models


def test_a_budget_narrows_what_is_open(tmp_path: Path) -> None:
    path = write_front(tmp_path / "w.mlir", ALIKE)
    costly = endpoint(lambda body: Reply("it", read=1000, written=1000))
    with costly as backend, running(read_compiled(path), [Endpoint("e", backend.url)]) as served:
        for _ in range(4):
            answer = served.ask(headers={"x-flowir-budget-usd": "0.1"})
            assert answer.status_code == 200, answer.text
            asked = len(backend.bodies)
            tight = served.ask(headers={"x-flowir-budget-usd": "0.0001"})
            assert tight.status_code == 402
            assert tight.json()["error"]["code"] == "budget_exceeded"
            # Predicted to keep to it with the small model only. The first call cost $0.002, so the
            # second was not made.
            assert [body["model"] for body in backend.bodies[asked:]] == ["small"]
        small = served.ask(headers={"x-flowir-budget-usd": "0.000001"})
        assert small.json()["error"]["code"] == "budget_too_small"
        assert "$2e-05" in small.json()["error"]["message"]


def test_costs_are_those_of_the_models_that_answered(tmp_path: Path) -> None:
    path = write_front(tmp_path / "w.mlir", ALIKE)
    with endpoint(lambda body: Reply("it", read=1000, written=500)) as backend:
        what = read_compiled(path, wanted=Wanted(point=0, tolerance=None))
        with running(what, [Endpoint("e", backend.url)], scheduler="static") as served:
            answer = served.ask().json()
            assert answer["flowir"]["cost_usd"] == pytest.approx(2 * 1500 * 1e-6)
            assert answer["usage"]["total_tokens"] == 3000


def test_a_scheduler_that_fails_does_not_stop_the_server(tmp_path: Path) -> None:
    class Broken:
        def place(self, *arguments: Any) -> Any:
            raise KeyError("an endpoint")

        def forget(self, request: Any) -> None:
            pass

    path = write_front(tmp_path / "w.mlir", ALIKE)
    with endpoint(lambda body: Reply(body["model"])) as backend:

        def broken(service: Any) -> None:
            service.dispatcher.scheduler = Broken()

        with running(read_compiled(path), [Endpoint("e", backend.url)], prepare=broken) as served:
            made = served.ask().json()["flowir"]["configurations"]
            assert tuple(made.values()) in {("small", "small"), ("large", "large")}


STRUCTURED = """
flow.agent @writes prompt "{task}" space <models = ["m"]>
flow.agent @mends prompt "{draft} {why}" space <models = ["m"]>
flow.agent @judges prompt "{draft}" -> !flow.bool space <models = ["m"]>
flow.agent @routes prompt "{task}" -> !flow.label space <models = ["m"]>
flow.agent @picks prompt "{task} {candidates}" space <models = ["m"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @writes(%task) : (!flow.text) -> !flow.text
  %b = flow.call @writes(%task) as "other" : (!flow.text) -> !flow.text
  %best = flow.join select(%a, %b) by @picks(%task : !flow.text)
    : (!flow.text, !flow.text) -> !flow.text
  %good = flow.refine(%draft, %why) from %best : !flow.text max 2 until @judges {
    %next = flow.call @mends(%draft, %why) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %next : !flow.text
  }
  %kind = flow.call @routes(%task) : (!flow.text) -> !flow.label
  flow.return %good : !flow.text
}
"""


def test_stages_come_after_what_they_read(tmp_path: Path) -> None:
    path = tmp_path / "w.mlir"
    path.write_text(str(parse(STRUCTURED)))
    found = read_compiled(path)
    names = list(found.stages)
    for name, before in found.stages.items():
        assert all(names.index(other) < names.index(name) for other in before)
    assert set(found.stages["picks"]) == {"writes", "writes/other"}
    assert set(found.stages["judges"]) >= {"picks"}
    assert set(found.stages["mends"]) >= {"picks", "judges"}
    assert found.stages["routes"] == ()
    assert found.written_at is None  # What is returned may be any of several answers.


ARAGOG = {
    "self_refine": {"gen": (), "critic": ("gen",), "refiner": ("gen", "critic")},
    "text_to_sql": {
        "keyword": (),
        "column_sel": ("keyword",),
        "sql_gen": ("keyword", "column_sel"),
        "refiner": ("keyword", "column_sel", "sql_gen"),
    },
    "voting": {
        "voter/1": (), "voter/2": (), "voter/3": (), "voter/4": (),
        "aggregator": ("voter/1", "voter/2", "voter/3", "voter/4"),
    },
    "decomposition": {
        "decomposer": (), "solver": ("decomposer",), "aggregator": ("decomposer", "solver"),
    },
}  # fmt: skip
"""The workflows of the paper (arXiv 2511.20975): each stage with all that feeds it."""


@pytest.mark.parametrize("name", ARAGOG)
def test_stages_of_the_published_workflows(name: str) -> None:
    path = Path(__file__).parents[2] / "examples" / "aragog" / f"{name}.mlir"
    assert dict(read_compiled(path).stages) == ARAGOG[name]


def test_what_is_streamed_is_the_last_call_of_a_chain_only(tmp_path: Path) -> None:
    path = tmp_path / "w.mlir"
    path.write_text(TWO_STAGES)
    assert read_compiled(path).written_at == "end"
    path.write_text(TWO_STAGES.replace('prompt "2: {draft}"', 'prompt "2: {draft}" parser "code"'))
    assert read_compiled(path).written_at is None
