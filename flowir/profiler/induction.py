"""Data sets of sub-agents from runs of the whole workflow.

The reference model runs the workflow. From runs that end right come inputs and reference answers of
every sub-agent; from runs of another model come inputs that are wrong, which is how recovery is
measured. Without labels, what a majority of the reference's answers agrees on stands in for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from xdsl.ir import Operation

from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.flow_checks import module_symbols
from flowir.profile.calls import TOOL, Call, Judgement, Key
from flowir.profile.observations import VERDICTS
from flowir.profiler.data import Record
from flowir.profiler.judges import CannotJudgeError, Judge, Unaided, best
from flowir.profiler.judging import Reader
from flowir.profiler.requests import Example
from flowir.profiler.rightness import Values
from flowir.profiler.tracing import Trace, digest
from flowir.profiler.workflow import Subject
from flowir.runtime.interpreter import RecordedCall
from flowir.runtime.values import ballot, show

RIGHT_FROM = 0.5
"""A score from which a run or a call counts as right (FlowCompile, arXiv 2605.13647)."""
MOST_PER_QUERY = 2
"""Inputs of a sub-agent that are kept of one query: so many right ones, and so many wrong ones."""

Place = tuple[str, int]
"""Where in a run: site, and how often it was called before."""


@dataclass
class Approval:
    """What became of the reference's calls of one sub-agent.

    Attributes:
        calls: made by the reference model.
        approved: in a run that ended right, and not refused by a judge that needs no answer.
        wrong_inputs: examples whose input is wrong.
    """

    calls: int = 0
    approved: int = 0
    examples: int = 0
    wrong_inputs: int = 0


@dataclass
class Induced:
    """The data sets, and how they came about.

    Attributes:
        labels: what the workflow should answer to each query, with the proxy it comes from (empty:
            a label of the data).
        runs, right: runs of the reference model, and how many ended right.
        undecided: queries without a label on which the reference's answers have no majority.
        verdicts: of tools, as rows of the profile.
    """

    examples: dict[str, list[Example]] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    labels: dict[str, tuple[Any, str]] = field(default_factory=dict)
    runs: int = 0
    right: int = 0
    undecided: int = 0
    verdicts: list[Call] = field(default_factory=list)


async def induce(
    subject: Subject,
    records: Sequence[Record],
    traces: Sequence[Trace],
    readers: Mapping[str, Reader],
    final: Judge,
) -> Induced:
    """The data sets of all sub-agents.

    Args:
        final: judges what the workflow answers.
    """
    inducer = _Inducer(subject, readers, final)
    inducer.label(records, traces)
    by_query: dict[str, list[Trace]] = {record.query: [] for record in records}
    for trace in traces:
        by_query[trace.record.query].append(trace)
    for some in by_query.values():
        await inducer.query(some)
    return inducer.found


@dataclass
class _Inducer:
    subject: Subject
    readers: Mapping[str, Reader]
    final: Judge
    found: Induced = field(default_factory=Induced)

    def __post_init__(self) -> None:
        self.finals = frozenset(self.subject.finals)
        self.output = self.subject.result.type
        self.symbols = module_symbols(self.subject.workflow) or {}
        for name in self.subject.agents:
            self.found.examples[name] = []
            self.found.approvals[name] = Approval()

    def label(self, records: Sequence[Record], traces: Sequence[Trace]) -> None:
        """Labels of the data, or what a majority of the reference's answers says."""
        answers: dict[str, list[str]] = {}
        for trace in traces:
            if trace.plan.reference:
                given = "" if trace.ran is None else show(trace.ran.value, self.output)
                answers.setdefault(trace.record.query, []).append(given)
        for record in records:
            if record.expected is not None:
                self.found.labels[record.query] = (record.expected, "")
                continue
            written = answers.get(record.query, [])
            ballots = Counter(ballot(answer) for answer in written if answer)
            winner, votes = ballots.most_common(1)[0] if ballots else ("", 0)
            if 2 * votes > len(written):
                model = next(t.plan.configuration.model for t in traces if t.plan.reference)
                many = f"agreement of {len(written)} answers" if len(written) > 1 else "the answer"
                self.found.labels[record.query] = (winner, f"{many} of {model}")
            else:
                self.found.undecided += 1

    async def query(self, traces: Sequence[Trace]) -> None:
        """Examples from all runs of one query, reference runs first."""
        ordered = sorted(traces, key=lambda trace: not trace.plan.reference)
        right = {id(trace): await self._ends_right(trace) for trace in ordered}
        references: dict[Place, tuple[str, str]] = {}
        for trace in ordered:
            if trace.plan.reference:
                self.found.runs += 1
                self.found.right += right[id(trace)]
                await self._approve(trace, right[id(trace)], references)
        kept: dict[tuple[str, bool], dict[str, Example]] = {}
        for trace in ordered:
            if trace.ran is not None:
                await self._examples(trace, references, kept)
        for (agent, input_correct), examples in kept.items():
            approval = self.found.approvals[agent]
            approval.examples += len(examples)
            approval.wrong_inputs += 0 if input_correct else len(examples)
            self.found.examples[agent] += examples.values()

    async def _ends_right(self, trace: Trace) -> bool:
        label = self.found.labels.get(trace.record.query)
        if trace.ran is None or label is None:
            return False
        shown = show(trace.ran.value, self.output)
        return await _holds(self.final, shown, label[0], trace.record.fields) is True

    async def _approve(
        self, trace: Trace, right: bool, references: dict[Place, tuple[str, str]]
    ) -> None:
        """Count the reference's calls; those approved are what later answers are compared with."""
        if trace.ran is None:
            return
        for place, call in _placed(trace.ran.calls):
            name = flow.called_symbol(call.op) or ""
            approval = self.found.approvals[name]
            approval.calls += 1
            read = self._read(name, call)
            if not right or read is None:
                continue
            judge = self.readers[name].judge
            fields = trace.record.fields
            if isinstance(judge, Unaided) and await _holds(judge, read, None, fields) is False:
                continue
            approval.approved += 1
            model = trace.plan.configuration.model
            references.setdefault(place, (read, f"answers of {model} in runs that ended right"))

    def _read(self, name: str, call: RecordedCall) -> str | None:
        """What a call's answer gives, as a prompt shows it."""
        if call.answer is None:
            return None
        read = self.readers[name].read(call.answer, self._example(name, call, "", {}))
        return None if read is None else read[0]

    async def _examples(
        self,
        trace: Trace,
        references: Mapping[Place, tuple[str, str]],
        kept: dict[tuple[str, bool], dict[str, Example]],
    ) -> None:
        assert trace.ran is not None
        calls = list(_placed(trace.ran.calls))
        wanted = {id(call): self._expected(place, call, trace, references) for place, call in calls}
        right: dict[tuple[int, str], bool | None] = {}
        for _, call in calls:
            name = flow.called_symbol(call.op) or ""
            read = self._read(name, call)
            expected, judge = wanted[id(call)][0], self.readers[name].judge
            if read is None or expected is None or judge is None or not _calls(call.op):
                continue
            holds = await _holds(judge, read, expected, trace.record.fields)
            right[id(call.op), read] = holds
        values = Values(self.symbols, trace.ran.results, partial(_known, right))
        self._verdicts(trace, values)
        for _, call in calls:
            name = flow.called_symbol(call.op) or ""
            input_correct = values.input_right(call.op, call.given)
            expected, proxy = wanted[id(call)]
            critic = name in self.subject.critics
            if input_correct is None or (expected is None and not critic):
                continue
            example = replace(
                self._example(name, call, trace.record.query, trace.record.fields),
                expected=None if critic else expected,
                input_correct=input_correct,
                proxy=proxy,
            )
            some = kept.setdefault((name, input_correct), {})
            if len(some) < MOST_PER_QUERY:
                some.setdefault(example.variant, example)

    def _verdicts(self, trace: Trace, values: Values) -> None:
        """What tools said of values of which it is known whether they are right.

        Every verdict of a run is a row: how those on one query go together is learned from them.
        """
        assert trace.ran is not None
        query, name = trace.record.query, trace.plan.name
        _, proxy = self.found.labels.get(query, (None, ""))
        seen: Counter[str] = Counter()
        for one in trace.ran.verdicts:
            number = seen[one.site]
            seen[one.site] += 1
            right = values.input_right(one.op, one.given)
            if right is None:
                continue
            key = Key(TOOL, one.tool, Configuration(TOOL), query, f"{name}/{one.site}", number)
            word = VERDICTS[0 if one.accepted else 1]
            self.found.verdicts.append(
                Call(
                    key,
                    (),
                    "",
                    TOOL,
                    one.seconds or None,
                    None,
                    None,
                    None,
                    None,
                    right,
                    judgement=Judgement("verdict", None, word, proxy),
                )
            )

    def _expected(
        self,
        place: Place,
        call: RecordedCall,
        trace: Trace,
        references: Mapping[Place, tuple[str, str]],
    ) -> tuple[Any, str]:
        """(right answer, proxy) of a call: the label of the workflow, or the reference's answer."""
        name = flow.called_symbol(call.op)
        if name in self.finals or name in self.subject.critics:
            return self.found.labels.get(trace.record.query, (None, ""))
        return references.get(place, (None, ""))

    def _example(
        self, name: str, call: RecordedCall, query: str, fields: Mapping[str, Any]
    ) -> Example:
        candidates: tuple[str, ...] = ()
        if isinstance(call.op, flow.JoinOp) and call.op.by is not None:
            candidates = tuple(show(one, call.op.inputs[0].type) for one in call.given[-1])
        variant = digest(*(part for message in call.messages for part in message))
        return Example(
            name, query, call.messages, variant=variant, fields=fields, candidates=candidates
        )


def _calls(op: Operation) -> bool:
    """Whether the answer of an op is a value of its own, not a verdict or a choice of one."""
    return isinstance(op, flow.CallOp)


def _known(right: Mapping[tuple[int, str], bool | None], op: Operation, given: Any) -> bool | None:
    return right.get((id(op), show(given, op.results[0].type)))


def _placed(calls: Iterable[RecordedCall]) -> Iterable[tuple[Place, RecordedCall]]:
    seen: Counter[str] = Counter()
    for call in calls:
        yield (call.site, seen[call.site]), call
        seen[call.site] += 1


async def _holds(judge: Judge, shown: str, expected: Any, fields: Mapping[str, Any]) -> bool | None:
    """Whether a judge finds an answer right; None where it cannot tell."""
    try:
        return await best(judge, shown, expected, fields) >= RIGHT_FROM
    except CannotJudgeError:
        return None
