"""Runs workflows on the virtual clock: interpreted, and as the emitted file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit
from flowir.dialects import flow
from flowir.errors import EmissionError
from flowir.runtime.choices import Choices
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import CallError
from flowir.sim import clock
from tests.strategies_ir import OUT_OF_ORDER, Recorded, ScriptedModel

Failure = tuple[str, str]
"""The type of an error as emitted files name it, and the site, or the tool, where it arose."""


@dataclass(frozen=True)
class Run:
    """What came of a run: its value, or how it failed, and the calls in order of time."""

    value: Any
    failure: Failure | None
    calls: list[Recorded]
    ended: float

    @property
    def failed(self) -> bool:
        return self.failure is not None


def load(text: str, name: str = "emitted") -> ModuleType:
    """Import an emitted file from its text."""
    module = ModuleType(name)
    sys.modules[name] = module  # where dataclasses look for it
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def emitted(module: ModuleOp, workflow: flow.WorkflowOp) -> ModuleType:
    """The emitted file of a workflow, imported."""
    return load(emit(module, workflow.sym_name.data))


def unless_races_differ(write: Callable[[], ModuleType]) -> ModuleType | None:
    """The file for a whole front; None where it is refused since points have other races."""
    try:
        return write()
    except EmissionError as error:
        if "run flow-select before emitting" in str(error):
            return None
        raise


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
    async def timed() -> tuple[Any, Failure | None, float]:
        failure = None
        try:
            value = await main()
        except Exception as error:
            value, failure = None, failure_of(error)
        return value, failure, asyncio.get_running_loop().time()

    value, failure, ended = clock.run(timed())
    return Run(value, failure, sorted(model.calls, key=_order), ended)


def failure_of(error: BaseException) -> Failure:
    """How a run failed: an interpreted one by what was raised in it, an emitted one as it says.

    Raises:
        BaseException: the error itself, where it is none that a run may end with.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = str(error)
    match type(error).__name__:
        case "CallError" if isinstance(error, CallError) and text.startswith("@"):
            return "ToolError", text[1:].removesuffix(OUT_OF_ORDER)
        case "CallError" if isinstance(error, CallError):
            return "CallError", text.removesuffix(OUT_OF_ORDER)
        case "InterpretationError":
            return "AnswerError", text.partition(": ")[0]
        case "TimeoutError" | "RunTimeoutError":
            return "RunTimeoutError", ""
        case "CallError" | "AnswerError" as kind:
            return kind, text.partition(": ")[0]
        case "ToolError" as kind:
            return kind, text.removeprefix("tool ").partition(": ")[0]
        case "JoinerError" | "ReplanLimitError" as kind:
            return kind, text
        case _:
            raise error


def _order(call: Recorded) -> tuple[Any, ...]:
    return (call.start, call.node, call.messages, repr(call.settings))


LONG = 1000.0


class Script(ScriptedModel):
    """A scripted model whose answers do not depend on how long anything takes.

    Args:
        slow: the site and messages of calls that take long.
        counts: whether the same call made again is answered anew. Items of a map may share a site,
            and then which of them asks first is a matter of time.
    """

    def __init__(self, module: ModuleOp, seed: int, failures: int, slow: Any = None) -> None:
        super().__init__(seed, failures)
        self.tools.of(module)
        self._slow = slow
        self._counts = not any(isinstance(op, flow.MapOp) for op in module.walk())
        self.ended: dict[int, float] = {}

    async def answer(self, node: str, texts: tuple[str, ...], settings: Any = ()) -> int:
        if not self._counts:
            self._times.clear()
        place = len(self.calls)
        number = await super().answer(node, texts, settings)
        if (node, texts) == self._slow:
            await asyncio.sleep(LONG)
        self.ended[place] = asyncio.get_running_loop().time()
        return number

    def once(self) -> dict[tuple[str, tuple[str, ...]], int]:
        """The calls that no other call is like, each with its place."""
        keys = [(call.node, call.messages) for call in self.calls]
        return {key: place for place, key in enumerate(keys) if keys.count(key) == 1}


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
