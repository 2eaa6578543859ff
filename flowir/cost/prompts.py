"""How long prompts are. Numpy only.

Input tokens are a property of the query and the agent: repeats are equal, models differ by their
tokenizer, and lengths are often constant or in clusters. No smooth density fits that, so the
observed queries themselves are reweighted: the Bayesian bootstrap (Rubin 1981, "The Bayesian
bootstrap"), one weight per query and draw, shared by all arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.cost.sampling import QuerySample
from flowir.cost.series import INPUT_TOKENS, Arm, arm_codes
from flowir.profile.observations import Observations

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MANY = 4096
"""With more queries than this their weights are all alike: the mean is known to a percent."""


@dataclass(frozen=True)
class PromptLengths:
    """Input tokens of observed calls.

    Attributes:
        arms: [E] arms with counted tokens.
        tokens: [E, Q] mean over the calls of a query, NaN where none was counted.
        order: [Q] the observed queries, the easiest first.
    """

    arms: tuple[Arm, ...]
    tokens: Floats
    order: Indices

    def sample(self, arm: Arm, sample: QuerySample) -> tuple[Floats, bool]:
        """[D, Q] input tokens of a call, and whether they were counted for this arm.

        An arm never counted reads what its agent reads on other models, an agent never counted what
        all agents read. Fresh queries are matched to observed ones in the order of difficulty.
        """
        known = arm in self.arms
        length = self._of(arm)
        if sample.observed is not None:
            own = length[sample.observed]
            return np.where(np.isnan(own), np.nanmean(length), own), known
        order = self.order[~np.isnan(length[self.order])]
        lengths = length[order]
        weights = sample.once(INPUT_TOKENS, lambda rng: self._weights(len(sample.draw), rng))
        queries = sample.difficulty.shape[1]
        found = np.empty(sample.difficulty.shape[:2])
        for d, weight in enumerate(weights):
            reached = np.cumsum(weight[order])
            # The first dimension of difficulty adds to success: the easiest has most of it.
            rank = np.argsort(np.argsort(-sample.difficulty[d, :, 0], kind="stable"))
            found[d] = lengths[np.searchsorted(reached, (rank + 0.5) / queries * reached[-1])]
        return found, known

    def _of(self, arm: Arm) -> Floats:
        """[Q] tokens of an arm; of those most like it where it was never counted."""
        if arm in self.arms:
            return np.asarray(self.tokens[self.arms.index(arm)])
        alike = [e for e, other in enumerate(self.arms) if other.agent == arm.agent]
        return _mean_of_known(self.tokens[alike] if alike else self.tokens)

    def _weights(self, draws: int, rng: np.random.Generator) -> Floats:
        """[D, Q] unnormalised Dirichlet(1, …, 1) weights of the observed queries."""
        shape = (draws, self.tokens.shape[1])
        if shape[1] > MANY:
            return np.asarray(np.broadcast_to(1.0, shape))
        return np.asarray(rng.standard_exponential(shape))


def prompt_lengths(observations: Observations, difficulty: Floats) -> PromptLengths | None:
    """Of observations without infrastructure errors; None where no input tokens were counted.

    difficulty: [Q, factors] posterior mean.
    """
    counted = ~np.isnan(observations.input_tokens)
    if not counted.any():
        return None
    arms, arm = arm_codes(observations)
    used = np.unique(arm[counted])
    place = np.searchsorted(used, arm[counted]), observations.query[counted]
    total, count = np.zeros((2, len(used), len(observations.queries)))
    np.add.at(total, place, observations.input_tokens[counted])
    np.add.at(count, place, 1.0)
    tokens = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    order = np.argsort(-difficulty[:, 0], kind="stable")
    return PromptLengths(tuple(arms[code] for code in used), tokens, order)


def _mean_of_known(tokens: Floats) -> Floats:
    """[Q] mean over rows where there is one, NaN elsewhere."""
    known = ~np.isnan(tokens)
    total = np.where(known, tokens, 0.0).sum(0)
    return np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan)
