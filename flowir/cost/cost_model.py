"""The fitted cost model: scenarios for a workflow, and a table of what was learned. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import CallModel, CheckerModel, GivenRates, Scenarios
from flowir.calculus.terms import Decision, Fallback, Refine, Vote, Workflow, walk
from flowir.configuration import Configuration
from flowir.cost import sampling
from flowir.cost.posterior import QuantityPosterior, SuccessPosterior
from flowir.cost.series import (
    ACCEPT_RIGHT,
    ACCEPT_WRONG,
    INPUT_TOKENS,
    KINDS,
    LATENCY,
    OUTPUT_TOKENS,
    RECOVERY,
    SUCCESS,
    Arm,
)
from flowir.errors import ProfileError
from flowir.profile.prices import Prices

Floats = npt.NDArray[np.float64]
Unknown = Literal["error", "prior"]


@dataclass(frozen=True)
class CostModel:
    """A posterior over single calls, fitted by :func:`flowir.cost.fit`.

    Attributes:
        agents: the agents observed.
        queries: the queries observed.
        success: rates of being right and of accepting; None where no outcome was observed.
        quantities: latency and tokens, by quantity, those that were observed.
        difficulty: [Q, factors] posterior mean difficulty of the observed queries.
        stored: how many posterior draws are kept.
        warnings: what the fit or the observations warn of, one sentence each.
    """

    agents: tuple[str, ...]
    queries: tuple[str, ...]
    success: SuccessPosterior | None
    quantities: Mapping[str, QuantityPosterior]
    difficulty: Floats
    stored: int
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
            prices: US dollars per token; cost is NaN where a model has no price.
            population: fresh queries; False for the observed ones, each as often as the others.
            unknown: what an agent or checker that was never observed is: an error, or the prior.

        Raises:
            ProfileError: an agent or checker was never observed and `unknown` is "error".
        """
        return _Asked(self, dict(given or {}), prices, unknown, workflow).answer(
            draws, queries, population, seed
        )


