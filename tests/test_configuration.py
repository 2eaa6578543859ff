"""Which settings are one setting."""

from __future__ import annotations

import pytest

from flowir.configuration import Configuration, Parameter


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1.0, True), (True, 1, False), (False, 0.0, False), ("1", 1, False), (True, True, True)],
)
def test_true_is_not_one(one: Parameter, other: Parameter, same: bool) -> None:
    left = Configuration("m", 400, (("thinking", one),))
    right = Configuration("m", 400, (("thinking", other),))
    assert (left == right) == same
    assert len({left, right}) == (1 if same else 2)
    assert left != Configuration("m", "400", left.params)
    assert left != ("m", 400, left.params)
