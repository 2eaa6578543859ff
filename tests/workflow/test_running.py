"""From a Python workflow to a run, without files of IR or Python."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from flowir.errors import FlowirError, ProfileError
from flowir.examples.code_repair.tools import visible_tests
from flowir.examples.code_repair_workflow import code_repair, coder
from flowir.runtime.llm import Completion, Usage
from flowir.runtime.openai import OpenAIModels
from flowir.workflow import (
    WorkflowError,
    WorkflowFront,
    agent,
    concat,
    map_,
    refine,
    tool,
    vote,
    workflow,
)
from tests.openai_server import Proxy, echoed

FOLDER = files("flowir.examples") / "code_repair"
PROFILE, PRICES = FOLDER / "observations.synthetic.csv", FOLDER / "prices.csv"
TASK = 'def one():\n    """\n    >>> one()\n    1\n    """\n'
CODE = "def one():\n    return 1"
SMALL: Any = {"draws": 20, "scenarios": 32}


@pytest.fixture(scope="module")
def front() -> WorkflowFront:
    return code_repair.explore(str(PROFILE), str(PRICES), **SMALL)


async def solving(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
    """A model that knows the answer."""
    assert messages[-1]["content"].endswith(TASK)
    return Completion(f"```python\n{CODE}\n```", Usage(1, 1), None, model)


def test_explore_select_run(front: WorkflowFront) -> None:
    models: list[str] = []

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        models.append(model)
        return await solving(node, messages, model=model)

    compiled = front.select(max_latency=3.0)
    result = asyncio.run(compiled.run(task=TASK, llm=llm))
    assert result.value.strip() == CODE
    assert models
    assert set(models) <= {row["model"] for row in csv.DictReader(PRICES.open())}
    again = asyncio.run(compiled.run({"task": TASK}, llm=llm))
    assert again.value == result.value


def test_the_library_compiles_what_the_command_line_compiles(front: WorkflowFront) -> None:
    """The front of the traced workflow is that of its .mlir file, number for number."""
    command = [
        "--dse=draws=20 scenarios=32", "--profile", str(PROFILE), "--prices", str(PRICES),
        "-t", "pareto-json", str(FOLDER / "code_repair.mlir"),
    ]  # fmt: skip
    code = "import sys; from flowir.cli.opt import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    points = json.loads(done.stdout)["points"]
    rows = front.rows()
    told = [point["estimates"]["accuracy"]["mean"] for point in points]
    # The JSON has the dominated points too; the front in memory is in the order of the IR.
    assert {row["accuracy"] for row in rows} <= set(told)


def test_compile_is_explore_and_select(front: WorkflowFront) -> None:
    compiled = code_repair.compile(str(PROFILE), str(PRICES), point=2, **SMALL)
    assert str(compiled.to_ir()) == str(front.select(point=2).to_ir())
    limited = code_repair.compile(str(PROFILE), str(PRICES), max_latency=3.0, prefer=1.0, **SMALL)
    attributes = next(op for op in limited.module.walk() if op.name == "flow.workflow").attributes
    assert "latency_s" in str(attributes["dse.estimate"])


def test_observations_and_prices_need_no_files(front: WorkflowFront) -> None:
    pandas = pytest.importorskip("pandas")
    rows = list(csv.DictReader(PROFILE.open()))
    prices = {
        row["model"]: (float(row["input_per_mtok"]), float(row["output_per_mtok"]))
        for row in csv.DictReader(PRICES.open())
    }
    for profile in (rows, pandas.read_csv(str(PROFILE)), iter(rows)):
        found = code_repair.explore(profile, prices, **SMALL)
        assert found.rows() == front.rows()


def test_rows_and_prices_that_mean_nothing() -> None:
    with pytest.raises(ProfileError, match="line 2: nothing is measured"):
        code_repair.explore(
            [
                {"sub_agent": "coder", "model": "m", "query_id": 1, "correct": 1},
                {"sub_agent": "coder", "model": "m", "query_id": 1, "correct": None},
            ]
        )
    with pytest.raises(ProfileError, match='did you mean "model"'):
        code_repair.explore([{"sub_agent": "coder", "modl": "m", "query_id": 1, "correct": 1}])
    with pytest.raises(ProfileError, match="no observations"):
        code_repair.explore([])
    with pytest.raises(WorkflowError, match="a file, rows by column, or a data frame"):
        code_repair.explore(3)
    with pytest.raises(WorkflowError, match="US dollars per million tokens"):
        code_repair.explore(str(PROFILE), {"gpt-4-0613": 3.0})


@pytest.mark.parametrize(
    ("call", "given", "message"),
    [
        ("explore", {"max_latncy": 3}, "no option max_latncy; did you mean max_latency?"),
        ("explore", {"objective": ("cost",)}, "did you mean objectives?"),
        ("compile", {"min_acuracy": 0.9}, "did you mean min_accuracy?"),
        ("compile", {"pont": 1}, "did you mean point?"),
        ("explore", {"objectives": "speed"}, "speed"),
        ("explore", {"draws": 0}, "one or more is meant"),
        ("explore", {"max_latency": "3"}, "max_latency='3'; it takes a number"),
        ("explore", {"lock": 3}, "lock=3; it takes words"),
    ],
)
def test_a_misspelt_option_is_named_before_anything_is_read(call, given, message):
    with pytest.raises(FlowirError) as caught:
        getattr(code_repair, call)("nowhere.csv", **given)
    assert message in str(caught.value)


def test_a_misspelt_option_of_select(front: WorkflowFront) -> None:
    with pytest.raises(WorkflowError, match="did you mean max_latency"):
        front.select(max_latenzy=3)
    with pytest.raises(FlowirError, match="no point"):
        front.select(max_latency=1e-9)


def test_one_objective_may_be_given_alone(front: WorkflowFront) -> None:
    found = code_repair.explore(str(PROFILE), objectives="accuracy", **SMALL)
    assert {"accuracy"} == set(found.front.facts.objectives)


def test_the_views_of_a_front_agree(front: WorkflowFront) -> None:
    pytest.importorskip("pandas")
    frame, rows = front.dataframe(), front.rows()
    assert len(frame) == len(rows) == len(front)
    for number, (row, point) in enumerate(zip(rows, front.front.points, strict=True)):
        assert frame.loc[number, "accuracy"] == row["accuracy"] == point.estimates["accuracy"].mean
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
        assert frame.loc[number, "configuration"] == row["configuration"]
    assert frame["baseline"].sum() == 1
    lines = str(front).split("\n")
    assert len(lines) == len(front) + 1
    assert all(
        f"{row['accuracy']:.1%}"[:-1] in line for row, line in zip(rows, lines[1:], strict=True)
    )


def test_the_plot_has_every_point_with_its_interval(front: WorkflowFront) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    axes = front.plot()
    drawn = [container.lines[0].get_xydata()[0].tolist() for container in axes.containers]
    assert drawn == [[row["latency_s"], row["accuracy"]] for row in front.rows()]
    for container, row in zip(axes.containers, front.rows(), strict=True):
        (across,), (up,) = (bars.get_segments() for bars in container.lines[2])
        assert across[:, 0].tolist() == pytest.approx([row["latency_s_low"], row["latency_s_high"]])
        assert up[:, 1].tolist() == pytest.approx([row["accuracy_low"], row["accuracy_high"]])
    assert front.plot("cost_usd", "latency_s", axes) is axes
    with pytest.raises(WorkflowError, match="did you mean cost_usd"):
        front.plot("cost")


def test_what_a_notebook_shows(front: WorkflowFront) -> None:
    """By IPython's own formatter: IR, drawings and tables, each in every form it has."""
    formatter = DisplayFormatter()

    def shown(value: Any) -> dict[str, Any]:
        return formatter.format(value)[0]

    compiled = front.select(point=0)
    assert shown(code_repair.to_ir())["text/plain"].startswith("builtin.module")
    assert "&lt;models" in shown(code_repair.to_ir())["text/html"]
    table = shown(front)
    assert table["text/html"].count("<tr>") == len(front) + 1
    assert table["text/plain"] == str(front)
    for value in (code_repair, code_repair.graph(), compiled):
        bundle = shown(value)
        assert bundle["text/vnd.mermaid"].startswith("flowchart")
        assert bundle["image/svg+xml"].rstrip().endswith("</svg>")
        assert "coder" in bundle["image/svg+xml"]
    assert "config <" in shown(compiled)["text/plain"]


