"""Random small workflows over every construct, with tied decisions and structures, and scenarios.

Everything is drawn from one seeded generator: a failing seed is the whole report. Values are used
several times, blocks capture values from outside, tiers repeat, alternatives are nested, tied by
name, and give on values they only read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flowir.calculus.plans import PlanShape
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Decision,
    Fallback,
    Join,
    Map,
    Plan,
    Refine,
    Select,
    Structure,
    Term,
    ToolCall,
    Value,
    Vote,
    Workflow,
)
from flowir.configuration import Configuration

TOOLS = ("visible_tests", "lint")
LABELS = ("easy", "hard", "odd")
SIMPLE = ("call", "call", "call", "call", "tool", "join", "vote", "select")
NESTED = ("branch", "fallback", "refine", "map", "plan", "alternatives")


@dataclass
class Builder:
    """Draws blocks whose calls belong to a few decisions."""

    rng: np.random.Generator
    decisions: int
    names: tuple[str, ...]
    values: int = 0
    sites: int = 0
    structures: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def value(self) -> Value:
        self.values += 1
        return self.values - 1

    def site(self, stem: str) -> str:
        self.sites += 1
        return f"{stem}_{self.sites}"

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pick(self, options: tuple) -> object:
        return options[self.integer(0, len(options) - 1)]

    def read(self, seen: list[Value]) -> Value:
        """A value in sight, recent ones more often."""
        return seen[-1 - min(self.rng.geometric(0.4) - 1, len(seen) - 1)]

    def some(self, seen: list[Value], low: int, high: int) -> tuple[Value, ...]:
        return tuple(self.read(seen) for _ in range(self.integer(low, high)))

    def decision(self) -> int:
        return self.integer(0, self.decisions - 1)

    def checker(self) -> Checker:
        site = self.site("check")
        if self.chance(0.6):
            return Checker(self.pick(TOOLS), site, latency_s=0.25 * self.integer(0, 2))
        decision = self.decision()
        return Checker(f"agent_{decision}", site, decision)

    def block(self, seen: list[Value], depth: int, arguments: tuple[Value, ...] = ()) -> Block:
        inside = [*seen, *arguments]
        terms: list[Term] = []
        for _ in range(self.integer(1, 2)):
            terms.append(self.term(inside, depth))
            inside.append(terms[-1].output)
        result = terms[-1].output if self.chance(0.85) else self.read(inside)
        return Block(tuple(terms), result, arguments)

    def term(self, seen: list[Value], depth: int) -> Term:
        kind = self.pick(SIMPLE + (NESTED if depth else ()))
        return getattr(self, f"_{kind}")(seen, depth)

    def _call(self, seen: list[Value], depth: int) -> Term:
        inputs = self.some(seen, 0, 2)
        return Call(self.site("call"), self.decision(), inputs, self.value(), self.chance(0.2))

    def _tool(self, seen: list[Value], depth: int) -> Term:
        latency = 0.5 * self.integer(0, 1)
        return ToolCall(self.site("tool"), "parse", self.some(seen, 1, 2), self.value(), latency)

    def _join(self, seen: list[Value], depth: int) -> Term:
        return Join(self.pick(("all", "any", "concat")), self.some(seen, 1, 4), self.value())

    def _vote(self, seen: list[Value], depth: int) -> Term:
        # Odd ones end at their quorum, which composes as a vote over all.
        return Vote(self.some(seen, 2, 4), self.value(), quorum=self.values % 2 == 1)

    def _select(self, seen: list[Value], depth: int) -> Term:
        candidates, inputs = self.some(seen, 1, 3), self.some(seen, 0, 1)
        return Select(self.site("select"), self.decision(), inputs, candidates, self.value())

    def _branch(self, seen: list[Value], depth: int) -> Term:
        names: list[str | None] = list(LABELS[: self.integer(1, 3)])
        if self.chance(0.5):
            names.append(None)
        given = self.rng.dirichlet(np.ones(len(names))).tolist()
        weights = given if self.chance(0.3) else [None] * len(names)
        router = self.decision() if self.chance(0.7) else None
        cases = tuple(
            Case(name, self.block(seen, depth - 1), weight)
            for name, weight in zip(names, weights, strict=True)
        )
        return Branch(self.site("branch"), self.read(seen), cases, self.value(), router)

    def _fallback(self, seen: list[Value], depth: int) -> Term:
        pattern = self.pick(((0,), (0, 0), (0, 1), (0, 0, 1), (0, 1, 0), (0, 1, 2)))
        blocks = [self.block(seen, depth - 1) for _ in range(max(pattern) + 1)]
        tiers = tuple(blocks[i] for i in pattern)
        return Fallback(self.site("fallback"), self.checker(), tiers, self.value())

    def _refine(self, seen: list[Value], depth: int) -> Term:
        arguments = (self.value(), self.value())
        body = self.block(seen, depth - 1, arguments)
        bound = self.integer(0, 3)
        return Refine(
            self.site("refine"), self.checker(), self.read(seen), body, bound, self.value()
        )

    def _map(self, seen: list[Value], depth: int, mean: bool = False) -> Term:
        body = self.block(seen, depth - 1, (self.value(),))
        width = self.integer(1, 3)
        return Map(self.site("map"), self.read(seen), body, width, 3, self.value(), mean)

    def _plan(self, seen: list[Value], depth: int) -> Term:
        takes = (self.value(), self.value()), (self.value(),)
        planner, joiner = (self.block(seen, depth - 1, arguments) for arguments in takes)
        if self.chance(0.5):
            written = Call(self.site("plan"), self.decision(), takes[0], self.value())
            planner = Block((written,), written.output, takes[0])
        shape = PlanShape(
            width=((1, 0.5), (self.integer(2, 3), 0.5)),
            depth=((self.integer(1, 2), 1.0),),
            right=1.0 if self.chance(0.5) else float(self.rng.random()),
            replan_right=float(self.rng.random()),
            replan_wrong=float(self.rng.random()),
            tools=(0.5, 0.25 * self.integer(0, 4)),
        )
        plans = self.integer(1, 3)
        return Plan(self.site("plans"), planner, joiner, plans, shape, self.value())

    def _alternatives(self, seen: list[Value], depth: int) -> Term:
        name = self.pick(self.names)
        labels = self.structures.setdefault(name, LABELS[: self.integer(1, 3)])
        cases = tuple((label, self.block(seen, depth - 1)) for label in labels)
        return Alternatives(name, cases, self.value())


def random_workflow(
    rng: np.random.Generator,
    *,
    decisions: int = 4,
    configurations: int = 3,
    terms: int = 5,
    depth: int = 2,
    names: tuple[str, ...] = ("shape", "size"),
) -> Workflow:
    """A workflow whose decisions have up to so many configurations each."""
    builder = Builder(rng, decisions, names)
    arguments = tuple(builder.value() for _ in range(builder.integer(1, 2)))
    seen = list(arguments)
    body: list[Term] = []
    for _ in range(builder.integer(1, terms)):
        body.append(builder.term(seen, depth))
        seen.append(body[-1].output)
    if builder.chance(0.1):
        body.append(builder._map(seen, 1, mean=True))
    result = body[-1].output
    listed = arguments if builder.chance(0.5) else ()
    return Workflow(
        "random",
        Block(tuple(body), result, listed),
        tuple(_decision(builder, d, configurations) for d in range(decisions)),
        tuple(Structure(name, labels) for name, labels in builder.structures.items()),
    )


def _decision(builder: Builder, number: int, most: int) -> Decision:
    count = builder.integer(1, most)
    known = tuple(Configuration(f"model_{c}") for c in range(count + 1))
    closed = int(builder.chance(0.2))
    return Decision("random", f"agent_{number}", "", known[: count + closed], closed=closed)


def random_scenarios(
    rng: np.random.Generator, workflow: Workflow, *, draws: int = 1, queries: int = 1
) -> Scenarios:
    """What its calls are like; half of the time right inputs help, right answers are accepted."""
    kind = bool(rng.random() < 0.5)
    plain = bool(rng.random() < 0.3)
    calls = tuple(
        _call(rng, len(d.configurations), draws * queries, kind, plain) for d in workflow.decisions
    )
    checkers = {name: _checker(rng, draws * queries, kind) for name in TOOLS}
    return Scenarios(draws, queries, calls, checkers)


def _call(
    rng: np.random.Generator, configurations: int, scenarios: int, kind: bool, plain: bool
) -> CallModel:
    shape = (configurations, scenarios)
    tables = dict(zip(LABELS, rng.dirichlet(np.ones(4), shape).transpose(2, 0, 1), strict=False))
    success = _probability(rng, shape)
    recovery = success * rng.random(shape) if kind else _probability(rng, shape)
    wrong = _probability(rng, shape)
    right = np.maximum(wrong, _probability(rng, shape)) if kind else _probability(rng, shape)
    price = rng.random(configurations)
    tokens = 3 * rng.random(shape)
    if rng.random() < 0.3:
        price[0] = np.nan
        tokens[-1] = np.nan
    known = rng.random(4) < (0.0 if plain else 0.5)
    return CallModel(
        success=success,
        log_latency=rng.normal(0.0, 0.7, shape),
        latency_scale=np.zeros(shape),
        cost=rng.random(shape),
        recovery=recovery if known[0] else None,
        wrong_agreement=_probability(rng, shape) if known[1] else None,
        output_tokens=tokens if known[2] else None,
        input_price=price if known[3] else None,
        accept_right=right,
        accept_wrong=wrong,
        labels=tables if rng.random() < 0.7 else {},
    )


def _checker(rng: np.random.Generator, scenarios: int, kind: bool) -> CheckerModel:
    right, wrong = _probability(rng, (scenarios,)), _probability(rng, (scenarios,))
    return (
        CheckerModel(np.maximum(right, wrong), np.minimum(right, wrong))
        if kind
        else CheckerModel(right, wrong)
    )


def _probability(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    p = rng.random(shape)
    sure = rng.random()
    return np.round(p) if sure < 0.1 else p
