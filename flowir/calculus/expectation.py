"""Exact conditional expectations of success, calls, money and latency, per scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.calculus.tracks import QUANTITIES, Track, drive, expected

Execution = Literal["sequential", "asyncio", "langgraph"]
"""How independent calls run: one after another, each as soon as its inputs are there, or in the
supersteps of LangGraph."""


@dataclass(frozen=True)
class Expectation:
    """What one run of a workflow gives on average, for B settings in S scenarios.

    Attributes:
        success: [B, S] P(the result is right); the share of right items of a `mean` map.
        calls: [B, S] calls of agents, those that select and judge included.
        cost: [B, S] US dollars; NaN where a price is unknown.
        latency: [B, S] seconds.
    """

    success: Array
    calls: Array
    cost: Array
    latency: Array


def expect(
    workflow: Workflow,
    settings: npt.ArrayLike,
    scenarios: Scenarios,
    execution: Execution = "asyncio",
) -> Expectation:
    """Expected success, calls, money and latency of every setting in every scenario.

    Success, calls, money and sequential latency are exact: a value read several times is one
    event, conditioned on until its last reader is done. Asyncio latency is compositional, as the
    published proxies define it: a construct starts when everything it reads, inside its regions
    too, has finished; it takes its expected time; and a block ends with its result. What the
    result does not depend on is paid for but not waited for. In the supersteps of LangGraph, see
    `supersteps`, all is waited for.

    A vote with a quorum succeeds as often as one that waits for all, since it ends only when its
    label is certain; money and latency are those of waiting for all, an upper bound. `first` is
    decided by who finishes first, see `finishing`: exact where every lane is one call; a lane of
    several calls in a chain counts as log-normal with their mean and variance, and what has regions
    as taking its expected time. In sequential execution candidates are made in the order of the
    operands, until one is accepted.

    Args:
        workflow: specialised, so without alternatives.
        settings: [B, D] index of the configuration chosen for each decision; the columns of
            decisions that the workflow does not depend on are ignored.
        scenarios: single calls, in S scenarios.
        execution: how independent calls run.

    Raises:
        CalculusError: alternatives are left, a checker's rates are unknown, a share of right items
            is read as an event, or too many values are shared at once.
        ValueError: settings that do not fit the decisions.
    """
    if execution not in get_args(Execution):
        raise ValueError(f"execution {execution!r}: one of {get_args(Execution)} is meant")
    shape = (len(np.atleast_1d(settings)), scenarios.size)
    into = {quantity: np.empty(shape) for quantity in QUANTITIES}
    drive(workflow, settings, scenarios, [Track(expected(workflow, execution), into)])
    return Expectation(*into.values())
