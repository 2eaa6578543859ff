"""What single calls are like, with what is missing filled in or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Checker, Decision, Workflow
from flowir.errors import CalculusError

CELLS = 1 << 19
"""Rows × scenarios worked on at a time."""

MIN_WINDOW = 256
"""Scenarios worked on at a time, at the least."""


def acceptance(workflow: Workflow, scenarios: Scenarios, checker: Checker) -> tuple[Array, Array]:
    """P(accepts | right), P(accepts | wrong): [1, S] of a tool, [C, S] of an agent.

    Raises:
        CalculusError: the rates of the checker are not known.
    """
    where = f"checker @{checker.name} at site {checker.site!r}"
    mend = "observe verdicts (answer `accept` or `reject`, with input_correct)"
    if checker.decision is None:
        model = scenarios.checkers.get(checker.name)
        if model is None:
            raise CalculusError(
                f"{where}: its acceptance rates are not known; give the tool "
                f"`accepts <right = …, wrong = …>`, or {mend}"
            )
        return np.atleast_2d(model.accept_right), np.atleast_2d(model.accept_wrong)
    call = scenarios.calls[checker.decision]
    if call.accept_right is None or call.accept_wrong is None:
        decision: Decision = workflow.decisions[checker.decision]
        raise CalculusError(f"{where}: agent {decision} has no acceptance rates; {mend}")
    return call.accept_right, call.accept_wrong


def checked_settings(
    workflow: Workflow, decisions: Sequence[int], settings: npt.ArrayLike, scenarios: Scenarios
) -> npt.NDArray[np.intp]:
    """[B, D] settings, which fit the decisions that matter.

    Raises:
        ValueError: another shape, an index without a configuration, or scenarios of other
            decisions.
    """
    chosen = np.asarray(settings, dtype=np.intp)
    count = len(workflow.decisions)
    if chosen.ndim != 2 or chosen.shape[1] != count:
        raise ValueError(f"settings of shape {chosen.shape}: [B, {count}] is meant")
    if len(scenarios.calls) != count:
        raise ValueError(f"scenarios of {len(scenarios.calls)} decisions: {count} are meant")
    for decision in decisions:
        known = len(scenarios.calls[decision].success)
        column = chosen[:, decision]
        if column.size and (column.min() < 0 or column.max() >= known):
            raise ValueError(
                f"settings of decision {workflow.decisions[decision]}: "
                f"an index outside its {known} configurations"
            )
    return chosen


def parts(rows: int, scenarios: int) -> Iterator[tuple[slice, Sequence[slice]]]:
    """A batch cut into rows, and each of these into windows of scenarios, small enough for caches.

    Windows are kept wide: picking rows of a table moves whole windows.
    """
    width = min(scenarios, max(MIN_WINDOW, CELLS // max(1, rows)))
    height = max(1, CELLS // width)
    windows = [slice(start, start + width) for start in range(0, scenarios, width)]
    for first in range(0, rows, height):
        yield slice(first, first + height), windows
