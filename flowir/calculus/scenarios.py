"""What the calculus is given: probabilities, latencies and money of single calls, per scenario.

A scenario is one (draw, query) pair. Draws carry what is not known yet, queries carry what makes
some questions hard for every agent: they are shared by all decisions, and that is the correlation.
Arrays put the S = draws · queries scenarios last, draw by draw: s = draw · queries + query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CallModel:
    """One decision: its C configurations in S scenarios.

    Attributes:
        success: [C, S] P(right | every input right).
        log_latency: [C, S] location of the log-normal latency of one call, log seconds.
        latency_scale: [C, S] scale (standard deviation of the log) of one call's latency noise.
        cost: [C, S] expected US dollars of one call; NaN where no price is known.
        recovery: [C, S] P(right | some input wrong); None where nothing was observed.
        wrong_agreement: [C, S] chance that a wrong answer is the query's common wrong answer, so
            that two wrong answers agree with its square; 1 where answers were not observed.
        output_tokens: [C, S] expected tokens written; NaN where unknown.
        input_price: [C] US dollars per input token; NaN where unknown.
        accept_right: [C, S] P(accepts | right) of an agent that judges; None of any other.
        accept_wrong: [C, S] P(accepts | wrong) of an agent that judges; None of any other.
        labels: label -> [C, S] probability of writing it, of an agent that routes.
    """

    success: Array
    log_latency: Array
    latency_scale: Array
    cost: Array
    recovery: Array | None = None
    wrong_agreement: Array | None = None
    output_tokens: Array | None = None
    input_price: Array | None = None
    accept_right: Array | None = None
    accept_wrong: Array | None = None
    labels: Mapping[str, Array] = field(default_factory=dict)

    @property
    def mean_latency(self) -> Array:
        """[C, S] mean of the log-normal, exp(location + scale² / 2), seconds."""
        return np.exp(self.log_latency + 0.5 * self.latency_scale**2)


@dataclass(frozen=True)
class CheckerModel:
    """A tool that judges, per scenario: [S] acceptance of right and of wrong values."""

    accept_right: Array
    accept_wrong: Array


@dataclass(frozen=True)
class GivenRates:
    """Rates of a checker that the workflow states instead of having them learned.

    Attributes:
        right: P(accepts | right), 0..1.
        wrong: P(accepts | wrong), 0..1.
        persistence: correlation of two verdicts about equally right values of one query, 0..1.
    """

    right: float
    wrong: float
    persistence: float = 0.0


@dataclass(frozen=True)
class Scenarios:
    """Everything about single calls, for `draws` posterior draws of `queries` queries.

    Attributes:
        calls: one per decision of the workflow, in its order.
        checkers: by tool name.
        assumptions: what was assumed rather than observed, one sentence each.
    """

    draws: int
    queries: int
    calls: tuple[CallModel, ...]
    checkers: Mapping[str, CheckerModel] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """S, the number of scenarios."""
        return self.draws * self.queries

    def per_draw(self, values: Array) -> Array:
        """[..., S] seen as [..., draws, queries]."""
        return values.reshape(*values.shape[:-1], self.draws, self.queries)

    def mean_field(self) -> Scenarios:
        """The published independence proxy: every query is the average query.

        Probabilities, mean latencies and money are averaged over the queries of each draw; latency
        keeps no noise. The result has one query per draw.
        """

        def mean(values: Array) -> Array:
            averaged: Array = self.per_draw(values).mean(axis=-1)
            return averaged

        def optional(values: Array | None) -> Array | None:
            return None if values is None else mean(values)

        calls = tuple(
            replace(
                call,
                success=mean(call.success),
                log_latency=np.log(mean(call.mean_latency)),
                latency_scale=np.zeros((call.success.shape[0], self.draws)),
                cost=mean(call.cost),
                recovery=optional(call.recovery),
                wrong_agreement=optional(call.wrong_agreement),
                output_tokens=optional(call.output_tokens),
                accept_right=optional(call.accept_right),
                accept_wrong=optional(call.accept_wrong),
                labels={label: mean(p) for label, p in call.labels.items()},
            )
            for call in self.calls
        )
        checkers = {
            name: CheckerModel(mean(checker.accept_right), mean(checker.accept_wrong))
            for name, checker in self.checkers.items()
        }
        return replace(self, queries=1, calls=calls, checkers=checkers)

    def point(self) -> Scenarios:
        """The mean over draws as well: one scenario, the point estimate a proxy would use."""
        merged = replace(self, draws=1, queries=self.size)
        return merged.mean_field()
