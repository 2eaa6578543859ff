"""What wrong answers have in common, and which labels a router writes. Numpy only.

A wrong answer is the query's *common wrong answer* with probability g, else an answer all its own,
so two wrong answers agree with probability g². Per query g ~ Beta; the identity of the common wrong
answer is not known and is summed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.cost.series import Arm, arm_codes, judges
from flowir.cost.special import log_gamma
from flowir.profile.observations import Observations

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_LABELS = 12
"""An agent whose answers are more different than this is not a router."""
NEIGHBOURHOOD = 0.3
"""A fresh query is routed like an observed one about this near in difficulty."""


@dataclass(frozen=True)
class WrongAnswers:
    """Groups of equal wrong answers of one agent, over all its configurations, per query.

    Attributes:
        wrong: [Q] number of wrong answers seen.
        largest: [Q] size of the largest group of equal ones.
        ties: [Q] number of groups of that size.
    """

    wrong: Floats
    largest: Floats
    ties: Floats

    @property
    def informative(self) -> bool:
        """Whether any query has two wrong answers to compare."""
        return bool((self.wrong >= 2).any())


def wrong_answers(observations: Observations) -> dict[str, WrongAnswers]:
    """By agent; rows without an answer or a verdict on correctness say nothing."""
    found = {}
    for code, agent in enumerate(observations.agents):
        if agent in judges(observations):
            continue
        rows = (observations.agent == code) & (observations.answer >= 0)
        rows &= (observations.correct < 0.5) & observations.input_correct
        if not rows.any():
            continue
        groups, sizes = np.unique(
            np.stack([observations.query[rows], observations.answer[rows]]),
            axis=1,
            return_counts=True,
        )
        shape = len(observations.queries)
        wrong, largest, ties = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        np.add.at(wrong, groups[0], sizes)
        np.maximum.at(largest, groups[0], sizes)
        np.add.at(ties, groups[0], sizes == largest[groups[0]])
        found[agent] = WrongAnswers(wrong, largest, ties)
    return found


@dataclass(frozen=True)
class AgreementPosterior:
    """Draws of how g depends on difficulty for one agent.

    Attributes:
        location: [draws] logistic scale.
        slope: [draws, factors].
        concentration: [draws].
    """

    data: WrongAnswers
    location: Floats
    slope: Floats
    concentration: Floats

    def sample(
        self,
        draw: Indices,
        difficulty: Floats,
        observed: Indices | None,
        rng: np.random.Generator,
    ) -> Floats:
        """[D, Q] values of g at difficulties [D, Q, factors], of observed queries or fresh ones."""
        score = self.location[draw, None]
        score = score + np.einsum("dqf,df->dq", difficulty, self.slope[draw])
        mean = 0.001 + 0.998 / (1 + np.exp(-score))
        total = self.concentration[draw, None]
        alpha, beta = mean * total, (1 - mean) * total
        if observed is None:
            return np.asarray(rng.beta(alpha, beta))
        wrong, largest = self.data.wrong[observed], self.data.largest[observed]
        ties = self.data.ties[observed]
        # All different: either one of them is the common answer, or none is.
        log_one = np.log(np.maximum(ties, 1)) + _log_moment(alpha, beta, largest, wrong)
        log_none = np.where(largest <= 1, _log_moment(alpha, beta, 0 * wrong, wrong), -np.inf)
        log_one = np.where(wrong > 0, log_one, -np.inf)
        common = rng.random(score.shape) * (1 + np.exp(log_none - log_one)) < 1
        largest = np.where(common, largest, 0)
        return np.asarray(rng.beta(alpha + largest, beta + wrong - largest))


def _log_moment(alpha: Floats, beta: Floats, power: Floats, total: Floats) -> Floats:
    """log E[g^power (1 - g)^(total - power)] for g ~ Beta(alpha, beta)."""
    moment: Floats = (
        log_gamma(alpha + power)
        - log_gamma(alpha)
        + log_gamma(beta + total - power)
        - log_gamma(beta)
        - log_gamma(alpha + beta + total)
        + log_gamma(alpha + beta)
    )
    return moment


@dataclass(frozen=True)
class RoutingPosterior:
    """Labels one agent writes: Dirichlet over labels, per query around the arm's own.

    Attributes:
        labels: [L], sorted.
        arms: observed arms of the agent.
        counts: [arms, Q, L] how often each label was written.
    """

    labels: tuple[str, ...]
    arms: tuple[Arm, ...]
    counts: Floats

    def sample(
        self,
        arm: Arm,
        difficulty: Floats,
        known_difficulty: Floats,
        observed: Indices | None,
        rng: np.random.Generator,
    ) -> Mapping[str, Floats]:
        """label -> [D, Q] probability; an arm never observed writes what its siblings write.

        difficulty: [D, Q, factors]; known_difficulty: [Q observed, factors].
        """
        known = arm in self.arms
        counts = self.counts[self.arms.index(arm)] if known else self.counts.sum(0)
        seen = counts.sum(1) > 0
        grid, weight = _concentrations(counts[seen])
        draws, queries = difficulty.shape[:2]
        if observed is None:
            observed = _nearest(difficulty, known_difficulty[seen], np.flatnonzero(seen), rng)
        found = np.empty((draws, queries, len(self.labels)))
        for d in range(draws):
            concentration = rng.choice(grid, p=weight)
            per_query = counts[seen].sum(1)
            # Verdicts on one query are correlated 1 / (1 + c): each query counts for less.
            worth = (1 + concentration) / (per_query + concentration)
            total = (counts[seen] * worth[:, None]).sum(0)
            share = rng.dirichlet(total + 1 / len(self.labels))
            own = counts[observed[d]] if known else np.zeros((queries, len(self.labels)))
            shape = np.maximum(concentration * share + own, 1e-3)
            gamma = rng.standard_gamma(shape) + 1e-12
            found[d] = gamma / gamma.sum(-1, keepdims=True)
        return {label: found[:, :, i] for i, label in enumerate(self.labels)}


def routing(observations: Observations) -> dict[str, RoutingPosterior]:
    """By agent, those whose answers are few enough to be labels."""
    arms, arm = arm_codes(observations)
    found = {}
    for code, agent in enumerate(observations.agents):
        rows = (observations.agent == code) & (observations.answer >= 0)
        used = np.unique(observations.answer[rows])
        if agent in judges(observations) or not 1 <= len(used) <= MOST_LABELS:
            continue
        own = np.unique(arm[rows])
        counts = np.zeros((len(own), len(observations.queries), len(used)))
        place = (
            np.searchsorted(own, arm[rows]),
            observations.query[rows],
            np.searchsorted(used, observations.answer[rows]),
        )
        np.add.at(counts, place, 1.0)
        found[agent] = RoutingPosterior(
            tuple(observations.answers[i] for i in used), tuple(arms[i] for i in own), counts
        )
    return found


def _concentrations(counts: Floats) -> tuple[Floats, Floats]:
    """Grid of concentrations and its posterior from Pólya likelihoods of counts [Q, L].

    The prior is uniform in the logarithm from 0.05 to 200.
    """
    grid = np.exp(np.linspace(np.log(0.05), np.log(200.0), 40))
    share = (counts.sum(0) + 1 / counts.shape[1]) / (counts.sum() + 1)
    log_likelihood = np.empty(len(grid))
    for i, c in enumerate(grid):
        per_label = log_gamma(c * share + counts) - log_gamma(c * share)
        total = counts.sum(1)
        log_likelihood[i] = (
            per_label.sum() + (log_gamma(np.asarray(c)) - log_gamma(c + total)).sum()
        )
    weight = np.exp(log_likelihood - log_likelihood.max())
    return grid, weight / weight.sum()


def _nearest(
    difficulty: Floats, known: Floats, index: Indices, rng: np.random.Generator
) -> Indices:
    """[D, Q] an observed query about as difficult as each fresh one (Gaussian neighbourhood)."""
    draws, queries = difficulty.shape[:2]
    # Posterior means are shrunk; spread them like the fresh ones before comparing.
    scaled = known / np.maximum(known.std(0), 1e-3)
    found = np.empty((draws, queries), dtype=np.int64)
    for d in range(draws):
        distance = ((difficulty[d][:, None, :] - scaled[None]) ** 2).sum(-1)
        log_weight = -0.5 * distance / NEIGHBOURHOOD**2
        gumbel = rng.gumbel(size=log_weight.shape)
        found[d] = index[np.argmax(log_weight + gumbel, axis=1)]
    return found
