"""How time and memory grow with agents, settings and scenarios: exponents fitted in log-log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.figures import Figures
from benchmarks.measure import exponent, peak_megabytes, side_by_side
from benchmarks.search_problems import (
    PAIR,
    SHAPE,
    made_up,
    problem,
    sequence,
    tree,
    undominated,
    unrecovered,
)
from benchmarks.search_scenario import searched
from flowir.calculus.expectation import Execution
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.search.exact import exact_front

Work = Callable[[int], Callable[[], object]]
"""size -> what is timed."""


def growth(figures: Figures, *, quick: bool, seed: int) -> None:
    """The exact search in agents and settings, the local search in those and scenarios."""
    figures.heading("cost growth: b of cost ~ size^b, least squares in the logarithms")
    repeats = 1 if quick else 3
    agents = (5, 10, 20) if quick else (5, 10, 20, 40)
    settings = (10, 20, 40) if quick else (12, 25, 50, 100)

    def composed(workflow: Workflow, scenarios: Scenarios, execution: Execution) -> object:
        return exact_front(workflow, scenarios, PAIR, execution)

    def exact_in_agents(size: int) -> Callable[[], object]:
        workflow = sequence(size, 50)
        scenarios = unrecovered(made_up(workflow, seed))
        return lambda: composed(workflow, scenarios, "asyncio")

    def exact_in_settings(size: int) -> Callable[[], object]:
        workflow = sequence(10, size)
        scenarios = undominated(workflow, seed, easy=0.1)
        return lambda: composed(workflow, scenarios, "asyncio")

    def exact_of_trees(size: int) -> Callable[[], object]:
        workflow = tree(size, 50)
        scenarios = undominated(workflow, seed, easy=0.1)
        return lambda: composed(workflow, scenarios, "asyncio")

    def local(agents: int, settings: int, draws: int, queries: int) -> Callable[[], object]:
        workflow = tree(agents, settings)
        scenarios = made_up(workflow, seed, draws=draws, queries=queries)
        return lambda: searched(problem(workflow, scenarios), 1_000_000)

    few = (3, 4, 5) if quick else (3, 4, 5, 6, 7)
    pairs = {draws * draws: draws for draws in ((4, 8, 16) if quick else (4, 8, 16, 32))}
    rows: list[tuple[str, Sequence[int], Work]] = [
        ("exact, sequence, in agents (50 settings)", agents, exact_in_agents),
        ("exact, sequence, in undominated settings (10 agents)", settings, exact_in_settings),
        ("exact, tree, in agents (50 undominated settings)", agents, exact_of_trees),
        ("local search, tree, in agents (8 settings)", few, lambda n: local(n, 8, *SHAPE)),
        (
            "local search, tree of 4, in settings",
            (5, 10, 20) if quick else (5, 10, 20, 40),
            lambda n: local(4, n, *SHAPE),
        ),
        (
            "local search, tree of 4, in scenarios",
            tuple(pairs),
            lambda n: local(4, 10, pairs[n], pairs[n]),
        ),
    ]
    for name, sizes, work in rows:
        _row(figures, name, sizes, work, repeats)


def _row(figures: Figures, name: str, sizes: Sequence[int], work: Work, repeats: int) -> None:
    works = {str(size): work(size) for size in sizes}
    seconds = list(side_by_side(works, repeats).values())
    peaks = [peak_megabytes(each) for each in works.values()]
    words = ", ".join(f"{size}: {taken:.3g}" for size, taken in zip(sizes, seconds, strict=True))
    figures.add(f"{name}: time", exponent(sizes, seconds), "", note=f"s by size: {words}")
    words = ", ".join(f"{size}: {peak:.3g}" for size, peak in zip(sizes, peaks, strict=True))
    figures.add(f"{name}: memory", exponent(sizes, peaks), "", note=f"MB by size: {words}")
