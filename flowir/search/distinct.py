"""Settings that a space lists more than once, which would be points that nothing tells apart."""

from __future__ import annotations

from dataclasses import replace

from flowir.calculus.terms import Decision, Workflow
from flowir.search.rules import Rules


def distinct(workflow: Workflow) -> tuple[Rules, tuple[str, ...]]:
    """The workflow with each configuration of a decision once, and a warning per decision.

    `temperature = [0, 0.0]` is one setting, written twice: the first one stays.
    """
    pairs = [_distinct(decision) for decision in workflow.decisions]
    warnings = tuple(
        f"{decision}: {', '.join(map(str, twice))} listed more than once in its space; "
        "it counts once"
        for decision, kept in zip(workflow.decisions, pairs, strict=True)
        if (
            twice := dict.fromkeys(
                decision.configurations[i] for i in decision.choices if i not in kept[1]
            )
        )
    )
    small = replace(workflow, decisions=tuple(decision for decision, _ in pairs))
    return Rules(small, tuple(kept for _, kept in pairs), ()), warnings


def _distinct(decision: Decision) -> tuple[Decision, tuple[int, ...]]:
    """A decision with each choice once, and the numbers of these before."""
    first = {decision.configurations[i]: i for i in reversed(decision.choices)}
    if len(first) == len(decision.choices):
        return decision, tuple(range(len(decision.configurations)))
    kept = sorted(first.values())
    today = decision.baseline
    if today is not None:
        if today in decision.choices:
            today = first[decision.configurations[today]]
        else:
            kept.append(today)
    return (
        replace(
            decision,
            configurations=tuple(decision.configurations[i] for i in kept),
            baseline=None if today is None else kept.index(today),
            closed=0 if today in decision.choices or today is None else 1,
        ),
        tuple(kept),
    )
