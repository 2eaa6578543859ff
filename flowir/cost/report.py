"""What was learned, as rows of a table, and what a user should know about the observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flowir.configuration import Configuration
from flowir.cost import sampling
from flowir.cost.latency import log_latency
from flowir.cost.series import (
    KINDS,
    MONEY,
    OUTPUT_TOKENS,
    SUCCESS,
    Arm,
    arm_codes,
)
from flowir.profile.observations import Observations
from flowir.profile.prices import Prices

if TYPE_CHECKING:
    from flowir.cost.cost_model import CostModel

Floats = npt.NDArray[np.float64]
FRESH_QUERIES = 512
FEW_QUERIES = 20


@dataclass(frozen=True)
class Estimate:
    """Posterior mean of a population mean and its central 90 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """What was learned of one agent in one configuration; None where nothing was observed.

    Attributes:
        event: `success`, `recovery`, `accept right` or `accept wrong`.
        observations: outcomes observed (calls timed, where only latency was).
        queries: distinct queries among them.
        rate: of the event.
        latency_s, output_tokens, cost_usd: of one call.
    """

    agent: str
    configuration: Configuration
    event: str
    observations: int
    queries: int
    rate: Estimate | None
    latency_s: Estimate | None
    output_tokens: Estimate | None
    cost_usd: Estimate | None


def learned(model: CostModel, prices: Prices | None = None) -> tuple[Row, ...]:
    """One row per agent, configuration and kind of event, for fresh queries."""
    series: list[tuple[Arm, int | None]] = []
    if model.success is not None:
        series += zip(model.success.arms, model.success.kinds, strict=True)
    outcomes = {arm for arm, _ in series}
    timed = dict.fromkeys(arm for part in model.quantities.values() for arm in part.arms)
    series += [(arm, None) for arm in timed if arm not in outcomes]
    series.sort(key=lambda entry: (entry[0].agent, entry[0].configuration.sort_key, entry[1] or 0))
    draws = min(model.stored, 200)
    sample = sampling.fresh_queries(model.difficulty, model.stored, draws, FRESH_QUERIES, 0)
    return tuple(_row(model, arm, kind, sample, prices) for arm, kind in series)


def _row(
    model: CostModel,
    arm: Arm,
    kind: int | None,
    sample: sampling.QuerySample,
    prices: Prices | None,
) -> Row:
    rate, counts = None, None
    if model.success is not None and kind is not None:
        index = list(zip(model.success.arms, model.success.kinds, strict=True)).index((arm, kind))
        counts = model.success.trials[index]
        rate = _estimate(sampling.success(model.success, sample, arm, kind)[0].mean(-1))
    else:
        part = next(part for part in model.quantities.values() if arm in part.arms)
        counts = part.count[part.arms.index(arm)]
    means = {name: _means(model, name, arm, sample) for name in model.quantities}
    cost = means.get(MONEY)
    written, read = means.get(OUTPUT_TOKENS), None
    if model.prompts is not None:
        read = model.prompts.sample(arm, sample)[0].mean(-1)
    if prices is not None and arm.configuration.model in prices:
        price_in, price_out = prices.per_token(arm.configuration.model)
        cost = None
        if written is not None and read is not None:
            cost = price_in * read + price_out * written
    return Row(
        arm.agent,
        arm.configuration,
        KINDS[kind] if kind is not None else SUCCESS,
        int(counts.sum()),
        int((counts > 0).sum()),
        rate,
        _estimate(_seconds(model, arm, sample)),
        _estimate(written),
        _estimate(cost),
    )


def _seconds(model: CostModel, arm: Arm, sample: sampling.QuerySample) -> Floats | None:
    """[draws] mean latency over queries, None where the arm was not timed."""
    found = log_latency(model.quantities, model.decoding, sample, arm)
    if found is None or not found[2]:
        return None
    return np.asarray(np.exp(found[0] + 0.5 * found[1] ** 2).mean(axis=-1))


def _means(
    model: CostModel, quantity: str, arm: Arm, sample: sampling.QuerySample
) -> Floats | None:
    """[draws] mean over queries, None where the arm was not measured."""
    posterior = model.quantities[quantity]
    if arm not in posterior.arms:
        return None
    location, scale, _ = sampling.log_quantity(posterior, sample, arm, quantity)
    return np.asarray(np.exp(location + 0.5 * scale**2).mean(axis=-1))


def _estimate(means: Floats | None) -> Estimate | None:
    if means is None:
        return None
    low, high = np.quantile(means, [0.05, 0.95])
    return Estimate(float(means.mean()), float(low), float(high))


def remarks(observations: Observations) -> list[str]:
    """What in the observations themselves limits what can be learned, one sentence each."""
    found = []
    failed = int(observations.error.sum())
    if failed:
        found.append(
            f"{failed} of {len(observations)} calls failed for infrastructure reasons: they are "
            "missing data, not wrong answers"
        )
    usable = observations.without_errors()
    if not len(usable):
        return found
    for code, proxy in enumerate(usable.proxies):
        calls = int((usable.proxy == code).sum())
        found.append(
            f"{calls} of {len(usable)} calls have no label: what is right was taken from a proxy, "
            f"{proxy}; accuracy means agreement with it"
        )
    if len(usable.queries) < FEW_QUERIES:
        found.append(
            f"only {len(usable.queries)} distinct queries: intervals for fresh queries are wide, "
            f"{FEW_QUERIES} or more are advised"
        )
    arms, arm = arm_codes(usable)
    for code, one in enumerate(arms):
        rows = arm == code
        if dict(one.configuration.params).get("temperature") == 0:
            found += _identical(usable, rows, one)
        outcomes = usable.correct[rows & ~np.isnan(usable.correct)]
        if len(outcomes) > 1 and bool((outcomes == outcomes[0]).all()) and outcomes[0] in (0, 1):
            word = "right" if outcomes[0] == 1 else "wrong"
            found.append(f"all {len(outcomes)} observations of {one} are {word}")
    return found


def _identical(observations: Observations, rows: npt.NDArray[np.bool_], arm: Arm) -> list[str]:
    """A remark where repeats of an arm at temperature 0 on a query are all equal."""
    answer, correct = observations.answer[rows], observations.correct[rows]
    outcome = np.where(answer >= 0, answer, -2.0 - np.nan_to_num(correct, nan=2.0))
    queries, repeats = np.unique(observations.query[rows], return_counts=True)
    distinct = np.unique(np.stack([observations.query[rows], outcome]), axis=1).shape[1]
    if not (repeats > 1).any() or distinct > len(queries):
        return []
    return [
        f"all repeats of {arm} at temperature 0 are identical: they say little about retries "
        "and votes"
    ]
