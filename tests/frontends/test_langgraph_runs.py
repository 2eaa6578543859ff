"""Recorded runs: what LangGraph itself reports, and the script that answered, are the oracles."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.dialects import flow
from flowir.frontends.langgraph import GraphImportError, Imported, Recorder, from_langgraph
from flowir.frontends.langgraph.facts import Edge, Loop, Via
from flowir.frontends.langgraph.runs.statistics import Statistics
from flowir.frontends.langgraph.runs.traces import Decision, ModelCall, Run, Visit, read_runs
from flowir.profile.read import read_observations
from tests.frontends.scripted import Script, run_emitted
from tests.frontends.test_langgraph_behaviour import INPUTS


def graph_named(name: str) -> Any:
    return importlib.import_module(f"benchmarks.importer_graphs.{name}").graph


def record(name: str, path: Path, seeds: int, inputs: dict[str, Any] | None = None) -> list[Any]:
    """Runs of a benchmark graph, recorded; gives the debug events of LangGraph, by run."""
    graph, given = graph_named(name), inputs or INPUTS[name]

    async def one() -> list[Any]:
        config = {"callbacks": [Recorder(path, name)]}
        return [e async for e in graph.astream(given, config, stream_mode="debug")]

    found = []
    for seed in range(seeds):
        with pytest.MonkeyPatch.context() as patch:
            Script(seed).install(patch)
            found.append(asyncio.run(one()))
    return found


def ops(imported: Imported, kind: type[Any]) -> list[Any]:
    return [op for op in imported.module.walk() if isinstance(op, kind)]


@pytest.mark.parametrize("name", ["evaluator", "corrective_rag", "map_reduce", "delegation"])
def test_visits_and_calls_are_those_that_happened(name: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    events = record(name, path, 5)
    runs = read_runs(path)
    assert len(runs) == 5
    for run, seen in zip(runs, events, strict=True):
        tasks = [e["payload"]["name"] for e in seen if e["type"] == "task"]
        assert Counter(visit.node for visit in run.visits) == Counter(tasks)
        steps = {(e["payload"]["name"], e["step"]) for e in seen if e["type"] == "task"}
        assert {(visit.node, visit.step) for visit in run.visits} == steps
    scripts = [Script(seed) for seed in range(5)]
    for run, script in zip(runs, scripts, strict=True):
        with pytest.MonkeyPatch.context() as patch:
            script.install(patch)
            graph_named(name).invoke(INPUTS[name])
        models = Counter[str]()
        for (model, _), times in script.asked.items():
            models[model] += times
        assert Counter(call.model for call in run.calls) == models


def test_a_recording_holds_nothing_that_anybody_wrote(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    record("evaluator", path, 1, {"topic": "a secret topic"})
    text = path.read_text()
    for words in ("secret", "joke about", "answer ", "more "):
        assert words not in text


def test_branches_get_their_shares_and_are_no_question(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    events = record("corrective_rag", path, 9)
    rewrites = sum(any(e["payload"].get("name") == "rewrite" for e in run) for run in events)
    assert 0 < rewrites < 9
    found = from_langgraph(graph_named("corrective_rag"), trace=path)
    (branch,) = ops(found, flow.BranchOp)
    shares = dict(
        zip((n.data for n in branch.labels), (w.data for w in branch.weights), strict=True)
    )
    assert shares["rewrite"] == pytest.approx((rewrites + 0.5) / (9 + 1))
    assert f"rewrite {rewrites}" in branch.attributes["flowir.runs"].data
    assert "from 9 runs" in branch.attributes["flowir.runs"].data
    asked = from_langgraph(graph_named("corrective_rag")).questions
    assert any("weight" in q.attribute for q in asked)
    assert not any("weight" in q.attribute for q in found.questions)


def test_loops_are_bounded_by_the_most_turns_and_maps_by_the_most_items(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    events = record("evaluator", path, 8)
    turns = [
        sum(e["payload"].get("name") == "grade" for e in run if e["type"] == "task")
        for run in events
    ]
    found = from_langgraph(graph_named("evaluator"), trace=path)
    (refine,) = ops(found, flow.RefineOp)
    assert refine.bound.data == max(turns) - 1
    assert f"{sum(turns) / 8:.3g} turns" in refine.attributes["flowir.runs"].data
    assert not any("--bound" in q.attribute for q in found.questions)
    told = from_langgraph(graph_named("evaluator"), trace=path, bounds={"generator": 7})
    assert ops(told, flow.RefineOp)[0].bound.data == 6

    path = tmp_path / "maps.jsonl"
    events = record("map_reduce", path, 8)
    items = [
        sum(e["payload"].get("name") == "write_joke" for e in run if e["type"] == "task")
        for run in events
    ]
    found = from_langgraph(graph_named("map_reduce"), trace=path)
    (mapped,) = ops(found, flow.MapOp)
    assert mapped.bound.data == max(items)
    assert mapped.width.data == round(sum(items) / 8)
    assert not any("width" in q.attribute for q in found.questions)


def test_what_only_runs_say_is_read_of_them_and_runs_on(tmp_path: Path) -> None:
    """The router of `computed` answers what a model wrote; the runs show where that leads."""
    path = tmp_path / "runs.jsonl"

    class Chooser(Script):
        def answer(self, model: str, messages: Any) -> str:
            text = super().answer(model, messages)
            return ("long", "short")[self.seed % 2] if "long or short" in messages[0][1] else text

    graph, inputs = graph_named("computed"), {"request": "tides"}
    for seed in range(4):
        with pytest.MonkeyPatch.context() as patch:
            Chooser(seed).install(patch)
            graph.invoke(inputs, {"callbacks": [Recorder(path)]})
    found = from_langgraph(graph, trace=path)
    seen = {edge.pair for edge in found.facts.edges if edge.via is Via.RUN}
    assert seen == {("choose", "long"), ("choose", "short")}
    for seed in range(2):
        original, again = Chooser(seed), Chooser(seed)
        with pytest.MonkeyPatch.context() as patch:
            original.install(patch)
            state = graph.invoke(inputs)
        value = run_emitted(found, "asyncio", inputs, again)
        assert value == {key: state[key] for key in ("place", "answer")}
        assert again.asked == original.asked


def test_failed_runs_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    record("evaluator", path, 3)
    whole = from_langgraph(graph_named("evaluator"), trace=path)
    with pytest.MonkeyPatch.context() as patch:
        Script(0, fails_after=1).install(patch)
        with pytest.raises(RuntimeError):
            graph_named("evaluator").invoke({"topic": "x"}, {"callbacks": [Recorder(path)]})
    *_, last = read_runs(path)
    assert last.error == "RuntimeError"
    assert last.calls[-1].error == "RuntimeError"
    found = from_langgraph(graph_named("evaluator"), trace=path)
    (before,), (after,) = ops(whole, flow.RefineOp), ops(found, flow.RefineOp)
    assert before.bound == after.bound
    assert any("1 of 4 runs failed" in text for text in found.notes)


def test_calls_are_a_profile_that_the_cost_model_reads(tmp_path: Path) -> None:
    path, profile = tmp_path / "runs.jsonl", tmp_path / "calls.csv"
    record("map_reduce", path, 6)
    found = from_langgraph(graph_named("map_reduce"), trace=path)
    profile.write_text(found.observations)
    read = read_observations(profile)
    agents = {op.sym_name.data for op in ops(found, flow.AgentOp)}
    assert set(read.agents) == agents
    calls = sum(len(run.calls) for run in read_runs(path))
    assert len(read) == calls - len(agents)  # the first of each pays for its connection
    assert from_langgraph(graph_named("map_reduce")).observations == ""


LOOP = Loop("h", ("h", "x"), None, Via.BUILDER)
EDGES = tuple(
    Edge(a, b, "plain", Via.BUILDER)
    for a, b in (("__start__", "a"), ("a", "h"), ("h", "x"), ("x", "h"), ("x", "b"), ("b", "a"))
)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_turns_are_counted_by_entry(turns: list[int]) -> None:
    """An inner loop that is entered several times in one run."""
    names = [n for count in turns for n in ("a", *("h", "x") * count, "b")]
    visits = tuple(Visit(n, 0, step, 0.0, 0.0) for step, n in enumerate(names, start=1))
    run = Run("g", "1", 0.0, 1.0, "", visits, (), ())
    found = Statistics((run,), EDGES).turns(LOOP)
    assert found is not None
    assert found.most == max(turns)
    assert found.mean == pytest.approx(sum(turns) / len(turns))


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_shares_sum_to_one_and_follow_the_counts(answers: list[str]) -> None:
    decisions = tuple(Decision("n", "r", (answer,)) for answer in answers)
    run = Run("g", "1", 0.0, 1.0, "", (), decisions, ())
    found = Statistics((run,)).shares("n", ["a", "b", "c"])
    assert found is not None
    assert sum(found.values) == pytest.approx(1)
    assert min(found.values) > 0
    counts = [answers.count(name) for name in "abc"]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert (found.values[one] < found.values[other]) == (counts[one] < counts[other])
    assert Statistics((run,)).shares("other", ["a"]) is None


names = st.text(min_size=1, max_size=5)
numbers = st.floats(0, 1e9)
tokens = st.none() | st.integers(0, 10**9)


@given(
    st.builds(
        Run,
        names,
        names,
        numbers,
        numbers,
        st.text(max_size=5),
        st.lists(st.builds(Visit, names, st.integers(0), st.integers(0), numbers, numbers)).map(
            tuple
        ),
        st.lists(
            st.builds(
                Decision,
                names,
                names,
                st.lists(names).map(tuple),
                st.dictionaries(names, st.integers(0)),
            )
        ).map(tuple),
        st.lists(st.builds(ModelCall, names, names, numbers, numbers, tokens, tokens)).map(tuple),
    )
)
def test_runs_read_back_as_they_were_written(tmp_path_factory: Any, run: Run) -> None:
    path = tmp_path_factory.mktemp("runs") / "runs.jsonl"
    path.write_text(run.line())
    assert read_runs(path) == (run,)


GOOD = Run("g", "1", 0.0, 1.0, "", (Visit("a", 0, 1, 0.0, 0.5),), (), ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no runs"),
        ("{", "line 1: not JSON"),
        ("[]", "line 1: no recorded run"),
        ('{"flowir_run": 9}', "of format 9, but read is 1"),
        ('{"flowir_run": 1}', "graph is missing"),
        (GOOD.line().replace('"step": 1', '"step": -1'), "step is -1, not a count"),
        (GOOD.line().replace('"seconds": 0.5', '"seconds": NaN'), "seconds is nan"),
        (GOOD.line().replace('"node": "a"', '"node": 5'), "node is 5, not a text"),
        ("{\n" + GOOD.line() + "[]\n", "line 1: not JSON.*line 3: no recorded run"),
    ],
)
def test_bad_recordings_are_one_message_with_every_line(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(text)
    with pytest.raises(GraphImportError, match=words):
        from_langgraph(graph_named("chain"), trace=path)


def test_missing_and_foreign_recordings(tmp_path: Path) -> None:
    with pytest.raises(GraphImportError, match="cannot be read"):
        from_langgraph(graph_named("chain"), trace=tmp_path / "none.jsonl")
    path = tmp_path / "runs.jsonl"
    path.write_text(GOOD.line())
    found = from_langgraph(graph_named("chain"), trace=path)
    assert any("visited a, which the graph does not have" in text for text in found.notes)
    assert json.loads(GOOD.line())["flowir_run"] == 1
