"""Runs points of a front, by the file that is emitted for it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute

from flowir.backends.asyncio.emit import emit
from flowir.dialects import flow
from flowir.errors import ProfilerError
from flowir.evaluation.store import Run, RunKey, RunStore
from flowir.profiler.data import Record
from flowir.profiler.judges import CannotJudgeError, Judge, best
from flowir.runtime.llm import LLM, Tools
from flowir.runtime.values import show
from flowir.search.annotate import workflow_hash
from flowir.search.front import Front, FrontPoint

WRONG = ("AnswerError", "JoinerError", "ReplanLimitError")
"""Ends that are the model's doing: nothing a workflow can go on with. They count as wrong."""
PATIENCE = 3
"""Runs that fail one after the other, none between them that ends, before no more is begun."""

HEADROOM = 2.0
"""Money that is set aside for a run, over what is predicted."""


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        program: the emitted file, imported.
        kind: the type of the workflow's result.
    """

    front: Front
    hash: str
    program: ModuleType
    kind: Attribute

    @staticmethod
    def of(module: ModuleOp, workflow: flow.WorkflowOp, front: Front) -> Subject:
        """Of a workflow and the front it has."""
        program = ModuleType(f"flowir_evaluated_{front.workflow}")
        sys.modules[program.__name__] = program  # Dataclasses look for it while it is imported.
        try:
            source = emit(module, front.workflow)
            exec(compile(source, f"<{front.workflow}>", "exec"), program.__dict__)
        finally:
            del sys.modules[program.__name__]
        (kind,) = workflow.function_type.outputs
        return Subject(front, workflow_hash(workflow), program, kind)

    def key(self, number: int, record: Record) -> RunKey:
        """Of a run: points that choose the same are the same, whatever their number."""
        return RunKey(self.hash, choices_text(self.front, self.front.every[number]), record.query)


def choices_text(front: Front, point: FrontPoint) -> str:
    """What a point chooses, as JSON."""
    labels = {
        structure.name: label
        for structure, label in zip(front.structures, point.choices, strict=True)
        if label is not None
    }
    chosen = [
        [decision.agent, decision.group, one.model, one.budget, dict(one.params)]
        for decision, one in zip(front.decisions, point.configurations, strict=True)
        if one is not None
    ]
    return json.dumps([labels, chosen], ensure_ascii=False, sort_keys=True)


@dataclass
class Bounds:
    """What an evaluation may take. Runs and dollars count all that is in the store.

    A run is begun only if there is room for it and for those under way, each taken to cost what
    the dearest run of its point did, or twice what is predicted if that is more. So dollars are
    passed only by runs that are dearer than both.

    Attributes:
        runs, dollars, minutes: None for no limit; minutes are of this call alone.
        reached: which limit was reached, in words.
    """

    runs: int | None = None
    dollars: float | None = None
    minutes: float | None = None
    reached: str = ""
    _started: float = field(default_factory=time.monotonic)

    def admit(self, stored: Mapping[RunKey, Run], under_way: int, aside: float) -> bool:
        """Whether another run may begin.

        Args:
            aside: dollars that it and the runs under way are taken to cost.
        """
        if self.runs is not None and len(stored) + under_way >= self.runs:
            self.reached = self.reached or f"{self.runs} runs"
        if self.dollars is not None:
            spent = sum(run.cost_usd or 0.0 for run in stored.values())
            if spent + aside > self.dollars:
                self.reached = self.reached or f"{self.dollars:g} dollars ({spent:.4g} spent)"
        if self.minutes is not None and time.monotonic() - self._started > 60.0 * self.minutes:
            self.reached = self.reached or f"{self.minutes:g} minutes"
        return not self.reached


@dataclass
class Outcome:
    """How it went.

    Attributes:
        failed: runs that failed for reasons of the environment: they are missing, never wrong.
        reason: of the first of them.
        stopped: somebody asked to stop.
        given_up: nothing but failures; no more was begun.
    """

    failed: int = 0
    reason: str = ""
    stopped: bool = False
    given_up: bool = False


@dataclass
class Evaluation:
    """Runs of points on queries.

    Attributes:
        inputs: names of the workflow's arguments: fields of the data.
        concurrency: how many runs are under way at the same time.
        changed: called after every run that ended.
    """

    subject: Subject
    store: RunStore
    judge: Judge
    llm: LLM
    tools: Tools
    inputs: Sequence[str]
    bounds: Bounds
    retries: int = 3
    call_timeout: float | None = None
    concurrency: int = 4
    changed: Callable[[], None] = lambda: None
    outcome: Outcome = field(default_factory=Outcome)
    _in_a_row: int = 0

    def stop(self) -> None:
        """Begin nothing more; what is under way is finished and stored."""
        self.outcome.stopped = True

    async def run(self, points: Sequence[int], records: Sequence[Record]) -> Outcome:
        """Make the runs that are missing: for every query all points, then the next query.

        Raises:
            ProfilerError: the store has runs of other data.
        """
        jobs = [(number, record) for record in records for number in points]
        self._check(jobs)
        # Two points may choose the same.
        left = {self.subject.key(*job): job for job in jobs}
        waiting = [job for key, job in left.items() if key not in self.store.runs]
        # The first run is alone: a wrong key or name costs one.
        for batch, width in ((waiting[:1], 1), (waiting[1:], self.concurrency)):
            await self._together(batch, width)
        return self.outcome

    async def _together(self, jobs: Sequence[tuple[int, Record]], width: int) -> None:
        waiting = list(reversed(jobs))
        under_way: dict[asyncio.Task[None], float] = {}
        while waiting or under_way:
            while waiting and len(under_way) < width:
                cost = self._cost(waiting[-1][0])
                if not self._may_begin(len(under_way), sum(under_way.values()) + cost):
                    break
                under_way[asyncio.create_task(self._one(*waiting.pop()))] = cost
            if not under_way:
                return
            done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del under_way[task]
                task.result()

    def _may_begin(self, under_way: int, aside: float) -> bool:
        stopped = self.outcome.stopped or self.outcome.given_up
        return not stopped and self.bounds.admit(self.store.runs, under_way, aside)

    def _cost(self, number: int) -> float:
        """What a run of a point is taken to cost when money is set aside for it."""
        if self.bounds.dollars is None:
            return 0.0
        front = self.subject.front
        point = front.every[number]
        text = choices_text(front, point)
        seen = (run.cost_usd or 0.0 for key, run in self.store.runs.items() if key.choices == text)
        predicted = point.estimates.get("cost_usd")
        return max(0.0 if predicted is None else HEADROOM * predicted.mean, *seen, 0.0)

    async def _one(self, number: int, record: Record) -> None:
        program, start = self.subject.program, time.perf_counter()
        inputs = {name: record.fields[name] for name in self.inputs}
        try:
            result = await program.run(
                inputs,
                point=number,
                llm=self.llm,
                tools=self.tools,
                retries=self.retries,
                call_timeout=self.call_timeout,
            )
        except program.WorkflowError as error:
            if type(error).__name__ not in WRONG:
                self._failed(str(error))
                return
            correct, judge, seconds, usage = (
                0.0,
                "workflow",
                time.perf_counter() - start,
                error.usage,
            )
        else:
            seconds, usage, judge = result.seconds, result.usage, self.judge.name
            answer = show(result.value, self.subject.kind)
            try:
                correct = await best(self.judge, answer, record.expected, record.fields)
            except CannotJudgeError as error:
                self._failed(f"the judge failed: {error}")
                return
        self._in_a_row = 0
        self.store.add(
            self.subject.key(number, record),
            Run(
                asked_of(record),
                judge,
                correct,
                seconds,
                usage.cost_usd,
                usage.calls,
                usage.input_tokens,
                usage.output_tokens,
                usage.cancelled,
            ),
        )
        self.changed()

    def _failed(self, reason: str) -> None:
        self.outcome.failed += 1
        self.outcome.reason = self.outcome.reason or reason
        self._in_a_row += 1
        self.outcome.given_up = self._in_a_row >= PATIENCE or not self.store.runs
        self.changed()

    def _check(self, jobs: Sequence[tuple[int, Record]]) -> None:
        for number, record in jobs:
            stored = self.store.runs.get(self.subject.key(number, record))
            if stored is not None and stored.asked != asked_of(record):
                raise ProfilerError(
                    f"{self.store.path}: its runs of query {record.query} were of other fields or "
                    "another expected answer than the data have now; name a new store with --store"
                )
            if stored is not None and stored.judge not in ("workflow", self.judge.name):
                raise ProfilerError(
                    f"{self.store.path}: its runs were judged by {stored.judge}, not by "
                    f"{self.judge.name}; name a new store with --store"
                )


def asked_of(record: Record) -> str:
    """SHA-256 of a query's fields and of what is expected."""
    text = json.dumps([dict(record.fields), record.expected], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
