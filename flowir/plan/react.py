"""A sequential agent's run as a plan: which calls needed which results, as far as a record shows.

A call may run with others only where the record shows that its arguments could be written without
their results. What cannot be told is a dependency: the call then stands behind a replan, which
sees everything before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.plan.events import Event, Join, Task
from flowir.plan.react_trace import Step, Trace
from flowir.plan.signatures import Parameter, Signature
from flowir.plan.values import Record, Reference, Template, Value, shown
from flowir.plan.values import Step as PathStep

_WORD = re.compile(r"[^\W_]+(?:[.,'][^\W_]+)*")
_TELLING = 3
# fmt: off
FUNCTION_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "of", "on",
    "or", "that", "the", "this", "to", "was", "were", "what", "which", "with",
))
# fmt: on
"""Words that say nothing of where a text comes from."""


@dataclass(frozen=True)
class Parallelised:
    """A run as a plan.

    Attributes:
        rounds: events of each plan, and why another had to follow it.
        tools: signatures of all tools called, the given ones first.
        assumed: what was taken for granted, in sentences.
    """

    rounds: tuple[tuple[tuple[Event, ...], str], ...]
    tools: tuple[Signature, ...]
    assumed: tuple[str, ...]


def parallelised(trace: Trace, tools: Sequence[Signature] = ()) -> Parallelised:
    """The plan that makes the calls of a run, each as early as the record allows.

    A value that one observation has, whole or at a path of its JSON, becomes a reference; one that
    several have, or that shares a word with an observation and not with the question, waits for
    them. A tool that is not declared pure waits for all calls before it, and all after for it.
    """
    known = {tool.name: tool for tool in tools}
    for step in trace.steps:
        if step.tool not in known:
            parameters = tuple(Parameter(name, "any", False) for name in step.arguments)
            known[step.tool] = Signature(step.tool, parameters)
        elif known[step.tool] not in tools:
            known[step.tool] = _wider(known[step.tool], step)
    rounds = _Rounds(trace, known)
    for place in range(len(trace.steps)):
        rounds.place(place)
    return Parallelised(rounds.closed(), tuple(known.values()), tuple(rounds.assumed))


def _wider(signature: Signature, step: Step) -> Signature:
    names = {parameter.name for parameter in signature.parameters}
    more = tuple(Parameter(n, "any", False) for n in step.arguments if n not in names)
    return Signature(signature.name, signature.parameters + more)


@dataclass
class _Rounds:
    trace: Trace
    tools: Mapping[str, Signature]
    done: list[tuple[tuple[Event, ...], str]] = field(default_factory=list)
    tasks: list[Event] = field(default_factory=list)
    begins: int = 0
    assumed: dict[str, None] = field(default_factory=dict)

    def place(self, place: int) -> None:
        """One step: into the round that is open, or behind a replan."""
        step = self.trace.steps[place]
        sources = _Sources(self.trace, place)
        arguments = [(name, sources.written(value)) for name, value in step.arguments.items()]
        why = self._impure(place) or sources.why(self.begins)
        if why:
            self.done.append(((*self.tasks, Join(place + 1, 0)), why))
            self.tasks, self.begins = [], place
        self.assumed.update(dict.fromkeys(sources.assumed))
        self.tasks.append(Task(place + 1, step.tool, tuple(arguments), 0))

    def _impure(self, place: int) -> str:
        """Why a step must not run with those of the open round, if its tools' effects say so."""
        here = range(self.begins, place)
        names = [self.trace.steps[i].tool for i in (*here, place)]
        impure = [name for name in names if not self.tools[name].pure]
        if place == self.begins or not impure:
            return ""
        self.assumed[f"@{impure[0]} is not declared pure, so its calls keep their order"] = None
        return f"@{impure[0]} is not declared pure"

    def closed(self) -> tuple[tuple[tuple[Event, ...], str], ...]:
        last = (*self.tasks, Join(len(self.trace.steps) + 1, 0))
        return (*self.done, (last, ""))


