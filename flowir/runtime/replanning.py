"""A planner, its tasks, and a joiner that answers or asks for another plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from flowir.plan.events import Event, Join, Task
from flowir.plan.joiner import Decision, read_decision
from flowir.plan.reader import Limits, PlanReader
from flowir.plan.values import shown, written
from flowir.runtime.fetching import Fetched, Observation, PlanError, PlanTool, fetch


@dataclass(frozen=True)
class Round:
    """One plan, what became of it, and what the joiner said."""

    fetched: Fetched
    decision: Decision


@dataclass(frozen=True)
class Request:
    """What a planner or a joiner is asked.

    Attributes:
        question: what the plan is for.
        tools: signatures, one a line, for the planner.
        history: the plans so far with their observations, as text; empty before the first.
        first: the number that the next task should have.
        last: whether no other plan may follow.
    """

    question: str
    tools: str
    history: str
    first: int
    last: bool

    @property
    def for_planner(self) -> str:
        """The history as a prompt has it; empty before the first plan."""
        return f"{self.history}The next task is number {self.first}.\n" if self.history else ""

    @property
    def for_joiner(self) -> str:
        """The history as a prompt has it."""
        return self.history + ("No other plan can follow: finish.\n" if self.last else "")


Planner = Callable[[Request], AsyncIterator[str]]
"""Streams the text of a plan, in pieces of any size."""

Joiner = Callable[[Request], Awaitable[str]]
"""Reads the history, its last plan included, and gives `Finish(…)` or `Replan(…)`."""


class ReplanLimitError(PlanError):
    """The joiner still wants another plan after the last.

    Attributes:
        rounds: every plan and what became of it.
    """

    def __init__(self, message: str, rounds: tuple[Round, ...]) -> None:
        super().__init__(message)
        self.rounds = rounds


@dataclass(frozen=True)
class Solution:
    """The answer, and every plan on the way to it."""

    answer: str
    rounds: tuple[Round, ...]


async def solve(
    question: str,
    *,
    planner: Planner,
    joiner: Joiner,
    tools: Mapping[str, PlanTool],
    max_replans: int = 0,
    repair: bool = True,
    limits: Limits | None = None,
    told: Callable[[Round], None] | None = None,
) -> Solution:
    """Plan, run, and join, until the joiner finishes.

    Args:
        told: of every plan, once its joiner has decided.

    Raises:
        ReplanLimitError: it does not, within `max_replans` plans after the first.
        JoinerError: it says neither.
        Exception: whatever the planner or the joiner raised.
    """
    shown_tools = "\n".join(str(tool.signature) for tool in tools.values())
    signatures = [tool.signature for tool in tools.values()]
    earlier: dict[int, Observation] = {}
    rounds: list[Round] = []
    history = ""
    for number in range(max_replans + 1):
        first, last = max(earlier, default=0) + 1, number == max_replans
        request = Request(question, shown_tools, history, first, last)
        reader = PlanReader(signatures, repair=repair, first=first, known=earlier, limits=limits)
        fetched = await fetch(_events(planner(request), reader), tools, earlier)
        earlier.update({o.task.number: o for o in fetched.observations})
        history += _told(fetched)
        answer = await joiner(Request(question, shown_tools, history, first, last))
        decision = read_decision(answer)
        rounds.append(Round(fetched, decision))
        if told is not None:
            told(rounds[-1])
        if decision.action == "finish":
            return Solution(decision.text, tuple(rounds))
        history += f"Thought: {decision.text or decision.thought}\n\n"
    plans = "1 plan" if max_replans == 0 else f"{max_replans + 1} plans"
    raise ReplanLimitError(
        f"after {plans} the joiner asks for another: {rounds[-1].decision.text[:120]!r}; "
        "raise max_replans, or tell the joiner when the plan is its last",
        tuple(rounds),
    )


async def _events(pieces: AsyncIterator[str], reader: PlanReader) -> AsyncIterator[Event]:
    """A plan's events as its text arrives. What follows its end is heard, and not read."""
    joined = False
    try:
        async for piece in pieces:
            for event in reader.feed(piece):
                joined = joined or isinstance(event, Join)
                yield event
            if reader.over and not joined:
                break
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
    for event in reader.close():
        yield event


def _told(fetched: Fetched) -> str:
    """A plan and its observations, as a planner and a joiner read them."""
    lines = [f"{_task(o.task)}\nObservation: {_result(o)}" for o in fetched.observations]
    lines += [f"Refused: {d}" for d in fetched.diagnostics if d.severity == "error"]
    return "".join(line + "\n" for line in lines or ["(a plan without tasks)"])


def _task(task: Task) -> str:
    arguments = ", ".join(f"{name}={written(value)}" for name, value in task.arguments)
    return f"{task.number}. {task.tool}({arguments})"


def _result(observation: Observation) -> str:
    if observation.outcome == "done":
        return shown(observation.value)
    return f"({observation.outcome}: {observation.value})"
