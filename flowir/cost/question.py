"""One question to the cost model: the single calls of one workflow, in scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import CallModel, CheckerModel, GivenRates, Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Checker,
    Decision,
    Vote,
    Workflow,
    blocks_of,
    checker_of,
    walk,
)
from flowir.configuration import Configuration
from flowir.cost import sampling
from flowir.cost.latency import log_latency
from flowir.cost.sampling import QuerySample
from flowir.cost.series import (
    ACCEPT_RIGHT,
    ACCEPT_WRONG,
    KINDS,
    MONEY,
    OUTPUT_TOKENS,
    RECOVERY,
    SUCCESS,
    Arm,
)
from flowir.errors import ProfileError
from flowir.profile.prices import Prices

if TYPE_CHECKING:
    from flowir.cost.cost_model import CostModel

Floats = npt.NDArray[np.float64]
Unknown = Literal["error", "prior"]


@dataclass
class Question:
    """Collects the assumptions an answer rests on while it is being put together."""

    model: CostModel
    workflow: Workflow
    given: dict[str, GivenRates]
    prices: Prices | None
    unknown: Unknown
    assumptions: dict[str, None] = field(default_factory=dict)

    def answer(self, draws: int, queries: int, population: bool, seed: int) -> Scenarios:
        """Scenarios; see :meth:`flowir.cost.CostModel.scenarios`."""
        self._check_agents()
        sample = self._queries(draws, queries, population, seed)
        checkers = tuple(_checkers(self.workflow.body))
        judging = {c.decision: c.name for c in checkers if c.decision is not None}
        routers = {term.router for term in walk(self.workflow.body) if isinstance(term, Branch)}
        calls = tuple(
            self._call(decision, sample, judging.get(index), index in routers)
            for index, decision in enumerate(self.workflow.decisions)
        )
        tools = sorted({c.name for c in checkers if c.decision is None})
        models = {name: self._tool(name, sample) for name in tools}
        self._note_recovery()
        return Scenarios(draws, queries, calls, models, tuple(self.assumptions))

    def _queries(self, draws: int, queries: int, population: bool, seed: int) -> QuerySample:
        model = self.model
        if population:
            return sampling.fresh_queries(model.difficulty, model.stored, draws, queries, seed)
        return sampling.observed_queries(
            model.success, model.difficulty, model.stored, draws, queries, seed
        )

    def _assume(self, sentence: str) -> None:
        self.assumptions[sentence] = None

    def _check_agents(self) -> None:
        asked = dict.fromkeys(decision.agent for decision in self.workflow.decisions)
        missing = [agent for agent in asked if agent not in self.model.agents]
        if missing and self.unknown == "error":
            raise ProfileError(
                f"the profile has no observations of {', '.join(missing)}; it has agents "
                f"{', '.join(self.model.agents)}. Add rows whose sub_agent is the agent's symbol"
            )
        for agent in missing:
            self._assume(f"{agent} was never observed: its success and latency are the prior's")

    def _call(
        self, decision: Decision, sample: QuerySample, judge: str | None, routes: bool
    ) -> CallModel:
        arms = [Arm(decision.agent, c) for c in decision.configurations]
        call = _stack([self._single(arm, sample) for arm in arms])
        if judge is not None:
            rights, wrongs = zip(*(self._verdicts(judge, arm, sample) for arm in arms), strict=True)
            call = replace(call, accept_right=np.stack(rights), accept_wrong=np.stack(wrongs))
        if routes:
            call = replace(call, labels=self._labels(arms, sample))
        return call

    def _single(self, arm: Arm, sample: QuerySample) -> CallModel:
        success = self._success(arm, sample)
        recovers = self._observed(RECOVERY, arm.agent)
        location, scale = self._latency(arm, sample)
        written = _mean(*self._quantity(arm, OUTPUT_TOKENS, sample))
        cost, price_in = self._money(arm, written, sample)
        return CallModel(
            success=success.reshape(1, -1),
            log_latency=location.reshape(1, -1),
            latency_scale=scale.reshape(1, -1),
            cost=cost.reshape(1, -1),
            recovery=self._rate(arm, RECOVERY, sample).reshape(1, -1) if recovers else None,
            wrong_agreement=self._agreement(arm, sample).reshape(1, -1),
            output_tokens=written.reshape(1, -1),
            input_price=np.array([price_in]),
        )

    def _success(self, arm: Arm, sample: QuerySample) -> Floats:
        """Where only verdicts of an agent were observed, how often they are correct."""
        if not self._observed(SUCCESS, arm.agent) and self._observed(ACCEPT_RIGHT, arm.agent):
            right, wrong = (self._rate(arm, k, sample) for k in (ACCEPT_RIGHT, ACCEPT_WRONG))
            return 0.5 * (right + 1 - wrong)
        return self._rate(arm, SUCCESS, sample)

    def _rate(self, arm: Arm, kind: str, sample: QuerySample) -> Floats:
        if self.model.success is None:
            raise ProfileError(
                "the profile has no outcomes; fill the column correct, or answer for checkers"
            )
        rate, known = sampling.success(self.model.success, sample, arm, KINDS.index(kind))
        if not known and kind == SUCCESS and arm.agent in self.model.agents:
            self._assume(f"{arm} was never observed: its neighbours say what it does, widely")
        return rate

    def _latency(self, arm: Arm, sample: QuerySample) -> tuple[Floats, Floats]:
        found = log_latency(self.model.quantities, self.model.decoding, sample, arm)
        if found is None:
            self._assume("no latency was observed: latency is unknown")
            missing = np.full(sample.difficulty.shape[:2], np.nan)
            return missing, missing
        location, scale, known = found
        if not known and arm.agent in self.model.agents:
            self._assume(f"{arm} was never timed: its model and neighbours say how long it takes")
        return location, scale

    def _quantity(self, arm: Arm, quantity: str, sample: QuerySample) -> tuple[Floats, Floats]:
        posterior = self.model.quantities.get(quantity)
        if posterior is None:
            missing = np.full(sample.difficulty.shape[:2], np.nan)
            return missing, missing
        location, scale, known = sampling.log_quantity(posterior, sample, arm, quantity)
        if not known:
            self._assume(f"the {quantity} of {arm} was never observed: it is its neighbours'")
        return location, scale

    def _money(self, arm: Arm, written: Floats, sample: QuerySample) -> tuple[Floats, float]:
        """[D, Q] expected US dollars of one call and the price of an input token."""
        model = arm.configuration.model
        if self.prices is not None and model in self.prices:
            price_in, price_out = self.prices.per_token(model)
            read = self._read(arm, sample)
            return price_in * read + price_out * written, price_in
        observed = self.model.quantities.get(MONEY)
        if observed is not None and arm in observed.arms:
            return _mean(*self._quantity(arm, MONEY, sample)), np.nan
        return np.full_like(written, np.nan), np.nan

    def _read(self, arm: Arm, sample: QuerySample) -> Floats:
        """[D, Q] input tokens of a call, NaN where none were ever counted."""
        if self.model.prompts is None:
            return np.full(sample.difficulty.shape[:2], np.nan)
        tokens, known = self.model.prompts.sample(arm, sample)
        if not known:
            self._assume(f"the input tokens of {arm} were never counted: it reads as others do")
        return tokens

    def _agreement(self, arm: Arm, sample: QuerySample) -> Floats:
        posterior = self.model.agreement.get(arm.agent)
        if posterior is None:
            if any(isinstance(term, Vote) for term in walk(self.workflow.body)):
                self._assume(
                    f"no two wrong answers of {arm.agent} to one query were observed: in votes "
                    "all wrong answers are taken to agree, which is the worst case"
                )
            return np.ones(sample.difficulty.shape[:2])
        rng = sample.rng("agreement", arm.agent)
        return posterior.sample(sample.draw, sample.expected, sample.observed, rng)

    def _labels(self, arms: Sequence[Arm], sample: QuerySample) -> dict[str, Floats]:
        agent = arms[0].agent
        posterior = self.model.routing.get(agent)
        if posterior is None:
            self._assume(
                f"no labels of {agent} were observed: branches go by their stated weights, or "
                "evenly"
            )
            return {}
        shares = [
            posterior.sample(
                arm,
                sample.difficulty,
                self.model.difficulty,
                sample.observed,
                sample.rng("labels", arm),
            )
            for arm in arms
        ]
        for arm in arms:
            if arm not in posterior.arms:
                self._assume(f"{arm} never wrote a label: it routes as {agent} does elsewhere")
        return {
            label: np.stack([share[label].reshape(-1) for share in shares])
            for label in posterior.labels
        }

    def _verdicts(self, name: str, arm: Arm, sample: QuerySample) -> tuple[Floats, Floats]:
        """[S] acceptance of right and of wrong values."""
        if name in self.given:
            self._note_given(name)
            shape = (sample.difficulty.shape[0], sample.difficulty.shape[1])
            right, wrong = sampling.given_rates(self.given[name], name, shape, sample.seed)
        else:
            right, wrong = (self._rate(arm, k, sample) for k in (ACCEPT_RIGHT, ACCEPT_WRONG))
            for kind in (ACCEPT_RIGHT, ACCEPT_WRONG):
                if not self._observed(kind, name):
                    self._assume(f"no verdict of {name} says how it would {kind} values: prior")
        return right.reshape(-1), wrong.reshape(-1)

    def _tool(self, name: str, sample: QuerySample) -> CheckerModel:
        arms = self._judging_arms(name)
        if name not in self.given and not arms and self.unknown == "error":
            raise ProfileError(
                f'checker @{name} has neither rates nor observations; write "accepts <right = …, '
                f'wrong = …, persistence = …>" on it, or add verdict rows with sub_agent {name}'
            )
        arm = arms[0] if arms else Arm(name, Configuration(""))
        return CheckerModel(*self._verdicts(name, arm, sample))

    def _judging_arms(self, name: str) -> list[Arm]:
        posterior = self.model.success
        return [] if posterior is None else [arm for arm in posterior.arms if arm.agent == name]

    def _observed(self, kind: str, agent: str) -> bool:
        posterior = self.model.success
        return posterior is not None and any(
            arm.agent == agent and KINDS[index] == kind
            for arm, index in zip(posterior.arms, posterior.kinds, strict=True)
        )

    def _note_given(self, name: str) -> None:
        rates = self.given[name]
        self._assume(
            f"{name} accepts {rates.right:g} of right and {rates.wrong:g} of wrong values, its "
            f"verdicts on one query correlated {rates.persistence:g}, as the workflow states"
        )
        posterior = self.model.success
        for arm in self._judging_arms(name):
            assert posterior is not None
            for kind, stated in ((ACCEPT_RIGHT, rates.right), (ACCEPT_WRONG, rates.wrong)):
                if not self._observed(kind, name):
                    continue
                low, high = sampling.rate_interval(posterior, arm, KINDS.index(kind))
                if not low <= stated <= high:
                    self._assume(
                        f"{name} is stated to {kind} values with {stated:g}; the profile says "
                        f"{low:.2f} to {high:.2f}: the statement was used, check it"
                    )

    def _note_recovery(self) -> None:
        """Says what is assumed of calls whose input may be wrong."""
        arguments = set(self.workflow.body.arguments)
        for agent in dict.fromkeys(
            self.workflow.decisions[call.decision].agent
            for call, fresh in _calls(self.workflow.body)
            if not fresh and not arguments.issuperset(call.inputs)
        ):
            if not self._observed(RECOVERY, agent):
                self._assume(
                    f"{agent} was never observed on a wrong input: it is taken never to recover"
                )
        for agent in dict.fromkeys(
            self.workflow.decisions[call.decision].agent
            for call, fresh in _calls(self.workflow.body)
            if fresh
        ):
            if not self._observed(RECOVERY, agent):
                self._assume(
                    f"{agent} was never observed on a wrong input: refining with it is taken to "
                    "be a fresh attempt"
                )


def _calls(block: Block) -> Iterator[tuple[Call, bool]]:
    """Every call and whether it is a fresh attempt."""
    for term in block.terms:
        if isinstance(term, Call):
            yield term, term.fresh
        for inner in blocks_of(term):
            yield from _calls(inner)


def _checkers(block: Block) -> Iterator[Checker]:
    for term in walk(block):
        if (checker := checker_of(term)) is not None:
            yield checker


def _mean(location: Floats, scale: Floats) -> Floats:
    """Mean of a log-normal."""
    return np.exp(location + 0.5 * scale**2)


def _stack(parts: Sequence[CallModel]) -> CallModel:
    """One row per configuration."""

    def rows(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    recovers = all(part.recovery is not None for part in parts)
    return CallModel(
        success=rows("success"),
        log_latency=rows("log_latency"),
        latency_scale=rows("latency_scale"),
        cost=rows("cost"),
        recovery=rows("recovery") if recovers else None,
        wrong_agreement=rows("wrong_agreement"),
        output_tokens=rows("output_tokens"),
        input_price=rows("input_price"),
    )
