"""Observations: what single calls did, one row per call, as columns.

Rows are put in a canonical order when an `Observations` is made, so that nothing computed from one
(its hash, a fit) depends on the order of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from flowir.configuration import Configuration

T = TypeVar("T", bound=Hashable)

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

VERDICTS = ("accept", "reject")
"""The answers of a checker or critic."""

NO_SAMPLE = ""


class Observation(NamedTuple):
    """One call. Seconds, tokens and US dollars; None where not measured.

    Attributes:
        agent: the sub-agent called.
        configuration: what it was configured as.
        query: identifies the query; the same across agents and configurations.
        sample: tells repeats on one query apart; may be empty.
        correct: 0..1, used as a probability.
        latency_s, input_tokens, output_tokens, cost_usd: what the call took.
        input_correct: whether what the call was given was right.
        answer: any label equal exactly for equal answers; a verdict is `accept` or `reject`.
        error: the call failed for infrastructure reasons: missing data, never a wrong answer.
        proxy: what stood in for a label when `correct` was found; None where labels said it.
    """

    agent: str
    configuration: Configuration
    query: str
    sample: str = NO_SAMPLE
    correct: float | None = None
    latency_s: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    cost_usd: float | None = None
    input_correct: bool = True
    answer: str | None = None
    error: bool = False
    proxy: str | None = None


@dataclass(frozen=True, eq=False)
class Observations:
    """N calls as columns, in canonical order. Make one with :func:`observations_of`.

    Attributes:
        agents, configurations, queries, samples, answers, proxies: what the codes below stand for,
            sorted, each value used by some row.
        agent, configuration, query, sample: [N] codes.
        correct, latency_s, input_tokens, output_tokens, cost_usd: [N], NaN where not measured.
        input_correct: [N] whether what the call was given was right.
        answer: [N] codes, -1 where there is none.
        error: [N] infrastructure errors.
        proxy: [N] codes of what stood in for labels, -1 where labels said what is correct.
    """

    agents: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    queries: tuple[str, ...]
    samples: tuple[str, ...]
    answers: tuple[str, ...]
    proxies: tuple[str, ...]
    agent: Codes
    configuration: Codes
    query: Codes
    sample: Codes
    correct: Floats
    latency_s: Floats
    input_tokens: Floats
    output_tokens: Floats
    cost_usd: Floats
    input_correct: Flags
    answer: Codes
    error: Flags
    proxy: Codes

    def __len__(self) -> int:
        return len(self.agent)

    def select(self, mask: Flags) -> Observations:
        """The rows where `mask` [N] is true; the tables keep what those rows use."""
        return from_columns(
            agents=self.agents,
            configurations=self.configurations,
            queries=self.queries,
            samples=self.samples,
            answers=self.answers,
            proxies=self.proxies,
            **{name: getattr(self, name)[mask] for name in _COLUMNS},
        )

    def without_errors(self) -> Observations:
        """The rows that are data: infrastructure errors are missing data."""
        return self.select(~self.error) if self.error.any() else self

    @property
    def content_hash(self) -> str:
        """SHA-256 of the rows, whatever order they were given in."""
        digest = hashlib.sha256(b"flowir observations 1\0")
        for table in (self.agents, self.queries, self.samples, self.answers):
            digest.update(repr(table).encode())
        digest.update(repr([_words(c) for c in self.configurations]).encode())
        for name in _COLUMNS:
            if name != "proxy" or self.proxies:
                digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        if self.proxies:
            digest.update(repr(self.proxies).encode())
        return digest.hexdigest()

    def rows(self) -> Iterable[Observation]:
        """The rows, in canonical order."""
        for i in range(len(self)):
            yield Observation(
                self.agents[self.agent[i]],
                self.configurations[self.configuration[i]],
                self.queries[self.query[i]],
                self.samples[self.sample[i]],
                _number(self.correct[i]),
                _number(self.latency_s[i]),
                _number(self.input_tokens[i]),
                _number(self.output_tokens[i]),
                _number(self.cost_usd[i]),
                bool(self.input_correct[i]),
                None if self.answer[i] < 0 else self.answers[self.answer[i]],
                bool(self.error[i]),
                None if self.proxy[i] < 0 else self.proxies[self.proxy[i]],
            )


_TABLES = {
    "agent": "agents",
    "configuration": "configurations",
    "query": "queries",
    "sample": "samples",
    "answer": "answers",
    "proxy": "proxies",
}
_COLUMNS = tuple(
    field.name for field in fields(Observations) if field.name not in set(_TABLES.values())
)


def observations_of(rows: Iterable[Observation]) -> Observations:
    """Observations from rows held in memory."""
    kept = list(rows)
    agents, agent = coded([row.agent for row in kept])
    configurations, configuration = coded([row.configuration for row in kept])
    queries, query = coded([row.query for row in kept])
    samples, sample = coded([row.sample for row in kept])
    answers, answer = _coded_where_given([row.answer for row in kept])
    proxies, proxy = _coded_where_given([row.proxy for row in kept])
    return from_columns(
        agents=agents,
        configurations=configurations,
        queries=queries,
        samples=samples,
        answers=answers,
        proxies=proxies,
        agent=agent,
        configuration=configuration,
        query=query,
        sample=sample,
        correct=_floats(row.correct for row in kept),
        latency_s=_floats(row.latency_s for row in kept),
        input_tokens=_floats(row.input_tokens for row in kept),
        output_tokens=_floats(row.output_tokens for row in kept),
        cost_usd=_floats(row.cost_usd for row in kept),
        input_correct=np.array([row.input_correct for row in kept], dtype=np.bool_),
        answer=answer,
        error=np.array([row.error for row in kept], dtype=np.bool_),
        proxy=proxy,
    )


def merge(parts: Sequence[Observations]) -> Observations:
    """All rows of several observations."""
    if len(parts) == 1:
        return parts[0]
    tables: dict[str, tuple[object, ...]] = {}
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for name, table in _TABLES.items():
        entries = tuple(dict.fromkeys(e for part in parts for e in getattr(part, table)))
        index = {entry: code for code, entry in enumerate(entries)}
        columns[name] = np.concatenate(
            [
                _translate([index[e] for e in getattr(part, table)], getattr(part, name))
                for part in parts
            ]
        )
        tables[table] = entries
    for name in _COLUMNS:
        if name not in columns:
            columns[name] = np.concatenate([getattr(part, name) for part in parts])
    return from_columns(**tables, **columns)  # type: ignore[arg-type]


def from_columns(
    *,
    agents: Sequence[str],
    configurations: Sequence[Configuration],
    queries: Sequence[str],
    samples: Sequence[str],
    answers: Sequence[str],
    proxies: Sequence[str],
    **columns: npt.NDArray[np.generic],
) -> Observations:
    """Observations from codes and values in any order; unused table entries are dropped."""
    given: dict[str, Sequence[object]] = {
        "agent": agents,
        "configuration": configurations,
        "query": queries,
        "sample": samples,
        "answer": answers,
        "proxy": proxies,
    }
    tables: dict[str, tuple[object, ...]] = {}
    for name, table in given.items():
        used = sorted({int(code) for code in np.unique(columns[name]) if code >= 0})
        used.sort(key=lambda code: _sort_key(table[code]))
        renumbering = np.full(len(table), -1, dtype=np.int32)
        renumbering[used] = np.arange(len(used), dtype=np.int32)
        columns[name] = _translate(renumbering, columns[name])
        tables[_TABLES[name]] = tuple(table[code] for code in used)
    order = np.lexsort([columns[name] for name in reversed(_COLUMNS)])
    ordered = {name: _frozen(columns[name][order]) for name in _COLUMNS}
    return Observations(**tables, **ordered)  # type: ignore[arg-type]


def _words(configuration: Configuration) -> tuple[object, ...]:
    return (configuration.model, configuration.budget, configuration.params)


def _sort_key(entry: object) -> tuple[object, ...]:
    return entry.sort_key if isinstance(entry, Configuration) else (str(entry),)


def _translate(
    table: Sequence[int] | npt.NDArray[np.generic], codes: npt.NDArray[np.generic]
) -> Codes:
    """Codes read through a table; -1 stays -1."""
    padded = np.append(np.asarray(table, dtype=np.int32), np.int32(-1))
    return padded[codes.astype(np.int64)].astype(np.int32)


def coded(values: Iterable[T]) -> tuple[tuple[T, ...], Codes]:
    """The distinct values in order of appearance, and the code of each value."""
    index: dict[T, int] = {}
    codes = [index.setdefault(value, len(index)) for value in values]
    return tuple(index), np.array(codes, dtype=np.int32)


def _coded_where_given(values: Sequence[T | None]) -> tuple[tuple[T, ...], Codes]:
    """As `coded`; the code of None is -1."""
    table, given = coded([value for value in values if value is not None])
    codes = np.full(len(values), -1, dtype=np.int32)
    codes[[value is not None for value in values]] = given
    return table, codes


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _frozen(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    values.flags.writeable = False
    return values
