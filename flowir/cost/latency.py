"""Latency as prefill plus decoding: seconds = (prefill + per token · output tokens) · pace.

The pace is what tokens leave unexplained (load, batching, the network): a positive quantity with
query effects and heavy-tailed noise like any other. Where tokens were not counted, latency itself
is that quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.cost.posterior import QuantityPosterior
from flowir.cost.sampling import LARGEST_SCALE, QuerySample, log_quantity
from flowir.cost.series import LATENCY, OUTPUT_TOKENS, PACE, Arm, arm_codes
from flowir.profile.observations import Observations

Floats = npt.NDArray[np.float64]

FEWEST_CALLS = 8
"""Fewer timed calls with tokens do not tell prefill from decoding."""


@dataclass(frozen=True)
class Decoding:
    """Seconds before the first token and per output token, at ordinary pace."""

    prefill_s: float
    per_token_s: float

    def seconds(self, tokens: Floats) -> Floats:
        """Latency at pace 1 of calls that write so many tokens."""
        return self.prefill_s + self.per_token_s * tokens


def decodings(observations: Observations) -> dict[Arm, Decoding]:
    """By arm, where all timed calls have tokens and there are enough of them."""
    timed = ~np.isnan(observations.latency_s)
    counted = timed & (observations.output_tokens > 0)
    arms, codes = arm_codes(observations)
    found = {}
    for code, arm in enumerate(arms):
        rows = counted & (codes == code)
        if rows.sum() >= FEWEST_CALLS and rows.sum() == (timed & (codes == code)).sum():
            latency, tokens = observations.latency_s[rows], observations.output_tokens[rows]
            found[arm] = _least_relative_squares(latency, tokens)
    return found


def _least_relative_squares(latency: Floats, tokens: Floats) -> Decoding:
    """Non-negative (prefill, per token) that minimise Σ (1 - (prefill + per token · n) / l)²."""
    columns = np.stack([1 / latency, tokens / latency], axis=1)
    best = np.linalg.lstsq(columns, np.ones(len(latency)), rcond=None)[0]
    if (best < 0).any():
        alone = columns.sum(0) / (columns**2).sum(0)
        errors = ((1 - columns * alone) ** 2).sum(0)
        best = np.where(np.arange(2) == np.argmin(errors), alone, 0.0)
    return Decoding(float(best[0]), float(best[1]))


def with_pace(observations: Observations, decoding: Mapping[Arm, Decoding]) -> Floats:
    """[N] pace of each call of an arm whose decoding is known, NaN of others."""
    arms, codes = arm_codes(observations)
    prefill = np.array([decoding[arm].prefill_s if arm in decoding else np.nan for arm in arms])
    per_token = np.array([decoding[arm].per_token_s if arm in decoding else np.nan for arm in arms])
    expected = prefill[codes] + per_token[codes] * observations.output_tokens
    return np.asarray(observations.latency_s / expected)


def log_latency(
    quantities: Mapping[str, QuantityPosterior],
    decoding: Mapping[Arm, Decoding],
    sample: QuerySample,
    arm: Arm,
) -> tuple[Floats, Floats, bool] | None:
    """[D, Q] location and scale of log seconds, and whether the arm was ever timed.

    Noise in tokens reaches latency by its elasticity, the share of decoding in it. An arm that was
    never timed decodes like the other arms of its model, where there are some. None where nothing
    was ever timed.
    """
    known = arm in decoding
    direct = quantities.get(LATENCY)
    own = decoding.get(arm)
    if own is None and (direct is None or arm not in direct.arms):
        own = _of_model(decoding, arm)
    if own is None:
        return None if direct is None else log_quantity(direct, sample, arm, LATENCY)
    tokens, token_scale, _ = log_quantity(quantities[OUTPUT_TOKENS], sample, arm, OUTPUT_TOKENS)
    pace, pace_scale, _ = log_quantity(quantities[PACE], sample, arm, PACE)
    usual = np.exp(tokens)
    elasticity = own.per_token_s * usual / own.seconds(usual)
    scale = np.sqrt(pace_scale**2 + (elasticity * token_scale) ** 2)
    return np.log(own.seconds(usual)) + pace, np.minimum(scale, LARGEST_SCALE), known


def _of_model(decoding: Mapping[Arm, Decoding], arm: Arm) -> Decoding | None:
    alike = [d for a, d in decoding.items() if a.configuration.model == arm.configuration.model]
    alike = alike or list(decoding.values())
    if not alike:
        return None
    return Decoding(
        float(np.mean([one.prefill_s for one in alike])),
        float(np.mean([one.per_token_s for one in alike])),
    )
