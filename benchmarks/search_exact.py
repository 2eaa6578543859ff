"""The exact mean-field front against enumeration, and where nobody enumerates.

Mean-field latency is sequential with FlowCompile's workflows, as its own code has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from benchmarks.figures import Figures
from benchmarks.measure import cpu_seconds, peak_megabytes, side_by_side
from benchmarks.search_problems import (
    PAIR,
    Floats,
    flowcompile,
    halved,
    made_up,
    mean_field,
    repaired,
    sequence,
    tree,
    undominated,
    unrecovered,
)
from flowir.calculus.expectation import Execution
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import ToolCall, Workflow
from flowir.search.enumerate import enumerate_space
from flowir.search.exact import ExactFront, exact_front
from flowir.search.problem import Measure, Objective
from flowir.search.space import Points

ROUNDING = 1e-9
"""Relative difference below which two values are one computed in another order."""

AGENTS, SETTINGS = 40, 100

PRICED: tuple[Objective, ...] = ("accuracy", "cost")


def exact(figures: Figures, *, quick: bool, seed: int) -> None:
    """FlowCompile's math workflow, then forty agents."""
    workflow, fitted = flowcompile("math", seed)
    if quick:
        workflow, fitted = halved(workflow, fitted)
    figures.heading("FlowCompile's math workflow, mean-field, accuracy and sequential latency")
    _math(figures, "math, as fitted", workflow, fitted.point(), quick=quick, weighed=True)
    _math(figures, "math, 20 undominated", workflow, repaired(fitted), quick=quick)
    figures.heading("the same, accuracy and cost: a selector pays for all it is shown")
    _math(figures, "math, cost", workflow, fitted.point(), quick=quick, objectives=PRICED)
    figures.heading(f"{AGENTS} agents, {SETTINGS} settings each: {SETTINGS}^{AGENTS} points")
    _forty(figures, quick=quick, seed=seed)


def _math(
    figures: Figures,
    name: str,
    workflow: Workflow,
    scenarios: Scenarios,
    *,
    quick: bool,
    objectives: tuple[Objective, ...] = PAIR,
    weighed: bool = False,
) -> None:
    """Ours beside our enumeration, and beside the published procedure where formulas agree.

    Args:
        weighed: whether the memory of the others is measured too.
    """
    problem = mean_field(workflow, scenarios, objectives=objectives)
    fronts: dict[str, Floats] = {}

    def ours() -> None:
        fronts["exact"] = exact_front(workflow, scenarios, objectives, "sequential").values

    def enumeration() -> None:
        fronts["our enumeration"] = problem.evaluate(enumerate_space(problem))

    def published() -> None:
        fronts["published procedure"] = published_procedure(workflow, scenarios)

    others = {"our enumeration": enumeration}
    if objectives == PAIR and all(call.recovery is None for call in scenarios.calls):
        others["published procedure"] = published
    ours()  # once, so that nothing is imported while it is timed
    repeats = 1 if quick else 5
    seconds = side_by_side(others, 1)  # A median of runs of a quarter of a minute says no more.
    seconds |= side_by_side({"exact": ours}, 4 * repeats + 1)
    peak = peak_megabytes(ours)
    figures.add(
        f"{name}: configurations", problem.space.size() or 0, at_least=None if quick else 4e6
    )
    figures.add(f"{name}: points of the front", len(fronts["exact"]))
    figures.add(f"{name}: search", 1e3 * seconds["exact"], "ms", at_most=20)
    figures.add(f"{name}: memory above what is loaded", peak, "MB", at_most=20)
    for other, work in others.items():
        apart = apart_from(fronts["exact"], fronts[other])
        figures.add(f"{name}: points not on both fronts, ours and {other}", apart, at_most=0)
        taken = seconds[other]
        figures.add(f"{name}: {other}", taken, "s")
        figures.add(f"{name}: {other}, time over ours", taken / seconds["exact"], "×")
        if weighed:  # Another run, of a quarter of a minute.
            held = peak_megabytes(work)
            figures.add(f"{name}: {other}, memory", held, "MB")
            figures.add(f"{name}: {other}, memory over ours", held / peak, "×")
    if not quick:
        quoted = f"{name}: FlowCompile's own code as quoted"
        note = "24.6 s and 3.9 GB for 4.7 million configurations; not run here"
        figures.add(f"{quoted}, time over ours", 24.6 / seconds["exact"], "×", note=note)
        figures.add(f"{quoted}, memory over ours", 3900.0 / peak, "×", note=note)