class _Sources:
    """Where the values of one step's arguments can have come from.

    Attributes:
        waits: steps that it must come behind without referring to them.
    """

    def __init__(self, trace: Trace, place: int) -> None:
        self.number = place + 1
        step = trace.steps[place]
        self.sees = range(min(step.sees, place))
        self.question = _words(trace.question)
        self.observed = [_words(shown(trace.steps[i].observation)) for i in self.sees]
        self.leaves = [
            (shown(value), value, Reference(i + 1, path))
            for i in self.sees
            for path, value in _leaves(trace.steps[i].observation)
            if len(shown(value)) >= _TELLING
        ]
        self.waits: set[int] = set()
        self.assumed: list[str] = []
        self._reason: dict[int, str] = {}

    def written(self, value: Any) -> Value:
        """A value as a plan has it, with references in place of what observations gave."""
        if isinstance(value, Mapping):
            return Record(tuple((str(k), self.written(v)) for k, v in value.items()))
        if isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(self.written(inner) for inner in value)
        if isinstance(value, str):
            return self._text(value)
        same = [ref for _, leaf, ref in self.leaves if type(leaf) is type(value) and leaf == value]
        if len(same) == 1 and not self._asked(shown(value)):
            self._words(shown(value), same[0].task)
            return same[0]
        self._words(shown(value))
        return literal(value)

    def _text(self, text: str) -> Value:
        """Text with the one longest value in it that a single observation has."""
        for length in sorted({len(leaf) for leaf, _, _ in self.leaves}, reverse=True):
            found = {
                leaf for leaf, _, _ in self.leaves if len(leaf) == length and _holds(text, leaf)
            }
            if len(found) != 1:
                if found:
                    break
                continue
            (leaf,) = found
            sources = [ref for other, _, ref in self.leaves if other == leaf]
            if len(sources) > 1 or self._asked(leaf) or text.count(leaf) > 1:
                break
            before, after = text.split(leaf)
            self._words(before)
            self._words(after)
            self._words(leaf, sources[0].task)
            return Template(tuple(part for part in (before, sources[0], after) if part))
        self._words(text)
        return text

    def _asked(self, text: str) -> bool:
        """Whether the question has it too."""
        words = _words(text)
        return bool(words) and words <= self.question

    def _words(self, text: str, source: int = 0) -> None:
        """Wait for every observation that shares a word with a text, and not with the question.

        Args:
            source: the task of which the text is known to come.
        """
        words = _words(text) - FUNCTION_WORDS
        for place, observed in zip(self.sees, self.observed, strict=True):
            shared = words & observed
            if place + 1 == source:
                continue
            if shared - self.question:
                self.waits.add(place)
                self._reason.setdefault(place, min(shared - self.question))
            elif shared:
                self.assumed.append(
                    f"task {self.number} has {min(shared)!r} from the question, not from "
                    f"the result of task {place + 1}"
                )

    def why(self, begins: int) -> str:
        """Why the step cannot stand in a round that begins there, in words; empty if it can."""
        late = sorted(place for place in self.waits if place >= begins)
        if not late:
            return ""
        word = self._reason.get(late[0])
        of = f"{word!r} in it may be of" if word else "an argument is made from"
        return f"task {self.number}: {of} the result of task {late[0] + 1}"


def literal(value: Any) -> Value:
    """A JSON value as a plan's, nothing in it a reference."""
    if isinstance(value, Mapping):
        return Record(tuple((str(key), literal(inner)) for key, inner in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(literal(inner) for inner in value)
    return value if isinstance(value, str | bool | int | float | None) else str(value)


def _leaves(observation: Any) -> Iterator[tuple[tuple[PathStep, ...], Any]]:
    """The observation, and every value in it that a path of a reference can name."""
    if isinstance(observation, str):
        yield (), observation
        try:
            inside = json.loads(observation)
        except (ValueError, RecursionError):
            return
        if isinstance(inside, Mapping | list):
            yield from _inside((), inside)
    else:
        yield from _inside((), observation)


def _inside(path: tuple[PathStep, ...], value: Any) -> Iterator[tuple[tuple[PathStep, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str) and not re.search(r"[\"'\\]", key):
                yield from _inside((*path, key), inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _inside((*path, index), inner)
    elif value is not None and not isinstance(value, bool):
        yield path, value


def _holds(text: str, part: str) -> bool:
    """Whether a text has a part that is no piece of a longer word."""
    return re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", text) is not None


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text))
