"""What the search is measured on: FlowCompile's workflows, larger ones, and made-up calls.

Made-up calls follow the ground truth of `examples/synthesise.py`: a query's difficulty is shared by
all agents, and each configuration finds queries of its own hard besides.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import fields, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Decision,
    Fallback,
    Join,
    Refine,
    Term,
    Workflow,
    walk,
)
from flowir.configuration import Configuration
from flowir.passes.flow_name_sites import FlowNameSites
from flowir.search.observed import given_rates, read_observed
from flowir.search.problem import Measure, Objective, Problem
from flowir.search.space import Space
from flowir.universe import context

Floats = npt.NDArray[np.float64]

FLOWCOMPILE = ("math", "hotpotqa", "livecodebench")

PAIR: tuple[Objective, ...] = ("accuracy", "latency")

SHAPE = (16, 16)
"""(draws, queries) of the 256 scenarios that the search sees by default."""

EASE = 4.0
"""Steepness of success: single queries are nearly all-or-nothing, as real ones are."""


def module_of(path: Path) -> ModuleOp:
    """A verified module with its sites named."""
    module = Parser(context(), path.read_text(encoding="utf-8"), path.name).parse_module()
    module.verify()
    FlowNameSites().apply(context(), module)
    return module


def flowcompile(name: str, seed: int) -> tuple[Workflow, Scenarios]:
    """One of FlowCompile's workflows, and the fit of its synthetic observations.

    The first fit of a seed takes half a minute; later ones come from the cache.
    """
    with as_file(files("flowir.examples") / "flowcompile") as folder:
        module = module_of(folder / f"{name}.mlir")
        workflow = workflow_terms(find_workflow(module))
        observed = read_observed(
            str(folder / f"{name}.synthetic.csv"), str(folder / "prices.csv"), seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scenarios = observed.source(workflow, given_rates(module), "population")(
                *SHAPE, seed + 1
            )
    return workflow, scenarios


def twelve_agents() -> Workflow:
    """Branches, a refinement loop, a fallback and three structural choices: 20^12 and more."""
    return workflow_terms(find_workflow(module_of(Path(__file__).parent / "twelve_agents.mlir")))


def problem(
    workflow: Workflow,
    scenarios: Scenarios,
    *,
    measure: Measure | None = None,
    objectives: tuple[Objective, ...] = PAIR,
    seed: int = 1,
) -> Problem:
    """What is minimised over a workflow: by default accuracy and latency of concurrent runs."""
    return Problem(Space(workflow), scenarios, objectives, measure or Measure(), seed)


def mean_field(
    workflow: Workflow,
    scenarios: Scenarios,
    measure: Measure | None = None,
    objectives: tuple[Objective, ...] = PAIR,
) -> Problem:
    """The same under the independence proxy."""
    execution = "sequential" if measure is None else measure.execution
    proxy = Measure(execution, "mean-field")
    return problem(workflow, scenarios, measure=proxy, objectives=objectives)


def sequence(agents: int, settings: int) -> Workflow:
    """Agents one after another."""
    calls = tuple(Call(f"call_{i}", i, (i,), i + 1) for i in range(agents))
    return Workflow("sequence", Block(calls, agents, (0,)), decisions(agents, settings))


def tree(agents: int, settings: int) -> Workflow:
    """Agents in a binary tree: each but the leaves reads the join of what two others wrote.

    Agent i reads agents 2i + 1 and 2i + 2; agent 0 writes the result.
    """
    terms: list[Term] = []
    value = {i: 1 + i for i in range(agents)}
    for i in reversed(range(agents)):
        read = tuple(value[child] for child in (2 * i + 1, 2 * i + 2) if child < agents)
        inputs: tuple[int, ...] = read or (0,)
        if len(read) == 2:
            joined = 1 + agents + i
            terms.append(Join("all", read, joined))
            inputs = (joined,)
        terms.append(Call(f"call_{i}", i, inputs, value[i]))
    return Workflow("tree", Block(tuple(terms), value[0], (0,)), decisions(agents, settings))


def decisions(agents: int, settings: int) -> tuple[Decision, ...]:
    """Untied agents with so many configurations each."""
    known = tuple(Configuration(f"model {c}") for c in range(settings))
    return tuple(Decision("made up", f"agent {i}", "", known, baseline=0) for i in range(agents))


def undominated(workflow: Workflow, seed: int, *, easy: float = 1.0) -> Scenarios:
    """One scenario in which no configuration dominates another: the slower, the more often right.

    Args:
        easy: how close to sure an agent is; long chains of 0.8 come to nothing.
    """
    rng = np.random.default_rng([seed, 1])
    calls = []
    for decision in workflow.decisions:
        shape = (len(decision.configurations), 1)
        success = np.sort(1.0 - easy * rng.uniform(0.0, 0.3, shape), axis=0)
        seconds = np.sort(np.exp(rng.normal(0.5, 0.8, shape)), axis=0)
        calls.append(
            CallModel(success, np.log(seconds), np.zeros(shape), np.sort(rng.random(shape), axis=0))
        )
    return Scenarios(1, 1, tuple(calls))


def made_up(
    workflow: Workflow, seed: int, *, draws: int = SHAPE[0], queries: int = SHAPE[1]
) -> Scenarios:
    """Scenarios of the calls of any workflow; stronger configurations are slower and dearer."""
    rng = np.random.default_rng([seed, 2])
    size = draws * queries
    difficulty = rng.normal(size=size)
    terms = list(walk(workflow.body))
    labels = list(
        dict.fromkeys(
            case.label
            for term in terms
            if isinstance(term, Branch)
            for case in term.cases
            if case.label is not None
        )
    )
    calls = tuple(
        _call(rng, len(decision.configurations), difficulty, labels)
        for decision in workflow.decisions
    )
    names = {
        term.checker.name
        for term in terms
        if isinstance(term, Fallback | Refine) and term.checker.decision is None
    }
    checkers = {
        name: CheckerModel(np.full(size, 0.98), rng.beta(0.4, 1.6, size)) for name in sorted(names)
    }
    return Scenarios(draws, queries, calls, checkers, ("every call is made up",))


def _call(
    rng: np.random.Generator, configurations: int, difficulty: Floats, labels: Sequence[str]
) -> CallModel:
    shape = (configurations, len(difficulty))
    strength = rng.uniform(0.0, 0.8, (configurations, 1))

    def rate(offset: float) -> Floats:
        own = rng.normal(size=shape)
        return _logistic(EASE * (strength + offset - 0.45 * difficulty + 0.35 * own))

    success = rate(0.0)
    slow = 1.5 * strength + rng.normal(0.0, 0.5, (configurations, 1))
    dear = np.exp(2.0 * strength + rng.normal(0.0, 0.7, (configurations, 1)))
    accept_wrong = 1.0 - rate(-0.1)
    tables = rng.dirichlet(np.full(len(labels) + 1, 2.0), shape).transpose(2, 0, 1)
    return CallModel(
        success=success,
        log_latency=slow + 0.2 * difficulty,
        latency_scale=np.full(shape, 0.3),
        cost=1e-3 * dear * np.exp(0.2 * difficulty),
        recovery=0.3 * success,
        accept_right=np.maximum(rate(0.3), accept_wrong),
        accept_wrong=accept_wrong,
        labels=dict(zip(labels, tables, strict=False)),
    )


def _logistic(score: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-score)))


def unrecovered(scenarios: Scenarios) -> Scenarios:
    """The average call; wrong inputs are not recovered from, as FlowCompile's formulas have it."""
    point = scenarios.point()
    return replace(point, calls=tuple(replace(call, recovery=None) for call in point.calls))


