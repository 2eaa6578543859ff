"""Exploration: from a workflow and what is known of single calls to its Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.errors import SearchError
from flowir.profile.prices import Price, Prices
from flowir.search.anytime import StoppedError, limited
from flowir.search.blackbox import MOST, BlackBox, black_box
from flowir.search.constraints import feasible, in_order
from flowir.search.distinct import distinct
from flowir.search.enumerate import enumerate_some
from flowir.search.exchange import exchange, spread
from flowir.search.front import Facts, Front
from flowir.search.options import Options
from flowir.search.pareto import layers
from flowir.search.posterior import Candidates, means
from flowir.search.problem import OBJECTIVES, Array, Objective, Problem
from flowir.search.rules import narrowed
from flowir.search.space import MANY_STRUCTURES, Points, Space
from flowir.search.structures import UNREACHED

Source = Callable[[int, int, int], Scenarios]
"""(draws, queries, seed) -> scenarios of the workflow's decisions and checkers."""


def explore(
    workflow: Workflow,
    source: Source,
    options: Options | None = None,
    *,
    profile: str = "",
    prices: Prices | None = None,
    warnings: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
) -> Front:
    """The Pareto front of a workflow.

    The search sees `options.scenarios` (draw, query) pairs. What survives it, and the best of what
    did not, is re-evaluated on `options.draws` draws of as many queries each; the front is what no
    other point dominates in the posterior means, and today's configuration.

    Args:
        workflow: terms, alternatives still open.
        source: scenarios of its decisions; the same seed gives the same.
        profile: SHA-256 of the observations, kept as a fact.
        prices: of models, kept as a fact for those of the space.
        warnings: kept as facts.
        report: is told how far the search is.

    Raises:
        SearchError: nothing left to compare, rules that leave nothing or contradict each other, or
            limits that no point meets.
        CalculusError: a workflow that the calculus cannot compose.
        ProfileError: the source knows nothing of an agent or checker.
    """
    options = options or Options()
    once, repeated = distinct(workflow)
    rules = narrowed(once.workflow, options.allow, options.lock, options.forbid)
    workflow = rules.workflow
    space = Space(workflow, rules.forbidden)
    space.require_some()
    searched = once.scenarios(source(*options.search_shape(), options.seed + 1))
    searched = rules.scenarios(searched)
    known, missing = known_objectives(workflow, searched)
    wanted = options.limits()
    for limit in wanted:
        if limit.objective in missing:
            raise SearchError(f"{limit.option}: {missing[limit.objective]}")
    objectives = tuple(x for x in options.objectives if x in known)
    dropped = [missing[x] for x in options.objectives if x in missing]
    if not objectives:
        raise SearchError("; ".join(dropped))
    compared = in_order([*objectives, *(limit.objective for limit in wanted)])
    problem = Problem(space, searched, compared, options.measure(), options.seed + 1)
    with limited(options.max_seconds, options.max_memory, report):
        survivors = _search(problem, options)
    space.require_legal(survivors.points)

    alike = problem.canonical(survivors.points)
    points = Points.join([alike, space.baseline]).distinct().ordered()
    final = Problem(
        space,
        rules.scenarios(once.scenarios(source(options.draws, options.scenarios, options.seed))),
        known,
        options.measure(),
        options.seed,
    )
    values = final.evaluate_per_draw(points)
    found = Candidates(points, values, known, objectives, _row_of(points, space.baseline))
    kept, beaten, shares = found.front(
        feasible(means(values), known, wanted), closed=_is_closed(space)
    )
    described = found.described(space, [*kept, *beaten], shares, options.credible)
    facts = Facts(
        objectives=objectives,
        latency=options.latency,
        execution=options.execution,
        model=options.model,
        queries=options.queries,
        method=survivors.method,
        credible=options.credible,
        draws=options.draws,
        scenarios=options.scenarios,
        seed=options.seed,
        space=survivors.size,
        evaluated=survivors.evaluated,
        found=len(kept),
        limits=tuple(limit.option for limit in wanted),
        profile=profile,
        prices=_priced(workflow, prices or Prices()),
        assumptions=(*final.scenarios.assumptions, *_baseline_notes(space)),
        warnings=(*warnings, *repeated, *dropped, *survivors.notes),
        rules=(
            *_written("allow", options.allow),
            *_written("lock", options.lock),
            *_written("forbid", options.forbid),
        ),
    )
    return Front(
        workflow.name,
        workflow.decisions,
        workflow.structures,
        described[: len(kept)],
        facts,
        described[len(kept) :],
    )


@dataclass(frozen=True, eq=False)
class _Survivors:
    """What a search found, and how."""

    points: Points
    method: str
    evaluated: int
    size: int | None
    notes: tuple[str, ...] = ()


