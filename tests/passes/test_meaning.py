"""Transformed workflows answer as the ones that were written, and ask no more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.transforms.common_subexpression_elimination import CommonSubexpressionElimination
from xdsl.transforms.dead_code_elimination import DeadCodeElimination

from flowir.dialects.flow import AgentOp, ToolOp, WorkflowOp
from flowir.passes.flow_inline import FlowInline
from tests.budget import some
from tests.dialects.modules import Sample, samples
from tests.passes.interpretation import run

SIMPLIFICATIONS: dict[str, tuple[ModulePass, ...]] = {
    "canonicalize": (CanonicalizePass(),),
    "cse": (CommonSubexpressionElimination(),),
    "dce": (DeadCodeElimination(),),
    "all": (CanonicalizePass(), CommonSubexpressionElimination(), CanonicalizePass()),
}

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: structure comes from a seed, and smaller seeds are not smaller modules."""

written = samples(declared=False)
salts = st.integers(0, 7)


def transformed(module: ModuleOp, passes: Sequence[ModulePass]) -> ModuleOp:
    result = module.clone()
    for step in passes:
        step.apply(Context(), result)
        result.verify()
    return result


def is_subsequence(part: Sequence[object], whole: Sequence[object]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


@pytest.mark.parametrize("name", SIMPLIFICATIONS)
@settings(max_examples=some(50), phases=PHASES)
@given(sample=written, salt=salts)
def test_simplification_keeps_answers_and_writes(name: str, sample: Sample, salt: int) -> None:
    module = sample.module
    simple = transformed(module, SIMPLIFICATIONS[name])
    before, after = run(module, "w1", salt), run(simple, "w1", salt)
    assert after.answer == before.answer
    assert after.written == before.written
    assert is_subsequence(after.asked, before.asked)


@settings(max_examples=some(50), phases=PHASES)
@given(sample=written, salt=salts)
def test_inlining_keeps_every_call_with_its_site_and_decision(sample: Sample, salt: int) -> None:
    module = sample.module
    flat = transformed(module, [FlowInline(keep=True)])
    before, after = run(module, "w1", salt), run(flat, "w1", salt)
    assert after.answer == before.answer
    assert after.written == before.written
    assert after.asked == before.asked
    calls_left = [str(op.properties.get("callee")) for op in flat.walk()]
    assert "@w0" not in calls_left


@settings(max_examples=some(50), phases=PHASES)
@given(sample=samples(workflows=1, declared=False, sited=False))
def test_merging_merges_only_what_is_pure(sample: Sample) -> None:
    live = transformed(sample.module, [DeadCodeElimination()] * 3)
    merged = transformed(live, [CommonSubexpressionElimination()])
    before, after = ([op.name for op in m.walk() if draws(op)] for m in (live, merged))
    assert after == before


def draws(op: Operation) -> bool:
    """Whether invoking twice differs from invoking once."""
    names = {str(op.properties.get(name)) for name in ("callee", "by", "key", "until")}
    pure = {"@pure", "None"}
    return not names <= pure and not isinstance(op, AgentOp | ToolOp | WorkflowOp)


@settings(max_examples=some(30), phases=PHASES)
@given(sample=written)
def test_canonical_form_is_final(sample: Sample) -> None:
    once = transformed(sample.module, [CanonicalizePass()])
    twice = transformed(once, [CanonicalizePass()])
    assert str(twice) == str(once)
