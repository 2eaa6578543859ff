"""Writes what an emitted file knows of providers."""

from __future__ import annotations

from flowir.backends.asyncio.layout import Expression, collection, lines, prefixed
from flowir.backends.asyncio.literals import expression, quoted
from flowir.backends.asyncio.program import Program
from flowir.runtime.capabilities import CAPABILITIES, HOSTS


def written(program: Program) -> dict[str, str]:
    """The providers by address, and how they take the reasoning budgets of the points."""
    return {"PROVIDERS": _providers(), "REASONING": _reasoning(program)}


def _providers() -> str:
    hosts = prefixed("PROVIDERS = ", expression(dict(HOSTS)))
    return "\n".join(["# Whose endpoint an address is.", *lines(hosts, 0)])


def _reasoning(program: Program) -> str:
    """A row for every provider and budget; empty where no point has a budget."""
    budgets = dict.fromkeys(
        (chosen.model, chosen.budget)
        for point in program.configurations()
        for chosen in point.values()
        if chosen.budget is not None
    )
    if not budgets:
        return ""
    rows: dict[str, Expression] = {}
    for model, budget in budgets:
        assert budget is not None
        for row in CAPABILITIES:
            if not row.covers(row.provider, model):
                continue
            key = f"({quoted(row.provider)}, {quoted(model)}, {_literal(budget)})"
            fields = row.request(budget)
            if fields is not None and key not in rows:
                rows[key] = prefixed(f"{key}: ", expression(fields))
    table = collection(list(rows.values()), "{}")
    kind = "dict[tuple[str, str, int | str], dict[str, Any]]"
    return "\n".join(
        [
            "# By provider, model and reasoning budget: what a request says to get it.",
            *lines(prefixed(f"REASONING: {kind} = ", table), 0),
        ]
    )


def _literal(budget: int | str) -> str:
    return quoted(budget) if isinstance(budget, str) else repr(budget)
