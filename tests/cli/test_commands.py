"""The commands between a workflow and a run of it: compile, select, explain, emit, run, diff."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flowir.calculus.from_ir import find_workflow
from flowir.cli.main import COMMANDS, cli
from flowir.dialects.dse import FRONT
from flowir.search.annotate import front_from_ir
from flowir.source.workflows import read_ir
from tests.openai_server import Proxy, echoed

WORKFLOW = """
flow.agent @writer prompt "Write: {topic}" space <models = ["big", "small"]> baseline <"big">
flow.agent @editor prompt "Edit: {draft}" space <models = ["big", "small"]>
flow.workflow @story(%topic: !flow.text) -> !flow.text {
  %draft = flow.call @writer(%topic) : (!flow.text) -> !flow.text
  %final = flow.call @editor(%draft) : (!flow.text) -> !flow.text
  flow.return %final : !flow.text
}
"""


def flowir(*arguments: object, key: str | None = None) -> Result:
    env = {"OPENAI_API_KEY": key}
    return CliRunner(env=env).invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflow, observations of its agents, prices, and its front."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "w.mlir").write_text(WORKFLOW)
    rows = ["sub_agent,model,query_id,correct,latency_s,input_tokens,output_tokens"]
    for query in range(24):
        for agent in ("writer", "editor"):
            rows.append(f"{agent},big,{query},{int(query % 8 != 0)},{2 + query % 3 / 10},90,40")
            rows.append(f"{agent},small,{query},{int(query % 3 != 0)},{1 + query % 3 / 10},90,40")
    (folder / "calls.csv").write_text("\n".join(rows) + "\n")
    (folder / "prices.csv").write_text(
        "model,input_per_mtok,output_per_mtok\nbig,5,15\nsmall,1,2\n"
    )
    done = flowir(
        "compile", folder / "w.mlir", *given(folder), "-o", folder / "front.mlir",
        "--python", folder / "story.py",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (folder / "compile.txt").write_text(done.stdout)
    return folder


def given(folder: Path) -> Sequence[object]:
    return ("--profile", folder / "calls.csv", "--prices", folder / "prices.csv")


def test_compile_writes_what_it_shows(folder: Path) -> None:
    front = front_from_ir(find_workflow(read_ir(str(folder / "front.mlir"))))
    shown = (folder / "compile.txt").read_text()
    assert front.facts.space == 4
    for number, point in enumerate(front.points):
        assert re.search(
            rf"^ +{number} +{100 * point.estimates['accuracy'].mean:.1f} %", shown, re.M
        )
    assert "4 configurations, enumerated" in shown
    ast.parse((folder / "story.py").read_text())


def test_compile_as_json_is_the_documented_document(folder: Path) -> None:
    done = flowir("compile", folder / "w.mlir", *given(folder), "--json", "--max-points", 0)
    document = json.loads(done.stdout)
    assert document["schema"] == "flowir.pareto/1"
    assert len(document["points"]) + len(document["dominated"]) == 4


def test_select_chooses_and_compiles(folder: Path) -> None:
    done = flowir("select", folder / "front.mlir", "--max-latency", 2.5, "-o", folder / "one.mlir")
    assert done.exit_code == 0, done.output
    assert "writer small; editor small" in done.stdout
    compiled = find_workflow(read_ir(str(folder / "one.mlir")))
    assert FRONT not in compiled.attributes
    chosen = flowir("select", folder / "front.mlir", "--max-latency", 2.5, "--json")
    assert set(json.loads(chosen.stdout)["configurations"]) == {"writer", "editor"}


def test_explain_adds_up(folder: Path) -> None:
    done = flowir("explain", folder / "front.mlir", "--point", 0, *given(folder), "--json")
    document = json.loads(done.stdout)
    shares = [share["share"]["mean"] for share in document["path"]]
    assert sum(shares) == pytest.approx(1.0)
    assert {change["choice"] for change in document["changes"]} == {"writer", "editor"}
    shown = flowir("explain", folder / "front.mlir", "--point", 0, *given(folder))
    assert "Where the time goes" in shown.stdout
    assert "assumed: editor was never observed on a wrong input" in shown.stdout


@pytest.mark.parametrize("backend", ["asyncio", "langgraph"])
def test_emit_gives_python(folder: Path, backend: str) -> None:
    done = flowir("emit", folder / "front.mlir", "-b", backend, "--point", 0)
    assert done.exit_code == 0, done.output
    assert "async def" in done.stdout
    ast.parse(done.stdout)


def test_run_answers(folder: Path, proxy: Proxy) -> None:
    arguments = ("run", folder / "front.mlir", "--endpoint", proxy.address, "--input")
    done = flowir(*arguments, "topic=cats {x}", "--max-latency", 2.5, key="k")
    assert done.exit_code == 0, done.output
    first = echoed([{"content": "Write: cats {x}"}])
    assert done.stdout.rstrip("\n") == echoed([{"content": f"Edit: {first}"}])
    assert {body["model"] for body in proxy.bodies} == {"small"}
    document = json.loads(flowir(*arguments, "topic=x", "--json", key="k").stdout)
    assert document["usage"]["calls"] == 2
    assert {body["model"] for body in proxy.bodies[2:]} >= {"big"}  # today's, where nothing is said


def test_run_shows_a_failure_and_no_key(folder: Path, proxy: Proxy) -> None:
    proxy.reset(lambda key, before: "500")
    done = flowir(
        "run", folder / "w.mlir", "--endpoint", proxy.address, "--input", "topic=x", "--retries", 0,
        key="sk-secret-secret",
    )  # fmt: skip
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "sk-secret" not in done.output


def test_simulated_runs_agree_with_what_is_predicted(folder: Path) -> None:
    """Within four standard errors, and the same again for the same seed."""
    arguments = ("simulate", folder / "front.mlir", *given(folder), "--points", 0, "--runs", 300)
    document = json.loads(flowir(*arguments, "--json").stdout)
    (point,) = document["points"]
    for name in ("accuracy", "latency_s", "cost_usd"):
        gap = abs(point[name]["predicted"] - point[name]["simulated"])
        assert gap <= 4 * point[name]["standard_error"] + 0.005 * point[name]["predicted"]
    assert (document["simulated"], point["calls"]) == (True, 2.0)
    assert "nothing here was measured on a real model" in flowir(*arguments).stdout


def test_diff_says_what_changed(folder: Path) -> None:
    same = flowir("diff", folder / "w.mlir", folder / "front.mlir")
    assert (same.exit_code, same.stdout.splitlines()[0]) == (0, "the workflows are the same")
    (folder / "other.mlir").write_text(WORKFLOW.replace("Edit:", "Shorten:"))
    changed = flowir("diff", folder / "w.mlir", folder / "other.mlir")
    assert (changed.exit_code, changed.stdout) == (3, "changed: @editor\n")
    more = flowir(
        "compile", folder / "w.mlir", *given(folder), "--queries", "profiled", "-o",
        folder / "again.mlir",
    )  # fmt: skip
    assert more.exit_code == 0
    document = json.loads(
        flowir("diff", folder / "front.mlir", folder / "again.mlir", "--json").stdout
    )
    assert document["declarations"] == {"added": [], "removed": [], "changed": []}
    assert document["fronts"]["facts"] == {"queries": ["population", "profiled"]}
    assert all(not moved["apart"] for moved in document["fronts"]["moved"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "did you mean check?"),
        (["select", "front.mlir"], "nothing is asked for"),
        (["select", "w.mlir", "--point", "0"], "no workflow has a front"),
        (["select", "missing.mlir", "--point", "0"], "cannot be read"),
        (["emit", "front.mlir", "--point", "99"], "point=99: there are points 0"),
        (["run", "front.mlir", "--input", "tropic=x"], "did you mean topic?"),
        (["run", "front.mlir"], "no value for topic"),
        (["run", "w.mlir", "--input", "topic=x", "--point", "0"], "has no front"),
        (["compile", "w.mlir", "--profile", "none.csv"], "there is no such file"),
        (["simulate", "front.mlir", "--profile", "calls.csv", "--points", "9"], "points 0 to"),
        (["emit", "front.mlir", "-o", "nowhere/x.py"], "there is no folder"),
        (["compile", "broken.mlir", "--profile", "calls.csv"], "broken.mlir:2:"),
    ],
)
def test_a_mistake_is_one_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "broken.mlir").write_text("\nflow.agent @a prmpt 1\n")
    done = flowir(*arguments, key="k")
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = flowir(name, "--help")
    assert done.exit_code == 0, done.output
    assert "Example: flowir" in done.stdout


def test_the_list_of_commands_is_quick_and_whole() -> None:
    shown = flowir("--help").stdout
    assert all(re.search(rf"^  {name} ", shown, re.M) for name in COMMANDS)


def test_an_emitted_front_is_the_file_that_compile_writes(folder: Path) -> None:
    done = flowir("emit", folder / "front.mlir")
    assert done.stdout == (folder / "story.py").read_text()


def test_plan_compile_counts_and_warns(folder: Path) -> None:
    arguments = ("plan", "compile", folder / "w.mlir", "--profile", folder / "calls.csv")
    done = flowir(*arguments)
    assert done.exit_code == 0, done.output
    assert "every one of the 4 points is evaluated" in done.stdout
    assert "96 observations" in done.stdout
    assert "no price for big, small" in done.stdout
    assert "wide" not in done.stdout
    wider = WORKFLOW.replace('["big", "small"]>\nflow.workflow', '["big", "new"]>\nflow.workflow')
    (folder / "wider.mlir").write_text(wider)
    document = json.loads(
        flowir("plan", "compile", folder / "wider.mlir", *given(folder), "--json").stdout
    )
    assert document["few_observations"] == [
        {"agent": "editor", "configuration": "new", "observations": 0}
    ]
    assert document["without_price"] == ["new"]


def test_plan_evaluate_asks_nobody(folder: Path) -> None:
    (folder / "held.jsonl").write_text('{"id": "1", "topic": "cats", "expected": "x"}\n')
    arguments = ("evaluate", folder / "front.mlir", "--data", folder / "held.jsonl")
    planned, flagged = flowir("plan", *arguments), flowir(*arguments, "--plan")
    assert planned.exit_code == flagged.exit_code == 0, planned.output
    assert planned.stdout == flagged.stdout
    assert "1 queries" in planned.stdout


def test_doctor_shows_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOWIR_CACHE_DIR", str(tmp_path / "cache"))
    done = flowir("doctor", key="sk-secret-secret")
    assert done.exit_code == 0, done.output
    assert "sk-secret" not in done.output
    found = json.loads(flowir("doctor", "--json", key="sk-secret-secret").stdout)["findings"]
    states = {one["what"]: one["state"] for one in found}
    assert states["OPENAI_API_KEY"] == states["xdsl"] == states["cache of fits"] == "ok"


def test_doctor_asks_endpoints(server: str, proxy: Proxy) -> None:
    for address, said in (
        (f"{server}/v1", "models"),
        (proxy.address, "404"),
        ("http://127.0.0.1:9/v1", "refused"),
        ("nonsense", "no address"),
    ):
        done = flowir("doctor", "--endpoint", address, "--json", key="k")
        (last,) = (f for f in json.loads(done.stdout)["findings"] if f["area"] == "endpoints")
        assert said in last["said"], last
        good = said == "models"
        assert (last["state"], done.exit_code) == (("ok", 0) if good else ("broken", 1))
