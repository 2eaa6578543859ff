"""One profile: what is asked of whom, checked before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowir.configuration import Budget, Configuration
from flowir.errors import ProfilerError
from flowir.profile.calls import PROFILE, Call, CallStore, Key, prompt_hash
from flowir.profiler.data import Record, check_fields, check_labels, read_data
from flowir.profiler.engine import Chooser, Engine, Outcome
from flowir.profiler.judges import COMPUTED, Judge, judge_named, judge_of_metric
from flowir.profiler.judging import Reader, readers
from flowir.profiler.planning import grid
from flowir.profiler.requests import Example, Request
from flowir.profiler.workflow import (
    Direct,
    Subject,
    direct_agents,
    direct_examples,
    spaces,
)


@dataclass(frozen=True)
class Session:
    """A profile, ready to run.

    Attributes:
        spaces: the configurations of each agent.
        requests: the full grid, in an order that is even at any time.
    """

    subject: Subject
    records: tuple[Record, ...]
    examples: Mapping[str, Sequence[Example]]
    spaces: Mapping[str, tuple[Configuration, ...]]
    readers: Mapping[str, Reader]
    requests: tuple[Request, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Who is asked, each once."""
        return tuple(dict.fromkeys(one.model for some in self.spaces.values() for one in some))


def session(
    subject: Subject,
    data: str | Path,
    *,
    agents: Sequence[str] = (),
    models: Sequence[str] = (),
    budgets: Sequence[Budget] = (),
    repeats: int = 1,
    judges: Mapping[str, str] | None = None,
    hashed: bool = False,
) -> Session:
    """What a profile will ask. Reads the data; asks nobody anything.

    Args:
        agents: the sub-agents to profile; all that are given inputs of the workflow alone if empty.
        judges: names of judges by agent; `""` is for all others.
        hashed: no text of an answer may be kept.

    Raises:
        ProfilerError: unknown agents or judges, agents whose inputs other calls write.
        ProfileError: the data are missing fields or labels.
    """
    direct = direct_agents(subject)
    wanted = _wanted(subject, direct, agents)
    records = read_data(data)
    needed: dict[str, str] = {}
    for name in wanted:
        for field in direct[name].takes.values():
            needed.setdefault(field, f"the prompt of @{name}")
    check_fields(data, records, needed)
    check_labels(data, records)
    examples = {name: direct_examples(subject, direct[name], records) for name in wanted}
    space = spaces(subject, wanted, models, budgets)
    chosen = _judges(subject, wanted, judges or {}, labelled=records[0].expected is not None)
    return Session(
        subject,
        records,
        examples,
        space,
        readers(subject.workflow, subject.agents, subject.critics, chosen, hashed=hashed),
        tuple(grid(examples, space, repeats)),
    )


def _wanted(
    subject: Subject, direct: Mapping[str, Direct], agents: Sequence[str]
) -> tuple[str, ...]:
    for name in agents:
        if name not in subject.agents:
            known = ", ".join(f"@{agent}" for agent in subject.agents)
            raise ProfilerError(f"the workflow has no agent @{name}; it has {known}")
    wanted = tuple(agents) or tuple(subject.agents)
    inner = [name for name in wanted if name not in direct]
    if inner:
        names = ", ".join(f"@{name}" for name in inner)
        raise ProfilerError(
            f"{names}: given what other calls write, so their inputs are not in the data; give "
            "--reference MODEL to run the workflow with it and take them from there, or --agents "
            "without them"
        )
    return wanted


def _judges(
    subject: Subject, agents: Sequence[str], given: Mapping[str, str], *, labelled: bool
) -> dict[str, Judge | None]:
    """The judge of each agent: as given, as its metric says, else by exact match."""
    for name in given:
        if name and name not in subject.agents:
            raise ProfilerError(f"--judge {name}=…: the workflow has no agent @{name}")
    found: dict[str, Judge | None] = {}
    for name in agents:
        metric = subject.agents[name].metric
        named = given.get(name, given.get(""))
        if named is None:
            named = judge_of_metric(None if metric is None else metric.data)
        if named is None and metric is not None and labelled:
            raise ProfilerError(
                f'@{name} is to be judged by "{metric.data}", which is no judge known here; give '
                f"--judge {name}=JUDGE ({', '.join(COMPUTED)}, code, or module:function)"
            )
        found[name] = judge_named(named or "exact")
    return found


def check_store(store: CallStore, requests: Sequence[Request]) -> None:
    """Refuse a store whose calls answered other prompts under the same keys.

    Raises:
        ProfilerError: says which agent and query, and the mend.
    """
    for one in requests:
        stored = store.calls.get(one.key)
        if stored is not None and stored.prompt_hash != prompt_hash(one.messages):
            raise ProfilerError(
                f"{store.path}: its calls of @{one.key.agent} on query {one.key.query} were made "
                "with another prompt than the workflow and the data give now; name a new store "
                "with --store"
            )


async def judge_stored(engine: Engine, store: CallStore, requests: Sequence[Request]) -> None:
    """Judge calls that ended just before an earlier run was killed."""
    unjudged = {key for key, call in store.calls.items() if call.judgement is None}
    if not unjudged:
        return
    by_key: dict[Key, Request] = {one.key: one for one in requests if one.key in unjudged}
    texts: list[Call] = [call for call in store.load(purpose=PROFILE) if call.key in by_key]
    for call in texts:
        await engine.judge(by_key[call.key], call)


async def run(engine: Engine, choose: Chooser, requests: Sequence[Request]) -> Outcome:
    """Judge what is left of earlier runs, then make the calls that are chosen.

    Raises:
        ProfilerError: the store is of other prompts.
        StoreFullError: the disk is full.
    """
    store = engine.caller.store
    check_store(store, requests)
    await judge_stored(engine, store, requests)
    return await engine.run(choose)
