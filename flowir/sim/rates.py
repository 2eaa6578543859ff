"""What the scenarios say of single calls, and of verdicts, under the configurations in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowir.calculus.lookup import acceptance
from flowir.calculus.scenarios import Array, CallModel, Scenarios
from flowir.calculus.terms import Checker, Decision, Workflow, decisions_used
from flowir.errors import SimulationError


@dataclass(frozen=True)
class Rates:
    """One decision under its configuration; every array is [S].

    `recovery` is None where nothing was observed; prices and tokens are NaN where unknown.
    """

    success: Array
    recovery: Array | None
    agreement: Array
    log_latency: Array
    latency_scale: Array
    cost: Array
    output_tokens: Array
    input_price: float


def rates_in_force(
    workflow: Workflow, settings: Sequence[int], scenarios: Scenarios
) -> tuple[Rates | None, ...]:
    """For each decision of the workflow its rates, None where the workflow never uses it.

    Raises:
        SimulationError: there is not one setting and one model per decision, a setting is no
            configuration, or the success or latency of one is not known.
    """
    decisions = workflow.decisions
    if not len(decisions) == len(settings) == len(scenarios.calls):
        raise SimulationError(
            f"workflow {workflow.name} has {len(decisions)} decisions, but {len(settings)} settings"
            f" and scenarios of {len(scenarios.calls)} were given; give one of each per decision"
        )
    used = decisions_used(workflow.body)
    return tuple(
        _rates(decisions[i], settings[i], scenarios.calls[i]) if i in used else None
        for i in range(len(decisions))
    )


def checker_rates(
    workflow: Workflow, settings: Sequence[int], scenarios: Scenarios, checker: Checker
) -> tuple[Array, Array]:
    """[S] P(accepts | right) and P(accepts | wrong).

    Raises:
        CalculusError: they are not known.
    """
    right, wrong = acceptance(workflow, scenarios, checker)
    row = 0 if checker.decision is None else settings[checker.decision]
    return right[row], wrong[row]


def _rates(decision: Decision, setting: int, model: CallModel) -> Rates:
    if not 0 <= setting < len(decision.configurations):
        raise SimulationError(
            f"agent {decision}: setting {setting} is none of its "
            f"{len(decision.configurations)} configurations, counted from 0"
        )

    def row(values: Array | None, missing: float) -> Array:
        return np.full(model.success.shape[1], missing) if values is None else values[setting]

    for name, values in (
        ("success", model.success),
        ("log_latency", model.log_latency),
        ("latency_scale", model.latency_scale),
    ):
        if not np.isfinite(values[setting]).all():
            raise SimulationError(
                f"agent {decision}, {decision.configurations[setting]}: `{name}` is not known in "
                "every scenario; observe both outcomes and latencies of this configuration"
            )
    return Rates(
        model.success[setting],
        None if model.recovery is None else model.recovery[setting],
        row(model.wrong_agreement, 1.0),
        model.log_latency[setting],
        model.latency_scale[setting],
        model.cost[setting],
        row(model.output_tokens, np.nan),
        np.nan if model.input_price is None else float(model.input_price[setting]),
    )
