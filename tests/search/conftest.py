"""Small workflows and made-up scenarios to search over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Call,
    Checker,
    Decision,
    Fallback,
    Structure,
    Vote,
    Workflow,
)
from flowir.configuration import Configuration
from flowir.dialects.dse import Dse
from flowir.dialects.flow import Flow
from flowir.passes.flow_name_sites import FlowNameSites
from flowir.search.explore import Source

MODULE = """
flow.agent @coder prompt "Complete this.\\n{task}"
  space <models = ["small", "medium", "large"], budgets = [100, 400]>
  baseline <"medium", budget = 100>
flow.agent @judge prompt "{task}\\n{candidates}" space <models = ["small", "large"]>
flow.agent @critic prompt "Is it right? {value}" space <models = ["small", "medium"]>
flow.agent @fixer prompt "{task} {value} {feedback}" space <models = ["small", "large"]>
flow.tool @tests impl "a.b:tests" -> !flow.bool effect pure latency 0.05
  accepts <right = 0.99, wrong = 0.2, persistence = 0.9>

flow.workflow @repair(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "once" {
      %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
        %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %draft : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "two" {
      %a = flow.call @coder(%task) as "strong" space <models = ["large"], budgets = [100, 400]>
        : (!flow.text) -> !flow.text
      %b = flow.call @coder(%task) : (!flow.text) -> !flow.text
      %picked = flow.alternatives "combine" -> !flow.text
        "first" {
          flow.yield %a : !flow.text
        }
        "select" {
          %s = flow.join select(%a, %b) by @judge(%task : !flow.text)
            : (!flow.text, !flow.text) -> !flow.text
          flow.yield %s : !flow.text
        }
      flow.yield %picked : !flow.text
    }
  %best = flow.refine(%value, %feedback) from %answer : !flow.text max 2 until @critic {
    %f = flow.call @fixer(%task, %value, %feedback)
      : (!flow.text, !flow.text, !flow.text) -> !flow.text
    flow.yield %f : !flow.text
  }
  flow.return %best : !flow.text
}
"""


def parse(text: str) -> ModuleOp:
    """A verified module with its sites named."""
    context = Context()
    for dialect in (Builtin, Flow, Dse):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    FlowNameSites().apply(context, module)
    return module


def fake_scenarios(workflow: Workflow, draws: int, queries: int, seed: int) -> Scenarios:
    """Rates that depend on the numbers of decision and configuration, not on any name.

    Better configurations are slower and dearer; difficulty is shared by all decisions.
    """
    random = np.random.default_rng([7, seed])
    size = draws * queries
    difficulty = random.normal(size=size)
    shift = np.repeat(random.normal(scale=0.3, size=draws), queries)
    calls = []
    for number, decision in enumerate(workflow.decisions):
        own = np.random.default_rng([11, number])
        count = len(decision.configurations)
        quality = np.sort(own.normal(1.0, 1.0, size=count))[:, None]
        score = quality + shift - difficulty
        success = random.beta(2.0 * _logistic(score) + 0.05, 2.0 * _logistic(-score) + 0.05)
        latency = np.sort(own.normal(0.5, 0.7, size=count))[:, None] + 0.2 * difficulty
        calls.append(
            CallModel(
                success=success,
                log_latency=latency,
                latency_scale=np.full((count, size), 0.4),
                cost=np.sort(own.uniform(1e-4, 1e-2, size=count))[:, None] * np.ones(size),
                accept_right=np.full((count, size), 0.9),
                accept_wrong=_logistic(-quality) * np.ones(size),
            )
        )
    checkers = {"tests": CheckerModel(np.full(size, 0.99), random.beta(0.4, 1.2, size=size))}
    return Scenarios(draws, queries, tuple(calls), checkers, ("made up for a test",))


def _logistic(score: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-score))


def random_workflow(seed: int) -> Workflow:
    """Calls in sequence and in parallel, votes, retries, and tied or nested alternatives."""
    random = np.random.default_rng(seed)
    decisions = tuple(
        Decision("w", f"a{i}", "", _configurations(int(random.integers(1, 4))), baseline=0)
        for i in range(int(random.integers(1, 4)))
    )
    structures: dict[str, tuple[str, ...]] = {}
    values = iter(range(1, 1000))
    sites = iter(range(1000))

    def call(inputs: tuple[int, ...]) -> Call:
        decision = int(random.integers(len(decisions)))
        return Call(f"s{next(sites)}", decision, inputs, next(values))

    def step(value: int, depth: int) -> tuple[tuple, int]:
        kind = random.choice(["call", "vote", "retry", "alternatives"] if depth < 2 else ["call"])
        if kind == "vote":
            several = [call((value,)) for _ in range(3)]
            vote = Vote(tuple(c.output for c in several), next(values))
            return (*several, vote), vote.output
        if kind == "retry":
            inner = block(value, depth + 1)
            fallback = Fallback(
                f"s{next(sites)}", Checker("tests", "t"), (inner,) * 2, next(values)
            )
            return (fallback,), fallback.output
        if kind == "alternatives":
            name = str(random.choice(["x", "y"]))
            labels = structures.setdefault(
                name, tuple(f"l{i}" for i in range(int(random.integers(1, 4))))
            )
            cases = tuple((label, block(value, depth + 1)) for label in labels)
            chosen = Alternatives(name, cases, next(values))
            return (chosen,), chosen.output
        one = call((value,))
        return (one,), one.output

    def block(value: int, depth: int) -> Block:
        terms: tuple = ()
        for _ in range(int(random.integers(1, 3))):
            more, value = step(value, depth)
            terms += more
        return Block(terms, value)

    body = block(0, 0)
    return Workflow(
        "w", body, decisions, tuple(Structure(name, labels) for name, labels in structures.items())
    )


def _configurations(count: int) -> tuple[Configuration, ...]:
    return tuple(Configuration(f"m{i}") for i in range(count))


@pytest.fixture
def module() -> ModuleOp:
    return parse(MODULE)


@pytest.fixture
def workflow(module: ModuleOp) -> Workflow:
    return workflow_terms(find_workflow(module))


@pytest.fixture
def source_of() -> Callable[[Workflow], Source]:
    return lambda workflow: (
        lambda draws, queries, seed: fake_scenarios(workflow, draws, queries, seed)
    )


@pytest.fixture
def make_workflow() -> Callable[[int], Workflow]:
    return random_workflow


@pytest.fixture
def parse_module() -> Callable[[str], ModuleOp]:
    return parse


@pytest.fixture
def module_text() -> str:
    return MODULE
