"""Random graphs: what is read is what was described; what is emitted does what the graph does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings

from flowir.frontends.langgraph import from_langgraph
from flowir.frontends.langgraph.reading.builder import read_graph
from tests.budget import some
from tests.frontends.random_graphs import BOUND, Description, descriptions, load_source
from tests.frontends.scripted import Script, run_emitted, run_original

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@settings(max_examples=some(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(descriptions())
def test_what_is_read_is_what_was_described(folder: Path, described: Description) -> None:
    note(described.source)
    facts = read_graph(load_source(described.source, folder).graph, "graph")
    assert {n.name: bool(n.models) for n in facts.nodes} == described.nodes
    assert {edge.pair for edge in facts.edges} == described.edges
    assert {(j.target, *sorted(j.sources)) for j in facts.joins} == described.joins
    assert all(join.waits for join in facts.joins)
    assert {
        (b.source, *sorted({end for _, end in b.targets})) for b in facts.branches
    } == described.branches
    assert {(loop.bound, frozenset(loop.members)) for loop in facts.loops} == described.loops
    assert facts.unknown == ()


@settings(max_examples=some(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(descriptions())
def test_what_is_emitted_does_what_the_graph_does(folder: Path, described: Description) -> None:
    """The same model calls as often, and the same final state."""
    note(described.source)
    graph: Any = load_source(described.source, folder).graph
    found = from_langgraph(graph, bounds=described.bounds)
    written = {key for node in found.facts.nodes for key in node.writes}
    for seed in range(3):
        original = Script(seed)
        state = run_original(graph, {"text": "the {text}"}, original)
        if any(_turns(original, header) > BOUND for header in described.bounds):
            continue
        expected = {key: value for key, value in state.items() if key in written}
        for kind in ("asyncio", "langgraph"):
            again = Script(seed)
            value = run_emitted(found, kind, {"text": "the {text}"}, again)
            assert again.asked == original.asked
            assert value == (expected if isinstance(value, dict) else next(iter(expected.values())))


def _turns(script: Script, header: str) -> int:
    """How often a node that calls a model ran."""
    start = f"{header.rpartition('/')[2]} "
    return sum(n for (_, said), n in script.asked.items() if said[-1][1].startswith(start))
