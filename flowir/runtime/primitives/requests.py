"""A request of a language model: prompts that it reads, and the answer that it goes on to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flowir.runtime.primitives.answering import LanguageModel, LiveAnswer, quietly
from flowir.runtime.primitives.program import Decode, Prefill
from flowir.runtime.primitives.queries import Query, unusable
from flowir.runtime.primitives.values import Prompt
from flowir.scheduling.work import Request, Task

Give = Callable[[Task, Any, float, str], None]
"""Says that a task is done: its value (a tuple: of each result), its start, a note."""


@dataclass
class Asking:
    """One request while it runs.

    Attributes:
        give: see `Give`.
        now: seconds since the first query.
        start_s: when what is under way began.
        under_way: tasks that are being done.
        left: tasks that are not done.
    """

    query: Query
    model: LanguageModel
    request: Request
    give: Give
    now: Callable[[], float]
    start_s: float = 0.0
    under_way: list[Task] = field(default_factory=list)
    left: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = list(self.request.tasks)

    async def run(self) -> None:
        """Do all tasks, in order. Prompts have been read when the answer's first piece is there.

        Raises:
            Exception: whatever became of the request; what is `left` has not been done.
        """
        self.start_s = self.now()
        prompt: Prompt | None = None
        reading = self.under_way
        for task in self.request.tasks:
            step = self.query.program.steps[task.node]
            values = self.query.inputs(task.node)
            if (given := unusable(step, values)) is not None:
                self._read("not sent: nothing follows it")
                self._done(task, given)
            elif isinstance(step, Prefill):
                self._read("read with what follows")
                prompt = self.query.prompt(step)
                self.query.values[task.node] = (prompt,)
                reading.append(task)
            else:
                assert isinstance(step, Decode)
                answer = await self._answer(step, task.node, values[0])
                self._read("")
                self.under_way[:], self.start_s = [task], self.now()
                self._done(task, await _decoded(step, answer), _tokens(answer))
                self.under_way.clear()
                self.start_s = self.now()
        if reading and prompt is not None:
            note = await self._warmed(reading[-1].node, prompt)
            self._read(note)

    def _read(self, note: str) -> None:
        """The prefills under way are done. Tasks are done in order: each needs the one before."""
        for task in list(self.under_way):
            self.under_way.remove(task)
            self._done(task, self.query.values[task.node], note)

    def _done(self, task: Task, value: Any, note: str = "") -> None:
        self.left.remove(task)
        self.give(task, value, self.start_s, note)

    async def _answer(self, step: Decode, node: int, before: Any) -> LiveAnswer:
        """The answer that a decode goes on with, once its first piece is there."""
        if isinstance(before, LiveAnswer):
            return before
        answer = LiveAnswer(self.model, step, self.query.site(node), before)
        self.query.answers.append(answer)
        await answer.begun()
        return answer

    async def _warmed(self, node: int, prompt: Prompt) -> str:
        """Have a prompt read ahead. Nothing depends on it: where it fails, a note says so."""
        step = self.query.program.steps[node]
        if not self.model.warms or not isinstance(step, Prefill):
            return "not sent ahead"
        site = self.query.site(node)
        found = await quietly(self.model.warm(site, step.agent, prompt))
        if isinstance(found, Exception):
            return f"the prefix could not be sent ahead: {found}"
        return f"{found.input_tokens} tokens sent ahead"


async def _decoded(step: Decode, answer: LiveAnswer) -> tuple[Any, ...]:
    """What a decode gives: all of an answer, or a part of it and the answer to go on with."""
    if step.part is None:
        return (await answer.whole(),)
    place = step.part.number - 1
    last = step.part.number == step.part.count
    return (await (answer.rest(place) if last else answer.item(place)), answer)


def _tokens(answer: LiveAnswer) -> str:
    read, written = answer.usage.input_tokens, answer.usage.output_tokens
    return f"{read} + {written} tokens" if read or written else ""
