"""flow-fuse-supersteps on IR: predicted time, what stays as it was, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from xdsl.utils.exceptions import VerifyException

from flowir.calculus.expectation import Execution, expect
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.realised import realise
from flowir.calculus.terms import Workflow
from flowir.dialects.flow_fused import FUSED
from flowir.errors import CalculusError
from flowir.passes.flow_fuse_supersteps import FlowFuseSupersteps
from flowir.passes.flow_inline import FlowInline
from tests.budget import some
from tests.calculus.samples import call_model, point
from tests.strategies_ir import module_texts, parse

CHAINS = """
flow.agent @fast prompt "{x}" space <models = ["m"]>
flow.agent @slow prompt "{x}" space <models = ["m"]>
flow.workflow @w(%x: !flow.text) -> !flow.list<!flow.text> {
  %a1 = flow.call @fast(%x) at "a1" : (!flow.text) -> !flow.text
  %a2 = flow.call @slow(%a1) at "a2" : (!flow.text) -> !flow.text
  %b1 = flow.call @slow(%x) at "b1" : (!flow.text) -> !flow.text
  %b2 = flow.call @fast(%b1) at "b2" : (!flow.text) -> !flow.text
  %all = flow.join all(%a2, %b2) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  flow.return %all : !flow.list<!flow.text>
}
"""
MODELS = point([call_model(1.0, seconds=0.1), call_model(1.0, seconds=0.4)])


def terms(text: str, **options: object) -> Workflow:
    """The terms of a module after the pass."""
    module = parse(text)
    FlowFuseSupersteps(**options).apply(None, module)  # type: ignore[arg-type]
    module.verify()
    return workflow_terms(find_workflow(module))


@pytest.mark.parametrize(
    ("execution", "before", "after"),
    [("langgraph", 0.8, 0.5), ("asyncio", 0.5, 0.5), ("sequential", 1.0, 1.0)],
)
def test_two_chains_no_longer_wait_for_each_other(
    execution: Execution, before: float, after: float
) -> None:
    written = workflow_terms(find_workflow(parse(CHAINS)))
    for workflow, seconds in ((written, before), (terms(CHAINS), after)):
        for track in (expect, realise):
            found = track(workflow, [[0, 0]], MODELS, execution)
            assert found.latency.item() == pytest.approx(seconds)


@settings(max_examples=some(60), deadline=None)
@given(module_texts())
def test_marks_are_all_that_is_written(text: str) -> None:
    module, inlined = parse(text), parse(text)
    FlowFuseSupersteps().apply(None, module)  # type: ignore[arg-type]
    FlowInline(keep=True).apply(None, inlined)  # type: ignore[arg-type]
    module.verify()
    again = module.clone()
    FlowFuseSupersteps().apply(None, again)  # type: ignore[arg-type]
    assert str(again) == str(module)
    for op in module.walk():
        op.attributes.pop(FUSED, None)
    assert str(module) == str(inlined)


OBSERVED = """sub_agent,model,query_id,correct,latency_s
{rows}
"""


def profile(folder: Path, fast: float, slow: float) -> str:
    rng = np.random.default_rng(5)
    rows = [
        f"{agent},m,q{q},1,{seconds * np.exp(0.05 * rng.standard_normal()):.6f}"
        for agent, seconds in (("fast", fast), ("slow", slow))
        for q in range(30)
    ]
    path = folder / "observed.csv"
    path.write_text(OBSERVED.format(rows="\n".join(rows)))
    return str(path)


TOOLS = CHAINS.replace(
    'flow.agent @fast prompt "{x}" space <models = ["m"]>', 'flow.tool @fast impl "m:fast"'
)


def test_with_a_profile_only_what_waits_is_fused(tmp_path: Path) -> None:
    observed = profile(tmp_path, 0.1, 0.4)
    assert len(terms(CHAINS, profile=observed).fused) == 4
    # Tools that take no time make nobody wait when their call is the only one of its chain.
    free = TOOLS.replace("flow.call @slow(%x)", "flow.call @fast(%x)")
    assert len(terms(free).fused) == 4
    assert terms(free, profile=observed).fused == ()


def test_with_a_profile_the_workflow_is_compiled() -> None:
    with pytest.raises(CalculusError, match="flow-select"):
        terms(CHAINS.replace('["m"]', '["m", "n"]'), profile="observed.csv")


def marked(text: str, **names: str) -> str:
    for site, name in names.items():
        text = text.replace(f'at "{site}"', f'at "{site}" attributes {{flow.fused = {name}}}')
    return text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"a1": "3 : i64"}, "a1.*the name of a node"),
        ({"a1": '""'}, "a1.*the name of a node"),
        ({"a1": '"n"', "b2": '"n"', "a2": '"m"', "b1": '"m"'}, "waits for something that waits"),
    ],
)
def test_marks_that_cannot_be(names: dict[str, str], message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        parse(marked(CHAINS, **names)).verify()


def test_a_node_is_in_one_region() -> None:
    text = """
flow.agent @ask prompt "{x}" space <models = ["m"]>
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %a = flow.call @ask(%x) attributes {flow.fused = "n"} : (!flow.text) -> !flow.text
  %b = flow.alternatives "way" -> !flow.text
    "p" {
      %c = flow.call @ask(%a) attributes {flow.fused = "n"} : (!flow.text) -> !flow.text
      flow.yield %c : !flow.text
    }
  flow.return %b : !flow.text
}
"""
    with pytest.raises(VerifyException, match="in another region"):
        parse(text).verify()


def test_lists_between_the_calls_of_a_node_are_made_in_it() -> None:
    text = CHAINS.replace(
        "%a2 = flow.call @slow(%a1)",
        "%t = flow.join concat(%a1) : (!flow.text) -> !flow.text\n  %a2 = flow.call @slow(%t)",
    )
    names = [name for _, name in terms(text).fused]
    assert sorted(names) == ["node_0", "node_0", "node_1", "node_1"]
