"""`flow-dse` on a small profile: what it writes, what it asks for, what it refuses."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser
from xdsl.passes import PassPipeline

from flowir.backends.asyncio.emit import emit
from flowir.calculus.from_ir import find_workflow
from flowir.cli.opt import main
from flowir.dialects import flow
from flowir.dialects.dse import CONFIGS, ESTIMATE, Dse
from flowir.dialects.flow import Flow
from flowir.errors import FlowirError, ProfileError, SearchError
from flowir.passes.flow_dse import FlowDse
from flowir.passes.flow_select import FlowSelect
from flowir.profile.prices import Price
from flowir.search.annotate import front_from_ir
from flowir.search.front import Front
from flowir.sim import clock
from tests.backends.running import load

TEXT = """
flow.agent @coder prompt "{task}" space <models = ["small", "large"]> baseline <"large">
flow.tool @tests impl "a.b:tests" -> !flow.bool accepts <right = 0.99, wrong = 0.2>

flow.workflow @attempt(%task: !flow.text) -> !flow.text {
  %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
  flow.return %draft : !flow.text
}

flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "once" {
      %one = flow.call @attempt(%task) : (!flow.text) -> !flow.text
      flow.yield %one : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
        %try = flow.call @attempt(%task) : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
  flow.return %answer : !flow.text
}
"""
SHARES = {"small": 0.3, "large": 1.3}


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, thirty queries, two samples of each."""
    own = random.Random(1)
    lines = ["sub_agent,model,query_id,sample,correct,latency_s,input_tokens,output_tokens"]
    for query in range(30):
        difficulty = own.gauss(0, 1)
        for model, quality in SHARES.items():
            for sample in range(2):
                right = own.random() < 1 / (1 + math.exp(difficulty - quality))
                latency = (1 + 2 * quality) * math.exp(own.gauss(0, 0.3))
                lines.append(f"coder,{model},q{query},{sample},{int(right)},{latency:.3f},100,50")
    path = tmp_path_factory.mktemp("profile") / "my calls.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    path.write_text("model,input_per_mtok,output_per_mtok\nsmall,1,2\nlarge,10,30\n")
    return path


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Flow, Dse):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


@pytest.fixture
def explored(profile: Path, prices: Path) -> Callable[..., tuple[ModuleOp, Front]]:
    """The module and its front for options of the pass."""

    def explored(text: str = TEXT, **options: object) -> tuple[ModuleOp, Front]:
        given: dict[str, object] = {
            "profile": str(profile),
            "prices": str(prices),
            "execution": "sequential",
            "draws": 50,
            "scenarios": 64,
        }
        module = parse(text)
        FlowDse(**given | options).apply(Context(), module)  # type: ignore[arg-type]
        module.verify()
        return module, front_from_ir(find_workflow(module))

    return explored


Explored = Callable[..., tuple[ModuleOp, Front]]


def test_workflows_are_inlined_and_every_call_is_annotated(explored: Explored) -> None:
    module, front = explored()
    assert [op.sym_name.data for op in module.walk() if isinstance(op, flow.WorkflowOp)] == ["w"]
    calls = [op for op in module.walk() if isinstance(op, flow.CallOp)]
    assert {op.site.data for op in calls if op.site} == {"one.draft", "try.draft"}
    assert all(CONFIGS in op.attributes for op in calls)
    assert front.facts.objectives == ("accuracy", "latency", "cost")
    assert front.facts.space == 4
    assert len(front.facts.profile) == 64


def test_single_calls_are_what_was_observed(explored: Explored, profile: Path) -> None:
    """The posterior of an observed rate lies by the observed rate."""
    _, front = explored(max_points=0)
    rows = [line.split(",") for line in profile.read_text().splitlines()[1:]]
    for point in front.every:
        if point.choices != ("once",):
            continue
        chosen = point.configurations[0]
        assert chosen is not None
        mine = [row for row in rows if row[1] == chosen.model]
        rate = np.mean([float(row[4]) for row in mine])
        latency = np.mean([float(row[5]) for row in mine])
        estimate = point.estimates["accuracy"]
        assert estimate.low < rate < estimate.high
        assert point.estimates["latency_s"].mean == pytest.approx(latency, rel=0.15)
        dollars = {"small": 100e-6 + 100e-6, "large": 1000e-6 + 1500e-6}[chosen.model]
        assert point.estimates["cost_usd"].mean == pytest.approx(dollars, rel=0.05)


