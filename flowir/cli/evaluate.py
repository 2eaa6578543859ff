"""`flowir evaluate`: points of a front on held-out data, predicted beside measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flowir.cli import endpoints
from flowir.cli.codes import INTERRUPTED
from flowir.cli.evaluate_report import complete, print_comparison, proxy_of
from flowir.cli.executors import executor
from flowir.cli.interrupts import stop_on_interrupt
from flowir.cli.profile_options import assignments, check_prices, model_judge
from flowir.cli.profile_report import say
from flowir.cli.selecting import numbered
from flowir.errors import ProfilerError
from flowir.evaluation.bounds import Bounds
from flowir.evaluation.comparison import compare
from flowir.evaluation.programs import Programs
from flowir.evaluation.running import Evaluation, Outcome, Subject
from flowir.evaluation.store import Run, RunStore
from flowir.evaluation.verdicts import SUFFIX, judged_by_model
from flowir.files import write_atomically
from flowir.profile.prices import Prices, read_prices
from flowir.profiler.judges import Unaided
from flowir.profiler.limits import Limits, dollars
from flowir.profiler.model_judge import ModelJudge
from flowir.profiler.session import Asked, Session, session
from flowir.profiler.tools import tool_paths
from flowir.profiler.workflow import subject_from
from flowir.runtime.secrets import keys, without
from flowir.search.front import Front
from flowir.source.workflows import read_front

WIDTH = 118


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
    judge_model: str | None
    rubric: str | None
    prices: str | None
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
    engine: str
    ray_address: str | None
    ray_workers: int | None
    only_plan: bool

    @property
    def judge(self) -> ModelJudge | None:
        """What the name `llm` stands for."""
        return None if self.judge_model is None else model_judge(self.judge_model, self.rubric)


def evaluate(given: Options) -> int:
    """Make the runs and print what came of them; the exit code.

    Raises:
        FlowirError: nothing was run, or the store cannot take any more.
    """
    module, workflow, front = read_front(given.front, given.name)
    numbers = list(dict.fromkeys([*numbered(given.points, front), front.baseline]))
    judges = dict(assignments("--judge", given.judges))
    ready = session(
        subject_from(module, workflow.sym_name.data, given.front),
        given.data,
        Asked(judges=judges, model_judge=given.judge, reference=True),
    )
    if not ready.labelled and not isinstance(ready.final, Unaided):
        raise ProfilerError(
            f'{given.data}: no "expected" in any line; an evaluation needs what is right, or a '
            "judge that can do without, such as --judge llm"
        )
    bounds = _bounds(given, front, ready)
    subject = Subject.of(module, workflow, front)
    console = Console(width=WIDTH)
    if given.only_plan:
        _plan(console, front, numbers, ready)
        return 0
    tools = tool_paths(ready.subject, may_write=given.allow_writes)
    with RunStore(given.store) as store:
        running = _Running(given, subject, ready, numbers, store, bounds)
        outcome = asyncio.run(running.all(tools))
        runs, cancelled = complete(subject, numbers, ready.records, store)
    return _report(console, given, front, ready, runs, cancelled, outcome, bounds)


def _bounds(given: Options, front: Front, ready: Session) -> Bounds:
    """The limits, with a price for whatever is asked.

    Raises:
        ProfileError, ProfilerError: a limit in dollars that could not be kept.
    """
    if given.max_dollars is not None and not front.facts.prices:
        raise ProfilerError(
            "--max-dollars needs prices, and the front has none; explore again with prices"
        )
    more = {} if given.prices is None else read_prices(given.prices).by_model
    prices = Prices({**dict(front.facts.prices), **more})
    if isinstance(ready.final, ModelJudge):
        check_prices([ready.final.configuration.model], prices, given.max_dollars)
    return Bounds(given.max_runs, given.max_dollars, given.max_minutes, Limits(prices))


def _plan(console: Console, front: Front, numbers: Sequence[int], ready: Session) -> None:
    points = [front.every[number] for number in numbers]
    dollars = [
        point.estimates["cost_usd"].mean for point in points if "cost_usd" in point.estimates
    ]
    queries = len(ready.records)
    cost = f", about ${queries * sum(dollars):.4g}" if len(dollars) == len(points) else ""
    verdicts = ", and a verdict of the judge on each" if isinstance(ready.final, ModelJudge) else ""
    say(
        console,
        f"{len(points)} points x {queries} queries: {len(points) * queries} runs{cost}, "
        f"less what the store has{verdicts}",
    )
    if not ready.labelled:
        say(console, f"warning: {proxy_of(ready)}")


@dataclass
class _Running:
    given: Options
    subject: Subject
    ready: Session
    numbers: Sequence[int]
    store: RunStore
    bounds: Bounds

    async def all(self, tools: Mapping[str, str]) -> Outcome:
        """Make the runs that are missing, wherever they are to be made."""
        given = self.given
        programs = Programs(
            self.subject.source, self._client(), tools, given.retries, given.timeout
        )
        where = executor(given.engine, given.ray_address, given.ray_workers)
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(where.serving(programs))
            forget = stack.enter_context(
                judged_by_model(
                    self.ready.final,
                    self.store.path,
                    service,
                    self.bounds.judging,
                    concurrency=given.concurrency,
                    retries=given.retries,
                    timeout_s=given.timeout,
                    secrets=keys(),
                )
            )
            bar = stack.enter_context(_bar())
            wanted = [
                self.subject.key(n, record) for n in self.numbers for record in self.ready.records
            ]
            stored = sum(key in self.store.runs for key in wanted)
            task = bar.add_task("evaluating", total=len(wanted), completed=stored)
            evaluation = Evaluation(
                self.subject,
                self.store,
                self.ready.final,
                service,
                list(self.ready.subject.inputs),
                self.bounds,
                given.concurrency,
                lambda: bar.advance(task),
            )
            stop_on_interrupt(evaluation.stop, "runs")
            outcome = await evaluation.run(self.numbers, self.ready.records)
            if all(key in self.store.runs for key in wanted) and not outcome.unjudged:
                forget()
            outcome.reason = without(outcome.reason, keys())
            return outcome

    def _client(self) -> endpoints.Client:
        given, front = self.given, self.subject.front
        asked = dict.fromkeys(
            chosen
            for number in self.numbers
            for chosen in front.every[number].configurations
            if chosen is not None
        )
        if isinstance(self.ready.final, ModelJudge):
            asked[self.ready.final.configuration] = None
        return endpoints.Client(
            given.endpoint, tuple(asked), given.provider, given.budget_field, given.timeout
        )


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
        proxy = "" if ready.labelled else proxy_of(ready)
        found = compare(front, runs, cancelled=cancelled, proxy=proxy)
        print_comparison(console, found)
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
    if outcome.unjudged:
        say(
            console,
            f"error: {outcome.unjudged} runs could not be judged, the first: {outcome.reason}; "
            "they are stored, and judged when the same command runs again",
        )
    if bounds.judging.begun:
        say(
            console,
            f"the judge was asked {bounds.judging.begun} times, {dollars(bounds.judging)}, in "
            f"{given.store}{SUFFIX}; that is no part of what is measured",
        )
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
