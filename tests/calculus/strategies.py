"""Random workflows over every construct, and random scenarios for them.

`workflows()` draws specialised workflows in which values are used several times, blocks are nested
and capture values from outside, and tiers repeat; `scenarios_for(workflow)` draws what single calls
are like. `cases()` draws both with a batch of settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from flowir.calculus.plans import PlanShape
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Decision,
    Fallback,
    First,
    Join,
    Map,
    Plan,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
    Workflow,
)
from flowir.configuration import Configuration

DECISIONS = 3
CONFIGURATIONS = 2
TOOLS = ("visible_tests", "lint")
LABELS = ("easy", "hard", "odd")


@dataclass
class Builder:
    """Numbers values and sites, and spends a budget of random events."""

    draw: st.DrawFn
    events: int
    depth: int
    length: int
    quorums: bool = True
    firsts: bool = False
    values: int = 0
    sites: int = 0

    def value(self) -> Value:
        self.values += 1
        return self.values - 1

    def site(self, stem: str) -> str:
        self.sites += 1
        return f"{stem}_{self.sites}"

    def spend(self, times: int, events: int) -> bool:
        if times * events > self.events:
            return False
        self.events -= times * events
        return True

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, options: list) -> Any:
        return self.draw(st.sampled_from(options))

    def some(self, visible: list[Value], low: int, high: int) -> tuple[Value, ...]:
        """Values that are in sight, recent ones first when shrinking."""
        return tuple(
            self.draw(st.lists(st.sampled_from(visible[::-1]), min_size=low, max_size=high))
        )

    def decision(self) -> int:
        return self.integer(0, DECISIONS - 1)

    def checker(self) -> Checker:
        site = self.site("check")
        if self.draw(st.booleans()):
            return Checker(self.one_of(list(TOOLS)), site, latency_s=0.25 * self.integer(0, 2))
        decision = self.decision()
        return Checker(f"agent_{decision}", site, decision)

    # -- blocks -------------------------------------------------------------------------------

    def block(
        self, visible: list[Value], times: int, depth: int, arguments: tuple[Value, ...] = ()
    ) -> Block:
        """A block that will run `times` times."""
        seen = [*visible, *arguments]
        terms: list[Term] = []
        for _ in range(self.integer(1, self.length if depth == self.depth else 2)):
            if self.firsts and self.integer(0, 2) == 0:
                race = self._race(seen, times, depth)
                terms += race
                # Candidates that others read are in no lane.
                seen += [term.output for term in race if term is race[-1] or self.one_of(RARELY)]
            term = self.term(seen, times, depth)
            terms.append(term)
            seen.append(term.output)
        if depth == self.depth and self.draw(st.booleans()):
            gather = self.one_of([self._vote, self._join, self._select])
            terms.append(gather(seen, times, depth) or self._join(seen, times, depth))
        if self.integer(0, 4):
            return Block(tuple(terms), terms[-1].output, arguments)
        return Block(tuple(terms), self.one_of(seen[::-1]), arguments)

    def term(self, visible: list[Value], times: int, depth: int) -> Term:
        simple = ["call", "call", "tool", "join", "vote", "select"]
        nested = ["branch", "fallback", "refine", "map", "plan"] if depth else []
        kind = self.one_of([*simple, *nested, *nested])
        term = getattr(self, f"_{kind}")(visible, times, depth)
        return term if term is not None else self._tool(visible, times, depth)

    def _call(self, visible: list[Value], times: int, depth: int) -> Term | None:
        if not self.spend(times, 1):
            return None
        inputs = self.some(visible, 1 if self.integer(0, 3) else 0, 2)
        return Call(
            self.site("call"), self.decision(), inputs, self.value(), self.draw(st.booleans())
        )

    def _tool(self, visible: list[Value], times: int, depth: int) -> Term:
        inputs = self.some(visible, 1, 2)
        return ToolCall(self.site("tool"), "parse", inputs, self.value(), 0.5 * self.integer(0, 1))

    def _join(self, visible: list[Value], times: int, depth: int) -> Term:
        kind = self.one_of(["all", "any", "concat"])
        return Join(kind, self.some(visible, 1, 3), self.value())

    def _vote(self, visible: list[Value], times: int, depth: int) -> Term | None:
        inputs = self.some(visible, 2, 4)
        if not self.spend(times, len(set(inputs))):
            return None
        quorum = self.quorums and self.draw(st.booleans())
        return Vote(inputs, self.value(), quorum)

    def _race(self, visible: list[Value], times: int, depth: int) -> list[Term]:
        """A race of what is there and of what it starts, with what makes it."""
        made: list[Term] = []
        candidates = list(self.some(visible, 0, 1))
        for _ in range(self.integer(1, 3)):
            term = self._call(visible, times, depth)
            if term is not None:
                made.append(term)
                if self.integer(0, 3) == 0:
                    made.append(self._tool([term.output], times, depth))
                candidates.append(made[-1].output)
        checker = None
        if self.draw(st.booleans()) and self.spend(times, len(candidates)):
            checker = self.checker()
        if not candidates:
            return []
        after: tuple[float, ...] = ()
        if self.draw(st.booleans()):
            after = tuple(self.one_of([0.0, 0.37, 1.13]) for _ in candidates)
        race = First(self.site("race"), tuple(candidates), self.value(), checker, after)
        return [*made, race]

    def _select(self, visible: list[Value], times: int, depth: int) -> Term | None:
        if not self.spend(times, 1):
            return None
        candidates = self.some(visible, 1, 3)
        inputs = self.some(visible, 0, 1)
        return Select(self.site("select"), self.decision(), inputs, candidates, self.value())

    def _branch(self, visible: list[Value], times: int, depth: int) -> Term | None:
        if not self.spend(times, 1):
            return None
        names: list[str | None] = list(LABELS[: self.integer(1, 3)])
        if self.draw(st.booleans()):
            names.append(None)
        weights: list[float | None] = [None] * len(names)
        if self.draw(st.booleans()):
            parts = [self.integer(0, 4) for _ in names]
            if sum(parts):
                weights = [part / sum(parts) for part in parts]
        label = self.one_of(visible[::-1])
        router = self.one_of([None, 0, 1])
        cases = tuple(
            Case(name, self.block(visible, times, depth - 1), weight)
            for name, weight in zip(names, weights, strict=True)
        )
        return Branch(self.site("branch"), label, cases, self.value(), router)

    def _fallback(self, visible: list[Value], times: int, depth: int) -> Term | None:
        pattern = self.one_of([(0,), (0, 0), (0, 1), (0, 0, 0), (0, 0, 1)])
        if not self.spend(times, len(pattern) - 1):
            return None
        checker = self.checker()
        blocks = [
            self.block(visible, times * pattern.count(i), depth - 1)
            for i in range(max(pattern) + 1)
        ]
        return Fallback(
            self.site("fallback"), checker, tuple(blocks[i] for i in pattern), self.value()
        )

    def _refine(self, visible: list[Value], times: int, depth: int) -> Term | None:
        bound = self.integer(0, 3)
        if not self.spend(times, bound):
            return None
        initial = self.one_of(visible[::-1])
        arguments = (self.value(), self.value())
        checker = self.checker()
        body = self.block(visible, times * bound, depth - 1, arguments)
        return Refine(self.site("refine"), checker, initial, body, bound, self.value())

    def _map(self, visible: list[Value], times: int, depth: int, mean: bool = False) -> Term:
        width = self.integer(1, 3)
        source = self.one_of(visible[::-1])
        body = self.block(visible, times * width, depth - 1, (self.value(),))
        return Map(self.site("map"), source, body, width, width + 1, self.value(), mean)

    def _plan(self, visible: list[Value], times: int, depth: int) -> Term | None:
        plans = self.integer(1, 3)
        if not self.spend(times * plans, 2):
            return None
        planner_takes, joiner_takes = (self.value(), self.value()), (self.value(),)
        planner = self.block(visible, times * plans, depth - 1, planner_takes)
        if self.draw(st.booleans()):
            written = Call(self.site("plan"), self.decision(), planner_takes, self.value())
            planner = Block((written,), written.output, planner_takes)
        joiner = self.block(visible, times * plans, depth - 1, joiner_takes)
        shape = self.one_of(SHAPES)
        return Plan(self.site("plans"), planner, joiner, plans, shape, self.value())


RARELY = [False, False, False, True]

SHAPES = (
    PlanShape(),
    PlanShape(width=((3, 1.0),), tools=(0.5,)),
    PlanShape(((1, 0.25), (2, 0.75)), right=0.75, tools=(1.0, 0.5)),
    PlanShape(depth=((2, 1.0),), replan_right=0.25, replan_wrong=0.5, tools=(0.25,)),
    PlanShape(((2, 1.0),), ((1, 0.5), (2, 0.5)), replan_right=0.5, replan_wrong=0.25),
)


@st.composite
def workflows(
    draw: st.DrawFn,
    events: int = 11,
    depth: int = 2,
    quorums: bool = True,
    firsts: bool = False,
) -> Workflow:
    """A workflow whose runs have few enough random events to enumerate.

    Some votes end at their quorum, unless `quorums` is false; some values are raced for with
    `firsts`.

    Regions are nested at most `depth` deep; flat ones are longer, and share more.
    """
    depth = draw(st.integers(0, depth))
    builder = Builder(draw, events, depth, length=4 if depth else 8, quorums=quorums, firsts=firsts)
    arguments = tuple(builder.value() for _ in range(builder.integer(1, 2)))
    body = builder.block(list(arguments), 1, depth)
    if builder.integer(0, 7) == 0:
        shares = builder._map([*arguments, *(t.output for t in body.terms)], 1, 1, mean=True)
        body = Block((*body.terms, shares), shares.output)
    listed = arguments if draw(st.booleans()) else ()
    return Workflow("random", Block(body.terms, body.result, listed), decisions())


def decisions() -> tuple[Decision, ...]:
    return tuple(
        Decision(
            "random",
            f"agent_{d}",
            "",
            tuple(Configuration(f"model_{c}") for c in range(CONFIGURATIONS)),
        )
        for d in range(DECISIONS)
    )


@st.composite
def scenarios_for(
    draw: st.DrawFn, draws: int = 1, queries: int = 1, noise: bool = False
) -> Scenarios:
    """What the calls of any drawn workflow are like; certainties are frequent."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (CONFIGURATIONS, draws * queries)

    def probability() -> np.ndarray:
        p = rng.random(shape)
        sure = draw(st.sampled_from([None, None, None, None, 0.0, 1.0]))
        return p if sure is None else np.full(shape, sure)

    def maybe(values: np.ndarray) -> np.ndarray | None:
        return values if draw(st.booleans()) else None

    def call(d: int) -> CallModel:
        written = rng.dirichlet(np.ones(len(LABELS) + 1), shape)
        price = rng.random(CONFIGURATIONS)
        tokens = 10 * rng.random(shape)
        if draw(st.booleans()):
            price[0] = np.nan
            tokens[1] = np.nan
        known = LABELS[: draw(st.integers(0, len(LABELS)))]
        return CallModel(
            success=probability(),
            log_latency=rng.normal(0.0, 0.7, shape),
            latency_scale=np.full(shape, 0.5 if noise else 0.0),
            cost=rng.random(shape),
            recovery=maybe(probability()),
            wrong_agreement=maybe(probability()),
            output_tokens=maybe(tokens),
            input_price=maybe(price),
            accept_right=probability(),
            accept_wrong=probability(),
            labels={label: written[..., i] for i, label in enumerate(known)},
        )

    def checker() -> CheckerModel:
        return CheckerModel(probability()[0], probability()[0])

    return Scenarios(
        draws, queries, tuple(map(call, range(DECISIONS))), {name: checker() for name in TOOLS}
    )


@st.composite
def settings_batches(draw: st.DrawFn, size: int) -> np.ndarray:
    """[size, DECISIONS] configurations."""
    index = st.integers(0, CONFIGURATIONS - 1)
    row = st.lists(index, min_size=DECISIONS, max_size=DECISIONS)
    return np.array(draw(st.lists(row, min_size=size, max_size=size)))
