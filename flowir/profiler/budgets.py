"""Whether a model heeds its reasoning budget, told from what it wrote."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from flowir.configuration import Configuration
from flowir.profile.calls import Call

FEWEST = 8
"""Calls, or pairs of calls, from which anything is said."""
OVER = 1.25
"""A budget counts as exceeded where more than so many times its tokens were written."""
LEVEL = 0.05
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Effort labels, from least to most."""


def ignored_budgets(calls: Iterable[Call]) -> list[str]:
    """A sentence for every agent and model whose calls look as if budgets had been ignored.

    Two signs: most calls write more than their budget in tokens beyond the text of the answer; or,
    of the same requests, the largest budget gives no more tokens than the smallest (one-sided sign
    test at 5 %).
    """
    groups: dict[tuple[str, str, object], dict[Configuration, list[Call]]] = {}
    for call in calls:
        configuration = call.key.configuration
        if configuration.budget is not None and call.output_tokens:
            arm = (call.key.agent, configuration.model, configuration.params)
            groups.setdefault(arm, {}).setdefault(configuration, []).append(call)
    found = []
    for (agent, model, _), by_configuration in sorted(groups.items(), key=repr):
        for configuration, some in by_configuration.items():
            found += _exceeding(agent, configuration, some)
        found += _level(agent, model, by_configuration)
    return found


def _exceeding(agent: str, configuration: Configuration, calls: list[Call]) -> list[str]:
    budget = configuration.budget
    if not isinstance(budget, int) or len(calls) < FEWEST:
        return []
    written = [float(call.output_tokens or 0) for call in calls]
    # The text of an answer is not reasoning; the shortest call bounds what it takes from below.
    over = [tokens for tokens in written if tokens - min(written) > OVER * budget]
    if 2 * len(over) <= len(calls):
        return []
    return [
        f"{configuration.model} seems to ignore its budget as @{agent}: {len(over)} of "
        f"{len(calls)} calls with {budget} tokens wrote far more, {median(written):.0f} in the "
        "middle"
    ]


def _level(agent: str, model: str, by_configuration: dict[Configuration, list[Call]]) -> list[str]:
    ordered = sorted(by_configuration, key=lambda c: _size(c.budget))
    if len(ordered) < 2 or _size(ordered[0].budget) == _size(ordered[-1].budget):
        return []
    least, most = (
        {(c.key.query, c.key.variant, c.key.repetition): c for c in by_configuration[one]}
        for one in (ordered[0], ordered[-1])
    )
    pairs = [
        (least[key].output_tokens or 0, most[key].output_tokens or 0)
        for key in least.keys() & most.keys()
    ]
    more = sum(high > low for low, high in pairs)
    differ = sum(high != low for low, high in pairs)
    if len(pairs) < FEWEST or _at_least(more, differ) < LEVEL:
        return []
    return [
        f"{model} seems to ignore its budget as @{agent}: with {ordered[-1].budget} it wrote more "
        f"than with {ordered[0].budget} in {more} of {len(pairs)} requests"
    ]


def _at_least(hits: int, trials: int) -> float:
    """P(at least so many heads of fair coins)."""
    return sum(math.comb(trials, k) for k in range(hits, trials + 1)) / 2.0**trials


def _size(budget: object) -> tuple[int, float]:
    if isinstance(budget, str):
        return (1, EFFORTS.index(budget) if budget in EFFORTS else -1)
    return (0, float(budget)) if isinstance(budget, int) else (0, -1.0)
