"""Lints: each on a graph that has it, with file and line, and not on one that nearly does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowir.frontends.langgraph.lints import lints
from flowir.frontends.langgraph.reading.builder import read_graph
from tests.frontends import more_graphs
from tests.frontends.scripted import Script

TABLE = [
    ("join-fires-twice", "twice", "even", more_graphs.last),
    ("join-never-fires", "never", "always", more_graphs.last),
    ("unbounded-loop", "endless", "while_loop", more_graphs.third),
    ("serial-chain", "serial", "chained", more_graphs.second),
    ("superstep-stall", "uneven", "diamond", more_graphs.second),
    ("nested-retries", "retried", "patient", more_graphs.far),
    ("nested-retries", "retried", "once", more_graphs.far),
    ("no-stream-usage", "retried", "once", more_graphs.far),
    ("no-stream-usage", "retried", "serial", more_graphs.far),
]


def found(name: str) -> dict[str, Any]:
    return {lint.code: lint for lint in lints(read_graph(getattr(more_graphs, name), name))}


@pytest.mark.parametrize(("code", "has", "has_not", "at"), TABLE)
def test_lints_name_file_and_line_and_spare_what_is_sound(
    code: str, has: str, has_not: str, at: Any
) -> None:
    lint = found(has)[code]
    assert more_graphs.__file__.endswith(lint.place.file)
    assert lint.place.line == at.__code__.co_firstlineno
    assert str(lint).startswith(f"{lint.place.file}:{lint.place.line}: {code}: ")
    assert code not in found(has_not)


def test_every_lint_is_in_the_table() -> None:
    from pathlib import Path

    import flowir.frontends.langgraph.lints as module

    written = Path(module.__file__).read_text()
    for code in {code for code, *_ in TABLE}:
        assert f'"{code}"' in written
    assert written.count("yield Lint(") == len({code for code, *_ in TABLE})


def test_nested_retries_are_counted() -> None:
    """Three tries of a client that repeats four times: fifteen requests."""
    assert "15 requests" in found("retried")["nested-retries"].message


@pytest.mark.parametrize("name", ["twice", "never", "even", "always"])
def test_lints_of_joins_are_what_langgraph_does(name: str) -> None:
    """`twice` runs its join two times; `never` leaves it out on some run; the rest run it once."""
    counts = set()
    for seed in range(8):
        with pytest.MonkeyPatch.context() as patch:
            Script(seed).install(patch)
            graph: Any = getattr(more_graphs, name)

            async def visits(graph: Any = graph) -> int:
                inputs = {"text": "", "count": 1}
                events = [e async for e in graph.astream(inputs, stream_mode="updates")]
                return sum("last" in event for event in events)

            counts.add(asyncio.run(visits()))
    expected = {"twice": {2}, "even": {1}, "always": {1}}.get(name)
    assert counts == expected if expected else 0 in counts
