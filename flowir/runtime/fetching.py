"""Runs the tasks of a plan as they arrive: each starts when the results it needs are there.

Nothing waits for the planner: a task that is ready starts while the next line is being written. A
task that fails is a result like any other, which those that need it do not get and which the joiner
sees.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from flowir.errors import FlowirError
from flowir.plan.diagnostics import Diagnostic
from flowir.plan.events import Event, Join, Task, Thought
from flowir.plan.signatures import Signature, fit
from flowir.plan.values import ExtractionError, shown, substitute

Outcome = Literal["done", "failed", "skipped"]


class PlanError(FlowirError):
    """A plan that cannot be run, or a planner that gives none."""


@dataclass(frozen=True)
class PlanTool:
    """A tool that plans may call.

    Attributes:
        concurrency: how many of its calls may run at once, None for any number.
        timeout_s: seconds for one call, from its start; None for any time.
    """

    signature: Signature
    call: Callable[..., Any]
    concurrency: int | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        name = self.signature.name
        if self.concurrency is not None and self.concurrency < 1:
            raise PlanError(f"tool {name}: concurrency {self.concurrency}; write 1 or more")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise PlanError(f"tool {name}: timeout_s {self.timeout_s}; write more than 0")


@dataclass(frozen=True)
class Observation:
    """What became of a task.

    Attributes:
        value: its result where it is `done`; else why there is none, in words.
        arguments: what the tool was called with; empty where it was not.
        start_s, end_s: on the event loop's clock; the call itself, not the waiting.
        same_as: the task whose call answered this one too.
    """

    task: Task
    outcome: Outcome
    value: Any
    arguments: Mapping[str, Any]
    start_s: float
    end_s: float
    same_as: int | None = None


@dataclass(frozen=True)
class Fetched:
    """A plan that was run.

    Attributes:
        observations: of its tasks, in the order in which they were written.
        diagnostics: what there was to say of the plan.
        joined: whether it ended as a plan should.
    """

    observations: tuple[Observation, ...]
    diagnostics: tuple[Diagnostic, ...]
    thoughts: tuple[Thought, ...]
    joined: bool


async def fetch(
    events: AsyncIterator[Event],
    tools: Mapping[str, PlanTool],
    earlier: Mapping[int, Observation] | None = None,
) -> Fetched:
    """Run a plan to its end. Cancelling this cancels every call that runs.

    Args:
        events: of a plan as it is read. They may go on behind its join, such as with what the
            planner's call took; that is not waited for once all tasks are done.
        earlier: what became of the tasks of plans before, which this one may refer to.

    Raises:
        Exception: whatever reading the planner's stream raised; all calls are cancelled first.
    """
    unit = _Unit(tools)
    for number, observation in (earlier or {}).items():
        unit.results[number] = asyncio.get_running_loop().create_future()
        unit.results[number].set_result(observation)
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(unit.read(events, group))
            await unit.ended.wait()
            for number in unit.order:
                await asyncio.shield(unit.results[number])
            reading.cancel()
    except ExceptionGroup as raised:
        # Calls never raise: it is the planner's stream that did.
        raise raised.exceptions[0] from None
    observations = tuple(unit.results[number].result() for number in unit.order)
    return Fetched(observations, tuple(unit.diagnostics), tuple(unit.thoughts), unit.joined)


@dataclass
class _Unit:
    tools: Mapping[str, PlanTool]
    results: dict[int, asyncio.Future[Observation]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    caps: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    same: dict[tuple[str, str], int] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    joined: bool = False

    async def read(self, events: AsyncIterator[Event], group: asyncio.TaskGroup) -> None:
        """Start tasks as they come. The plan ends with its join; what may follow is read on."""
        async for event in events:
            match event:
                case Task():
                    self.start(event, group)
                case Diagnostic():
                    self.diagnostics.append(event)
                case Thought():
                    self.thoughts.append(event)
                case Join():
                    self.joined = True
                    self.ended.set()
        self.ended.set()

    def start(self, task: Task, group: asyncio.TaskGroup) -> None:
        done: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()
        needed = [self.results[number] for number in task.needs]
        self.results[task.number] = done
        self.order.append(task.number)
        group.create_task(self._run(task, needed, done))

    async def _run(
        self,
        task: Task,
        needed: list[asyncio.Future[Observation]],
        done: asyncio.Future[Observation],
    ) -> None:
        for future in needed:
            if not future.done():
                # A shield: cancelling who waits must not cancel what others wait for.
                await asyncio.shield(future)
        done.set_result(await self._observe(task, [future.result() for future in needed]))

    async def _observe(self, task: Task, needed: list[Observation]) -> Observation:
        now = asyncio.get_running_loop().time()
        lacking = [o.task.number for o in needed if o.outcome != "done"]
        if lacking:
            numbers = " and ".join(map(str, lacking))
            why = f"not run: there is no result of task {numbers}"
            return Observation(task, "skipped", why, {}, now, now)
        tool = self.tools[task.tool]
        kinds = {parameter.name: parameter.kind for parameter in tool.signature.parameters}
        results = {observation.task.number: observation.value for observation in needed}
        arguments: dict[str, Any] = {}
        for name, value in task.arguments:
            try:
                arguments[name] = fit(kinds[name], substitute(value, results))
            except (ExtractionError, ValueError) as error:
                return Observation(task, "failed", f"{name}: {error}", {}, now, now)
        if not tool.signature.pure:
            return await self._call(task, tool, arguments)
        key = (task.tool, _key(arguments))
        first = self.same.setdefault(key, task.number)
        if first == task.number:
            return await self._call(task, tool, arguments)
        answer = await asyncio.shield(self.results[first])
        now = asyncio.get_running_loop().time()
        return Observation(task, answer.outcome, answer.value, arguments, now, now, first)

    def _cap(self, tool: PlanTool) -> AbstractAsyncContextManager[Any]:
        if tool.concurrency is None:
            return nullcontext()
        name = tool.signature.name
        if name not in self.caps:
            self.caps[name] = asyncio.Semaphore(tool.concurrency)
        return self.caps[name]

    async def _call(self, task: Task, tool: PlanTool, arguments: dict[str, Any]) -> Observation:
        loop = asyncio.get_running_loop()
        async with self._cap(tool):
            start = loop.time()
            timeout = asyncio.timeout(tool.timeout_s)
            try:
                async with timeout:
                    value = tool.call(**arguments)
                    if inspect.isawaitable(value):
                        value = await value
                outcome: Outcome = "done"
            except Exception as error:  # noqa: BLE001 - The joiner sees what failed.
                outcome = "failed"
                late = timeout.expired() and isinstance(error, TimeoutError)
                value = f"no answer within {tool.timeout_s:g} s" if late else _said(error)
            return Observation(task, outcome, value, arguments, start, loop.time())


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _key(arguments: Mapping[str, Any]) -> str:
    def other(value: Any) -> Any:
        return [type(value).__name__, shown(value)]

    return json.dumps(arguments, sort_keys=True, default=other)
