"""Lowered workflows give, ask and write what the workflows do, as the interpreter runs them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import InsertPoint, Rewriter

from flowir.dialects import flow
from flowir.dialects.flow_checks import OperationError
from flowir.errors import FlowirError
from flowir.passes.flow_inline import FlowInline
from flowir.passes.lower_flow_to_prim import LowerFlowToPrim
from flowir.passes.prim_pipeline_decode import PrimPipelineDecode
from flowir.passes.prim_prune_deps import PrimPruneDeps
from flowir.passes.prim_split_prefill import PrimSplitPrefill
from flowir.passes.prim_split_stages import PrimSplitStages
from flowir.prim.from_ir import find_graph
from flowir.prim.reference import run
from flowir.prim.values import Messages
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, Usage
from tests.budget import some
from tests.strategies_ir import entry, made, module_text, parse, reply

OPTIMISED = (PrimPruneDeps(), PrimSplitStages(), PrimPipelineDecode(), PrimSplitPrefill())

pytestmark = pytest.mark.filterwarnings("ignore:nothing is known of engine")

modules = st.integers(0, 2**32).map(
    lambda seed: module_text(Random(seed).randint, races=False, plans=False)
)


def number_of(seed: int, what: object) -> int:
    digest = hashlib.sha256(repr((seed, what)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


class Answers:
    """What agents and tools give, which follows from what they are shown, in both executions."""

    def __init__(self, module: ModuleOp, seed: int) -> None:
        self.seed = seed
        self.asked: Counter[Messages] = Counter()
        self.ran: Counter[tuple[str, str]] = Counter()
        self.tools = {
            op.sym_name.data: self._tool(op) for op in module.ops if isinstance(op, flow.ToolOp)
        }

    async def __call__(self, site: str, messages: Sequence[Any], **config: Any) -> Completion:
        said = tuple((message["role"], message["content"]) for message in messages)
        return Completion(self._text(said), Usage(1, 1), None, "m")

    def write(self, agent: flow.AgentOp, site: str, prompt: Messages, labels: Sequence[str]) -> str:
        return self._text(prompt)

    def tool(self, tool: flow.ToolOp, given: Sequence[Any]) -> Any:
        return self.tools[tool.sym_name.data](*given)

    def rank(self, query: Any, text: Any) -> int:
        return number_of(self.seed, (query, text))

    def _text(self, said: Messages) -> str:
        self.asked[said] += 1
        return reply(said[-1][1], number_of(self.seed, said))

    def _tool(self, op: flow.ToolOp) -> Any:
        role = op.impl.data.partition(":")[2]
        kind = str(op.output) if role == "plain" else role

        def tool(*given: Any) -> Any:
            shown = json.dumps(given, default=str)
            self.ran[op.sym_name.data, shown] += 1
            return made(kind, number_of(self.seed, (op.sym_name.data, shown)))

        return tool


def decided(module: ModuleOp) -> ModuleOp:
    """The module with nothing left to choose and no workflow called: today's alternatives."""
    FlowInline().apply(Context(), module)
    while alternatives := [op for op in module.walk() if isinstance(op, flow.AlternativesOp)]:
        op = alternatives[0]
        block = op.cases[0].block
        last = block.last_op
        assert last is not None
        value = last.operands[0]
        Rewriter.erase_op(last)
        Rewriter.inline_block(block, InsertPoint.before(op))
        Rewriter.replace_op(op, [], [value])
    module.verify()
    return module


def lowered(module: ModuleOp, optimised: bool) -> ModuleOp:
    result = module.clone()
    for step in (LowerFlowToPrim(), *(OPTIMISED if optimised else ())):
        step.apply(Context(), result)
    result.verify()
    return result


@settings(
    max_examples=some(30), deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
@given(text=modules, seed=st.integers(0, 1000), optimised=st.booleans())
def test_a_lowered_workflow_does_what_the_workflow_does(
    text: str, seed: int, optimised: bool
) -> None:
    module = decided(parse(text))
    workflow = entry(module)
    kinds = [str(argument.type) for argument in workflow.body.block.args]
    inputs = [made(kind, number_of(seed, place)) for place, kind in enumerate(kinds)]
    expected, found = Answers(module, seed), Answers(module, seed)
    graph = find_graph(lowered(module, optimised), workflow.sym_name.data)
    try:
        value = asyncio.run(interpret(workflow, inputs, expected, expected.tools)).value
    except (FlowirError, ExceptionGroup):
        with pytest.raises(FlowirError):
            run(graph, inputs, found)
        return
    assert run(graph, inputs, found).value == value
    assert found.asked == expected.asked
    assert found.ran == expected.ran


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "%a = flow.join first(%q, %q) : (!flow.text, !flow.text) -> !flow.text",
            "a race ends before its losers do",
        ),
        ("%a = flow.call @w0(%q) : (!flow.text) -> !flow.text", "run flow-inline first"),
        (
            '%a = flow.alternatives "how" -> !flow.text "x" { flow.yield %q : !flow.text } '
            '"y" { flow.yield %q : !flow.text }',
            "Run flow-select",
        ),
        ("%a = flow.call @find(%q) : (!flow.text) -> !flow.text", "takes an index, and 0 of its 1"),
    ],
)
def test_what_cannot_be_lowered_says_what_to_do(body: str, message: str) -> None:
    module = parse(
        "flow.workflow @w0(%q: !flow.text) -> !flow.text { flow.return %q : !flow.text }\n"
        'flow.tool @find impl "a:b" effect reads as searching top 2\n'
        f"flow.workflow @w(%q: !flow.text) -> !flow.text {{ {body} flow.return %a : !flow.text }}"
    )
    with pytest.raises(OperationError, match=message):
        LowerFlowToPrim().apply(Context(), module)