def published_procedure(workflow: Workflow, scenarios: Scenarios) -> Floats:
    """FlowCompile's search, vectorised: prune each agent, enumerate each structure, scan.

    P(right) = pE · [1 − (1 − pP·pR)(1 − pD)(1 − pG)^n], without pE where there is one candidate;
    latency is the sum (arXiv 2605.13647). Kinder to it than its own code: structures are scanned
    one by one and nothing but values is kept.
    """
    kept = {}
    for decision, call in zip(workflow.decisions, scenarios.calls, strict=True):
        values = np.column_stack([call.success[:, 0], call.mean_latency[:, 0]])
        kept[decision.agent] = scanned(values)
    tools = sum(t.latency_s for t in workflow.body.terms if isinstance(t, ToolCall))
    fronts = [_structure(kept, *counts) for counts in structures()]
    front = scanned(np.concatenate(fronts))
    return np.asarray(front + np.array([0.0, tools]))


def structures() -> Iterator[tuple[int, int, int]]:
    """How often detailed, generate, and programmer or programmer with refine are asked: 17."""
    return (counts for counts in product(range(2), range(3), range(3)) if any(counts))


def _structure(kept: dict[str, Floats], detailed: int, generate: int, program: int) -> Floats:
    agents = [
        ("detailed", detailed),
        ("generate", generate),
        ("programmer", min(program, 1)),
        ("refine", int(program == 2)),
    ]
    ensemble = detailed + generate + min(program, 1) > 1
    asked = [(agent, count) for agent, count in agents if count]
    names = [agent for agent, _ in asked] + (["sc_ensemble"] if ensemble else [])
    grid = np.indices([len(kept[name]) for name in names]).reshape(len(names), -1)
    p = {name: kept[name][chosen, 0] for name, chosen in zip(names, grid, strict=True)}
    seconds = {name: kept[name][chosen, 1] for name, chosen in zip(names, grid, strict=True)}
    wrong = np.ones(grid.shape[1])
    if detailed:
        wrong *= 1 - p["detailed"]
    if generate:
        wrong *= (1 - p["generate"]) ** generate
    if program:
        wrong *= 1 - p["programmer"] * p.get("refine", 1.0)
    right = (1 - wrong) * p.get("sc_ensemble", 1.0)
    counts = dict(asked)
    latency = sum(counts.get(name, 1) * taken for name, taken in seconds.items())
    return scanned(np.column_stack([right, latency]))


def _forty(figures: Figures, *, quick: bool, seed: int) -> None:
    """Settings as they come, most of them dominated, and settings of which none is."""
    shapes: list[tuple[str, Workflow, Execution]] = [
        ("in sequence", sequence(AGENTS, SETTINGS), "asyncio"),
        ("in a tree of joins", tree(AGENTS, SETTINGS), "asyncio"),
        ("in a tree, one call at a time", tree(AGENTS, SETTINGS), "sequential"),
    ]
    for shape, workflow, execution in shapes:
        drawn = unrecovered(made_up(workflow, seed))
        _large(figures, f"{shape}, as drawn", workflow, drawn, execution, 1 if quick else 5)
        if not quick:
            hard = undominated(workflow, seed, easy=0.1)
            _large(figures, f"{shape}, all undominated", workflow, hard, execution, 3)


