"""`flowir plan compile`: the size of a space, how it would be searched, what observations lack."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.terms import Decision
from flowir.cli import tables
from flowir.cli.writing import print_json
from flowir.cost import FitOptions
from flowir.cost.storage import cache_folder, cache_key
from flowir.passes.flow_inline import FlowInline
from flowir.passes.flow_space_stats import Statistics, statistics
from flowir.profile import Observations, Prices, read_observations, read_prices
from flowir.search.options import Options
from flowir.source.workflows import read_workflow
from flowir.universe import context

FEW = 20
"""Observations of a configuration below which its interval is mostly its neighbours'."""


def run(
    target: str,
    *,
    profile: str | None,
    prices: str | None,
    name: str | None,
    allow: tuple[str, ...],
    lock: tuple[str, ...],
    forbid: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Print what `flowir compile` would do; nothing is fitted or searched.

    Raises:
        FlowirError: the workflow, the files or the rules do not serve.
    """
    given = read_workflow(target, name)
    FlowInline().apply(context(), given.module)
    terms = workflow_terms(find_workflow(given.module, given.name))
    size = statistics(terms, allow, lock, forbid)
    observations = None if profile is None else read_observations(profile)
    priced = None if prices is None else read_prices(prices)
    lacking = [] if observations is None else _lacking(terms.decisions, observations)
    unpriced = _unpriced(terms.decisions, priced)
    document: dict[str, Any] = {
        "space": asdict(size),
        "search": _search(size),
        "observations": None if observations is None else len(observations),
        "fitted": None if observations is None else _fitted(observations, seed),
        "few_observations": lacking,
        "without_price": unpriced,
    }
    if as_json:
        print_json(document)
        return
    console = tables.console()
    tables.say(console, str(size), f"search: {document['search']}")
    if observations is not None:
        kept = "kept from before" if document["fitted"] else "to be fitted: seconds to minutes"
        tables.say(console, f"{len(observations)} observations; the cost model is {kept}")
    for row in lacking:
        tables.say(
            console,
            f"{row['agent']} {row['configuration']}: {row['observations']} observations; wide "
            "intervals, flowir profile adds to them",
        )
    if unpriced:
        tables.say(console, f"no price for {', '.join(unpriced)}: cost would be left out")


def _search(size: Statistics) -> str:
    limit = Options().limit
    if size.exact and size.workflows <= limit:
        return f"every one of the {size.workflows:,} points is evaluated"
    return f"exact mean-field front, then exchanges until none helps (at most {limit:,} points)"


def _fitted(observations: Observations, seed: int) -> bool:
    folder = cache_folder()
    name = f"cost-{cache_key(observations, FitOptions(seed=seed))}.npz"
    return folder is not None and (folder / name).exists()


def _lacking(decisions: tuple[Decision, ...], observations: Observations) -> list[dict[str, Any]]:
    """Configurations of the space that few rows are of, each once."""
    data = observations.without_errors()
    pairs = zip(data.agent.tolist(), data.configuration.tolist(), strict=True)
    counts = Counter((data.agents[a], str(data.configurations[c])) for a, c in pairs)
    wanted = dict.fromkeys(
        (decision.agent, str(decision.configurations[c]))
        for decision in decisions
        for c in decision.choices
    )
    return [
        {"agent": agent, "configuration": text, "observations": counts[agent, text]}
        for agent, text in wanted
        if counts[agent, text] < FEW
    ]


def _unpriced(decisions: tuple[Decision, ...], prices: Prices | None) -> list[str]:
    """Models of the space without a price."""
    models = dict.fromkeys(
        decision.configurations[c].model for decision in decisions for c in decision.choices
    )
    return [model for model in models if prices is None or model not in prices]
