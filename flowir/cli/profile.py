"""`flowir profile`: observations of single calls from a live endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from flowir.cli import endpoints
from flowir.cli import profile_options as options
from flowir.cli.codes import INTERRUPTED
from flowir.cli.executors import executor
from flowir.cli.interrupts import stop_on_interrupt
from flowir.cli.profile_options import NOBODY, Options
from flowir.cli.profile_report import (
    plan_table,
    report,
    say,
    tell_of_front,
    tell_of_induction,
)
from flowir.configuration import Configuration
from flowir.profile.calls import CallStore, read_calls
from flowir.profile.prices import Prices, read_prices
from flowir.profiler.adaptive.chooser import Adaptive
from flowir.profiler.adaptive.fronts import Subjects
from flowir.profiler.asking import Asking, ServedModels
from flowir.profiler.caller import Caller
from flowir.profiler.datasets import write_datasets
from flowir.profiler.engine import Engine, Grid
from flowir.profiler.induction import induce
from flowir.profiler.lanes import Lane
from flowir.profiler.limits import Limits
from flowir.profiler.model_judge import ModelJudge
from flowir.profiler.planning import RULES, plan
from flowir.profiler.progress import Shown
from flowir.profiler.reference import expected_examples, expected_requests, plans
from flowir.profiler.requests import Example, Request
from flowir.profiler.session import Asked, Session, run, session
from flowir.profiler.tools import import_tools, tool_paths
from flowir.profiler.tracing import Plan, trace
from flowir.profiler.workflow import subject_from
from flowir.runtime.llm import Tools
from flowir.runtime.secrets import keys
from flowir.source.diagnostics import plain_warnings
from flowir.source.workflows import read_workflow

WIDTH = 118
WITHOUT_LABELS = 3
"""Runs of the reference where its agreement stands in for labels."""


@dataclass(frozen=True)
class Job:
    """A profile and everything around it, checked."""

    given: Options
    session: Session
    prices: Prices
    configurations: tuple[Configuration, ...]
    runs: tuple[Plan, ...]
    tools: Tools
    judge: ModelJudge | None

    @property
    def models(self) -> tuple[str, ...]:
        """Who is asked, each once."""
        return tuple(dict.fromkeys(one.model for one in self.configurations))


def profile(given: Options) -> int:
    """Make the calls and say what came of them; the exit code.

    Raises:
        ProfilerError, ProfileError: nothing was asked, or the store cannot take any more.
    """
    job = _job(given)
    lanes = options.lanes(job.models, given)
    options.check_prices(job.models, job.prices, given.max_dollars)
    console = Console(width=WIDTH)
    if given.only_plan:
        rows = plan(_expected(job), read_calls(given.store), lanes, job.prices)
        console.print(plan_table(rows))
        say(console, RULES)
        if given.adaptive:
            say(
                console, "That is the full grid: --adaptive makes as many of its calls as it takes."
            )
        if job.runs:
            say(console, "Inputs that runs of the workflow give are not known yet: estimated.")
        return 0
    with CallStore(given.store, given.texts) as store:
        limits = Limits(job.prices, given.max_calls, given.max_dollars, given.max_minutes)
        limits.count(store.calls.values())
        with plain_warnings():
            return asyncio.run(_with_client(job, store, lanes, limits, console))


def _job(given: Options) -> Job:
    read = read_workflow(given.workflow, given.name)
    subject = subject_from(read.module, read.name, given.workflow)
    judge = None
    if given.judge_model is not None:
        judge = options.model_judge(given.judge_model, given.rubric)
    asked = Asked(
        given.agents,
        given.models,
        options.budgets(given.budgets),
        given.repeats,
        dict(options.assignments("--judge", given.judges)),
        judge,
        given.texts == "hash",
        given.reference is not None,
    )
    ready = session(subject, given.data, asked)
    runs: list[Plan] = []
    tools: Tools = {}
    if given.reference is not None:
        reference = options.model("--reference", given.reference)
        tools = import_tools(tool_paths(subject, may_write=given.allow_writes))
        number = given.reference_runs or (1 if ready.labelled else WITHOUT_LABELS)
        mistaken = _mistaken(given, ready, reference)
        runs = plans(subject, ready.agents, reference, number, mistaken)
    configurations = dict.fromkeys(one for some in ready.spaces.values() for one in some)
    configurations |= dict.fromkeys(one.configuration for one in runs)
    if judge is not None:
        configurations[judge.configuration] = None
    prices = Prices() if given.prices is None else read_prices(given.prices)
    return Job(given, ready, prices, tuple(configurations), tuple(runs), tools, judge)


def _mistaken(given: Options, ready: Session, reference: Configuration) -> Configuration | None:
    """Whose runs give wrong inputs: as said, else the first configuration of another model."""
    if given.mistakes_by == NOBODY or not (ready.inner or ready.subject.silent):
        return None
    if given.mistakes_by is not None:
        return options.model("--mistakes-by", given.mistakes_by)
    others = (one for some in ready.spaces.values() for one in some)
    return next((one for one in others if one.model != reference.model), None)


def _expected(job: Job) -> list[Request]:
    """What will be asked, as far as that is known before the runs of the workflow."""
    ready = job.session
    if not job.runs:
        return list(ready.requests(ready.examples()))
    each = 1 if all(one.reference for one in job.runs) else 2
    examples: dict[str, list[Example]] = {}
    direct = ready.examples()
    for name in ready.agents:
        known = name in ready.direct and ready.direct[name].answers
        guess = expected_examples(ready.subject, name, ready.records, each)
        examples[name] = direct[name] if known else guess
    runs = expected_requests(ready.subject, ready.records, job.runs)
    return [*runs, *ready.requests(examples)]


async def _with_client(
    job: Job, store: CallStore, lanes: dict[str, Lane], limits: Limits, console: Console
) -> int:
    given = job.given
    client = endpoints.Client(
        given.endpoint,
        job.configurations,
        given.provider,
        given.budget_field,
        given.timeout,
        given.stream,
    )
    where = executor(given.engine, given.ray_address, given.ray_workers)
    async with where.serving(Asking(client)) as service:
        caller = Caller(
            ServedModels(service),
            store,
            lanes,
            limits,
            limits.prices,
            given.retries,
            given.timeout,
            keys(),
        )
        if job.judge is not None:
            job.judge.caller = caller
        engine = Engine(caller, job.session.readers)
        stop_on_interrupt(engine.stop, "calls")
        return await _profile(job, engine, console)


async def _profile(job: Job, engine: Engine, console: Console) -> int:
    caller, ready = engine.caller, job.session
    store = caller.store
    broken = 0
    if job.runs:
        requests, broken = await _induced(job, engine, console)
        if requests is None:
            store.check()
            report(console, caller, engine.outcome, 0, 0, "runs of the workflow")
            return _code(engine, complete=False)
    else:
        requests = ready.requests(ready.examples())
        if silent := ", ".join(f"@{name}" for name in ready.subject.silent):
            say(
                console,
                f"warning: {silent}: no rates are stated, and without --reference no verdict is "
                "seen from which to learn them",
            )
        if not ready.labelled:
            say(
                console,
                "warning: no labels and no --reference: only tokens, seconds and answers "
                "are measured, not accuracy",
            )
    shown = Shown(len(requests), store, caller.limits, engine.outcome)
    engine.changed = shown.update
    adaptive = _adaptive(job, requests) if job.given.adaptive else None
    try:
        with shown:
            outcome = await run(engine, adaptive or Grid(requests), requests)
    finally:
        if adaptive is not None:
            adaptive.close()
    missing = sum(1 for one in requests if one.key not in store.calls)
    if adaptive is not None:
        tell_of_front(console, adaptive, len(requests) - missing, len(requests))
        missing = 0 if adaptive.reached else missing
    if not (missing or broken or outcome.unjudged):
        store.forget_texts()
    what = f"{broken} runs of the workflow" if broken and not missing else ""
    report(console, caller, outcome, len(requests), missing, what)
    return _code(engine, complete=not (missing or broken))


def _adaptive(job: Job, requests: Sequence[Request]) -> Adaptive:
    """The chooser that asks until the front is known to the tolerance.

    Raises:
        CalculusError, SearchError: nothing can be said of the front of such a workflow.
    """
    ready, given = job.session, job.given
    subjects = Subjects.of(ready.subject, ready.spaces)
    chooser = Adaptive(requests, subjects, tolerance=given.tolerance, behind=True)
    chooser.pool(())  # Before anything is spent.
    return chooser


def _code(engine: Engine, *, complete: bool) -> int:
    """0 where all is done, or as much of it as was allowed."""
    if engine.outcome.interrupted:
        return INTERRUPTED
    return 0 if complete or engine.caller.limits.reached else 1


async def _induced(
    job: Job, engine: Engine, console: Console
) -> tuple[tuple[Request, ...] | None, int]:
    """Requests from runs of the workflow (None where some were not made), and how many broke."""
    ready, caller = job.session, engine.caller
    total = len(expected_requests(ready.subject, ready.records, job.runs))
    shown = Shown(total, caller.store, caller.limits, engine.outcome, "running the workflow")
    before = len(caller.store.calls)
    with shown:
        traces = await trace(
            ready.subject, ready.records, job.runs, caller, job.tools, shown.update
        )
    engine.outcome.answered += len(caller.store.calls) - before
    engine.outcome.failed += caller.failures
    if traces.missing or not traces.ended:
        for reason, times in traces.reasons.most_common(3):
            say(console, f"error: {times} runs failed: {reason}")
        return None, traces.failed
    induced = await induce(ready.subject, ready.records, traces.ended, ready.readers, ready.final)
    examples = ready.examples(induced)
    for verdict in induced.verdicts:
        if verdict.key not in caller.store.verdicts:
            caller.store.add(verdict)
    tell_of_induction(console, traces, induced, examples)
    if job.given.datasets is not None:
        write_datasets(job.given.datasets, examples)
    return ready.requests(examples), traces.failed
