"""One query of a program while it runs: its values, and what is still under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.errors import PrimError
from flowir.prim.trace import Outcome, Span
from flowir.prim.values import MISSING
from flowir.runtime.primitives.answering import LiveAnswer
from flowir.runtime.primitives.jobs import Job
from flowir.runtime.primitives.program import (
    Aggregate,
    CallTool,
    Condition,
    Decode,
    Item,
    Prefill,
    Program,
    Source,
    Step,
    sources,
)
from flowir.runtime.primitives.values import Failed, Prompt, flow_type
from flowir.runtime.values import show


@dataclass
class Progressing:
    """A primitive whose items are done batch by batch.

    Attributes:
        planned: items that the scheduler counts; there may be more or fewer.
        results: of the items, as far as they are done.
    """

    job: Job
    planned: int
    results: list[Any]
    left: int

    @staticmethod
    def of(job: Job, planned: int) -> Progressing:
        """Nothing is done yet."""
        return Progressing(job, planned, [None] * len(job.items), planned)

    def stretch(self, first: int, items: int) -> tuple[int, int]:
        """(begin, end) of the items that a share of the planned ones stands for."""
        size = len(self.job.items)
        return first * size // self.planned, (first + items) * size // self.planned


@dataclass(eq=False)
class Query:
    """A query.

    Attributes:
        number: of its arrival; no two have the same.
        given: its inputs, in order.
        values: of each node that is done, its results.
        answer: of the whole query.
        ended: nothing of it is left to do.
        left: nodes that are not done.
        indices: by engine, what it has ingested into a store.
        running: requests of language models.
    """

    name: str
    number: int
    program: Program
    given: Sequence[Any]
    arrived_s: float
    answer: asyncio.Future[Any]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    answered_s: float | None = None
    error: str = ""
    values: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    progressing: dict[int, Progressing] = field(default_factory=dict)
    indices: dict[str, list[str]] = field(default_factory=dict)
    answers: list[LiveAnswer] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)

    def value(self, source: Source) -> Any:
        """A value; MISSING where its node did not run."""
        if source.node < 0:
            return self.given[source.place]
        return self.values[source.node][source.place]

    def site(self, node: int) -> str:
        """The call of the workflow that a node belongs to, else the node's own name."""
        return self.program.sites[node] or self.program.graph.nodes[node].name

    def inputs(self, node: int) -> list[Any]:
        """What a node reads."""
        return [self.value(source) for source in sources(self.program.steps[node])]

    def prompt(self, step: Prefill) -> Prompt:
        """The prompt that a prefill reads, with what it continues."""
        before = Prompt(()) if step.continued is None else self.value(step.continued)
        return before.and_then(
            [
                (
                    piece.role,
                    show(self.value(piece.content), flow_type(piece.kind))
                    if isinstance(piece.content, Source)
                    else piece.content,
                )
                for piece in step.pieces
            ]
        )

    def index_name(self, node: int, engine: str) -> str:
        """A name for what a node ingests into the store of an engine."""
        name = f"{self.number}/{node}"
        self.indices.setdefault(engine, []).append(name)
        return name

    def span(
        self,
        node: int,
        start_s: float,
        end_s: float,
        batch: int | None,
        items: int = 1,
        outcome: Outcome = "done",
        note: str = "",
    ) -> None:
        """Record what a node did."""
        primitive = self.program.graph.nodes[node]
        needs = sorted({*primitive.after, *(condition for condition, _ in primitive.guards)})
        self.spans.append(
            Span(
                self.name,
                node,
                primitive.name,
                primitive.kind,
                primitive.engine,
                batch,
                start_s,
                end_s,
                items,
                tuple(needs),
                outcome,
                note,
            )
        )

    def failure(self, node: int, error: BaseException) -> Failed:
        """That a node failed, and why."""
        primitive = self.program.graph.nodes[node]
        where = f" on {primitive.engine}" if primitive.engine else ""
        why = str(error) or type(error).__name__
        found = PrimError(f"query {self.name}: {primitive.name}{where} failed: {why}")
        found.__cause__ = error
        return Failed(found)

    def results(self, node: int, value: Any) -> tuple[Any, ...]:
        """One value as each of a node's results."""
        step = self.program.steps[node]
        if isinstance(step, Condition):
            return (value,) * len(step.cases)
        return (value,) * (2 if isinstance(step, Decode) and step.part is not None else 1)

    def missing_item(self) -> str:
        """`; a list has no item …`, if one is shorter than the program wants it; else nothing."""
        for node, step in enumerate(self.program.steps):
            if isinstance(step, Item) and self.values.get(node) == (MISSING,):
                items = self.value(step.items)
                if items is not MISSING and not isinstance(items, Failed):
                    name = self.program.graph.nodes[node].name
                    return f"; {name} wants item {step.place + 1} of a list of {len(items)}"
        return ""

    def may_be_left(self) -> bool:
        """Whether nothing that is not done writes to the world."""
        return not any(
            isinstance(step, CallTool) and step.writes and node not in self.values
            for node, step in enumerate(self.program.steps)
        )


def unusable(step: Step, values: Sequence[Any]) -> Any:
    """What a step gives without running: MISSING or Failed, as one of its inputs is; else None."""
    match step:
        case Aggregate(mode="choose"):
            return None  # Only the one that is chosen matters.
        case Aggregate(mode="gather") | Condition(test="present"):
            there = [value for value in values if value is not MISSING]
        case _:
            there = list(values)
    for value in there:
        if value is MISSING or isinstance(value, Failed):
            return value
    return None
