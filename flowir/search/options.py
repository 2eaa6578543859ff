"""How to explore a design space."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isqrt
from typing import Literal, get_args

from flowir.calculus.expectation import Execution
from flowir.errors import SearchError
from flowir.search.blackbox import BLACK_BOXES, BlackBox
from flowir.search.constraints import Limit, in_order, limits
from flowir.search.problem import (
    OBJECTIVES,
    LatencyStatistic,
    Measure,
    Model,
    Objective,
    Queries,
    one_of,
)


@dataclass(frozen=True)
class Options:
    """How to explore.

    Attributes:
        objectives: what is compared.
        latency: `mean`, `p50` or `p95` of latency over queries and noise.
        execution: how the workflow runs: `sequential`, `asyncio`, or in `langgraph`'s supersteps.
        model: `scenario`, or `mean-field`, the published independence proxy.
        queries: `population` (fresh queries) or `profiled` (the observed ones).
        credible: mass of the equal-tailed intervals.
        draws: posterior draws behind intervals and P(non-dominated).
        scenarios: queries per draw there; also the (draw, query) pairs of the search.
        seed: of everything random.
        max_latency, min_accuracy, max_cost: limits on the posterior means.
        allow, lock, forbid: what may be chosen, see `flowir.search.rules`: of each axis only
            these; exactly this one; not all of these at once.
        limit: evaluations the search may spend; smaller spaces are enumerated.
        algorithm: `flowir`, or a black-box optimiser, which spends at most 3,000 evaluations:
            `optuna-nsga2`, `optuna-tpe` or `pymoo-nsga2` (extra `blackbox`).
        max_seconds, max_memory: seconds of wall time for the search, and megabytes of memory of
            the process; what is found by then is the result. Both look at a clock, so what comes
            out may differ from run to run.
        survivors: points re-evaluated under all draws, at least; the whole of a space that has
            at most twice as many.

    Raises:
        SearchError: a value that means nothing.
    """

    objectives: tuple[Objective, ...] = OBJECTIVES
    latency: LatencyStatistic = "mean"
    execution: Execution = "asyncio"
    model: Model = "scenario"
    queries: Queries = "population"
    credible: float = 0.9
    draws: int = 200
    scenarios: int = 256
    seed: int = 0
    max_latency: float | None = None
    min_accuracy: float | None = None
    max_cost: float | None = None
    allow: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    limit: int = 1 << 18
    survivors: int = 256
    algorithm: Literal["flowir"] | BlackBox = "flowir"
    max_seconds: float | None = None
    max_memory: float | None = None

    def __post_init__(self) -> None:
        if not self.objectives:
            raise SearchError(f"objectives: none; name some of {', '.join(OBJECTIVES)}")
        for objective in self.objectives:
            one_of("objectives", objective, OBJECTIVES)
        object.__setattr__(self, "objectives", in_order(self.objectives))
        one_of("queries", self.queries, get_args(Queries))
        one_of("algorithm", self.algorithm, ("flowir", *BLACK_BOXES))
        if not 0.0 < self.credible < 1.0:
            raise SearchError(f"credible={self.credible:g}: a mass between 0 and 1 is meant")
        for name in ("draws", "scenarios", "limit", "survivors"):
            if getattr(self, name) < 1:
                raise SearchError(f"{name}={getattr(self, name)}: one or more is meant")
        if self.seed < 0:
            raise SearchError(f"seed={self.seed}: zero or more is meant")
        for option, bound in (("max-seconds", self.max_seconds), ("max-memory", self.max_memory)):
            if bound is not None and not bound > 0.0:
                raise SearchError(f"{option}={bound:g}: more than zero is meant")
        self.measure()
        self.limits()

    def measure(self) -> Measure:
        """How points are measured."""
        return Measure(self.execution, self.model, self.latency)

    def limits(self) -> tuple[Limit, ...]:
        """The limits that are given."""
        return limits(self.max_latency, self.min_accuracy, self.max_cost)

    def search_shape(self) -> tuple[int, int]:
        """(draws, queries) of the search: as many of the one as of the other.

        Queries are stratified within a draw, so few draws of many queries would carry too little
        of what is not known, and many draws of one query none of the stratification.
        """
        draws = max(1, isqrt(self.scenarios))
        return draws, ceil(self.scenarios / draws)
