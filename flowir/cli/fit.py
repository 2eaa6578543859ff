"""`flowir fit`: what single calls say, per agent and configuration, and how sure it is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from flowir.cli import tables
from flowir.cost import CostModel, FitOptions, fit_cached
from flowir.cost.report import Estimate, Row
from flowir.cost.series import SUCCESS
from flowir.profile import read_observations, read_prices

SCHEMA = 1
"""Of the JSON; raised when a field changes meaning."""

Quantity = tuple[str, str, float]

QUANTITIES: tuple[Quantity, ...] = (
    ("rate %", "rate", 100.0),
    ("latency s", "latency_s", 1.0),
    ("output tokens", "output_tokens", 1.0),
    ("$ / 1000 calls", "cost_usd", 1000.0),
)
"""What is shown of a row: the head of its column, its name, and what one is counted as."""


def run(profile: str, prices: str | None, seed: int, as_json: bool) -> None:
    """Fit a file of observations, or find the fit in the cache, and print what was learned.

    Raises:
        ProfileError: a file is missing or has bad rows.
        CostModelError: no row can be learned from.
    """
    told = Console(stderr=True)
    known_prices = None if prices is None else read_prices(prices)
    if told.is_terminal:
        with told.status("reading the observations") as status:
            observations = read_observations(profile)
            model = fit_cached(observations, options=FitOptions(seed=seed), progress=status.update)
    else:
        observations = read_observations(profile)
        model = fit_cached(
            observations,
            options=FitOptions(seed=seed),
            progress=lambda line: told.print(line, markup=False, highlight=False, soft_wrap=True),
        )
    rows = model.table(known_prices)
    if as_json:
        print(json.dumps(_document(model, rows, len(observations)), indent=1, allow_nan=False))
        return
    console = tables.console()
    whole = _table(rows, QUANTITIES)
    needed = tables.needed(whole)
    if console.width >= needed or not console.is_terminal:
        console.width = max(console.width, needed)
        console.print(whole)
    else:
        for some in (QUANTITIES[:1], QUANTITIES[1:]):
            console.print(_table(rows, some))
    console.print(
        f"{len(observations)} observations of {len(model.queries)} queries. Means with 90 % "
        "intervals, for a population of queries; latency and tokens of one call.",
        soft_wrap=True,
    )
    _print_all(console, "warning: ", model.warnings)
    inside = sum(check.inside for check in model.checks)
    if model.checks:
        console.print(
            f"checks: {inside} of {len(model.checks)} observed figures lie in the central 90 % of "
            f"what the model would produce; {sum(c.failed for c in model.checks)} are materially "
            "off",
            soft_wrap=True,
        )


def _print_all(console: Console, start: str, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        console.print(f"{start}{sentence}", markup=False, highlight=False, soft_wrap=True)


def _table(rows: tuple[Row, ...], quantities: Sequence[Quantity]) -> Table:
    """One line per agent, configuration and event; no column of events where all are successes."""
    events = any(row.event != SUCCESS for row in rows)
    table = tables.table(None, "agent", "configuration", *(["event"] if events else []))
    for name in ("calls", "queries", *(head for head, _, _ in quantities)):
        table.add_column(name, justify="right")
    for column in table.columns:
        column.no_wrap = True
    for row in rows:
        table.add_row(
            row.agent,
            str(row.configuration),
            *([row.event] if events else []),
            str(row.observations),
            str(row.queries),
            *(_words(getattr(row, name), scale) for _, name, scale in quantities),
        )
    return table


def _words(estimate: Estimate | None, scale: float = 1.0) -> str:
    """`75.2 [68.1, 81.9]`, or a dash where nothing was observed."""
    if estimate is None or math.isnan(estimate.mean):
        return "-"
    mean, low, high = (
        f"{scale * value:.3g}" for value in (estimate.mean, estimate.low, estimate.high)
    )
    return f"{mean} [{low}, {high}]"


def _document(model: CostModel, rows: tuple[Row, ...], observations: int) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "observations": observations,
        "queries": len(model.queries),
        "rows": [_row(row) for row in rows],
        "warnings": list(model.warnings),
        "checks": [asdict(check) | {"inside": check.inside} for check in model.checks],
    }


def _row(row: Row) -> dict[str, Any]:
    configuration = row.configuration
    return {
        "agent": row.agent,
        "model": configuration.model,
        "budget": configuration.budget,
        "params": dict(configuration.params),
        "event": row.event,
        "observations": row.observations,
        "queries": row.queries,
    } | {
        name: None if (estimate := getattr(row, name)) is None else asdict(estimate)
        for name in ("rate", "latency_s", "output_tokens", "cost_usd")
    }
