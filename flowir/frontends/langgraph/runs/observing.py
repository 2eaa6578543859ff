"""Adds to the facts of a graph what only recorded runs show, each fact marked `run`."""

from __future__ import annotations

from dataclasses import replace

from flowir.frontends.langgraph.facts import Branch, Edge, GraphFacts, Model, Node, Via
from flowir.frontends.langgraph.runs.statistics import Statistics, same_model


def with_runs(facts: GraphFacts, runs: Statistics) -> tuple[GraphFacts, list[str]]:
    """The facts with models and answers that the source does not say, and notes on both.

    What the source says stays as it is; where runs called another model, that is a note.
    """
    notes: list[str] = []
    nodes = tuple(_node(node, runs, notes) for node in facts.nodes)
    branches = tuple(_branch(branch, facts, runs, notes) for branch in facts.branches)
    known = {edge.pair for edge in facts.edges}
    found = [
        Edge(branch.source, end, "branch", Via.RUN)
        for branch in branches
        if branch.via is Via.RUN
        for _, end in branch.targets
        if (branch.source, end) not in known
    ]
    names = {node.name for node in facts.nodes}
    strange = sorted({v.node for run in runs.runs for v in run.visits} - names)
    if strange:
        notes.append(f"runs visited {', '.join(strange)}, which the graph does not have any more")
    edges = (*facts.edges, *dict.fromkeys(found))
    return replace(facts, nodes=nodes, branches=branches, edges=edges), notes


def _node(node: Node, runs: Statistics, notes: list[str]) -> Node:
    called = runs.models().get(node.name, ())
    said = {model.name for model in node.models}
    if not node.models:
        return replace(node, models=tuple(Model(name, Via.RUN) for name in called))
    if other := [name for name in called if not same_model(name, said)]:
        notes.append(
            f"{node.name}: runs called {', '.join(other)}, where the source says "
            f"{', '.join(sorted(said))}"
        )
    return node


def _branch(branch: Branch, facts: GraphFacts, runs: Statistics, notes: list[str]) -> Branch:
    if branch.targets:
        return branch
    prefix = branch.source.rpartition("/")[0]
    known = {node.name for node in facts.nodes}
    found = []
    for answer in sorted(runs.answers(branch.source)):
        end = f"{prefix}/{answer}" if prefix else answer
        if end in known or answer == "__end__":
            found.append((answer, end))
    if found:
        seen = ", ".join(answer for answer, _ in found)
        notes.append(
            f"{branch.place}: the router {branch.name!r} answered {seen} in {runs.said}; any other "
            "answer is an error in what is emitted"
        )
    return replace(branch, targets=tuple(found), via=Via.RUN if found else branch.via)
