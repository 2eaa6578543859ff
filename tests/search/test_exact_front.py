"""The composed front is the front of the whole space, worked out point by point."""

from __future__ import annotations

from itertools import cycle, islice, product

import numpy as np
import pytest

from flowir.errors import CalculusError
from flowir.search.enumerate import every_loss
from flowir.search.exact import exact_front
from flowir.search.pareto import non_dominated
from flowir.search.problem import Measure, Problem, losses
from flowir.search.space import Points, Space
from tests.search.random_workflows import random_scenarios, random_workflow

TOLERANCE = 1e-9
OBJECTIVES = (("accuracy", "latency"), ("accuracy", "cost"))
CASES = list(islice(cycle(product(OBJECTIVES, ("sequential", "asyncio"))), 40))


@pytest.mark.parametrize("part", range(4))
def test_exact_equals_enumeration(part: int) -> None:
    """On random workflows over every construct, with tied choices and values used twice."""
    compared = 0
    for seed in range(part, 200, 4):
        objectives, execution = CASES[seed % len(CASES)]
        rng = np.random.default_rng(seed)
        workflow = random_workflow(rng)
        scenarios = random_scenarios(rng, workflow)
        problem = Problem(Space(workflow), scenarios, objectives, Measure(execution, "mean-field"))
        try:
            everything = every_loss(problem)
        except CalculusError:
            continue
        found = exact_front(workflow, scenarios, objectives, execution)
        expected = everything[non_dominated(everything)]
        values = losses(found.values, objectives)

        for point in expected:
            covered = (values <= point + TOLERANCE).all(axis=1).any()
            assert covered, f"seed {seed}: nothing is as good as {point}"
        for point in values:
            beaten = (everything < point - TOLERANCE).all(axis=1).any()
            assert not beaten, f"seed {seed}: {point} is on no front"
        points = Points(found.structure.astype(np.int16), found.settings.astype(np.int16))
        np.testing.assert_allclose(problem.evaluate(points), found.values, atol=TOLERANCE)
        compared += 1
    assert compared > 25