def test_the_same_bytes_every_time(explored: Explored) -> None:
    first, _ = explored()
    again, _ = explored()
    assert str(again) == str(first)


def test_exploring_what_is_explored_changes_nothing(explored: Explored) -> None:
    module, _ = explored()
    again, _ = explored(str(module))
    assert str(again) == str(module)


@pytest.mark.parametrize("select", [False, True])
def test_emitted_files_know_the_prices_of_the_exploration(explored: Explored, select: bool) -> None:
    """Of the front, and of one point of it; also after the IR was written and read."""
    module, front = explored()
    assert dict(front.facts.prices) == {"small": Price(1.0, 2.0), "large": Price(10.0, 30.0)}
    numbers = range(len(front.points))
    if select:
        FlowSelect(point=numbers[-1]).apply(Context(), module)
        numbers = range(1)
    file = load(emit(parse(str(module))), "emitted_prices")

    async def llm(node: str, messages: object, *, model: str, **params: object) -> object:
        return file.Completion("done", file.Usage(1, 1000, 10), model)

    for number in numbers:
        run = file.run({"task": "t"}, point=number, llm=llm, tools={"tests": lambda *_: True})
        result = clock.run(run)
        model = next(iter(file.POINTS[number].configs.values())).model
        given, taken = {"small": (1.0, 2.0), "large": (10.0, 30.0)}[model]
        assert result.usage.cost_usd == pytest.approx((1000 * given + 10 * taken) / 1e6)


def test_without_prices_one_warning_and_two_objectives(explored: Explored) -> None:
    with pytest.warns(UserWarning, match="cost is left out: no price for small, large") as caught:
        _, front = explored(prices=None)
    assert len(caught) == 1
    assert front.facts.objectives == ("accuracy", "latency")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explored(prices=None, objectives=("accuracy", "latency"))


def test_max_points_thins_and_zero_keeps_all(explored: Explored) -> None:
    _, thinned = explored(max_points=2)
    assert len(thinned.every) == 2
    assert any(point.baseline for point in thinned.points)
    _, every = explored(max_points=0)
    assert len(every.every) == 4


def test_options_as_written_on_the_command_line(profile: Path) -> None:
    pipeline = PassPipeline.parse_spec(
        {"flow-dse": lambda: FlowDse},
        f'flow-dse{{profile="{profile}" objectives=accuracy,latency execution=sequential '
        "max-latency=100 min-accuracy=0.1 draws=20 scenarios=16 model=mean-field max-points=0}",
    )
    module = parse(TEXT)
    pipeline.apply(Context(), module)
    facts = front_from_ir(find_workflow(module)).facts
    assert facts.limits == ("min-accuracy=0.1", "max-latency=100")
    assert (facts.draws, facts.scenarios, facts.model) == (20, 16, "mean-field")


