"""Sets of configurations against explicit lists of them."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.errors import ServingError
from flowir.serving.sets import ConfigurationSet, intersections
from tests.budget import some

STAGES = ("a", "b", "c", "d")
EVERY = list(product(range(3), repeat=len(STAGES)))
ROWS = st.sets(st.sampled_from(EVERY), min_size=1)


@given(ROWS)
def test_a_set_is_its_configurations(rows: set[tuple[int, ...]]) -> None:
    found = ConfigurationSet.of(STAGES, rows)
    assert list(found) == sorted(rows)
    assert len(found) == len(rows)
    assert [row in found for row in EVERY] == [row in rows for row in EVERY]
    assert (0,) not in found
    for level, stage in enumerate(STAGES):
        assert found.open(stage) == tuple(sorted({row[level] for row in rows}))


@given(ROWS, st.permutations(STAGES), st.data())
def test_any_order_of_legal_choices_leads_to_one_configuration(
    rows: set[tuple[int, ...]], order: list[str], data: st.DataObject
) -> None:
    found, kept = ConfigurationSet.of(STAGES, rows), set(rows)
    for stage in order:
        level = STAGES.index(stage)
        for closed in set(range(3)) - {row[level] for row in kept}:
            with pytest.raises(ServingError, match=f"choice {closed} is not open at {stage}"):
                found.restrict(stage, closed)
        choice = data.draw(st.sampled_from(found.open(stage)))
        found = found.restrict(stage, choice)
        kept = {row for row in kept if row[level] == choice}
        assert list(found) == sorted(kept)
        assert found.open(stage) == (choice,)
        assert found.restrict(stage, choice) == found
    assert len(found) == 1


@given(ROWS, ROWS)
def test_intersection(one: set[tuple[int, ...]], other: set[tuple[int, ...]]) -> None:
    sets = [ConfigurationSet.of(STAGES, rows) for rows in (one, other)]
    if both := one & other:
        assert intersections(sets) == ConfigurationSet.of(STAGES, both)
    else:
        with pytest.raises(ServingError, match="none in common"):
            intersections(sets)


@given(ROWS)
@settings(max_examples=some(20))
def test_equal_sets_are_equal_however_they_were_made(rows: set[tuple[int, ...]]) -> None:
    one = ConfigurationSet.of(STAGES, sorted(rows))
    other = ConfigurationSet.of(STAGES, sorted(rows, reverse=True))
    assert one == other
    assert hash(one) == hash(other)
    assert one.root is other.root


def test_a_million_configurations_are_a_few_nodes() -> None:
    stages = [f"s{i}" for i in range(13)]
    every = ConfigurationSet.product({stage: range(3) for stage in stages})
    assert len(every) == 3**13
    assert every.nodes() == 14
    narrowed = every.restrict("s7", 1).restrict("s0", 2)
    assert len(narrowed) == 3**11
    assert narrowed.nodes() == 14


def test_messages() -> None:
    with pytest.raises(ServingError, match="at least one must stay open"):
        ConfigurationSet.of(STAGES, [])
    with pytest.raises(ServingError, match="has 2 choices for 4 stages"):
        ConfigurationSet.of(STAGES, [(0, 1)])
    with pytest.raises(ServingError, match="no stage aa; did you mean a"):
        ConfigurationSet.of(["a"], [(0,)]).open("aa")
    with pytest.raises(ServingError, match="stage a has no choice"):
        ConfigurationSet.product({"a": ()})
    one, other = (ConfigurationSet.of([name], [(0,)]) for name in "ab")
    with pytest.raises(ServingError, match="different stages"):
        one.intersection(other)
