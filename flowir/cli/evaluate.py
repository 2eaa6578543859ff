"""`flowir evaluate`: points of a front on held-out data, predicted beside measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flowir.calculus.from_ir import find_workflow
from flowir.cli import endpoints
from flowir.cli.interrupts import stop_on_interrupt
from flowir.cli.profile_options import assignments
from flowir.cli.profile_report import say
from flowir.errors import ProfilerError
from flowir.evaluation.comparison import Comparison, Value, compare
from flowir.evaluation.running import Bounds, Evaluation, Outcome, Subject
from flowir.evaluation.store import Run, RunStore
from flowir.files import write_atomically
from flowir.profiler.data import Record
from flowir.profiler.session import Asked, Session, session
from flowir.profiler.tracing import imported_tools
from flowir.profiler.workflow import read_module, read_subject
from flowir.search.annotate import front_from_ir
from flowir.search.front import Front

WIDTH = 118
INTERRUPTED = 130


@dataclass(frozen=True)
class Options:
    """The command line, as it was written."""

    front: str
    data: str
    endpoint: str | None
    points: str
    store: str
    name: str | None
    judges: tuple[str, ...]
    max_runs: int | None
    max_dollars: float | None
    max_minutes: float | None
    concurrency: int
    timeout: float
    retries: int
    provider: str | None
    budget_field: str | None
    allow_writes: bool
    json_file: str | None
    only_plan: bool


def evaluate(given: Options) -> int:
    """Make the runs and print what came of them; the exit code.

    Raises:
        FlowirError: nothing was run, or the store cannot take any more.
    """
    module = read_module(given.front)
    workflow = find_workflow(module, given.name)
    front = front_from_ir(workflow)
    numbers = _numbers(given.points, front)
    ready = session(
        read_subject(given.front, given.name),
        given.data,
        Asked(judges=dict(assignments("--judge", given.judges)), reference=True),
    )
    if not ready.labelled:
        raise ProfilerError(
            f'{given.data}: no "expected" in any line; an evaluation needs what is right'
        )
    if given.max_dollars is not None and not front.facts.prices:
        raise ProfilerError(
            "--max-dollars needs prices, and the front has none; explore again with prices"
        )
    subject = Subject.of(module, workflow, front)
    console = Console(width=WIDTH)
    if given.only_plan:
        _plan(console, front, numbers, ready.records)
        return 0
    tools = imported_tools(ready.subject, may_write=given.allow_writes)
    bounds = Bounds(given.max_runs, given.max_dollars, given.max_minutes)
    with RunStore(given.store) as store:
        running = _Running(given, subject, ready, numbers, store, bounds)
        outcome = asyncio.run(running.all(tools))
        runs, cancelled = _complete(subject, numbers, ready.records, store)
    return _report(console, given, front, ready, runs, cancelled, outcome, bounds)


def _numbers(text: str, front: Front) -> list[int]:
    """The points that are meant, and today's, once each.

    Raises:
        ProfilerError: one that is not there.
    """
    if text.strip() == "all":
        return list(range(len(front.points)))
    parts = [part.strip() for part in text.split(",") if part.strip()]
    there = len(front.every)
    for part in parts:
        if not part.isdecimal() or int(part) >= there:
            raise ProfilerError(
                f"--points {part}: the front has points 0 to {there - 1}; give numbers with "
                "commas between, or all"
            )
    return list(dict.fromkeys([*map(int, parts), front.baseline]))


def _plan(
    console: Console, front: Front, numbers: Sequence[int], records: Sequence[Record]
) -> None:
    points = [front.every[number] for number in numbers]
    dollars = [
        point.estimates["cost_usd"].mean for point in points if "cost_usd" in point.estimates
    ]
    cost = f", about ${len(records) * sum(dollars):.4g}" if len(dollars) == len(points) else ""
    say(
        console,
        f"{len(points)} points x {len(records)} queries: {len(points) * len(records)} runs{cost}, "
        "less what the store has",
    )


@dataclass
class _Running:
    given: Options
    subject: Subject
    ready: Session
    numbers: Sequence[int]
    store: RunStore
    bounds: Bounds

    async def all(self, tools: Mapping[str, object]) -> Outcome:
        given, front = self.given, self.subject.front
        asked = [
            chosen
            for number in self.numbers
            for chosen in front.every[number].configurations
            if chosen is not None
        ]
        async with AsyncExitStack() as stack:
            llm = await endpoints.client(
                stack,
                given.endpoint,
                dict.fromkeys(asked),
                provider=given.provider,
                field=given.budget_field,
                timeout_s=given.timeout,
                stream=False,
            )
            bar = stack.enter_context(_bar())
            keys = [
                self.subject.key(n, record) for n in self.numbers for record in self.ready.records
            ]
            stored = sum(key in self.store.runs for key in keys)
            task = bar.add_task("evaluating", total=len(keys), completed=stored)
            evaluation = Evaluation(
                self.subject,
                self.store,
                self.ready.final,
                llm,
                tools,  # type: ignore[arg-type]
                list(self.ready.subject.inputs),
                self.bounds,
                given.retries,
                given.timeout,
                given.concurrency,
                lambda: bar.advance(task),
            )
            stop_on_interrupt(evaluation.stop, "runs")
            outcome = await evaluation.run(self.numbers, self.ready.records)
            for secret in endpoints.secrets():
                outcome.reason = outcome.reason.replace(secret, "***")
            return outcome


def _bar() -> Progress:
    """Progress on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _complete(
    subject: Subject, numbers: Sequence[int], records: Sequence[Record], store: RunStore
) -> tuple[dict[int, list[Run]], int]:
    """The runs of each point on the queries that all of them have."""
    runs: dict[int, list[Run]] = {number: [] for number in numbers}
    for record in records:
        found = [store.runs.get(subject.key(number, record)) for number in numbers]
        if None not in found:
            for number, run in zip(numbers, found, strict=True):
                assert run is not None
                runs[number].append(run)
    return runs, sum(run.cancelled for some in runs.values() for run in some)


