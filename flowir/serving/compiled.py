"""A compiled workflow as it is served: a program, and the configurations its calls may take."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from xdsl.ir import Attribute, SSAValue

from flowir.backends.asyncio.emit import File, checked
from flowir.backends.asyncio.program import Program, program_of
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.flow_checks import module_symbols
from flowir.errors import ProfilerError, SelectionError, ServingError
from flowir.profile.prices import Prices
from flowir.runtime.answers import parser_of
from flowir.search.front import Facts
from flowir.search.selection import select
from flowir.serving.stages import stages_of
from flowir.source.workflows import read_module

TOLERANCE = 0.02
"""Accuracy that may be given up for speed, against the point that was asked for (DESIGN 10)."""


@dataclass(frozen=True)
class Row:
    """One setting of every stage, and what is predicted of a run with it.

    Attributes:
        choices: per stage.
        cost_usd: predicted mean; None where it is not known.
    """

    choices: tuple[Configuration, ...]
    cost_usd: float | None = None


@dataclass(frozen=True)
class Compiled:
    """What is served.

    Attributes:
        program: the emitted file, imported.
        point: what `program.run` is given. Its configurations name stages, not models: which model
            answers is decided at the moment of the call.
        stages: the decisions that the structure reaches, in topological order, each with those
            whose output its calls read.
        rows: the settings that keep accuracy; the first is the one that was asked for.
        others: settings of the same structure that may keep it for some requests: only routing
            opens them.
        workflow, labels: the op that the program was made from, and which of its alternatives.
        facts: how the front came about; None where there is none.
        written_at: the site whose answer is the answer of the workflow as it is; it can be passed
            on while it is written. None where there is none.
        inputs: types of the inputs by name.
    """

    name: str
    program: ModuleType
    point: Any
    stages: Mapping[str, tuple[str, ...]]
    rows: tuple[Row, ...]
    prices: Prices
    written_at: str | None
    inputs: Mapping[str, Attribute]
    kind: Attribute
    workflow: flow.WorkflowOp
    labels: Mapping[str, str]
    facts: Facts | None = None
    others: tuple[Row, ...] = ()

    @property
    def every(self) -> tuple[Row, ...]:
        """All settings that some request may be run with."""
        return (*self.rows, *self.others)

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """All that may be asked for, once each, in order."""
        return tuple(dict.fromkeys(one for row in self.every for one in row.choices))

    def numbered(self) -> tuple[dict[str, dict[Configuration, int]], list[list[int]]]:
        """The number of each choice of each stage, and [C, L] every setting in these numbers."""
        numbers: dict[str, dict[Configuration, int]] = {stage: {} for stage in self.stages}
        rows = [
            [
                numbers[stage].setdefault(chosen, len(numbers[stage]))
                for stage, chosen in zip(numbers, row.choices, strict=True)
            ]
            for row in self.every
        ]
        return numbers, rows

    def priced(self, prices: Prices, costs: Sequence[float | None]) -> Compiled:
        """The same at other prices, with what a run of every setting costs then."""
        rows = tuple(Row(row.choices, cost) for row, cost in zip(self.every, costs, strict=True))
        kept = len(self.rows)
        return replace(self, prices=prices, rows=rows[:kept], others=rows[kept:])

    def dollars(self, model: str, read: int, wrote: int) -> float | None:
        """What a call costs; None where the model has no price."""
        if model not in self.prices:
            return None
        per_input, per_output = self.prices.per_token(model)
        return read * per_input + wrote * per_output


@dataclass(frozen=True)
class Wanted:
    """Which point of the front is served, as `flowir-opt -p flow-select` is told it.

    Limits hold for whatever else may be chosen too, by its predicted means.

    Attributes:
        tolerance: by how much other points with the same structure may be less accurate, and still
            be chosen under load; None for the point alone.
        routed: whether other points with the same structure may be chosen for a request that they
            are found to keep the accuracy of.
    """

    point: int | None = None
    max_latency: float | None = None
    min_accuracy: float | None = None
    max_cost: float | None = None
    tolerance: float | None = TOLERANCE
    routed: bool = False


def read_compiled(
    path: str | Path, name: str | None = None, wanted: Wanted | None = None
) -> Compiled:
    """The workflow of a file.

    Raises:
        ServingError: the file is missing or no workflow, or has no such point.
        FlowirError: the workflow cannot be emitted.
    """
    try:
        module = read_module(path)
    except ProfilerError as error:
        raise ServingError(str(error)) from None
    program = program_of(module, name)
    wanted = wanted or Wanted()
    try:
        number = _number(program, wanted)
    except SelectionError as error:
        raise ServingError(f"{path}: {error}") from None
    running = _imported(program)
    base = running.POINTS[number]
    by_number = list(program.configurations())
    stages = stages_of(program, by_number[number])
    alike = [n for n in _alike(program, number) if n == number or _within(program, n, wanted)]
    kept = [n for n in alike if _keeps(program, n, number, wanted)]
    rows = {
        tuple(by_number[n][stage] for stage in stages): _mean(program, n, "cost_usd")
        for n in [*kept, *(alike if wanted.routed else [])]
    }
    found = tuple(Row(choices, cost) for choices, cost in rows.items())
    keeping = len({tuple(by_number[n][stage] for stage in stages) for n in kept})
    (kind,) = program.workflow.function_type.outputs
    return Compiled(
        program.workflow.sym_name.data,
        running,
        replace(base, configs={stage: running.Config(stage) for stage in by_number[number]}),
        stages,
        found[:keeping],
        program.prices,
        _written_at(program, program.points[number].labels),
        {name: argument.type for name, argument in program.inputs.items()},
        kind,
        program.workflow,
        dict(program.points[number].labels),
        None if program.front is None else program.front.facts,
        found[keeping:],
    )


def _imported(program: Program) -> ModuleType:
    found = ModuleType(f"flowir_served_{program.workflow.sym_name.data}")
    sys.modules[found.__name__] = found  # Dataclasses look for it while it is imported.
    try:
        exec(compile(checked(File(program, None)), f"<{found.__name__}>", "exec"), found.__dict__)
    finally:
        del sys.modules[found.__name__]
    return found


def _number(program: Program, wanted: Wanted) -> int:
    """The point that is asked for: by default the most accurate one."""
    front = program.front
    limits = {
        "max_latency": wanted.max_latency,
        "min_accuracy": wanted.min_accuracy,
        "max_cost": wanted.max_cost,
    }
    asked = wanted.point is not None or any(limit is not None for limit in limits.values())
    if front is None:
        if asked:
            raise SelectionError(
                "the workflow has no front to select from; write one with flowir-opt --dse"
            )
        return 0
    if asked:
        return select(replace(front, dominated=()), point=wanted.point, **limits)
    if any("accuracy" not in point.estimates for point in front.points):
        return front.baseline
    means = [point.estimates["accuracy"].mean for point in front.points]
    return means.index(max(means))


def _alike(program: Program, number: int) -> list[int]:
    """The point, then the others of its structure."""
    own = program.points[number]
    labels = dict(own.labels)
    others = (
        n
        for n, point in enumerate(program.points)
        if n != number
        and dict(point.labels) == labels
        and point.configurations.keys() == own.configurations.keys()
    )
    return [number, *others]


def _within(program: Program, number: int, wanted: Wanted) -> bool:
    """Whether a point keeps to the limits of latency and cost that the point asked for does."""
    for name, most in (("latency_s", wanted.max_latency), ("cost_usd", wanted.max_cost)):
        found = _mean(program, number, name)
        if most is not None and (found is None or found > most):
            return False
    return True


def _keeps(program: Program, number: int, asked: int, wanted: Wanted) -> bool:
    """Whether a point is as accurate as the one that was asked for, up to the tolerance."""
    if number == asked:
        return True
    own, other = (_mean(program, n, "accuracy") for n in (asked, number))
    if own is None or other is None or wanted.tolerance is None:
        return False
    return other >= max(own - wanted.tolerance, wanted.min_accuracy or 0.0)


def _mean(program: Program, number: int, quantity: str) -> float | None:
    """What is predicted of a point; None where nothing is."""
    if program.front is None:
        return None
    estimate = program.front.every[number].estimates.get(quantity)
    return None if estimate is None else estimate.mean


def _written_at(program: Program, labels: Mapping[str, str]) -> str | None:
    """The site of the call whose text is the workflow's answer, whatever else happens."""
    symbols = module_symbols(program.workflow) or {}
    last = program.workflow.body.block.last_op
    assert last is not None
    value: SSAValue = last.operands[0]
    while isinstance(op := value.owner, flow.AlternativesOp):
        names = [label.data for label in op.labels.data]
        region = op.regions[names.index(labels[op.choice.data])]
        end = region.block.last_op
        assert end is not None
        value = end.operands[0]
    if not isinstance(op, flow.CallOp):
        return None
    agent = symbols.get(op.callee.root_reference.data)
    text = isinstance(agent, flow.AgentOp) and isinstance(agent.output, flow.TextType)
    if not text or parser_of(agent) != "text":  # type: ignore[arg-type]
        return None
    return program.sites.get(op)
