"""The fitted cost model: a posterior over single calls. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import GivenRates, Scenarios
from flowir.calculus.terms import Workflow
from flowir.cost.answers import AgreementPosterior, RoutingPosterior
from flowir.cost.checks import Check
from flowir.cost.latency import Decoding
from flowir.cost.posterior import QuantityPosterior, SuccessPosterior
from flowir.cost.prompts import PromptLengths
from flowir.cost.question import Question, Unknown
from flowir.cost.report import Row, learned
from flowir.cost.series import Arm
from flowir.profile.prices import Prices

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class CostModel:
    """A posterior over single calls, fitted by :func:`flowir.cost.fit`.

    Attributes:
        agents: the agents observed.
        queries: the queries observed.
        success: rates of being right and of accepting; None where no outcome was observed.
        quantities: latency, pace, output tokens and money, by quantity, those that were observed.
        prompts: input tokens; None where none were counted.
        decoding: prefill and decoding speed of the arms whose tokens were counted.
        agreement: how wrong answers agree, by agent, where answers tell.
        routing: the labels written, by agent whose answers are few.
        difficulty: [Q, factors] posterior mean difficulty of the observed queries.
        stored: how many posterior draws are kept.
        checks: posterior predictive checks, all of them.
        warnings: what the fit or the observations warn of, one sentence each.
    """

    agents: tuple[str, ...]
    queries: tuple[str, ...]
    success: SuccessPosterior | None
    quantities: Mapping[str, QuantityPosterior]
    difficulty: Floats
    stored: int
    prompts: PromptLengths | None = None
    decoding: Mapping[Arm, Decoding] = field(default_factory=dict)
    agreement: Mapping[str, AgreementPosterior] = field(default_factory=dict)
    routing: Mapping[str, RoutingPosterior] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()

    def scenarios(
        self,
        workflow: Workflow,
        given: Mapping[str, GivenRates] | None = None,
        *,
        prices: Prices | None = None,
        draws: int = 200,
        queries: int = 256,
        population: bool = True,
        seed: int = 0,
        unknown: Unknown = "error",
    ) -> Scenarios:
        """Single calls of every decision and checker of a workflow, in draws · queries scenarios.

        Args:
            given: rates the workflow states, by checker; they beat observed ones.
            prices: US dollars per token. A model without a price costs what its calls were observed
                to cost, NaN where that was not observed either.
            population: fresh queries; False for the observed ones, each as often as the others.
            unknown: what an agent or checker that was never observed is: an error, or the prior.

        Raises:
            ProfileError: an agent or checker was never observed and `unknown` is "error".
        """
        question = Question(self, workflow, dict(given or {}), prices, unknown)
        return question.answer(draws, queries, population, seed)

    def table(self, prices: Prices | None = None) -> tuple[Row, ...]:
        """What was learned per agent, configuration and kind of event, for fresh queries."""
        return learned(self, prices)
