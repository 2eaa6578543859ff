"""Workflows with a front whose points are few and known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.profile.prices import Price
from flowir.search.annotate import annotate
from flowir.search.front import Estimate, Facts, Front, FrontPoint
from tests.strategies_ir import parse

TWO_STAGES = """
flow.agent @first prompt "1: {task}" space <models = ["small", "large"]> baseline <"small">
flow.agent @second prompt "2: {draft}" space <models = ["small", "large"]> baseline <"small">
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %draft = flow.call @first(%task) : (!flow.text) -> !flow.text
  %end = flow.call @second(%draft) : (!flow.text) -> !flow.text
  flow.return %end : !flow.text
}
"""
PRICES = {"small": Price(1.0, 1.0), "large": Price(10.0, 10.0)}


@dataclass(frozen=True)
class Known:
    """A point: models by stage, accuracy, and dollars a run."""

    models: tuple[str, ...]
    accuracy: float
    cost_usd: float
    latency_s: float = 1.0


def write_front(path: Path, points: Sequence[Known], text: str = TWO_STAGES) -> Path:
    """The workflow with such a front, the first point being today's."""
    module = parse(text)
    workflow = find_workflow(module)
    terms = workflow_terms(workflow)

    def point(number: int, known: Known) -> FrontPoint:
        chosen = tuple(
            next(one for one in decision.configurations if one.model == model)
            for decision, model in zip(terms.decisions, known.models, strict=True)
        )
        estimates = {
            "accuracy": Estimate(*(known.accuracy,) * 3),
            "latency_s": Estimate(*(known.latency_s,) * 3),
            "cost_usd": Estimate(*(known.cost_usd,) * 3),
        }
        return FrontPoint(estimates, 1.0, {"calls": 2}, chosen, (), baseline=number == 0)

    facts = Facts(
        ("accuracy", "latency", "cost"), "mean", "asyncio", "scenario", "population", "enumerated",
        0.9, 200, 256, 0, 2, 2, len(points), prices=tuple(PRICES.items()),
    )  # fmt: skip
    found = tuple(point(number, known) for number, known in enumerate(points))
    annotate(workflow, Front("w", terms.decisions, terms.structures, found, facts))
    path.write_text(str(module))
    return path