def test_mean_field_is_more_hopeful_about_retries(explored: Explored) -> None:
    """Independence across calls on one query: what the proxy believes and does not happen."""

    def retried(model: str) -> float:
        _, front = explored(model=model, max_points=0, draws=50)
        points = [
            point
            for point in front.every
            if point.choices == ("retry",) and point.configurations[0].model == "small"  # type: ignore[union-attr]
        ]
        return points[0].estimates["accuracy"].mean

    assert retried("mean-field") > retried("scenario") + 0.03


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"profile": None}, SearchError, "give profile=FILE"),
        ({"profile": "/nowhere.csv"}, ProfileError, r"/nowhere\.csv"),
        ({"prices": "/nowhere.csv"}, ProfileError, r"/nowhere\.csv"),
        ({"workflow": "other"}, FlowirError, "no workflow @other"),
        ({"max_points": -1}, SearchError, "max-points=-1"),
        ({"objectives": ("speed",)}, SearchError, "objectives=speed"),
        ({"min_accuracy": 0.999}, SearchError, "min-accuracy=0.999: the highest accuracy found"),
        ({"max_cost": 1e-9}, SearchError, r"max-cost=1e-09: the lowest cost found is 0\.0002"),
    ],
)
def test_mistakes(
    explored: Explored, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        explored(**options)


def test_an_agent_without_observations(explored: Explored) -> None:
    with pytest.raises(ProfileError, match="writer"):
        explored(TEXT.replace("@coder", "@writer"))


def test_a_checker_without_rates_or_observations(explored: Explored) -> None:
    with pytest.raises(ProfileError, match=r'@tests has neither .* "accepts <right'):
        explored(TEXT.replace(" accepts <right = 0.99, wrong = 0.2>", ""))


def test_a_space_of_one_point(explored: Explored) -> None:
    text = TEXT.replace('["small", "large"]', '["large"]')
    once = text[: text.index('    "retry"')] + text[text.index("  flow.return %answer") :]
    _, front = explored(once)
    assert front.facts.space == len(front.every) == 1
    assert front.points[0].baseline


def test_json_from_the_command_line_leaves_no_point_out(
    profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four points in the space, and room in the IR for two."""
    source = tmp_path / "w.mlir"
    source.write_text(TEXT)

    def points(options: str) -> tuple[int, int]:
        code = main(
            [
                str(source),
                f"--dse=objectives=accuracy,latency execution=sequential draws=20 {options}",
                "--profile",
                str(profile),
                "-t",
                "pareto-json",
            ]
        )
        document = json.loads(capsys.readouterr().out)
        assert code == 0
        return len(document["points"]), len(document["dominated"])

    assert sum(points("")) == 4
    assert points("max-points=2") == (2, 0)


def test_one_profile_for_exploring_and_selecting(
    profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "w.mlir"
    source.write_text(TEXT)
    pipeline = "flow-dse{execution=sequential objectives=accuracy,latency},flow-select{point=0}"
    assert main([str(source), "-p", pipeline, "--profile", str(profile)]) == 0
    module = parse(capsys.readouterr().out)
    calls = [op for op in module.walk() if isinstance(op, flow.CallOp)]
    assert calls
    assert all(op.config is not None and ESTIMATE in op.attributes for op in calls)


CHAINS = """
flow.agent @coder prompt "{task}" space <models = ["small", "large"]> baseline <"large">
flow.tool @tidy impl "a.b:tidy" effect pure latency 2.0
flow.workflow @w(%task: !flow.text) -> !flow.list<!flow.text> {
  %a1 = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %a2 = flow.call @tidy(%a1) : (!flow.text) -> !flow.text
  %b1 = flow.call @tidy(%task) : (!flow.text) -> !flow.text
  %b2 = flow.call @coder(%b1) : (!flow.text) -> !flow.text
  %all = flow.join all(%a2, %b2) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  flow.return %all : !flow.list<!flow.text>
}
"""


@pytest.mark.parametrize("model", ["scenario", "mean-field"])
def test_supersteps_from_the_command_line(
    profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    """Barriers cost what they cost, and a workflow without them runs as concurrent code does."""
    source = tmp_path / "w.mlir"
    source.write_text(CHAINS)

    def explore(execution: str, *passes: str) -> list[dict[str, Any]]:
        options = f"objectives=accuracy,latency execution={execution} model={model} draws=20"
        arguments = [str(source), *passes, f"--dse={options}", "--profile", str(profile)]
        assert main([*arguments, "-t", "pareto-json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["facts"]["execution"] == execution
        return [*document["points"], *document["dominated"]]

    def latencies(points: list[dict[str, Any]]) -> dict[str, float]:
        return {
            json.dumps(p["configurations"]): p["estimates"]["latency_s"]["mean"] for p in points
        }

    waiting = latencies(explore("langgraph"))
    fused = latencies(explore("langgraph", "-p", "flow-fuse-supersteps"))
    concurrent = latencies(explore("asyncio"))
    assert waiting.keys() == fused.keys() == concurrent.keys()
    assert len(waiting) == 2
    for key, seconds in waiting.items():
        # Each of the two supersteps has one call and one tool of two seconds.
        assert seconds >= 4.0 - 1e-9
        assert seconds > fused[key]
        assert fused[key] == pytest.approx(concurrent[key])