def _search(problem: Problem, options: Options) -> _Survivors:
    """Enumerate what is small; else exchange, from the exact front of the mean-field model."""
    space = problem.space
    size = space.size(min(options.limit, MANY_STRUCTURES))
    if options.algorithm != "flowir":
        return _black_box(problem, options.algorithm, options, size)
    if size is not None and size <= options.limit:
        # A space not much larger than what survives is estimated whole.
        whole = size <= 2 * options.survivors
        points, evaluated, every = enumerate_some(problem, size if whole else options.survivors)
        method = "enumerated" if every else "partial"
        points = points if len(points) else space.start()
        return _Survivors(points, method, evaluated, size, _stopped(every, options, evaluated))
    mean_field = problem.measure.model == "mean-field"
    try:
        start = mean_field_front(problem)
    except StoppedError:
        return _Survivors(space.start(), "partial", 0, size, _stopped(False, options, 0))
    if mean_field and len(problem.objectives) <= 2 and start is not None:
        return _Survivors(start, "exact", 0, size)
    begin = spread(problem) if start is None else start
    begin = Points.join([space.baseline, space.start(), begin])
    found = exchange(problem, begin, limit=options.limit, at_least=options.survivors)
    points = found.points if len(found.points) else space.start()
    method = METHODS[found.closure]
    notes = _stopped(not found.stopped, options, found.evaluations)
    if not found.closed and not found.stopped:
        notes = (
            f"the search was ended by limit={options.limit} after {found.evaluations:,} points, "
            "some exchanges untried; the front is partial, the best of these; raise limit, or "
            "compare fewer objectives",
        )
    return _Survivors(points, method, found.evaluations, size, notes)


METHODS = {"pairs": "pair-closed", "exchanges": "exchange-closed", "none": "partial"}


def _stopped(finished: bool, options: Options, evaluated: int) -> tuple[str, ...]:
    """What to say where a limit of time or memory ended the search."""
    if finished:
        return ()
    given = [
        text
        for text, bound in (
            (f"max-seconds={options.max_seconds}", options.max_seconds),
            (f"max-memory={options.max_memory}", options.max_memory),
        )
        if bound is not None
    ]
    return (
        f"the search was stopped by {' or '.join(given)} after {evaluated:,} points; "
        "the front is partial, the best of these",
    )


def _written(option: str, rules: Sequence[str]) -> list[str]:
    return [f'{option}="{rule}"' for rule in rules]


def _black_box(
    problem: Problem, algorithm: BlackBox, options: Options, size: int | None
) -> _Survivors:
    evaluations = min(options.limit, MOST)
    asked = black_box(problem, algorithm, evaluations=evaluations, seed=options.seed)
    found = len(asked.points)
    kept = asked.points[np.sort(layers(asked.losses, options.survivors))] if found else None
    method = "partial" if asked.stopped else algorithm
    notes = _stopped(not asked.stopped, options, found)
    return _Survivors(problem.space.start() if kept is None else kept, method, found, size, notes)


def mean_field_front(problem: Problem) -> Points | None:
    """The exact front of the mean-field model, of the mean of latency.

    With three objectives, the fronts of accuracy with latency and of accuracy with cost: theirs
    together would be too large. None where exact search gives up: too much is shared at once.
    """
    from flowir.search.exact import exact_front

    pairs = [problem.objectives]
    if len(problem.objectives) > 2:
        pairs = [("accuracy", "latency"), ("accuracy", "cost")]
    found = []
    try:
        for objectives in pairs:
            front = exact_front(
                problem.space.workflow,
                problem.scenarios,
                objectives,
                problem.measure.execution,
                forbidden=problem.space.forbidden,
            )
            found.append(problem.space.standing_for(front.structure, front.settings))
    except StoppedError:
        raise
    except SearchError:
        return None
    return Points.join(found).distinct()


def known_objectives(
    workflow: Workflow, scenarios: Scenarios
) -> tuple[tuple[Objective, ...], dict[Objective, str]]:
    """Objectives with numbers for every configuration; why each of the others has none."""
    unpriced = _without(workflow, [call.cost for call in scenarios.calls])
    untimed = _without(workflow, [call.log_latency for call in scenarios.calls])
    missing: dict[Objective, str] = {}
    if untimed:
        missing["latency"] = (
            f"latency is left out: none was observed for {', '.join(untimed)}; "
            "add rows with latency_s"
        )
    if unpriced:
        missing["cost"] = (
            f"cost is left out: no price for {', '.join(unpriced)}; "
            "give prices=FILE with a row for each"
        )
    return tuple(x for x in OBJECTIVES if x not in missing), missing


def _without(workflow: Workflow, quantities: Sequence[Array]) -> list[str]:
    """Models of configurations for which a quantity [C, S] is NaN anywhere, each once."""
    return list(
        dict.fromkeys(
            decision.configurations[c].model
            for decision, values in zip(workflow.decisions, quantities, strict=True)
            for c in np.flatnonzero(np.isnan(values).any(axis=1))
        )
    )


def _priced(workflow: Workflow, prices: Prices) -> tuple[tuple[str, Price], ...]:
    """The prices of the models of a workflow, in the order of its decisions."""
    models = dict.fromkeys(
        configuration.model
        for decision in workflow.decisions
        for configuration in decision.configurations
    )
    known = ((model, prices.by_model[model]) for model in models if model in prices)
    return tuple((model, Price(p.input_per_mtok, p.output_per_mtok)) for model, p in known)


def _row_of(points: Points, one: Points) -> int:
    return points.identities().index(one.identities()[0])


def _is_closed(space: Space) -> bool:
    """Whether today's configuration lies outside what may be chosen."""
    return not space.legal(space.baseline).all() or any(
        choice != UNREACHED and choice not in decision.choices
        for decision, choice in zip(
            space.workflow.decisions, space.baseline.settings[0].tolist(), strict=True
        )
    )


def _baseline_notes(space: Space) -> list[str]:
    """Which decisions have no baseline of their own."""
    return [
        f"{decision} has no baseline: today's configuration is taken to be the first of its "
        f"space, {decision.configurations[0]}"
        for decision, choice in zip(
            space.workflow.decisions, space.baseline.settings[0].tolist(), strict=True
        )
        if decision.baseline is None and choice != UNREACHED
    ]
