"""One profile: what is asked of whom, checked before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowir.configuration import Budget, Configuration
from flowir.errors import ProfilerError
from flowir.profile.calls import PROFILE, Call, CallStore, Key, prompt_hash
from flowir.profiler.data import Record, check_fields, check_labels, read_data
from flowir.profiler.engine import Chooser, Engine, Outcome
from flowir.profiler.induction import Induced
from flowir.profiler.judges import COMPUTED, Judge, judge_named, judge_of_metric
from flowir.profiler.judging import Reader, readers
from flowir.profiler.planning import grid
from flowir.profiler.requests import Example, Request
from flowir.profiler.workflow import Direct, Subject, direct_agents, direct_examples, spaces


@dataclass(frozen=True)
class Asked:
    """What a profile is to be of.

    Attributes:
        agents: the sub-agents to profile; all if empty.
        models, budgets: instead of the workflow's, where there are any.
        judges: names of judges by agent; `""` is for all others.
        model_judge: what the name `llm` stands for.
        hashed: no text of an answer may be kept.
        reference: there will be runs of the whole workflow to take inputs from.
    """

    agents: Sequence[str] = ()
    models: Sequence[str] = ()
    budgets: Sequence[Budget] = ()
    repeats: int = 1
    judges: Mapping[str, str] | None = None
    model_judge: Judge | None = None
    hashed: bool = False
    reference: bool = False


@dataclass(frozen=True)
class Session:
    """A profile that can be made.

    Attributes:
        agents: the sub-agents to profile.
        direct: those that are given inputs of the workflow and nothing else.
        spaces: the configurations of each.
        final: judges what the workflow answers.
    """

    subject: Subject
    records: tuple[Record, ...]
    agents: tuple[str, ...]
    direct: Mapping[str, Direct]
    spaces: Mapping[str, tuple[Configuration, ...]]
    readers: Mapping[str, Reader]
    final: Judge
    repeats: int

    @property
    def labelled(self) -> bool:
        """Whether the data say what is right."""
        return self.records[0].expected is not None

    @property
    def inner(self) -> tuple[str, ...]:
        """Sub-agents whose inputs other calls write."""
        return tuple(name for name in self.agents if name not in self.direct)

    def examples(self, induced: Induced | None = None) -> dict[str, list[Example]]:
        """What each sub-agent is given: from the data, or from runs of the whole workflow."""
        found: dict[str, list[Example]] = {}
        for name in self.agents:
            if name in self.direct and (induced is None or self.direct[name].answers):
                found[name] = self._direct(self.direct[name], induced)
            elif induced is not None:
                found[name] = list(induced.examples[name])
        return found

    def _direct(self, direct: Direct, induced: Induced | None) -> list[Example]:
        examples = direct_examples(self.subject, direct, self.records)
        if induced is None or self.labelled:
            return examples
        labels = induced.labels
        return [
            replace(one, expected=labels[one.query][0], proxy=labels[one.query][1])
            for one in examples
            if one.query in labels
        ]

    def requests(self, examples: Mapping[str, Sequence[Example]]) -> tuple[Request, ...]:
        """The full grid."""
        return tuple(grid(examples, self.spaces, self.repeats))


def session(subject: Subject, data: str | Path, asked: Asked) -> Session:
    """Reads the data and checks that all can be done; asks nobody anything.

    Raises:
        ProfilerError: unknown agents or judges, agents whose inputs nobody knows.
        ProfileError: the data are missing fields or labels.
    """
    direct = direct_agents(subject)
    wanted = _wanted(subject, direct, asked)
    records = read_data(data)
    check_fields(data, records, _needed(subject, direct, wanted, asked))
    check_labels(data, records)
    labelled = records[0].expected is not None
    judges = _judges(subject, wanted, asked, labelled=labelled)
    judged_by = readers(
        subject.workflow, subject.agents, subject.critics, judges, hashed=asked.hashed
    )
    named = (asked.judges or {}).get("", "exact")
    final = _last_judge(subject, judges) or _named(named, asked)
    return Session(
        subject,
        records,
        wanted,
        {name: direct[name] for name in wanted if name in direct},
        spaces(subject, wanted, asked.models, asked.budgets),
        judged_by,
        final,
        asked.repeats,
    )


def _last_judge(subject: Subject, judges: Mapping[str, Judge | None]) -> Judge | None:
    """The judge of what may be the workflow's answer."""
    return next((j for name in subject.finals if (j := judges.get(name)) is not None), None)


def _needed(
    subject: Subject, direct: Mapping[str, Direct], wanted: Sequence[str], asked: Asked
) -> dict[str, str]:
    """Fields that the data must have, and what for."""
    if asked.reference:
        return dict.fromkeys(subject.inputs, f"workflow @{subject.workflow.sym_name.data}")
    needed: dict[str, str] = {}
    for name in wanted:
        for field in direct[name].takes.values():
            needed.setdefault(field, f"the prompt of @{name}")
    return needed


def _wanted(subject: Subject, direct: Mapping[str, Direct], asked: Asked) -> tuple[str, ...]:
    for name in asked.agents:
        if name not in subject.agents:
            known = ", ".join(f"@{agent}" for agent in subject.agents)
            raise ProfilerError(f"the workflow has no agent @{name}; it has {known}")
    wanted = tuple(asked.agents) or tuple(subject.agents)
    inner = [name for name in wanted if name not in direct]
    if inner and not asked.reference:
        names = ", ".join(f"@{name}" for name in inner)
        raise ProfilerError(
            f"{names}: given what other calls write, so their inputs are not in the data; give "
            "--reference MODEL to run the workflow with it and take them from there, or --agents "
            "without them"
        )
    return wanted


def _judges(
    subject: Subject, wanted: Sequence[str], asked: Asked, *, labelled: bool
) -> dict[str, Judge | None]:
    """The judge of each agent: as given, as its metric says, else by exact match."""
    given = asked.judges or {}
    for name in given:
        if name and name not in subject.agents:
            raise ProfilerError(f"--judge {name}=…: the workflow has no agent @{name}")
    found: dict[str, Judge | None] = {}
    for name, agent in subject.agents.items():
        if name in subject.critics or (name not in wanted and not asked.reference):
            continue
        metric = None if agent.metric is None else agent.metric.data
        named = given.get(name, given.get("")) or judge_of_metric(metric)
        selects = name in subject.selectors
        if named is None and metric is not None and not selects and (labelled or asked.reference):
            raise ProfilerError(
                f'@{name} is to be judged by "{metric}", which is no judge known here; give '
                f"--judge {name}=JUDGE ({', '.join(COMPUTED)}, code, llm, or module:function)"
            )
        found[name] = _named(named or "exact", asked)
    return found


def _named(name: str, asked: Asked) -> Judge:
    if name != "llm":
        return judge_named(name)
    if asked.model_judge is None:
        raise ProfilerError("judge llm: give --judge-model MODEL to say who judges")
    return asked.model_judge


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
    by_key: dict[Key, Request] = {one.key: one for one in requests if one.key in unjudged}
    if not by_key:
        return
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
