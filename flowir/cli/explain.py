"""`flowir explain`: a point of a front, taken apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from flowir.calculus.from_ir import workflow_terms
from flowir.cli import tables
from flowir.cli.selecting import Wanted
from flowir.cli.writing import print_json
from flowir.search.explain import OTHER, Change, Explanation, explain
from flowir.search.front import Estimate, Front
from flowir.search.observed import given_rates, read_observed
from flowir.search.table import UNITS, row
from flowir.source.workflows import read_front

SHOWN = 12
"""Changes shown where not all are asked for."""


def run(
    path: str,
    wanted: Wanted,
    *,
    profile: str,
    prices: str | None,
    name: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Explain and print.

    Raises:
        FlowirError: no such front or point, or observations that do not fit.
    """
    module, workflow, front = read_front(path, name)
    number = wanted.number(front)
    observed = read_observed(profile, prices, front.facts.seed)
    if front.facts.profile not in ("", observed.observations.content_hash):
        warnings.warn(
            f"{profile}: not what the front was made from; what follows is by these observations",
            stacklevel=2,
        )
    terms = workflow_terms(workflow)
    source = observed.source(terms, given_rates(module), front.facts.queries)
    (found,) = explain(terms, front, [number], source)
    if as_json:
        document = asdict(found)
        document["assumptions"] = list(front.facts.assumptions)
        document["warnings"] = list(front.facts.warnings)
        print_json(document)
        return
    _print(tables.console(), front, found, everything)


def _print(console: Console, front: Front, found: Explanation, everything: bool) -> None:
    chosen = row(front, found.point)
    tables.say(console, f"point {found.point}: {chosen.configuration}")
    tables.say(console, f"{chosen.accuracy}, {chosen.latency}, {chosen.cost}".rstrip(", "))
    if found.path:
        made = tables.table("Where the time goes: shares of mean latency", "calls of", "share")
        for share in found.path:
            if share.decision != OTHER or share.share.mean > 0.0005:
                made.add_row(share.decision, _percent(share.share))
        console.print(made)
    changes = found.changes if everything else _telling(found.changes)
    if changes:
        title = "What each choice buys: the same point with one of them changed"
        made = tables.table(title, "choice", "instead", *UNITS, "better in")
        for change in changes:
            cells = [_signed(change.differences.get(name), name) for name in UNITS]
            made.add_row(change.choice, change.instead, *cells, f"{100 * change.better:.0f} %")
        console.print(made)
        if len(changes) < len(found.changes):
            tables.say(console, f"{len(found.changes) - len(changes)} more with --all", "")
    made = tables.table("What is not known: shares of the variance", "calls of", *UNITS)
    for one in found.unknown:
        cells = [f"{100 * one.shares[n]:.0f} %" if n in one.shares else "" for n in UNITS]
        made.add_row(one.decision, *cells)
    console.print(made)
    tables.say(console, *_movers(front, found))
    tables.say(console, *(f"assumed: {sentence}" for sentence in front.facts.assumptions))
    tables.say(console, *(f"warning: {sentence}" for sentence in front.facts.warnings))


def _telling(changes: Sequence[Change]) -> Sequence[Change]:
    """The likeliest to be better all round, then the most accurate, in the order they came."""
    ranked = sorted(changes, key=lambda c: (-c.better, -_mean(c, "accuracy")))
    kept = set(map(id, ranked[:SHOWN]))
    return [change for change in changes if id(change) in kept]


def _movers(front: Front, found: Explanation) -> list[str]:
    """What would move the front: observations that would settle most, and rivals not yet beaten."""
    said = []
    for quantity in UNITS:
        known = [one for one in found.unknown if one.shares.get(quantity, 0.0) > 0.0]
        if known:
            most = max(known, key=lambda one: one.shares[quantity])
            if most.shares[quantity] >= 0.25:
                said.append(
                    f"more observations of {most.decision} would narrow its {quantity} most "
                    f"({100 * most.shares[quantity]:.0f} % of what is not known)"
                )
    rivals = [c for c in found.changes if c.better >= 0.05]
    said += [
        f"{change.choice} {change.instead} instead would be better all round with a chance of "
        f"{100 * change.better:.0f} %"
        for change in sorted(rivals, key=lambda c: -c.better)[:3]
    ]
    if front.every[found.point].uncertain:
        share = front.every[found.point].p_non_dominated
        said.append(f"in {100 * (1 - share):.0f} % of the draws another point beats this one")
    return said


def _mean(change: Change, quantity: str) -> float:
    estimate = change.differences.get(quantity)
    return 0.0 if estimate is None else estimate.mean


def _percent(estimate: Estimate) -> str:
    mean, low, high = (100 * x for x in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:.0f} % [{low:.0f}, {high:.0f}]"


def _signed(estimate: Estimate | None, name: str) -> str:
    """A difference; of shares, in percentage points."""
    if estimate is None:
        return ""
    scale, unit = UNITS[name]
    mean, low, high = (scale * x for x in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:+.3g} {'points' if unit == '%' else unit} [{low:+.3g}, {high:+.3g}]"
