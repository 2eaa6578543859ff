"""Runs points of a front, by the file that is emitted for it, and keeps account of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute

from flowir.backends.asyncio.emit import emit
from flowir.dialects import flow
from flowir.errors import ProfilerError
from flowir.evaluation.bounds import HEADROOM, Bounds
from flowir.evaluation.programs import Ran, RunOf
from flowir.evaluation.store import Run, RunKey, RunStore
from flowir.evaluation.verdicts import verdict_usd
from flowir.executors.executor import Service, WorkerLostError, persistent
from flowir.profile.writing import sound
from flowir.profiler.asking import Answered, Question
from flowir.profiler.data import Record
from flowir.profiler.judges import CannotJudgeError, Judge, best
from flowir.runtime.values import show
from flowir.search.annotate import workflow_hash
from flowir.search.front import Front, FrontPoint

PATIENCE = 3
"""Runs that fail one after the other, none between them that ends, before no more is begun."""


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        source: the emitted file.
        kind: the type of the workflow's result.
    """

    front: Front
    hash: str
    source: str
    kind: Attribute

    @staticmethod
    def of(module: ModuleOp, workflow: flow.WorkflowOp, front: Front) -> Subject:
        """Of a workflow and the front it has."""
        (kind,) = workflow.function_type.outputs
        return Subject(front, workflow_hash(workflow), emit(module, front.workflow), kind)

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
class Outcome:
    """How it went.

    Attributes:
        failed: runs that failed for reasons of the environment: they are missing, never wrong.
        unjudged: runs that the judge failed on; they are stored, and judged another time.
        reason: of the first of them.
        stopped: somebody asked to stop.
        given_up: nothing but failures; no more was begun.
    """

    failed: int = 0
    unjudged: int = 0
    reason: str = ""
    stopped: bool = False
    given_up: bool = False


@dataclass
class Evaluation:
    """Runs of points on queries.

    Attributes:
        service: makes the runs, see :class:`flowir.evaluation.programs.Programs`.
        inputs: names of the workflow's arguments: fields of the data.
        concurrency: how many runs are under way at the same time.
        changed: called after every run that ended.
    """

    subject: Subject
    store: RunStore
    judge: Judge
    service: Service[RunOf | Question, Ran | Answered]
    inputs: Sequence[str]
    bounds: Bounds
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
            StoreFullError: the disk is full.
            ExecutorError: there is nowhere to run anything any more.
        """
        jobs = [(number, record) for record in records for number in points]
        self._check(jobs)
        # Two points may choose the same.
        left = {self.subject.key(*job): job for job in jobs}
        for key, (_, record) in left.items():
            if (stored := self.store.runs.get(key)) is not None and stored.correct is None:
                await self._judge(key, record)
        waiting = [job for key, job in left.items() if key not in self.store.runs]
        # The first run is alone: a wrong key or name costs one.
        for batch, width in ((waiting[:1], 1), (waiting[1:], self.concurrency)):
            await self._together(batch, width)
        self.store.check()
        return self.outcome

    async def _together(self, jobs: Sequence[tuple[int, Record]], width: int) -> None:
        waiting = list(reversed(jobs))
        under_way: dict[asyncio.Task[None], float] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < width:
                    cost = self._cost(*waiting[-1])
                    if not self._may_begin(len(under_way), sum(under_way.values()) + cost):
                        break
                    under_way[asyncio.create_task(self._one(*waiting.pop()))] = cost
                if not under_way:
                    return
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del under_way[task]
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _may_begin(self, under_way: int, aside: float) -> bool:
        stopped = self.outcome.stopped or self.outcome.given_up or self.store.full
        return not stopped and self.bounds.admit(self.store.runs, under_way, aside)

    def _cost(self, number: int, record: Record) -> float:
        """What a run of a point is taken to cost when money is set aside for it."""
        if self.bounds.dollars is None:
            return 0.0
        front = self.subject.front
        point = front.every[number]
        text = choices_text(front, point)
        seen = (run.cost_usd or 0.0 for key, run in self.store.runs.items() if key.choices == text)
        predicted = point.estimates.get("cost_usd")
        most = max(0.0 if predicted is None else HEADROOM * predicted.mean, *seen, 0.0)
        return most + verdict_usd(self.judge, self.bounds.judging, record)

    async def _one(self, number: int, record: Record) -> None:
        """Run, store, judge, store."""
        inputs = {name: record.fields[name] for name in self.inputs}
        try:
            ran = await persistent(self.service)(RunOf(number, inputs))
        except WorkerLostError as error:
            ran = Ran(failed=str(error))
        assert isinstance(ran, Ran)
        if ran.failed:
            self.outcome.failed += 1
            self._went_wrong(ran.failed)
            return
        key = self.subject.key(number, record)
        self.store.add(
            key,
            Run(
                asked_of(record),
                "workflow" if ran.wrong else "",
                0.0 if ran.wrong else None,
                ran.seconds,
                ran.cost_usd,
                ran.calls,
                ran.input_tokens,
                ran.output_tokens,
                ran.cancelled,
                "" if ran.wrong else sound(show(ran.value, self.subject.kind)),
            ),
        )
        if not ran.wrong:
            await self._judge(key, record)
        self.changed()

    async def _judge(self, key: RunKey, record: Record) -> None:
        """Judge a run that is stored with its answer."""
        answer = self.store.runs[key].answer
        try:
            correct = await best(self.judge, answer, record.expected, record.fields)
        except CannotJudgeError as error:
            self.outcome.unjudged += 1
            self._went_wrong(f"the judge failed: {error}")
            return
        self._in_a_row = 0
        self.store.judge(key, self.judge.name, correct)

    def _went_wrong(self, reason: str) -> None:
        self.outcome.reason = self.outcome.reason or reason
        self._in_a_row += 1
        nothing = all(run.correct is None for run in self.store.runs.values())
        self.outcome.given_up = self._in_a_row >= PATIENCE or nothing
        self.changed()

    def _check(self, jobs: Sequence[tuple[int, Record]]) -> None:
        for number, record in jobs:
            stored = self.store.runs.get(self.subject.key(number, record))
            if stored is not None and stored.asked != asked_of(record):
                raise ProfilerError(
                    f"{self.store.path}: its runs of query {record.query} were of other fields or "
                    "another expected answer than the data have now; name a new store with --store"
                )
            if stored is not None and stored.judge not in ("", "workflow", self.judge.name):
                raise ProfilerError(
                    f"{self.store.path}: its runs were judged by {stored.judge}, not by "
                    f"{self.judge.name}; name a new store with --store"
                )


def asked_of(record: Record) -> str:
    """SHA-256 of a query's fields and of what is expected."""
    text = json.dumps([dict(record.fields), record.expected], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
