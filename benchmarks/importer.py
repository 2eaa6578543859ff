"""What the LangGraph importer recovers of graphs in the styles LangGraph's documentation teaches.

    python -m benchmarks.importer [--json FILE]

Compared with a table written by hand from reading the sources. Nothing is run but the modules that
build the graphs, and no model is called.
"""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.importer_graphs.truth import TRUTH, Truth, pairs
from flowir.frontends.langgraph import GraphImportError, from_langgraph
from flowir.frontends.langgraph.facts import GraphFacts
from flowir.frontends.langgraph.reading.builder import read_graph

KINDS = ("nodes", "edges", "joins", "branches", "loops", "models")
Things = dict[str, set[tuple[str, ...]]]


def main() -> None:
    asked = arguments(__doc__).parse_args()
    figures = Figures()
    found, true, invented = Counter[str](), Counter[str](), Counter[str]()
    refused: dict[str, str] = {}
    print("  " + "graph".ljust(16) + "".join(kind.rjust(12) for kind in KINDS) + "   lowered")
    for name, truth in TRUTH.items():
        graph = importlib.import_module(f"benchmarks.importer_graphs.{name}").graph
        read, seen = recovered(read_graph(graph, name)), expected(truth)
        cells = []
        for kind in KINDS:
            hits = len(read[kind] & seen[kind])
            found[kind] += hits
            true[kind] += len(seen[kind])
            invented[kind] += len(read[kind] - seen[kind])
            cells.append(f"{hits}/{len(seen[kind])}".rjust(12))
        try:
            from_langgraph(graph, name=name)
        except GraphImportError as error:
            refused[name] = str(error)
        print(f"  {name:<16}{''.join(cells)}   {'no' if name in refused else 'yes'}")
    print("\nRefused by name:")
    for name, why in refused.items():
        print(f"  {name}: {why}")
    figures.heading("Over all graphs")
    figures.add("graphs", len(TRUTH), at_least=12)
    for kind in KINDS:
        share = 100 * found[kind] / true[kind]
        if kind == "edges":
            figures.add("determinable edges recovered", share, "%", at_least=95)
        else:
            figures.add(f"{kind} recovered", share, "%")
        name = f"{kind} invented"
        if kind == "edges":
            figures.add(name, invented[kind], at_most=0)
        else:
            figures.add(name, invented[kind])
    unseen = sum(len(pairs(truth.unseen)) for truth in TRUTH.values() if truth.unseen)
    figures.add("edges that the source does not say", unseen)
    figures.add("graphs lowered to flow IR", len(TRUTH) - len(refused))
    if asked.json:
        write_json(figures.found, asked.json)


def recovered(facts: GraphFacts) -> Things:
    """What the importer read, in the form of the table."""
    return {
        "nodes": {(node.name,) for node in facts.nodes},
        "edges": {edge.pair for edge in facts.edges},
        "joins": {(join.target, *sorted(join.sources)) for join in facts.joins},
        "branches": {
            (branch.source, *sorted({end for _, end in branch.targets}))
            for branch in facts.branches
        },
        "loops": {(str(loop.bound), *sorted(loop.members)) for loop in facts.loops},
        "models": {(node.name, model.name) for node in facts.nodes for model in node.models},
    }


def expected(truth: Truth) -> Things:
    """The table of one graph, in the same form."""
    return {
        "nodes": {(name,) for name in truth.nodes},
        "edges": pairs(truth.edges),
        "joins": {(node, *sorted(ends.split(","))) for node, ends in truth.joins.items()},
        "branches": {
            (node, *sorted(filter(None, ends.split(",")))) for node, ends in truth.branches.items()
        },
        "loops": {(str(n), *sorted(names.split(","))) for names, n in truth.loops.items()},
        "models": {(node, model) for node, model in truth.nodes.items() if model},
    }


if __name__ == "__main__":
    main()
