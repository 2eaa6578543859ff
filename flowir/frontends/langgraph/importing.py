"""Imports a compiled graph: its facts, lints and questions, and flow IR with its adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from flowir.frontends.langgraph.facts import GraphFacts, GraphImportError, Lint, Question
from flowir.frontends.langgraph.lints import lints
from flowir.frontends.langgraph.lowering.adapters import Adapters
from flowir.frontends.langgraph.lowering.workflow import Options, lower
from flowir.frontends.langgraph.reading.builder import read_graph
from flowir.frontends.langgraph.runs.observations import observations, shared_nodes
from flowir.frontends.langgraph.runs.observing import with_runs
from flowir.frontends.langgraph.runs.statistics import NO_RUNS, Statistics
from flowir.frontends.langgraph.runs.traces import read_runs


@dataclass(frozen=True)
class Imported:
    """What was imported of a graph.

    Attributes:
        module: flow IR; every operation has `flowir.source` and `flowir.via`.
        adapters: text of the Python file whose functions are the tools of `module`.
        facts: all that was read, also what flow IR has no place for.
        questions: what the source does not say, and where an answer goes.
        notes: what was taken how.
        observations: a profile as CSV of the model calls in recorded runs; empty without any.
    """

    module: ModuleOp
    adapters: str
    facts: GraphFacts
    questions: tuple[Question, ...]
    lints: tuple[Lint, ...]
    notes: tuple[str, ...]
    observations: str = ""

    @property
    def text(self) -> str:
        """The module as `flowir-opt` reads it."""
        stream = StringIO()
        Printer(stream).print_op(self.module)
        return f"{stream.getvalue()}\n"


def from_langgraph(
    compiled: Any,
    *,
    name: str = "graph",
    adapters: str = "graph_tools",
    bounds: Mapping[str, int] | None = None,
    inputs: tuple[str, ...] = (),
    result: str | None = None,
    trace: str | Path | None = None,
) -> Imported:
    """Import a compiled LangGraph graph.

        imported = from_langgraph(graph)
        print(imported.text)

    Args:
        compiled: what `StateGraph.compile()` gives.
        name: what messages and provenance call it.
        adapters: the module name that the adapters' file will have.
        bounds: turns of loops by header, items of maps by node; what is missing is assumed and
            asked for.
        inputs: keys of the state that are given though nodes write them too.
        result: the key that is the answer; by default everything that nodes write.
        trace: a file of recorded runs (see `Recorder`), from which weights, bounds, widths, models
            and times are estimated.

    Raises:
        GraphImportError: it is no compiled graph, or a part cannot be written faithfully, or the
            recorded runs do not read.
    """
    facts, runs, seen = observed_graph(compiled, name, trace)
    options = Options(dict(bounds or {}), inputs, result, runs)
    _check_bounds(facts, options)
    tools = Adapters(adapters, name)
    lowered = lower(compiled, facts, tools, options)
    for node in shared_nodes(lowered.nodes_of, runs):
        seen.append(f"{node}: its calls are of agents that differ by prompt, and in no profile")
    try:
        lowered.module.verify()
    except VerifyException as error:
        raise GraphImportError(f"{name} does not make a valid workflow: {error}") from error
    return Imported(
        lowered.module,
        tools.text(),
        facts,
        lowered.questions,
        tuple(lints(facts)),
        tuple(dict.fromkeys([*seen, *lowered.notes])),
        observations(lowered.module, lowered.nodes_of, runs),
    )


def observed_graph(
    compiled: Any, name: str, trace: str | Path | None
) -> tuple[GraphFacts, Statistics, list[str]]:
    """What is read of a graph and of its recorded runs, and notes on those."""
    facts = read_graph(compiled, name)
    if trace is None:
        return facts, NO_RUNS, []
    runs = Statistics(read_runs(trace), facts.edges)
    facts, notes = with_runs(facts, runs)
    failed = sum(bool(run.error) for run in runs.runs)
    if failed:
        notes.append(f"{failed} of {runs.said} failed: what they did counts, their turns do not")
    return facts, runs, notes


def _check_bounds(facts: GraphFacts, options: Options) -> None:
    known = {node.name for node in facts.nodes}
    for name, bound in options.bounds.items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise GraphImportError(
                f"a bound is given for {name!r}, which is no node; nodes: {names}"
            )
        if bound < 1:
            raise GraphImportError(f"the bound of {name!r} is {bound}; give 1 or more")


def facts_document(facts: GraphFacts) -> dict[str, Any]:
    """The facts, lints among them, as JSON other tools can read."""
    return {"schema": 1, **asdict(facts), "lints": [asdict(lint) for lint in lints(facts)]}
