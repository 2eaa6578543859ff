"""The benchmark's workflows: passes move work about, and neither lose nor add any."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import pytest

from benchmarks.figures import Figures
from benchmarks.prim import golden, speculation
from benchmarks.prim_compiled import compiled
from benchmarks.prim_load import Graphs, Runs, capacity
from benchmarks.prim_workflows import OPTIMISED, SEQUENTIAL, WORKFLOWS, Passes, Settings
from flowir.engines.defaults import DEFAULTS
from flowir.prim.graph import DECODES, PREFILLS, Node, PrimitiveGraph, critical_path_s
from flowir.scheduling.policies import EARLY_WHEN_IDLE, PER_INVOCATION
from flowir.sim.bounds import query_bounds
from flowir.sim.primitives import Arrival, simulate_primitives

EVERY = [Passes(*chosen) for chosen in itertools.product((False, True), repeat=4)]


def work(nodes: Iterable[Node]) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Items, tokens read and tokens written, by engine and kind of work."""
    found: Counter[tuple[str, str, int]] = Counter()
    for node in nodes:
        if node.engine is None:
            continue
        kind = "prefill" if node.kind in PREFILLS else node.kind
        kind = "decode" if node.kind in DECODES else kind
        items = 0 if kind in ("prefill", "decode") else node.work.items
        for i, amount in enumerate((items, node.work.input_tokens, node.work.output_tokens)):
            found[node.engine, kind, i] += int(amount)
    keys = {(engine, kind) for engine, kind, _ in found}
    return {key: tuple(found[*key, i] for i in range(3)) for key in sorted(keys)}  # type: ignore[misc]


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("passes", EVERY)
def test_every_combination_of_passes_has_the_same_work(name: str, passes: Passes) -> None:
    settings = Settings(chunks=20)
    before = WORKFLOWS[name](settings, SEQUENTIAL)
    after = WORKFLOWS[name](settings, passes)
    if name == "search engine" and passes.prefill:
        # Two cases of the condition have their early part in common.
        early = next(node for node in after.nodes if node.name == "synthesis early")
        nodes = [*after.nodes, early]
    else:
        nodes = list(after.nodes)
    assert work(nodes) == work(before.nodes)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_passes_never_make_one_query_slower_and_bounds_hold(name: str) -> None:
    for settings in (Settings(), Settings(chunks=5, answer=100), Settings(chunks=100, summary=5)):
        base = WORKFLOWS[name](settings, SEQUENTIAL)
        ours = WORKFLOWS[name](settings, OPTIMISED)
        for label in ("search", "direct"):
            said = dict.fromkeys(base.odds, label), dict.fromkeys(ours.odds, label)
            before = simulate_primitives([Arrival(0, 0, base, said[0])], DEFAULTS, PER_INVOCATION)
            after = simulate_primitives([Arrival(0, 0, ours, said[1])], DEFAULTS, EARLY_WHEN_IDLE)
            assert after.mean_latency_s <= 1.01 * before.mean_latency_s
            assert query_bounds(ours, DEFAULTS, said[1]).latency_s <= after.mean_latency_s + 1e-9
        assert critical_path_s(ours, DEFAULTS) <= critical_path_s(base, DEFAULTS) + 1e-9


@pytest.mark.parametrize("name", ["naive RAG", "advanced RAG"])
def test_compiled_workflows_do_what_those_written_by_hand_do(name: str) -> None:
    """The compiler's own graphs: as many items embedded and reranked, as many tokens written."""
    made = compiled(name.lower().replace(" ", "_"), Settings())
    by_hand = WORKFLOWS[name](Settings(), OPTIMISED)

    def amounts(graph: PrimitiveGraph) -> dict[str, float]:
        found: Counter[str] = Counter()
        for node in graph.nodes:
            if node.kind in ("embedding", "ingestion", "reranking"):
                found[node.kind] += node.work.items
            found["written"] += int(node.work.output_tokens)
        return dict(found)

    assert amounts(made.before) == amounts(made.after) == amounts(by_hand)


def test_the_published_examples_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    figures = Figures(simulated=True)
    golden(figures)
    assert all(figure.ok for figure in figures.found)


def test_a_speculated_search_is_wasted_as_often_as_it_is_not_needed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = Figures(simulated=True)
    speculation(figures, Settings(), 200, 1)
    found = {figure.name: figure.value for figure in figures.found}
    for odds in (0.2, 0.5, 0.8):
        assert found[f"speculation, odds {odds}: searches wasted"] == pytest.approx(
            100 * (1 - odds), abs=12
        )
        assert found[f"speculation, odds {odds}: over the condition kept"] > 1


def test_arrivals_have_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "arrival_traces"
    folder.mkdir()
    times = [0.1 * i**1.5 for i in range(300)]
    lines = ["t_s,ContextTokens,GeneratedTokens", *(f"{t},1,1" for t in times)]
    (folder / "azure2023_conv.csv").write_text("\n".join(lines), encoding="utf-8")
    runs = Runs(range(3), 100, tmp_path, Settings())
    for seed in runs.seeds:
        found = runs.times("recorded", 2.0, seed)
        assert found[-1] == pytest.approx(50)
        assert found == sorted(found)
        assert found == runs.times("recorded", 2.0, seed)
    gaps = [runs.times("Poisson", 2.0, seed)[-1] / 100 for seed in range(60)]
    assert fmean(gaps) == pytest.approx(0.5, rel=0.05)


def test_capacity_is_what_keeps_the_busiest_engine_busy() -> None:
    graphs = Graphs(Settings())
    name = "naive RAG"
    each = 3 * 0.45  # of embedding, the busiest: 48 chunks by sixteens
    assert capacity(graphs, [name] * 20) == pytest.approx(1 / (each + 0.075), rel=1e-6)