def test_without_graphviz_a_notebook_still_shows_the_drawing(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert code_repair.graph().svg() is None
    bundle = DisplayFormatter().format(code_repair.graph())[0]
    assert bundle.keys() == {"text/plain", "text/vnd.mermaid"}


@pytest.mark.parametrize(("package", "view"), [("pandas", "dataframe"), ("matplotlib", "plot")])
def test_a_view_whose_package_is_missing_says_so(front, package, view, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WorkflowError, match=r"install flowir\[notebook\]"):
        getattr(front, view)()


@agent(models=["small", "large"])
def answer(question: str) -> str:
    """Answer: {question}"""


@agent(models=["small"])
def mend(text: str, reason: str) -> str:
    """Mend {text} because {reason}"""


@tool(effect="pure", accepts=(0.9, 0.2))
def long_enough(question: str, text: str) -> tuple[bool, str]:
    return len(text) > 60, f"{len(text)} letters {{are}} few"


@tool(effect="pure")
def halves(question: str) -> list[str]:
    return question.split(" and ")


@workflow
def assisted(question: str) -> str:
    """Answer the parts, join the answers, mend them until they are long enough."""
    answers = map_(answer, halves(question), max=4)
    joined = agent("join", prompt="{answers}", models=["large"])(answers)
    other = concat(joined, vote(answer(question), answer(question)))
    return refine(other, mend, until=long_enough, given=question, max=2)


def test_a_compiled_workflow_runs_against_a_server(proxy: Proxy) -> None:
    """Every call goes over HTTP, and the answer is what Python makes of the server's echoes."""
    rows = [
        {"sub_agent": name, "model": model, "query_id": query, "correct": (query + i) % 2,
         "latency_s": 1.0 + i}
        for name in ("answer", "mend", "join")
        for i, model in enumerate(("small", "large"))
        for query in range(6)
    ]  # fmt: skip
    compiled = assisted.compile(rows, point=0, **SMALL)
    question = "why {this} and why that"

    async def main() -> Any:
        async with OpenAIModels(base_url=proxy.address) as llm:
            return await compiled.run(question=question, llm=llm, timeout=60, max_concurrency=2)

    result = asyncio.run(main())

    def echo(text: str) -> str:
        return echoed([{"role": "user", "content": text}])

    parts = [echo(f"Answer: {part}") for part in halves(question)]
    value = echo("\n".join(f"{n}. {part}" for n, part in enumerate(parts, 1)))
    value += "\n\n" + echo(f"Answer: {question}")
    mended = 0
    while mended < 2 and not long_enough(question, value)[0]:
        value, mended = echo(f"Mend {value} because {long_enough(question, value)[1]}"), mended + 1
    assert result.value == value
    assert proxy.requests.total() == 5 + mended == result.usage.calls
    assert proxy.most <= 2


def test_a_run_that_cannot_be_says_why(front: WorkflowFront) -> None:
    compiled = front.select(point=0)
    with pytest.raises(Exception, match="the workflow takes task, and was given tsk"):
        asyncio.run(compiled.run(tsk=TASK, llm=solving))
    with pytest.raises(Exception, match="input task must be str"):
        asyncio.run(compiled.run(task=3, llm=solving))


@pytest.mark.parametrize("point", [0, 3])
def test_simulated_runs_agree_with_the_prediction(front: WorkflowFront, point: int) -> None:
    """Within four standard errors and the interval of the prediction; it is the same model."""
    samples = 400
    found = front.select(point=point).simulate(task="a task", samples=samples, seed=1)
    assert found.source == "simulated"
    row = front.rows()[point]
    error = 4 * float(found.right.std()) / samples**0.5
    assert row["accuracy_low"] - error <= found.accuracy <= row["accuracy_high"] + error
    error = 4 * float(found.latency_s.std()) / samples**0.5
    assert row["latency_s_low"] - error <= found.mean_latency_s <= row["latency_s_high"] + error


def test_tools_of_a_workflow_are_those_it_was_written_with() -> None:
    """Closures too, which no file could import; outside a workflow a tool is its function."""
    seen: list[str] = []

    @tool
    def note(text: str) -> str:
        seen.append(text)
        return text.upper()

    @workflow
    def noted(text: str) -> str:
        return note(answer(text))

    rows = [
        {"sub_agent": "answer", "model": m, "query_id": q, "correct": 1, "latency_s": 1.0}
        for m in ("small", "large")
        for q in range(4)
    ]

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        return Completion("yes", Usage(1, 1), None, model)

    compiled = noted.compile(rows, point=0, **SMALL)
    assert asyncio.run(compiled.run(text="x", llm=llm)).value == "YES"
    assert seen == ["yes"]
    assert note("no") == "NO"
    assert visible_tests(TASK, CODE)


def test_sites_come_from_variable_names_and_never_clash() -> None:
    @workflow
    def named(task: str) -> str:
        drafts = [coder(task) for _ in range(2)]
        a, b = coder(task), coder(task)
        drafts_1 = coder(task)
        return vote([*drafts, a, b, drafts_1])

    text = str(named.to_ir())
    for site in ("drafts", "drafts_1", "a", "b", "drafts_1_1", "vote"):
        assert text.count(f'at "{site}"') == 1
    assert text == str(named.to_ir())
