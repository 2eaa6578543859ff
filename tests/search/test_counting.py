"""The size of a space under rules, against every point of it written out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from flowir.errors import SearchError
from flowir.passes.flow_space_stats import statistics
from flowir.search import space
from flowir.search.counting import count
from flowir.search.rules import Rules
from flowir.search.space import Space
from flowir.search.structures import UNREACHED
from tests.search.conftest import Workflow
from tests.search.random_workflows import random_workflow
from tests.search.test_rules import random_rules


def written_out(rules: Rules) -> tuple[set[tuple], list[set[int]], list[set[int]]]:
    """Different compiled workflows, and what is left of every axis, by full assignments."""
    workflow = rules.workflow
    plain = Space(workflow)
    told = Space(workflow, rules.forbidden, merged=False)
    points: set[tuple] = set()
    configurations = [set[int]() for _ in workflow.decisions]
    labels = [set[int]() for _ in workflow.structures]
    sizes = [range(len(s.labels)) for s in workflow.structures]
    choices = [d.choices for d in workflow.decisions]
    for structure in product(*sizes):
        for settings in product(*choices):
            own = told.point(structure, settings)
            tables = {"decision": own.settings[0], "structure": own.structure[0]}
            if any(
                all(int(tables[kind][number]) in which for (kind, number), which in rule.terms)
                for rule in rules.forbidden
            ):
                continue
            points.add((plain.canonical(structure), tuple(own.settings[0].tolist())))
            for kept, row in ((configurations, own.settings[0]), (labels, own.structure[0])):
                for number, index in enumerate(row.tolist()):
                    if index != UNREACHED:
                        kept[number].add(index)
    return points, configurations, labels


@pytest.mark.parametrize("seed", range(60))
def test_what_rules_leave_is_counted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, decisions=3, terms=3)
    forbidden = random_rules(rng, workflow)
    kept = tuple(tuple(range(len(d.configurations))) for d in workflow.decisions)
    rules = Rules(workflow, kept, forbidden)
    points, configurations, labels = written_out(rules)
    if not points:
        with pytest.raises(SearchError, match="leave nothing to choose"):
            count(rules)
        return
    found = count(rules)
    assert found.exact
    assert found.workflows == len(points)
    assert found.structures == len({structure for structure, _ in points})
    assert [set(each) for each in found.configurations] == configurations
    assert [set(each) for each in found.labels] == labels


@pytest.mark.parametrize("seed", range(20))
def test_what_is_too_large_to_count_is_bounded(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, decisions=3, terms=3)
    kept = tuple(tuple(range(len(d.configurations))) for d in workflow.decisions)
    rules = Rules(workflow, kept, random_rules(rng, workflow))
    points, *_ = written_out(rules)
    monkeypatch.setattr(space, "MANY_STRUCTURES", 0)
    monkeypatch.setattr(space, "MANY_SETTINGS", 0)
    if points:
        found = count(rules)
        assert not found.exact
        assert found.workflows >= len(points)
        assert found.structures >= len({structure for structure, _ in points})


def test_lists_locks_and_combinations_are_counted_with_what_was_before(
    workflow: Workflow,
) -> None:
    """By hand: `two` with its 6 coders, 2 strong ones, 2 judges; and 2 critics × 2 fixers."""
    free = statistics(workflow)
    assert free.before is None
    found = statistics(
        workflow,
        allow=("coder/: small",),
        lock=("strategy: once",),
        forbid=("critic: small & fixer: large",),
    )
    assert found.workflows == 2 * 3
    assert found.before == free
    assert {axis.decision: axis.configurations for axis in found.decisions} == {
        "coder": 2,
        "coder/strong": 0,
        "judge": 0,
        "critic": 2,
        "fixer": 2,
    }
    assert found.choices == {"strategy": ("once",), "combine": ()}
    text = str(found)
    assert "@repair: 6 compiled workflows" in text.splitlines()[0]
    assert f"before the rules {free.size}" in text.splitlines()[0]
    assert '"strategy": 1 label, "once"; before the rules 3' in text
    assert "coder: 2 configurations = 1 model × 2 budgets × 1 parameter setting; " in text


def test_rules_that_leave_nothing_are_named(workflow: Workflow) -> None:
    with pytest.raises(SearchError, match=r'forbid="critic: \*": together they leave nothing'):
        statistics(workflow, forbid=("critic: *",))
