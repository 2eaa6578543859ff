"""Importing a graph and emitting it again: the same model calls, and the same final state."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from flowir.frontends.langgraph import Imported, from_langgraph
from tests.frontends.scripted import Script, run_emitted, run_original

INPUTS: dict[str, dict[str, Any]] = {
    "router": {"request": "something on {braces} and cats"},
    "chain": {"topic": "cats"},
    "parallel": {"topic": "{cats}"},
    "evaluator": {"topic": "cats"},
    "map_reduce": {"topic": "animals"},
    "orchestrator": {"topic": "scaling laws"},
    "reflection": {"topic": "rain"},
    "corrective_rag": {"question": "Why do CATS sleep, and what makes tides?"},
    "subgraphs": {"text": "A long text."},
    "plan_execute": {"task": "Find out who won."},
    "delegation": {"task": "A page on tides."},
    "nested": {"topic": "rain"},
}
"""The graphs that the importer claims, each with what it is given."""

LOOPS = {"evaluator": "generator", "plan_execute": "execute"}
BOUND = 4
MAPS = {"map_reduce": "write_joke", "orchestrator": "write_section"}


def imported(name: str) -> tuple[Any, Imported]:
    graph = importlib.import_module(f"benchmarks.importer_graphs.{name}").graph
    bounds = {LOOPS[name]: BOUND} if name in LOOPS else {}
    bounds |= {MAPS[name]: 8} if name in MAPS else {}
    return graph, from_langgraph(graph, name=name, bounds=bounds)


@pytest.mark.parametrize("kind", ["asyncio", "langgraph"])
@pytest.mark.parametrize("name", INPUTS)
def test_emitted_files_do_what_the_graph_does(name: str, kind: str) -> None:
    """On several scripts; those on which a loop without a bound of its own turns longer are none
    that the import claims."""
    graph, found = imported(name)
    written = {key for node in found.facts.nodes for key in node.writes}
    paths, compared = set(), 0
    for seed in range(12):
        original, again = Script(seed), Script(seed)
        try:
            state = run_original(graph, INPUTS[name], original)
        except IndexError:  # plan_execute was given no step at all
            continue
        turns = sum(times for (_, said), times in original.asked.items() if _turn(name, said))
        if turns > BOUND:
            continue
        value = run_emitted(found, kind, INPUTS[name], again)
        expected = {key: state[key] for key in state if key in written}
        assert value == (expected if isinstance(value, dict) else next(iter(expected.values())))
        assert again.asked == original.asked
        paths.add(tuple(sorted(op[1][-1][1][:12] for op in original.asked)))
        compared += 1
    assert compared >= 3
    if name in ("router", "chain", "evaluator", "corrective_rag", "plan_execute", "nested"):
        assert len(paths) > 1, "the scripts took only one way through the graph"


def _turn(name: str, said: Any) -> bool:
    starts = {"evaluator": "Grade", "plan_execute": "Do this step"}.get(name)
    return starts is not None and said[-1][1].startswith(starts)
