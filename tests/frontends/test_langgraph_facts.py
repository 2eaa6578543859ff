"""What is read of graphs, against tables written by hand, and against what LangGraph does."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from benchmarks.importer import expected, recovered
from benchmarks.importer_graphs.truth import TRUTH, pairs
from flowir.frontends.langgraph.facts import GraphFacts
from flowir.frontends.langgraph.reading.builder import read_graph
from tests.frontends.scripted import Script
from tests.frontends.test_langgraph_behaviour import INPUTS


def read(name: str) -> GraphFacts:
    return read_graph(importlib.import_module(f"benchmarks.importer_graphs.{name}").graph, name)


@pytest.mark.parametrize("name", TRUTH)
def test_no_edge_is_invented_and_none_that_the_source_says_is_missing(name: str) -> None:
    facts = read(name)
    assert {edge.pair for edge in facts.edges} == pairs(TRUTH[name].edges)
    assert recovered(facts)["models"] == expected(TRUTH[name])["models"]
    assert recovered(facts)["loops"] == expected(TRUTH[name])["loops"]


def test_what_nobody_can_see_is_said() -> None:
    (said,) = read("computed").unknown
    assert "computed.py:" in said
    assert "route" in said


@pytest.mark.parametrize("name", INPUTS)
def test_runs_go_only_where_edges_were_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What LangGraph itself triggers is the oracle: every node it starts has a predecessor that
    ran just before, by an edge that was read."""
    graph = importlib.import_module(f"benchmarks.importer_graphs.{name}").graph
    known = {edge.pair for edge in read(name).edges}
    for seed in range(3):
        Script(seed).install(monkeypatch)
        before = {"__start__"}
        for step in _steps(graph, INPUTS[name]):
            for node in step:
                assert any((source, node) in known for source in before), (before, node)
            before = step


def _steps(graph: Any, inputs: dict[str, Any]) -> list[set[str]]:
    """Nodes by superstep."""
    import asyncio

    from langgraph.errors import GraphRecursionError

    async def main() -> list[set[str]]:
        found: dict[int, set[str]] = {}
        events = graph.astream(inputs, {"recursion_limit": 30}, stream_mode="debug")
        try:
            async for event in events:
                if event["type"] == "task":
                    found.setdefault(event["step"], set()).add(event["payload"]["name"])
        except (GraphRecursionError, IndexError):
            pass
        return [found[step] for step in sorted(found)]

    return asyncio.run(main())
