"""Simulations of the points of a front, by the file that is emitted for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.runtime.emitted import loaded
from flowir.runtime.llm import LLM, Tools
from flowir.search.annotate import front_from_ir
from flowir.search.front import FrontPoint
from flowir.sim.inputs import parsers_of
from flowir.sim.simulate import Simulated, simulate


@dataclass(frozen=True)
class Case:
    """One simulation of a point.

    Attributes:
        point: its number in the front.
        seed: of all that is drawn.
        samples: runs.
    """

    point: int
    seed: int = 0
    samples: int = 1000


@dataclass(frozen=True)
class PointSimulation:
    """Simulates points of a front by the file that is emitted for it; call it with a case.

    Attributes:
        source: the emitted file.
        workflow: its terms, alternatives open.
        points: those of the front, for each the labels chosen and the settings of the decisions.
        inputs, parsers: see :func:`flowir.sim.simulate.simulate`.
    """

    source: str
    workflow: Workflow
    points: tuple[tuple[Mapping[str, str], tuple[int, ...]], ...]
    scenarios: Scenarios
    inputs: Mapping[str, object] = field(default_factory=dict)
    parsers: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(
        module: ModuleOp,
        scenarios: Scenarios,
        *,
        name: str | None = None,
        inputs: Mapping[str, object] | None = None,
    ) -> PointSimulation:
        """Of a module with a front.

        Args:
            scenarios: of the workflow, such as `observed.source(…)` gives.
            name: of the workflow, where there are several.

        Raises:
            FlowirError: there is no front, or one of another version of the workflow.
        """
        workflow = find_workflow(module, name)
        front, terms = front_from_ir(workflow), workflow_terms(workflow)

        def chosen(point: FrontPoint) -> tuple[Mapping[str, str], tuple[int, ...]]:
            labels = {
                structure.name: label or structure.labels[0]
                for structure, label in zip(front.structures, point.choices, strict=True)
            }
            pairs = zip(terms.decisions, point.configurations, strict=True)
            return labels, tuple(0 if c is None else d.configurations.index(c) for d, c in pairs)

        return PointSimulation(
            emit(module, front.workflow),
            terms,
            tuple(map(chosen, front.every)),
            scenarios,
            inputs or {},
            parsers_of(module),
        )

    def __call__(self, case: Case) -> Simulated:
        """The runs of a case. Raises what `simulate` does."""
        labels, settings = self.points[case.point]
        program = loaded(self.source)

        async def run_one(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> object:
            result = await program.run(inputs, point=case.point, llm=llm, tools=tools)
            return result.value

        return simulate(
            run_one,
            self.workflow.specialise(labels),
            settings,
            self.scenarios,
            inputs=self.inputs,
            parsers=self.parsers,
            samples=case.samples,
            seed=case.seed,
        )
