"""Runs workflows on the virtual clock: interpreted, and as the emitted file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit
from flowir.dialects import flow
from flowir.runtime.choices import Choices
from flowir.runtime.interpreter import interpret
from flowir.sim import clock
from tests.strategies_ir import Recorded, ScriptedModel


@dataclass(frozen=True)
class Run:
    """What came of a run: its value, or the type of its error, and the calls in order of time."""

    value: Any
    failed: bool
    calls: list[Recorded]
    ended: float


def load(text: str, name: str = "emitted") -> ModuleType:
    """Import an emitted file from its text."""
    module = ModuleType(name)
    sys.modules[name] = module  # where dataclasses look for it
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def emitted(module: ModuleOp, workflow: flow.WorkflowOp) -> ModuleType:
    """The emitted file of a workflow, imported."""
    return load(emit(module, workflow.sym_name.data))


def run_emitted(file: ModuleType, values: list[Any], model: ScriptedModel, **options: Any) -> Run:
    """Run an emitted file on a scripted model."""
    inputs = dict(zip(file.INPUTS, values, strict=True))

    async def main() -> Any:
        result = await file.run(inputs, llm=model.llm, tools=model.tools, **options)
        return result.value

    return _run(main, model)


def run_interpreted(
    workflow: flow.WorkflowOp,
    values: list[Any],
    model: ScriptedModel,
    *,
    point: int = 0,
    choices: Choices | None = None,
    timeout: float | None = None,
) -> Run:
    """Interpret a workflow on a scripted model."""

    async def main() -> Any:
        async with asyncio.timeout(timeout):
            result = await interpret(
                workflow, values, model.llm, model.tools, point=point, choices=choices
            )
        return result.value

    return _run(main, model)


def _run(main: Any, model: ScriptedModel) -> Run:
    async def timed() -> tuple[Any, bool, float]:
        try:
            value, failed = await main(), False
        except Exception:
            value, failed = None, True
        return value, failed, asyncio.get_running_loop().time()

    value, failed, ended = clock.run(timed())
    return Run(value, failed, sorted(model.calls, key=_order), ended)


def _order(call: Recorded) -> tuple[Any, ...]:
    return (call.start, call.node, call.messages, repr(call.settings))


INPUTS: Mapping[str, Any] = {
    "!flow.text": "the {task}",
    "!flow.label": "Hard",
    "!flow.json": {"a": [1, None]},
    "!flow.bool": True,
    "!flow.list<!flow.text>": ["one", "two {braces}", "one"],
    "!flow.list<!flow.json>": [{}, 2],
    "!flow.list<!flow.list<!flow.text>>": [["x"], []],
}
"""A value of every type."""


def values_for(workflow: flow.WorkflowOp) -> list[Any]:
    """Values for the arguments of a workflow."""
    return [INPUTS[str(kind)] for kind in workflow.function_type.inputs]


def checked(item: str, value: str) -> bool:
    """The checker that a file finds by itself; never satisfied."""
    return False
