"""Refusals and harder graphs: what LangGraph does is the oracle."""

from __future__ import annotations

from typing import Any

import pytest

from flowir.frontends.langgraph import GraphImportError, from_langgraph
from flowir.frontends.langgraph.lints import lints
from flowir.frontends.langgraph.reading.builder import read_graph
from tests.frontends import more_graphs
from tests.frontends.scripted import Script, run_emitted, run_original

FILE = more_graphs.__file__


@pytest.mark.parametrize("kind", ["asyncio", "langgraph"])
@pytest.mark.parametrize("name", ["diamond", "uneven", "partly", "while_loop", "serial", "helper"])
def test_harder_graphs_keep_their_behaviour(name: str, kind: str) -> None:
    """`helper` hides its model call in a function: it stays code, which asks the model itself."""
    graph: Any = getattr(more_graphs, name)
    found = from_langgraph(graph, name=name)
    written = {key for node in found.facts.nodes for key in node.writes}
    seen = set()
    for seed in range(8):
        original, again = Script(seed), Script(seed)
        state = run_original(graph, {"text": "some {text}"}, original)
        with pytest.MonkeyPatch.context() as patch:
            again.install(patch)
            value = run_emitted(found, kind, {"text": "some {text}"}, again)
        expected = {key: value for key, value in state.items() if key in written}
        if not isinstance(value, dict):
            value = dict.fromkeys(expected, value)
        assert value == expected
        assert again.asked == original.asked
        seen.add(tuple(sorted(state)))
    assert name != "partly" or len(seen) > 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twice", "'last' fires twice"),
        ("never", "'last', not always"),
        ("looping_node", "For statement"),
        ("with_lambda", "lambda"),
        ("without_source", "no source"),
        ("deferred", "deferred"),
        ("uncompiled", "not compiled"),
        ("ask", "not a compiled"),
    ],
)
def test_what_cannot_be_imported_is_refused_by_name(name: str, words: str) -> None:
    with pytest.raises(GraphImportError, match=words):
        from_langgraph(getattr(more_graphs, name), name=name)


@pytest.mark.parametrize("name", ["diamond", "while_loop", "partly"])
def test_sound_graphs_have_no_lints(name: str) -> None:
    assert lints(read_graph(getattr(more_graphs, name), name)) == []


def test_every_operation_says_where_it_comes_from() -> None:
    found = from_langgraph(more_graphs.diamond, name="diamond")
    for op in found.module.walk():
        if op.name in ("flow.call", "flow.branch", "flow.map"):
            assert {"flowir.source", "flowir.via"} <= set(op.attributes)


def test_a_bound_for_nobody_is_an_error() -> None:
    with pytest.raises(GraphImportError, match="'nobody', which is no node"):
        from_langgraph(more_graphs.diamond, bounds={"nobody": 3})
