"""Four ways to answer the same question, on the virtual clock, with the same results and times.

`streamed` reads, checks and runs the plans by the real code while they are written; `planned` does
when they have been written; `rounds` calls in parallel what is ready, a model call before each
time; `sequential` makes one call after another, a thought before each. What tools give was recorded
in one run of the example's script; how long they take is drawn for every call and is the same for
all four.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flowir.examples.plans.asking import Example, ask
from flowir.runtime.fetching import Observation, PlanTool
from flowir.runtime.replanning import Request, Solution
from flowir.sim.clock import run


@dataclass(frozen=True)
class Timing:
    """The time everything takes, in seconds.

    Attributes:
        prefill_s: until a model begins to write.
        line_s: until it has written one more call.
        tool_s: of a call of a tool, drawn for each.
        join_s: of the joiner, or of the answer where there is none.
        thought_s: of one thought of the sequential agent, which writes one call.
    """

    prefill_s: float
    line_s: float
    tool_s: Callable[[random.Random], float]
    join_s: float
    thought_s: float


@dataclass(frozen=True)
class Times:
    """Seconds of one question, by the way it is answered."""

    streamed: float
    planned: float
    rounds: float
    sequential: float


@dataclass(frozen=True)
class Asked:
    """What a planner or a joiner was asked, and what it wrote."""

    request: Request
    text: str


@dataclass(frozen=True)
class Record:
    """A run of an example's script."""

    example: Example
    solution: Solution
    plans: tuple[Asked, ...]
    joins: tuple[Asked, ...]

    @property
    def observations(self) -> list[Observation]:
        """Of all calls, in the order written."""
        return [o for done in self.solution.rounds for o in done.fetched.observations]


def recorded(example: Example) -> Record:
    """One run, every call done; what its times were does not matter."""
    plans: list[Asked] = []
    joins: list[Asked] = []

    async def planner(request: Request) -> AsyncIterator[str]:
        plans.append(Asked(request, example.plan(request)))
        yield plans[-1].text

    async def joiner(request: Request) -> str:
        joins.append(Asked(request, example.join(request)))
        return joins[-1].text

    record = Record(example, run(ask(example, planner, joiner)), (*plans,), (*joins,))
    undone = [o.task for o in record.observations if o.outcome != "done"]
    assert not undone, f"{example.name}: {undone}"
    return record


def times(record: Record, timing: Timing, seed: int) -> Times:
    """The four ways, with the same draws of the tools' times."""
    draw = random.Random(seed)
    seconds = {o.task.number: timing.tool_s(draw) for o in record.observations}
    example = replace(record.example, tools=_replaying(record, seconds))
    ways = (
        _planning(example, timing, streams=True),
        _planning(example, timing, streams=False),
        _rounds(record, timing, seconds),
        _sequential(record, timing, seconds),
    )
    return Times(*(run(_timed(way)) for way in ways))


def _replaying(record: Record, seconds: Mapping[int, float]) -> dict[str, PlanTool]:
    """Tools that take the drawn times, and give what was recorded."""
    answers: dict[tuple[str, str], Observation] = {}
    for observation in record.observations:
        key = (observation.task.tool, _key(observation.arguments))
        answers.setdefault(key, observation)

    def replaying(tool: PlanTool) -> PlanTool:
        async def call(**arguments: Any) -> Any:
            found = answers[tool.signature.name, _key(arguments)]
            await asyncio.sleep(seconds[found.task.number])
            return found.value

        return replace(tool, call=call)

    return {name: replaying(tool) for name, tool in record.example.tools.items()}


async def _planning(example: Example, timing: Timing, streams: bool) -> None:
    async def planner(request: Request) -> AsyncIterator[str]:
        text = example.plan(request)
        lines = text.splitlines(keepends=True)
        await asyncio.sleep(timing.prefill_s)
        for line in lines:
            await asyncio.sleep(timing.line_s)
            if streams:
                yield line
        if not streams:
            yield text

    async def joiner(request: Request) -> str:
        await asyncio.sleep(timing.join_s)
        return example.join(request)

    await ask(example, planner, joiner)


async def _rounds(record: Record, timing: Timing, seconds: Mapping[int, float]) -> None:
    """Parallel function calling: one model call writes all calls that can be made by then."""
    done: set[int] = set()
    for planned in record.solution.rounds:
        tasks = [o.task for o in planned.fetched.observations]
        while ready := [t for t in tasks if t.number not in done and set(t.needs) <= done]:
            await asyncio.sleep(timing.prefill_s + timing.line_s * len(ready))
            await asyncio.gather(*(asyncio.sleep(seconds[task.number]) for task in ready))
            done |= {task.number for task in ready}
    await asyncio.sleep(timing.join_s)


async def _sequential(record: Record, timing: Timing, seconds: Mapping[int, float]) -> None:
    for observation in record.observations:
        await asyncio.sleep(timing.thought_s)
        await asyncio.sleep(seconds[observation.task.number])
    await asyncio.sleep(timing.thought_s)


async def _timed(work: Coroutine[Any, Any, None]) -> float:
    clock = asyncio.get_running_loop().time
    start = clock()
    await work
    return clock() - start


def _key(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True)
