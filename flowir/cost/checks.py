"""Posterior predictive checks: would the fitted model have produced what was observed?

Every check compares one figure of the observations with the same figure of replicated ones: fresh
queries from the fitted model, called as often as the observed ones (Gelman, Meng and Stern 1996).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.cost import sampling
from flowir.cost.posterior import QuantityPosterior, SuccessPosterior
from flowir.cost.series import KINDS

Floats = npt.NDArray[np.float64]

REPLICATES = 100
MOST_PAIRS = 100
MATERIAL = 0.03
"""A share that is off by less than this is not worth a warning, however significant."""


@dataclass(frozen=True)
class Check:
    """One figure, observed and predicted.

    Attributes:
        subject: the arm or the pair of arms.
        figure: what was compared.
        observed: the observed value.
        predicted: mean over replicates.
        low, high: central 90 % of the replicates.
        failed: outside the central 99 %, and by an amount that matters.
    """

    subject: str
    figure: str
    observed: float
    predicted: float
    low: float
    high: float
    failed: bool = False

    @property
    def inside(self) -> bool:
        """Whether the observed value is in the central 90 % of the replicates."""
        return self.low <= self.observed <= self.high

    def __str__(self) -> str:
        return (
            f"{self.subject}: {self.figure} is {self.observed:.3g} in the observations, "
            f"{self.predicted:.3g} ({self.low:.3g} to {self.high:.3g}) in the model"
        )


def warnings(checks: Sequence[Check]) -> list[str]:
    """What a user should know where checks failed: a sentence for each figure."""
    failed: dict[str, list[Check]] = {}
    for check in checks:
        if check.failed:
            failed.setdefault(check.figure, []).append(check)
    return [
        f"{_worst(group)}{_and_more(group)}: {CONSEQUENCES[figure]}"
        for figure, group in failed.items()
    ]


def _worst(group: Sequence[Check]) -> Check:
    """The one that is furthest off, in widths of its interval."""
    return max(group, key=lambda c: abs(c.observed - c.predicted) / max(c.high - c.low, 1e-9))


def _and_more(group: Sequence[Check]) -> str:
    return f" (and {len(group) - 1} more of this kind)" if len(group) > 1 else ""


MEAN = "share of events"
ALL = "share of queries on which all repeats succeed"
NONE = "share of queries on which no repeat succeeds"
BOTH = "share of pairs of calls on one query that both succeed"
SIZE = "mean over queries of the geometric mean of repeats"
SLOW = "95th percentile over median of the query means"

CONSEQUENCES = {
    MEAN: "predictions of accuracy may be off",
    ALL: "predictions of retries and votes may be off",
    NONE: "predictions of retries and votes may be off",
    BOTH: "predictions of cascades and votes over both may be off",
    SIZE: "predictions of latency or cost may be off",
    SLOW: "predictions of the slowest and costliest queries may be off",
}
"""What to doubt in predictions where a check fails."""


def success_checks(posterior: SuccessPosterior, difficulty: Floats, seed: int) -> list[Check]:
    """Means and k-of-n extremes of every series, and joint success of pairs of arms."""
    sample = sampling.fresh_queries(
        difficulty, posterior.draws, REPLICATES, posterior.right.shape[1], seed
    )
    rng = sampling.stream(seed, "checks")
    replicated = []
    for arm, kind, trials in zip(posterior.arms, posterior.kinds, posterior.trials, strict=True):
        rate, _ = sampling.success(posterior, sample, arm, kind)
        replicated.append(rng.binomial(trials.astype(int), rate).astype(float))
    checks = []
    for e, (arm, kind) in enumerate(zip(posterior.arms, posterior.kinds, strict=True)):
        subject = str(arm) if KINDS[kind] == "success" else f"{arm} ({KINDS[kind]})"
        trials, right = posterior.trials[e], posterior.right[e]
        seen, repeated = trials > 0, trials > 1
        checks.append(
            _check(
                subject,
                MEAN,
                right.sum() / trials.sum(),
                replicated[e].sum(-1) / trials.sum(),
                MATERIAL,
            )
        )
        graded = bool((right % 1 != 0).any())
        if repeated.sum() >= 10 and not graded:
            every = replicated[e][:, repeated] == trials[repeated]
            none = replicated[e][:, repeated] == 0
            full = (right == trials)[repeated].mean()
            empty = (right[repeated] == 0).mean()
            checks.append(_check(subject, ALL, full, every.mean(-1), MATERIAL))
            checks.append(_check(subject, NONE, empty, none.mean(-1), MATERIAL))
        assert seen.any()
    success = [e for e, kind in enumerate(posterior.kinds) if KINDS[kind] == "success"]
    for a, b in itertools.islice(itertools.combinations(success, 2), MOST_PAIRS):
        shared = (posterior.trials[a] > 0) & (posterior.trials[b] > 0)
        if shared.sum() < 10:
            continue
        weight = posterior.trials[a][shared] * posterior.trials[b][shared]
        checks.append(
            _check(
                f"{posterior.arms[a]} and {posterior.arms[b]}",
                BOTH,
                (posterior.right[a] * posterior.right[b])[shared].sum() / weight.sum(),
                (replicated[a] * replicated[b])[:, shared].sum(-1) / weight.sum(),
                MATERIAL,
            )
        )
    return checks


def quantity_checks(
    posterior: QuantityPosterior, quantity: str, difficulty: Floats, stored: int, seed: int
) -> list[Check]:
    """Whether amounts are as large as observed, and slow or long queries as far from usual ones."""
    queries = posterior.count.shape[1]
    sample = sampling.fresh_queries(difficulty, stored, REPLICATES, queries, seed)
    rng = sampling.stream(seed, "quantity checks", quantity)
    checks = []
    for e, arm in enumerate(posterior.arms):
        seen = posterior.count[e] > 0
        if seen.sum() < 20:
            continue
        location, scale, _ = sampling.log_quantity(posterior, sample, arm, quantity)
        noise = rng.standard_normal(location.shape) / np.sqrt(np.maximum(posterior.count[e], 1))
        means = (location + scale * noise)[:, seen]
        observed = posterior.mean[e][seen]
        subject = f"{quantity} of {arm}"
        usual = float(np.exp(observed).mean())
        checks += [
            _check(subject, SIZE, usual, np.exp(means).mean(-1), 0.1 * usual),
            _check(subject, SLOW, _ratio(observed[None])[0], _ratio(means), 0.3),
        ]
    return checks


def _ratio(means: Floats) -> Floats:
    upper, middle = np.quantile(means, [0.95, 0.5], axis=-1)
    return np.asarray(np.exp(upper - middle))


def _check(
    subject: str, figure: str, observed: float, replicates: Floats, material: float
) -> Check:
    lowest, low, high, highest = np.quantile(replicates, [0.005, 0.05, 0.95, 0.995])
    predicted = float(replicates.mean())
    failed = not lowest <= observed <= highest and abs(observed - predicted) > material
    return Check(subject, figure, float(observed), predicted, float(low), float(high), bool(failed))
