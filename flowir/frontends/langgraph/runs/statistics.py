"""What recorded runs say of branches, loops, maps, models and times, each with its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import TypeVar

from flowir.frontends.langgraph.facts import START, Edge, Loop
from flowir.frontends.langgraph.runs.traces import Decision, ModelCall, Run, Visit


@dataclass(frozen=True)
class Shares:
    """How often each of some answers was given; the shares sum to 1."""

    values: tuple[float, ...]
    said: str


@dataclass(frozen=True)
class Sizes:
    """Turns of a loop, items of a map, or seconds of a node: the mean and the most."""

    mean: float
    most: int
    said: str


@dataclass(frozen=True)
class Calls:
    """Calls of one model by one node: means of seconds and tokens, None where none were told."""

    node: str
    model: str
    count: int
    seconds: float | None
    input_tokens: float | None
    output_tokens: float | None
    said: str


@dataclass(frozen=True)
class Statistics:
    """What a number of recorded runs say.

    Runs that failed tell of the decisions and calls that they made, not of how often loops turn.

    Attributes:
        edges: of the graph, to tell when a loop is entered anew.
    """

    runs: tuple[Run, ...] = ()
    edges: tuple[Edge, ...] = field(default=())

    @property
    def said(self) -> str:
        return f"{len(self.runs)} run{'s' if len(self.runs) != 1 else ''}"

    @property
    def _finished(self) -> list[Run]:
        return [run for run in self.runs if not run.error]

    @cached_property
    def _decisions(self) -> Mapping[str, list[Decision]]:
        return _by_node(decision for run in self.runs for decision in run.decisions)

    def answers(self, node: str) -> Counter[str]:
        """Answers of the router of a node, or the places that it went to by Command."""
        return Counter(answer for d in self._decisions.get(node, ()) for answer in d.answers)

    def shares(self, node: str, answers: Sequence[str]) -> Shares | None:
        """How often a router gave each answer; None where it gave none of them.

        The mean of the posterior under Jeffreys' prior, (n + 1/2) / (N + k/2): what was not seen in
        a few runs is rare, not impossible.
        """
        counts = [self.answers(node)[answer] for answer in answers]
        total = sum(counts)
        if not total:
            return None
        weights = [(count + 0.5) / (total + len(counts) / 2) for count in counts]
        shown = ", ".join(f"{a} {n}" for a, n in zip(answers, counts, strict=True))
        return Shares(tuple(weights), f"{shown} of {total}, from {self.said}")

    def widths(self, node: str, worker: str) -> Sizes | None:
        """How many items a router sent to a worker."""
        name = worker.rpartition("/")[2]
        found = [d.sends.get(name, 0) for d in self._decisions.get(node, ()) if not d.answers]
        return self._sizes(found, "items")

    def turns(self, loop: Loop) -> Sizes | None:
        """How often a loop's header ran each time that the loop was entered."""
        entries = {
            edge.source
            for edge in self.edges
            if edge.target == loop.header and edge.source not in loop.members
        }
        found: list[int] = []
        for run in self._finished:
            for visits in _by_instance(run.visits).values():
                found += _turns(visits, loop.header, entries)
        return self._sizes(found, "turns")

    def seconds(self, node: str) -> Sizes | None:
        """How long a node took, in seconds; failed visits left out."""
        visits = [v for run in self.runs for v in run.visits if v.node == node and not v.error]
        if not visits:
            return None
        mean = fmean(visit.seconds for visit in visits)
        most = max(visit.seconds for visit in visits)
        return Sizes(mean, 1, f"{mean:.3g} s, at most {most:.3g} s, {self._times(len(visits))}")

    def models(self) -> dict[str, tuple[str, ...]]:
        """The models that each node called, most often called first."""
        calls = _by_node(call for run in self.runs for call in run.calls)
        return {
            node: tuple(name for name, _ in Counter(c.model for c in made).most_common())
            for node, made in sorted(calls.items())
        }

    def calls(self, node: str) -> list[Calls]:
        """Calls by a node, by model; failed ones left out."""
        made = [c for run in self.runs for c in run.calls if c.node == node and not c.error]
        return [
            self._calls(node, model, [call for call in made if call.model == model])
            for model in dict.fromkeys(call.model for call in made)
        ]

    def _calls(self, node: str, model: str, made: Sequence[ModelCall]) -> Calls:
        seconds = _mean(call.seconds for call in made)
        given = _mean(call.input_tokens for call in made)
        taken = _mean(call.output_tokens for call in made)
        parts = [f"{node}: {model}", self._times(len(made))]
        if seconds is not None:
            parts.append(f"{seconds:.3g} s")
        if given is not None and taken is not None:
            parts.append(f"{given:.4g} tokens in, {taken:.4g} out")
        return Calls(node, model, len(made), seconds, given, taken, ", ".join(parts))

    def _times(self, count: int) -> str:
        return f"{count} time{'s' if count != 1 else ''} in {self.said}"

    def _sizes(self, found: Sequence[int], what: str) -> Sizes | None:
        if not found:
            return None
        mean, most = fmean(found), max(found)
        said = f"{mean:.3g} {what}, at most {most}, {self._times(len(found))}"
        return Sizes(mean, most, said)


NO_RUNS = Statistics()
_Event = TypeVar("_Event", Decision, ModelCall)


def _by_node(events: Iterable[_Event]) -> dict[str, list[_Event]]:
    found: dict[str, list[_Event]] = {}
    for event in events:
        found.setdefault(event.node, []).append(event)
    return found


def _by_instance(visits: Iterable[Visit]) -> dict[int, list[Visit]]:
    found: dict[int, list[Visit]] = {}
    for visit in visits:
        found.setdefault(visit.within, []).append(visit)
    return found


def _turns(visits: Sequence[Visit], header: str, entries: set[str]) -> list[int]:
    """Turns of each entry: a node that leads into the loop ran since the last one."""
    found: list[int] = []
    entered = any(name.rpartition("/")[2] == START for name in entries)
    for visit in sorted(visits, key=lambda visit: visit.step):
        if visit.node == header:
            if entered or not found:
                found.append(0)
            found[-1] += 1
            entered = False
        elif visit.node in entries:
            entered = True
    return found


def _mean(values: Iterable[float | int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def same_model(name: str, said: set[str]) -> bool:
    """Whether a run's model is one of those that are said: providers answer with dated names."""
    return any(name == other or name.startswith(f"{other}-20") for other in said)
