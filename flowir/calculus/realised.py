"""The realised track: one run of a workflow per scenario, with everything drawn.

Latency under a maximum, and any quantile, needs latencies of runs rather than expectations. Each
call instance draws its outcome and its latency by common random numbers, keyed by (seed, site,
repetition): every setting of a batch, and every other batch, is compared under the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.noise import Noise
from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.calculus.tracks import QUANTITIES, Track, drive, realised


@dataclass(frozen=True)
class Realisation:
    """One run of a workflow per scenario, for B settings in S scenarios.

    Attributes:
        right: [B, S] 1 where the result is right, else 0; the share of right items of a `mean` map.
        calls: [B, S] calls of agents that were made, those that select and judge included.
        cost: [B, S] US dollars those calls are expected to cost; NaN where a price is unknown.
        latency: [B, S] seconds from start to result.
    """

    right: Array
    calls: Array
    cost: Array
    latency: Array


def realise(
    workflow: Workflow,
    settings: npt.ArrayLike,
    scenarios: Scenarios,
    execution: Execution = "asyncio",
    seed: int = 0,
) -> Realisation:
    """Run a workflow once in every scenario, for every setting.

    A vote with a quorum ends when it is decided. In sequential execution it does not: every
    candidate is made. What a race cancels is billed once its lane has started, also those of its
    calls that had not: an upper bound where a lane is more than one call.

    Args:
        workflow: specialised, so without alternatives.
        settings: [B, D] index of the configuration chosen for each decision; the columns of
            decisions that the workflow does not depend on are ignored.
        scenarios: single calls, in S scenarios.
        execution: how independent calls run.
        seed: of the draws; the same seed gives the same draws at the same site.

    Raises:
        CalculusError: alternatives are left, or a checker's rates are unknown.
        ValueError: settings that do not fit the decisions.
    """
    if execution not in get_args(Execution):
        raise ValueError(f"execution {execution!r}: one of {get_args(Execution)} is meant")
    shape = (len(np.atleast_1d(settings)), scenarios.size)
    into = {quantity: np.empty(shape) for quantity in QUANTITIES}
    run = realised(workflow, execution, Noise(seed, scenarios.size))
    drive(workflow, settings, scenarios, [Track(run, into)])
    return Realisation(*into.values())
