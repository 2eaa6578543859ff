"""What observations of single calls say about the settings of a served workflow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Block,
    Call,
    Fallback,
    First,
    Map,
    Plan,
    Refine,
    Select,
    Workflow,
    walk,
)
from flowir.calculus.terms import blocks_of as blocks_inside
from flowir.cost import CostModel
from flowir.cost.series import KINDS, SUCCESS, Arm, binary_table
from flowir.profile.observations import Observations
from flowir.search.measuring import Measuring
from flowir.search.observed import Observed, given_rates
from flowir.serving.compiled import Compiled
from flowir.serving.expectations import FirstTokens

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CELLS = 1 << 22
"""Rows × scenarios evaluated at a time."""

SCENARIOS = 1 << 17
LEAST_DRAWS, MOST_DRAWS = 8, 64
"""Posterior draws per query: as many as make so many scenarios."""


@dataclass(frozen=True, eq=False)
class Rightness:
    """How often each setting is right on each query.

    Attributes:
        values: [C, Q] 0..1.
        observed: [Q] share of the calls behind them whose outcome was observed on that query, and
            not predicted by the cost model.
    """

    values: Floats
    observed: Floats


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The cost model, asked about a served workflow.

    Attributes:
        observed: what the model is fitted to, once it is asked.
    """

    compiled: Compiled
    observed: Observed

    @cached_property
    def terms(self) -> Workflow:
        """The workflow in the structure that is served."""
        return workflow_terms(self.compiled.workflow).specialise(self.compiled.labels)

    @cached_property
    def settings(self) -> npt.NDArray[np.intp]:
        """[C, D] configuration index of each decision, of every setting that may be run."""
        settings = np.zeros((len(self.compiled.every), len(self.terms.decisions)), dtype=np.intp)
        for number, decision in enumerate(self.terms.decisions):
            if str(decision) in self.compiled.stages:
                stage = list(self.compiled.stages).index(str(decision))
                settings[:, number] = [
                    decision.configurations.index(row.choices[stage]) for row in self.compiled.every
                ]
        return settings

    @property
    def races(self) -> bool:
        """Whether who is right depends on who is fast."""
        return any(isinstance(term, First) for term in walk(self.terms.body))

    @property
    def queries(self) -> tuple[str, ...]:
        """Those observed, in the order of the columns below."""
        return self.observed.model.queries

    def success(self) -> Floats:
        """[C, Q] posterior mean success of every setting on the observed queries."""
        return self._measured("right", self._scenarios())

    def rightness(self) -> Rightness:
        """The same by what was observed, where observations decide it.

        Success is linear in that of an agent which a run asks once: then the share of right answers
        observed on a query stands for its chance, without bias. An agent that is asked more often
        is not so: of one right answer it does not follow that all are. Its chance, and whatever was
        not observed, is the posterior's, given what was observed on that query and elsewhere.
        """
        scenarios = self._scenarios()
        agents = calls_of(self.terms)
        table = binary_table(self.observed.observations.without_errors())
        series = {
            arm: number
            for number, (arm, kind) in enumerate(zip(table.arms, table.kinds, strict=True))
            if KINDS[kind] == SUCCESS
        }
        calls = list(scenarios.calls)
        behind, seen = 0, np.zeros(len(self.queries))
        for number, decision in enumerate(self.terms.decisions):
            if str(decision) not in self.compiled.stages or not agents[decision.agent]:
                continue
            success = calls[number].success.copy()
            for choice in np.unique(self.settings[:, number]).tolist():
                behind += 1
                place = series.get(Arm(decision.agent, decision.configurations[choice]))
                if place is None or agents[decision.agent] > 1:
                    continue
                trials = table.trials[place]
                rate = table.right[place] / np.maximum(trials, 1.0)
                known = np.tile(trials > 0, scenarios.draws)
                success[choice] = np.where(known, np.tile(rate, scenarios.draws), success[choice])
                seen += trials > 0
            calls[number] = replace(calls[number], success=success)
        values = self._measured("right", replace(scenarios, calls=tuple(calls)))
        return Rightness(values, seen / max(behind, 1))

    def costs(self) -> list[float | None]:
        """[C] expected US dollars of a run; None where a price is not known."""
        found = self._measured("cost", self._scenarios()).mean(axis=1)
        return [None if np.isnan(cost) else float(cost) for cost in found]

    def first_tokens(self) -> FirstTokens:
        """What a call of each stage is expected to read and to write."""
        model, scenarios = self.observed.model, self._scenarios()
        read: dict[str, float] = {}
        written = {}
        for number, decision in enumerate(self.terms.decisions):
            stage = str(decision)
            if stage not in self.compiled.stages:
                continue
            if (tokens := _read(model, decision.agent)) is not None:
                read[stage] = tokens
            output = scenarios.calls[number].output_tokens
            for choice in np.unique(self.settings[:, number]).tolist():
                if output is not None and not np.isnan(mean := float(output[choice].mean())):
                    written[stage, decision.configurations[choice]] = mean
        return FirstTokens(read, written)

    def _scenarios(self) -> Scenarios:
        """The observed queries, each once per draw, in the order of `queries`."""
        model, module = self.observed.model, self.compiled.workflow.parent_op()
        count = len(model.queries)
        return model.scenarios(
            self.terms,
            given_rates(module),  # type: ignore[arg-type]
            prices=self.observed.prices,
            draws=int(np.clip(SCENARIOS // count, LEAST_DRAWS, MOST_DRAWS)),
            queries=count,
            population=False,
            seed=self.observed.seed,
        )

    def _measured(self, quantity: str, scenarios: Scenarios) -> Floats:
        """[C, Q] means over draws."""
        measuring = Measuring(scenarios, "sequential", 0, frozenset({quantity}))  # type: ignore[arg-type]
        step = max(1, CELLS // scenarios.size)
        parts = []
        for start in range(0, len(self.settings), step):
            rows = self.settings[start : start + step]
            found = measuring.measured(self.terms, rows, drawn=False)
            parts.append(scenarios.per_draw(found[quantity]).mean(axis=1))  # type: ignore[index]
        return np.concatenate(parts)


def calls_of(workflow: Workflow) -> Counter[str]:
    """How often each agent is asked for an answer in one run, at most."""
    found: Counter[str] = Counter()
    _count(workflow, workflow.body, 1, found)
    return found


def _count(workflow: Workflow, block: Block, times: int, found: Counter[str]) -> None:
    for term in block.terms:
        inner, often = blocks_inside(term), times
        match term:
            case Call() | Select():
                found[workflow.decisions[term.decision].agent] += times
            case Fallback():
                inner = term.tiers
            case Refine() | Map():
                often *= term.bound
            case Plan():
                often *= term.plans
        for one in inner:
            _count(workflow, one, often, found)


def informed(observations: Observations, agents: frozenset[str]) -> frozenset[str]:
    """The queries on which an outcome of some agent was observed."""
    kept = observations.without_errors()
    codes = [number for number, agent in enumerate(kept.agents) if agent in agents]
    rows = np.isin(kept.agent, codes) & (~np.isnan(kept.correct) | (kept.answer >= 0))
    return frozenset(kept.queries[code] for code in np.unique(kept.query[rows]))


def without(observations: Observations, queries: frozenset[str]) -> Observations:
    """The observations of all other queries."""
    codes = [number for number, query in enumerate(observations.queries) if query in queries]
    return observations.select(~np.isin(observations.query, codes))


def outcomes(observations: Observations) -> Observations:
    """The same calls without what they took: all that success is fitted to, and quicker to fit."""
    unknown = np.full(len(observations), np.nan)
    return replace(
        observations,
        latency_s=unknown,
        input_tokens=unknown,
        output_tokens=unknown,
        cost_usd=unknown,
    )


def _read(model: CostModel, agent: str) -> float | None:
    """Mean input tokens of an agent's calls; None where none were counted."""
    if model.prompts is None:
        return None
    own = [number for number, arm in enumerate(model.prompts.arms) if arm.agent == agent]
    return float(np.nanmean(model.prompts.tokens[own])) if own else None
