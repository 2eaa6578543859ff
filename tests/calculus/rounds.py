"""LangGraph played round by round on top of the brute-force interpreter, for any fused terms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np

from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Block, Join, Term, Value, Vote, Workflow
from tests.calculus.lanes import mentioned_by
from tests.calculus.oracle import Instance, Interpreter, Run, Totals, runs


class Rounds(Interpreter):
    """Nodes that have all they read run, the slowest ends the round, the last ends the graph."""

    concurrent = False

    def block(self, block: Block, outer: Mapping[Value, Instance]) -> Run:
        if self.concurrent:
            return super().block(block, outer)
        known = dict(outer)
        names = dict(self.workflow.fused)
        total = Run(Instance(-1, 0.0))
        taken: dict[Value, float] = {}
        nodes: dict[Hashable, list[Term]] = {}
        for term in block.terms:
            self.concurrent = term.output in names
            run = self.term(term, known)
            self.concurrent = False
            run.result.number = term.output
            known[term.output] = run.result
            taken[term.output] = run.finish
            total.calls += run.calls
            total.cost += run.cost
            total.work += run.work
            nodes.setdefault(names.get(term.output, ("own", term.output)), []).append(term)
        total.result = known[block.result]
        total.finish = self.played(nodes, taken)
        return total

    def played(self, nodes: dict[Hashable, list[Term]], taken: Mapping[Value, float]) -> float:
        missing = set(taken)
        free = [ts[0] for ts in nodes.values() if isinstance(ts[0], Join | Vote)]
        left = {name: ts for name, ts in nodes.items() if ts[0] not in free}
        seconds = 0.0
        while left or free:
            if there := [term for term in free if not mentioned_by(term) & missing]:
                free = [term for term in free if term not in there]
                missing -= {term.output for term in there}
                continue
            ready: dict[Hashable, float] = {}
            for name, terms in left.items():
                time = self.within(terms, free, missing, taken)
                if time is not None:
                    ready[name] = time
            assert ready, "nodes wait for each other"
            seconds += max(ready.values())
            for name in ready:
                missing -= {term.output for term in left.pop(name)}
        return seconds

    def within(
        self, terms: list[Term], free: list[Term], missing: set[Value], taken: Mapping[Value, float]
    ) -> float | None:
        """How long a node takes from now on, None if it waits for others."""
        when: dict[Value, float] = {}
        # In the order of the block; what arranges values is made on the way.
        for term in sorted([*terms, *free], key=lambda term: term.output):
            read = mentioned_by(term) & missing
            if read <= when.keys():
                when[term.output] = taken[term.output] + max((when[v] for v in read), default=0.0)
            elif term in terms:
                return None
        return max(when[term.output] for term in terms)


def every_run(workflow: Workflow, setting: np.ndarray, scenarios: Scenarios) -> list[np.ndarray]:
    """[right, calls, seconds] of every possible run."""
    interpreter = Rounds(workflow, setting, scenarios, 0)
    found = [totals for _, totals in runs(interpreter.run, 2_000)]
    return [_row(totals) for totals in found]


def _row(totals: Totals) -> np.ndarray:
    return np.array([totals.success, totals.calls, totals.asyncio])


def settled(scenarios: Scenarios) -> Scenarios:
    """The same with every chance taken to certainty, so that runs differ by few things."""

    def certain(p: np.ndarray | None) -> np.ndarray | None:
        return None if p is None else np.round(p)

    calls = tuple(
        replace(
            model,
            success=np.round(model.success),
            recovery=certain(model.recovery),
            wrong_agreement=certain(model.wrong_agreement),
            accept_right=certain(model.accept_right),
            accept_wrong=certain(model.accept_wrong),
        )
        for model in scenarios.calls
    )
    checkers = {
        name: replace(
            rates,
            accept_right=np.round(rates.accept_right),
            accept_wrong=np.round(rates.accept_wrong),
        )
        for name, rates in scenarios.checkers.items()
    }
    return replace(scenarios, calls=calls, checkers=checkers)
