"""What a stored call is worth: its answer read, and judged against what was expected."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import Attribute

from flowir.dialects import flow
from flowir.profile.calls import Judgement
from flowir.profile.observations import VERDICTS
from flowir.profiler.judges import Judge, best
from flowir.profiler.requests import Example
from flowir.runtime.answers import known_labels, parser_of
from flowir.runtime.values import InterpretationError, parse, pick, show, verdict

LONGEST_LABEL = 40
"""A longer answer is known by a hash."""


@dataclass(frozen=True)
class Reader:
    """How the answers of one sub-agent are read.

    Attributes:
        critic: it gives verdicts on what it is shown.
        hashed: no text of an answer may be kept; labels that the workflow knows are none.
        judge: None where only amounts and answers are of interest.
    """

    agent: str
    parser: str
    output: Attribute
    labels: Sequence[str]
    judge: Judge | None
    critic: bool = False
    hashed: bool = False

    def read(self, text: str, example: Example) -> tuple[str, str] | None:
        """(the value as a prompt shows it, its label); None where the answer does not parse."""
        if self.critic:
            accepted, _ = verdict(text)
            return (word := VERDICTS[0 if accepted else 1]), word
        if example.candidates:
            chosen = pick(text, example.candidates)
            return chosen, self.label(chosen)
        try:
            value = parse(self.parser, self.output, text, self.labels, self.agent)
        except InterpretationError:
            return None
        shown = show(value, self.output)
        return shown, self.label(shown)

    def label(self, shown: str) -> str:
        """A label that is equal exactly for equal answers, as votes see them."""
        text = shown.strip()
        short = 0 < len(text) <= LONGEST_LABEL and "\n" not in text and not self.hashed
        if short or text in self.labels:
            return text
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


async def judged(reader: Reader, text: str, example: Example) -> Judgement:
    """What is found of an answer. One that does not parse is wrong.

    Raises:
        CannotJudgeError: the judge failed.
    """
    read = reader.read(text, example)
    if reader.critic and read is not None:
        return Judgement("verdict", None, read[1], example.proxy)
    if reader.judge is None or example.expected is None:
        return Judgement("none", None, None if read is None else read[1], example.proxy)
    if read is None:
        return Judgement("parser", 0.0, None, example.proxy)
    score = await best(reader.judge, read[0], example.expected, example.fields)
    return Judgement(reader.judge.name, score, read[1], example.proxy)


def readers(
    workflow: flow.WorkflowOp,
    agents: Mapping[str, flow.AgentOp],
    critics: frozenset[str],
    judges: Mapping[str, Judge | None],
    *,
    hashed: bool = False,
) -> dict[str, Reader]:
    """A reader for each agent."""
    labels = known_labels(workflow)
    return {
        name: Reader(
            name,
            parser_of(agent),
            agent.output,
            labels.get(name, ()),
            judges.get(name),
            name in critics,
            hashed,
        )
        for name, agent in agents.items()
    }