def repaired(scenarios: Scenarios) -> Scenarios:
    """The average call, its numbers paired anew: no configuration dominates another.

    FlowCompile prunes 65–80 settings of an agent to the 6–19 that none dominates; the settings of
    the examples are not pruned. Wrong inputs are not recovered from.
    """
    point = unrecovered(scenarios)
    calls = tuple(
        replace(
            call,
            success=np.sort(call.success, axis=0),
            log_latency=np.sort(call.log_latency, axis=0),
        )
        for call in point.calls
    )
    return replace(point, calls=calls)


def halved(workflow: Workflow, scenarios: Scenarios) -> tuple[Workflow, Scenarios]:
    """Every second configuration of every decision: for a quick look."""
    fewer = replace(
        workflow,
        decisions=tuple(
            replace(decision, configurations=decision.configurations[::2], baseline=None)
            for decision in workflow.decisions
        ),
    )
    calls = tuple(_every_second(call) for call in scenarios.calls)
    return fewer, replace(scenarios, calls=calls)


def _every_second(call: CallModel) -> CallModel:
    tables = {
        field.name: getattr(call, field.name)
        for field in fields(call)
        if isinstance(getattr(call, field.name), np.ndarray)
    }
    labels = {label: table[::2] for label, table in call.labels.items()}
    return replace(call, labels=labels, **{name: table[::2] for name, table in tables.items()})
