"""Every example does the same interpreted, as an asyncio file and as a LangGraph file.

At several points of a made-up front: the same calls with the same inputs and the same answer, also
where calls fail or the time runs out.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.dialects import flow
from flowir.runtime.llm import Completion, Usage
from flowir.sim import clock
from tests.backends.running import Run, Script, load, run_emitted, run_interpreted
from tests.strategies_ir import entry, parse, with_front

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    [
        # Those of teola are lowered to primitives and run as such: tests/runtime/primitives.
        *(path for path in ROOT.glob("examples/**/*.mlir") if path.parent.name != "teola"),
        *ROOT.glob("examples/*_workflow.py"),
        ROOT / "tests/backends/code_repair.mlir",
    ]
)
POINTS = 6


class Model(Script):
    """Answers in any form: a word, a number of a candidate, a code block, JSON, a verdict.

    Planners write a plan and then perhaps another; joiners finish after that.
    """

    ANSWERS = ("2", "word {x}", "```python\nx = {1}\n```", "ACCEPT", "1", "REJECT: no", "[1]")

    def __init__(self, module: ModuleOp, seed: int, failures: int) -> None:
        super().__init__(module, seed, failures)
        for op in module.ops:
            if isinstance(op, flow.ToolOp):
                checks = isinstance(op.output, flow.BoolType)
                self.tools.kinds[op.sym_name.data] = "checker" if checks else str(op.output)
        self._planning = {
            _beginning(module, call): region is op.planner
            for op in module.walk()
            if isinstance(op, flow.PlanOp)
            for region in (op.planner, op.joiner)
            for call in region.walk()
            if isinstance(call, flow.CallOp)
        }

    async def llm(self, node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        texts = tuple(f"{message['role']}: {message['content']}" for message in messages)
        number = await self.answer(node, texts, (("model", model), *sorted(params.items())))
        text = self._planned(texts[-1], number) or self.ANSWERS[number % len(self.ANSWERS)]
        return Completion(text, Usage(len(texts[-1]), len(text)), None, model)

    def _planned(self, asked: str, number: int) -> str | None:
        for beginning, plans in self._planning.items():
            if asked.startswith(f"user: {beginning}"):
                again = "Thought: " in asked
                if plans:
                    first = 3 if again else 1
                    calls = (f'{first + i}. search("{number % 7}{i}")' for i in range(2))
                    return "\n".join([*calls, f"{first + 2}. join()"])
                replan = number % 3 == 0 and not again
                return f"Action: {'Replan' if replan else 'Finish'}({number % 10} {{x}})"
        return None


def _beginning(module: ModuleOp, call: flow.CallOp) -> str:
    """What the prompts of a call begin with."""
    (agent,) = (
        op
        for op in module.ops
        if isinstance(op, flow.AgentOp) and op.sym_name.data == call.callee.root_reference.data
    )
    return agent.prompt.data.partition("{")[0]


def _module(path: Path) -> ModuleOp:
    """What a text says, or what a workflow in Python is traced to."""
    if path.suffix == ".mlir":
        return parse(path.read_text(encoding="utf-8"))
    example = import_module(f"flowir.examples.{path.stem}")
    return getattr(example, path.stem.removesuffix("_workflow")).to_ir().module


@cache
def _emitted(path: Path) -> tuple[ModuleOp, Mapping[str, ModuleType]]:
    module = _module(path)
    with_front(module, random.Random(7).randint, points=POINTS)
    files = {"asyncio": emit(module), "langgraph": emit_graph(module)}
    return module, {kind: load(text, f"{path.stem}_{kind}") for kind, text in files.items()}


def _calls(run: Run) -> Counter[Any]:
    return Counter(replace(call, start=0.0) for call in run.calls)


@pytest.mark.parametrize("failures", [0, 5])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_point_of_an_example(path: Path, failures: int) -> None:
    module, files = _emitted(path)
    workflow = entry(module)
    values = ["the {task}"] * len(workflow.function_type.inputs)
    outcomes = set()
    for point in range(POINTS):
        for seed in range(3):
            expected = run_interpreted(workflow, values, Model(module, seed, failures), point=point)
            outcomes.add(expected.failed)
            for kind, file in files.items():
                found = run_emitted(file, values, Model(module, seed, failures), point=point)
                assert (kind, found.value, found.failure) == (
                    kind,
                    expected.value,
                    expected.failure,
                )
                if not expected.failed:
                    assert _calls(found) == _calls(expected)
    assert (True in outcomes) == (failures > 0)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.parametrize("cancel", [False, True])
def test_an_example_that_is_stopped_has_made_the_same_calls(path: Path, cancel: bool) -> None:
    """Out of time, or cancelled from outside: nothing starts afterwards, nothing is left."""
    module, files = _emitted(path)
    workflow = entry(module)
    values = ["the {task}"] * len(workflow.function_type.inputs)
    full = Model(module, 1, 0)
    after = run_interpreted(workflow, values, full).ended / 2
    for file in files.values():
        model = Model(module, 1, 0)

        async def main(file: ModuleType = file, model: Model = model) -> None:
            inputs = dict(zip(file.INPUTS, values, strict=True))
            options = {} if cancel else {"timeout": after}
            run = file.run(inputs, llm=model.llm, tools=model.tools, **options)
            task = asyncio.ensure_future(run)
            await asyncio.wait([task], timeout=after if cancel else None)
            task.cancel()
            (found,) = await asyncio.gather(task, return_exceptions=True)
            wanted = asyncio.CancelledError if cancel else file.RunTimeoutError
            assert isinstance(found, wanted)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            await asyncio.sleep(100)

        clock.run(main())
        assert _calls(Run(None, None, model.calls, after)) == Counter(
            replace(call, start=0.0) for call in full.calls if call.start < after
        )
