"""Workflows and scenarios written by hand, for laws that need a particular shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Block,
    Call,
    Decision,
    Fallback,
    Refine,
    Term,
    Value,
    Workflow,
    walk,
)
from flowir.configuration import Configuration


def call_model(
    success: object, seconds: object = 1.0, cost: object = 0.01, **more: object
) -> CallModel:
    """[C, S] from numbers or arrays; latency without noise."""
    p = np.atleast_2d(np.asarray(success, dtype=float))
    ones = np.ones_like(p)
    return CallModel(p, np.log(seconds * ones), 0.0 * ones, cost * ones, **more)  # type: ignore


def point(models: Sequence[CallModel], **checkers: tuple[float, float]) -> Scenarios:
    """Scenarios in which the tools named accept at constant rates."""
    size = models[0].success.shape[1]
    rates = {
        name: CheckerModel(np.full(size, right), np.full(size, wrong))
        for name, (right, wrong) in checkers.items()
    }
    return Scenarios(1, size, tuple(models), rates)


def workflow(
    terms: Sequence[Term], result: Value | None = None, arguments: tuple[Value, ...] = (0,)
) -> Workflow:
    """A workflow with as many decisions as its terms name."""
    body = Block(tuple(terms), terms[-1].output if result is None else result, arguments)
    named = [
        decision
        for term in walk(body)
        for decision in (
            getattr(term, "decision", None),
            getattr(term, "router", None),
            term.checker.decision if isinstance(term, Fallback | Refine) else None,
        )
        if decision is not None
    ]
    count = max(named, default=-1) + 1
    return Workflow("sample", body, tuple(decision(d) for d in range(count)))


def decision(number: int, configurations: int = 4) -> Decision:
    options = tuple(Configuration(f"model_{c}") for c in range(configurations))
    return Decision("sample", f"agent_{number}", "", options)


def call(output: Value, *inputs: Value, by: int = 0, fresh: bool = False) -> Call:
    return Call(f"call_{output}", by, inputs, output, fresh)
