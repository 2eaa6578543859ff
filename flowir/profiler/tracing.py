"""Runs a workflow by the reference interpreter, every call through the store."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.calculus.sites import site_names
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.flow_checks import module_symbols
from flowir.errors import ProfilerError
from flowir.profile.calls import REFERENCE, Call, Key, prompt_hash
from flowir.profiler.caller import Caller, FailedError, NotAskedError
from flowir.profiler.data import Record
from flowir.profiler.requests import Request
from flowir.profiler.structures import Labels
from flowir.profiler.workflow import Subject
from flowir.runtime.choices import Choices, decision_key
from flowir.runtime.interpreter import Interpretation, interpret
from flowir.runtime.llm import Completion, Message, Tools, Usage
from flowir.runtime.values import InterpretationError


@dataclass(frozen=True)
class Plan:
    """One way to run a query: all sub-agents on one configuration, in one structure.

    Attributes:
        name: tells runs of a query apart.
        reference: it is the reference model that runs; else it is there to make mistakes.
    """

    name: str
    labels: Labels
    configuration: Configuration
    reference: bool


@dataclass(frozen=True)
class Trace:
    """A run that ended.

    Attributes:
        ran: None where the workflow could not go on with what a model wrote.
    """

    record: Record
    plan: Plan
    ran: Interpretation | None


@dataclass
class Traces:
    """Runs that ended.

    Attributes:
        failed: runs in which something failed.
        missing: runs that were not made or not ended: a limit, an interrupt, a model that is down.
    """

    ended: list[Trace] = field(default_factory=list)
    failed: int = 0
    missing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass
class _Models:
    """A model client for one run: asks through the caller, or answers from the store."""

    caller: Caller
    subject: Subject
    record: Record
    plan: Plan
    texts: Mapping[Key, str]
    slots: asyncio.Semaphore
    agents: Mapping[str, str]
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        prompt = tuple((message["role"], message["content"]) for message in messages)
        place = f"{self.plan.name}/{node}/{prompt_hash(prompt)[:12]}"
        self.asked[place] += 1
        key = Key(
            REFERENCE,
            self.agents[node],
            self.plan.configuration,
            self.record.query,
            place,
            self.asked[place] - 1,
        )
        if key in self.texts:
            return Completion(self.texts[key], Usage(0, 0), None, model)
        async with self.slots:
            call = await self.caller.ask(Request(key, prompt))
        assert call.output is not None
        return Completion(call.output, Usage(0, 0), None, model)


async def trace(
    subject: Subject,
    records: Sequence[Record],
    plans: Sequence[Plan],
    caller: Caller,
    tools: Tools,
    changed: Callable[[], None] = lambda: None,
) -> Traces:
    """Run every query by every plan. A run in which something fails is left out, and counted.

    Raises:
        ProfilerError: the store has forgotten the texts of its runs.
    """
    stored: list[Call] = list(caller.store.load(purpose=REFERENCE))
    if any(call.output is None for call in stored):
        raise ProfilerError(
            f"{caller.store.path}: the texts of its runs of the workflow were given up when the "
            "profile was complete; name a new store with --store, or keep texts"
        )
    texts = {call.key: call.output for call in stored if call.output is not None}
    slots = {m: asyncio.Semaphore(lane.concurrency) for m, lane in caller.lanes.items()}
    agents = _agents_by_site(subject)
    found = Traces()

    async def one(record: Record, plan: Plan) -> Trace | None:
        models = _Models(
            caller, subject, record, plan, texts, slots[plan.configuration.model], agents
        )
        try:
            inputs = {name: record.fields[name] for name in subject.inputs}
            ran = await interpret(
                subject.workflow, inputs, models, tools, choices=_choices(subject, plan)
            )
        except Exception as error:
            leaves = list(_leaves(error))
            if all(isinstance(leaf, InterpretationError) for leaf in leaves):
                return Trace(record, plan, None)
            if any(isinstance(leaf, NotAskedError) for leaf in leaves):
                found.missing += 1
                return None
            found.failed += 1
            found.reasons[_words(leaves)] += 1
            return None
        finally:
            changed()
        return Trace(record, plan, ran)

    at_once = asyncio.Semaphore(
        max((lane.concurrency for lane in caller.lanes.values()), default=1)
    )

    async def in_turn(record: Record, plan: Plan) -> Trace | None:
        async with at_once:
            return await one(record, plan)

    jobs = [(record, plan) for record in records for plan in plans]
    # The first run is alone: a wrong key or name costs one request.
    ended = [await one(*job) for job in jobs[:1]]
    ended += await asyncio.gather(*(in_turn(*job) for job in jobs[1:]))
    found.ended = [one for one in ended if one is not None]
    return found


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, of an error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _words(errors: Sequence[BaseException]) -> str:
    """What went wrong first, other than an answer that does not parse."""
    error = next(one for one in errors if not isinstance(one, InterpretationError))
    return str(error) if isinstance(error, FailedError) else f"{type(error).__name__}: {error}"


def _agents_by_site(subject: Subject) -> dict[str, str]:
    """The sub-agent that is asked at each site."""
    found: dict[str, str] = {}
    for op, site in site_names(subject.workflow).items():
        name = flow.called_symbol(op)
        if name is not None and name in subject.agents:
            found[site] = found[f"{site}.check"] = name
    return found


def _choices(subject: Subject, plan: Plan) -> Choices:
    symbols = module_symbols(subject.workflow) or {}
    keys = (decision_key(op, symbols) for op in subject.workflow.walk())
    return Choices(plan.labels, {key: plan.configuration for key in keys if key is not None})


def digest(*parts: str) -> str:
    """A short name for texts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
