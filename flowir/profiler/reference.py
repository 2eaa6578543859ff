"""Runs of the whole workflow from which the inputs of inner sub-agents are taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.profile.calls import REFERENCE, Key
from flowir.profiler.data import Record
from flowir.profiler.requests import Example, Messages, Request
from flowir.profiler.structures import covering, ops
from flowir.profiler.tracing import Plan
from flowir.profiler.workflow import Subject

ESTIMATE = "estimate"
"""The variant of examples that stand for ones that are not known yet."""


def plans(
    subject: Subject,
    agents: Collection[str],
    reference: Configuration,
    runs: int,
    mistaken: Configuration | None,
) -> list[Plan]:
    """How every query is run: so often by the reference, and once by a model that makes mistakes.

    Each in as many structures as it takes for all of the agents to be called, and the tools that
    judge but state no rates.
    """
    found: list[Plan] = []
    for number, labels in enumerate(covering(subject.workflow, {*agents, *subject.silent})):
        found += [Plan(f"s{number}r{run}", labels, reference, True) for run in range(runs)]
        if mistaken is not None:
            found.append(Plan(f"s{number}m", labels, mistaken, False))
    return found


def expected_requests(
    subject: Subject, records: Sequence[Record], some: Sequence[Plan]
) -> list[Request]:
    """About what the runs will ask: every call that stands in the workflow, once."""
    found: list[Request] = []
    for plan in some:
        for number, op in enumerate(ops(subject.workflow.body.block, plan.labels)):
            name = flow.called_symbol(op)
            if name is None or name not in subject.agents:
                continue
            messages = _template(subject.agents[name])
            for record in records:
                place = f"{plan.name}/{number}"
                key = Key(REFERENCE, name, plan.configuration, record.query, place)
                found.append(Request(key, messages))
    return found


def expected_examples(
    subject: Subject, agent: str, records: Sequence[Record], each: int
) -> list[Example]:
    """Stand-ins for the inputs of an agent that the runs will give."""
    messages = _template(subject.agents[agent])
    return [
        Example(agent, record.query, messages, variant=f"{ESTIMATE} {number}")
        for record in records
        for number in range(each)
    ]


def _template(agent: flow.AgentOp) -> Messages:
    system = () if agent.system is None else (("system", agent.system.data),)
    return (*system, ("user", agent.prompt.data))
