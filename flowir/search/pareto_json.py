"""`-t pareto-json`: a front as JSON, for other tools. docs/pareto-json.md describes the schema."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import IO, Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from flowir.configuration import Configuration
from flowir.search.annotate import annotated_workflow, front_from_ir, workflow_hash
from flowir.search.front import Front, FrontPoint, difference, words

SCHEMA = "flowir.pareto/1"
"""The number grows when a reader of the old one would misread the new one."""


@dataclass(frozen=True)
class ParetoJsonTarget(Target):
    """The front that `flow-dse` wrote into a module.

    Attributes:
        workflow: whose front, where several workflows have one.
    """

    name = "pareto-json"

    workflow: str | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        op = annotated_workflow(module, self.workflow)
        document = front_document(front_from_ir(op), workflow_hash(op))
        json.dump(document, output, indent=2, ensure_ascii=False, allow_nan=False)
        output.write("\n")


def front_document(front: Front, workflow_hash: str) -> dict[str, Any]:
    """A front as what JSON can hold."""
    facts = asdict(front.facts)
    points = [_point(front, i, point) for i, point in enumerate(front.every)]
    assumptions, warnings = facts.pop("assumptions"), facts.pop("warnings")
    facts["prices"] = {
        model: {"input_per_mtok": price.input_per_mtok, "output_per_mtok": price.output_per_mtok}
        for model, price in front.facts.prices
    }
    return {
        "schema": SCHEMA,
        "workflow": front.workflow,
        "workflow_hash": workflow_hash,
        "facts": facts,
        "assumptions": assumptions,
        "warnings": warnings,
        "decisions": [
            {
                "name": str(decision),
                "agent": decision.agent,
                "group": decision.group,
                "configurations": [
                    _configuration(decision.configurations[c]) for c in decision.choices
                ],
            }
            for decision in front.decisions
        ],
        "structures": [asdict(structure) for structure in front.structures],
        "baseline": front.baseline,
        "points": points[: len(front.points)],
        "dominated": points[len(front.points) :],
    }


def _point(front: Front, number: int, point: FrontPoint) -> dict[str, Any]:
    change = difference(point, front.points[front.baseline])
    return {
        "index": number,
        "baseline": point.baseline,
        "estimates": {name: asdict(estimate) for name, estimate in point.estimates.items()},
        "p_non_dominated": point.p_non_dominated,
        "uncertain": point.uncertain,
        "worst": dict(point.worst),
        "choices": {
            structure.name: label
            for structure, label in zip(front.structures, point.choices, strict=True)
        },
        "configurations": {
            str(decision): None if chosen is None else _configuration(chosen)
            for decision, chosen in zip(front.decisions, point.configurations, strict=True)
        },
        "difference": asdict(change),
        "words": words(front, point),
    }


def _configuration(configuration: Configuration) -> dict[str, Any]:
    return {
        "model": configuration.model,
        "budget": configuration.budget,
        "params": dict(configuration.params),
    }