@dataclass
class _Asked:
    """One question to the cost model, while it is being answered."""

    model: CostModel
    given: dict[str, GivenRates]
    prices: Prices | None
    unknown: Unknown
    workflow: Workflow
    assumptions: dict[str, None] = field(default_factory=dict)

    def answer(self, draws: int, queries: int, population: bool, seed: int) -> Scenarios:
        model = self.model
        self._check_agents()
        factors = model.difficulty.shape[1]
        if population:
            sample = sampling.fresh_queries(model.stored, factors, draws, queries, seed)
        else:
            sample = sampling.observed_queries(
                model.success, model.difficulty, model.stored, draws, queries, seed
            )
        judging = {
            term.checker.decision: term.checker.name
            for term in walk(self.workflow.body)
            if isinstance(term, Fallback | Refine) and term.checker.decision is not None
        }
        tools = sorted(
            {
                term.checker.name
                for term in walk(self.workflow.body)
                if isinstance(term, Fallback | Refine) and term.checker.decision is None
            }
        )
        calls = tuple(
            self._call(decision, sample, judging.get(index))
            for index, decision in enumerate(self.workflow.decisions)
        )
        checkers = {name: self._tool(name, sample) for name in tools}
        if any(isinstance(term, Vote) for term in walk(self.workflow.body)):
            self._assume("all wrong answers to a query are taken to agree in votes (conservative)")
        return Scenarios(draws, queries, calls, checkers, tuple(self.assumptions))

    def _assume(self, sentence: str) -> None:
        self.assumptions[sentence] = None

    def _check_agents(self) -> None:
        asked = dict.fromkeys(decision.agent for decision in self.workflow.decisions)
        missing = [a for a in asked if a not in self.model.agents and a not in self.given]
        if not missing:
            return
        known = ", ".join(self.model.agents)
        if self.unknown == "error":
            raise ProfileError(
                f"the profile has no observations of {', '.join(missing)}; it has agents {known}. "
                "Add rows whose sub_agent is the agent's symbol"
            )
        for agent in missing:
            self._assume(f"{agent} was never observed: its success and latency are the prior's")

    def _call(
        self, decision: Decision, sample: sampling.QuerySample, judge: str | None
    ) -> CallModel:
        parts = [self._arm(Arm(decision.agent, c), sample) for c in decision.configurations]
        call = _stack(parts)
        if judge is None:
            return call
        rights, wrongs = zip(
            *(self._verdicts(Arm(decision.agent, c), sample) for c in decision.configurations),
            strict=True,
        )
        return replace(call, accept_right=np.stack(rights), accept_wrong=np.stack(wrongs))

    def _arm(self, arm: Arm, sample: sampling.QuerySample) -> CallModel:
        shape = sample.difficulty.shape[:2]
        success = self._rate(arm, SUCCESS, sample)
        recovery = None
        posterior = self.model.success
        if posterior is not None and any(
            kind == KINDS.index(RECOVERY) and other.agent == arm.agent
            for other, kind in zip(posterior.arms, posterior.kinds, strict=True)
        ):
            recovery = self._rate(arm, RECOVERY, sample).reshape(1, -1)
        location, scale = self._quantity(arm, LATENCY, sample)
        written = _mean(*self._quantity(arm, OUTPUT_TOKENS, sample))
        read = _mean(*self._quantity(arm, INPUT_TOKENS, sample))
        price_in, price_out = (np.nan, np.nan)
        if self.prices is not None:
            price_in, price_out = self.prices.per_token(arm.configuration.model)
        return CallModel(
            success=success.reshape(1, -1),
            log_latency=location.reshape(1, -1),
            latency_scale=scale.reshape(1, -1),
            cost=(price_in * read + price_out * written).reshape(1, -1),
            recovery=recovery,
            wrong_agreement=np.ones((1, shape[0] * shape[1])),
            output_tokens=written.reshape(1, -1),
            input_price=np.array([price_in]),
        )

    def _rate(self, arm: Arm, kind: str, sample: sampling.QuerySample) -> Floats:
        if self.model.success is None:
            raise ProfileError(
                "the profile has no outcomes; fill the column correct, or answer for checkers"
            )
        rate, known = sampling.success(self.model.success, sample, arm, KINDS.index(kind))
        if not known and kind == SUCCESS and arm.agent in self.model.agents:
            self._assume(f"{arm} was never observed: its neighbours say what it does, widely")
        return rate

    def _quantity(
        self, arm: Arm, quantity: str, sample: sampling.QuerySample
    ) -> tuple[Floats, Floats]:
        posterior = self.model.quantities.get(quantity)
        if posterior is None:
            missing = np.full(sample.difficulty.shape[:2], np.nan)
            if quantity == LATENCY:
                self._assume("no latency was observed: latency is unknown")
            return missing, missing
        location, scale, known = sampling.log_quantity(posterior, sample, arm, quantity)
        if not known:
            self._assume(f"the {quantity} of {arm} was never observed: it is its neighbours'")
        return location, scale

    def _verdicts(self, arm: Arm, sample: sampling.QuerySample) -> tuple[Floats, Floats]:
        shape = sample.difficulty.shape[:2]
        if arm.agent in self.given:
            self._note_given(arm.agent)
            rates = sampling.given_rates(self.given[arm.agent], arm.agent, shape, sample.seed)
        else:
            rates = (
                self._rate(arm, ACCEPT_RIGHT, sample),
                self._rate(arm, ACCEPT_WRONG, sample),
            )
        return rates[0].reshape(-1), rates[1].reshape(-1)

    def _tool(self, name: str, sample: sampling.QuerySample) -> CheckerModel:
        observed = self._tool_arms(name)
        if name not in self.given and not observed and self.unknown == "error":
            raise ProfileError(
                f'checker @{name} has neither rates nor observations; write "accepts <right = …, '
                f'wrong = …, persistence = …>" on it, or add verdict rows with sub_agent {name}'
            )
        if name not in self.given and not observed:
            self._assume(f"checker {name} was never observed: its rates are the prior's")
        arm = observed[0] if observed else Arm(name, Configuration(""))
        return CheckerModel(*self._verdicts(arm, sample))

    def _tool_arms(self, name: str) -> list[Arm]:
        if self.model.success is None:
            return []
        return [arm for arm in self.model.success.arms if arm.agent == name]

    def _note_given(self, name: str) -> None:
        rates = self.given[name]
        self._assume(
            f"checker {name} accepts {rates.right:g} of right and {rates.wrong:g} of wrong values, "
            f"verdicts on one query correlated {rates.persistence:g}, as the workflow states"
        )
        if self._tool_arms(name):
            self._assume(f"the profile's verdicts of {name} are not used: stated rates come first")


def _mean(location: Floats, scale: Floats) -> Floats:
    """Mean of a log-normal."""
    return np.exp(location + 0.5 * scale**2)


def _stack(parts: list[CallModel]) -> CallModel:
    """One row per configuration."""

    def rows(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    observed = all(part.recovery is not None for part in parts)
    return CallModel(
        success=rows("success"),
        log_latency=rows("log_latency"),
        latency_scale=rows("latency_scale"),
        cost=rows("cost"),
        recovery=rows("recovery") if observed else None,
        wrong_agreement=rows("wrong_agreement"),
        output_tokens=rows("output_tokens"),
        input_price=rows("input_price"),
    )