def _large(
    figures: Figures,
    name: str,
    workflow: Workflow,
    scenarios: Scenarios,
    execution: Execution,
    repeats: int,
) -> None:
    """Time and memory, and the front by merging what no other setting dominates, agent by agent."""
    found: list[ExactFront] = []

    def ours() -> None:
        found[:] = [exact_front(workflow, scenarios, PAIR, execution)]

    seconds = side_by_side({"exact": ours}, repeats)["exact"]
    figures.add(f"{name}: search", seconds, "s", at_most=1.0)
    figures.add(f"{name}: memory", peak_megabytes(ours), "MB")
    front = found[0]
    simple: list[Floats] = []
    merging = cpu_seconds(lambda: simple.append(merged(workflow, scenarios, execution)))
    apart = apart_from(front.values, simple[0])
    figures.add(f"{name}: points of the front", len(front))
    figures.add(f"{name}: points not on both fronts, ours and a simple merge", apart, at_most=0)
    figures.add(f"{name}: the simple merge, time over ours", merging / seconds, "×")
    some = np.linspace(0, len(front) - 1, min(len(front), 50)).astype(int)
    points = Points(front.structure[some].astype(np.int16), front.settings[some].astype(np.int16))
    said = mean_field(workflow, scenarios, measure=Measure(execution)).evaluate(points)
    wrong = int((~np.isclose(said, front.values[some], rtol=ROUNDING).all(axis=1)).sum())
    figures.add(f"{name}: points that evaluate to something else, of 50", wrong, at_most=0)


def merged(workflow: Workflow, scenarios: Scenarios, execution: Execution) -> Floats:
    """[N, 2] the front of a sequence or tree by two merges, written without the search's code.

    Success is the product over all agents. Latency is the sum, or in a tree of concurrent calls
    that of an agent after the later of what it reads.
    """
    own = [
        scanned(np.column_stack([call.success[:, 0], call.mean_latency[:, 0]]))
        for call in scenarios.calls
    ]
    if workflow.name == "sequence" or execution == "sequential":
        front = own[0]
        for settings in own[1:]:
            front = after(front, settings)
        return front

    def written(agent: int) -> Floats:
        read = [written(child) for child in (2 * agent + 1, 2 * agent + 2) if child < len(own)]
        if not read:
            return own[agent]
        ready = read[0] if len(read) == 1 else together(*read)
        return after(ready, own[agent])

    return written(0)


def after(front: Floats, settings: Floats) -> Floats:
    """One thing after another: rates multiply, seconds add; every pair is tried."""
    right = front[:, None, 0] * settings[None, :, 0]
    seconds = front[:, None, 1] + settings[None, :, 1]
    return scanned(np.column_stack([right.ravel(), seconds.ravel()]))


def together(some: Floats, others: Floats) -> Floats:
    """Two things at once: by every time at which one of them can be there, the best of both.

    Both fronts ascend in seconds and in rate.
    """
    times = np.unique(np.concatenate([some[:, 1], others[:, 1]]))
    times = times[times >= max(some[0, 1], others[0, 1])]
    right = np.ones(len(times))
    for front in (some, others):
        right *= front[np.searchsorted(front[:, 1], times, side="right") - 1, 0]
    return scanned(np.column_stack([right, times]))


def scanned(values: Floats) -> Floats:
    """The rows (rate, seconds) that no other row beats, ascending in both."""
    order = np.lexsort((-values[:, 0], values[:, 1]))
    ordered = values[order]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(ordered[:, 0])[:-1]])
    return np.ascontiguousarray(ordered[ordered[:, 0] > before])


def apart_from(some: Floats, others: Floats) -> int:
    """How many points either of two fronts has that the other has nothing as good as."""
    return uncovered(some, others) + uncovered(others, some)


def uncovered(some: Floats, others: Floats) -> int:
    """How many of `some` (rate, seconds) none of `others` is as good as, up to rounding."""
    front = scanned(others)
    place = np.searchsorted(front[:, 1], some[:, 1] * (1 + ROUNDING), side="right") - 1
    good = (place >= 0) & (front[place, 0] >= some[:, 0] * (1 - ROUNDING))
    return int((~good).sum())