def _report(
    console: Console,
    given: Options,
    front: Front,
    ready: Session,
    runs: Mapping[int, Sequence[Run]],
    cancelled: int,
    outcome: Outcome,
    bounds: Bounds,
) -> int:
    queries = len(next(iter(runs.values())))
    missing = len(ready.records) - queries
    if queries:
        found = compare(front, runs, cancelled=cancelled)
        _print(console, found)
        if given.json_file is not None:
            try:
                text = json.dumps(found.document(), indent=2, ensure_ascii=False)
                write_atomically(given.json_file, text + "\n")
            except OSError as error:
                raise ProfilerError(
                    f"{given.json_file}: cannot be written ({error.strerror})"
                ) from None
    if outcome.failed:
        say(console, f"error: {outcome.failed} runs failed, the first: {outcome.reason}")
    if outcome.given_up:
        say(console, "nothing but failures: no more runs were begun")
    if bounds.reached:
        say(console, f"stopped at a limit: {bounds.reached}")
    if missing:
        say(
            console,
            f"{missing} of {len(ready.records)} queries are not complete and left out; the same "
            "command makes the runs that are missing",
        )
    if outcome.stopped:
        return INTERRUPTED
    return 0 if not missing or bounds.reached else 1


UNITS = {"accuracy": (100.0, "%"), "latency_s": (1.0, "s"), "cost_usd": (1000.0, "$ / 1000")}


def _print(console: Console, found: Comparison) -> None:
    table = Table(box=SIMPLE_HEAD, title=f"{found.workflow}: {found.queries} queries each")
    for name in ("point", "quantity", "predicted", "should measure", "measured"):
        table.add_column(name, no_wrap=True)
    for row in found.rows:
        for number, (name, value) in enumerate(row.values.items()):
            label = f"{row.point} (today)" if row.baseline else str(row.point)
            title = f"{name.split('_')[0]}"
            if name == "latency_s" and found.latency != "mean":
                title += f" {found.latency}"
            table.add_row(label if number == 0 else "", title, *_cells(name, value))
        table.add_section()
    console.print(table)
    over = Table(box=SIMPLE_HEAD, title="over all points")
    for name in ("quantity", "Spearman", "pairs in order", "mean absolute error", "within"):
        over.add_column(name, justify="right", no_wrap=True)
    for name, one in found.agreement.items():
        scale, unit = UNITS[name]
        over.add_row(
            name.split("_")[0],
            _share(one.spearman),
            _share(one.pairwise),
            f"{scale * one.mean_absolute_error:.3g} {unit}",
            f"{100 * one.coverage:.0f} %",
        )
    console.print(over)
    say(
        console,
        f"hypervolume: claimed {found.claimed:.3f}, attained {found.attained:.3f}, best of these "
        f"points {found.best:.3f}",
    )
    say(
        console,
        f"expected utility over preferences: {found.utility:.3f} chosen by prediction, "
        f"{found.best_utility:.3f} at best",
    )
    if found.cancelled:
        say(console, f"{found.cancelled} requests were cut short; their cost is not in this")
    for sentence in found.said:
        say(console, f"of the front: {sentence}")


def _cells(name: str, value: Value) -> tuple[str, str, str]:
    scale, unit = UNITS[name]

    def text(*numbers: float) -> list[str]:
        return [f"{scale * number:.3g}" for number in numbers]

    mean, low, high = text(value.predicted, value.low, value.high)
    from_, to = text(value.predictive_low, value.predictive_high)
    measured, error = text(value.measured, value.error)
    return f"{mean} {unit} [{low}, {high}]", f"{from_} to {to}", f"{measured} ± {error} {unit}"


def _share(value: float | None) -> str:
    return "too few" if value is None else f"{value:.3f}"
