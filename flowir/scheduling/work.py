"""What a scheduler hands out, and what it tells of what came back."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple


class Task(NamedTuple):
    """A primitive of a query: the node's index in the query's graph."""

    query: Hashable
    node: int


class Share(NamedTuple):
    """How much of a task a batch does: `items` of its items, from `first`, counted from 0."""

    task: Task
    first: int
    items: int


@dataclass(frozen=True)
class Batch:
    """What a batch engine does at once. A task is done when all of its items are.

    Attributes:
        items, tokens: of all shares together.
    """

    engine: str
    kind: str
    shares: tuple[Share, ...]
    items: int
    tokens: float


@dataclass(frozen=True)
class Request:
    """What a language model does in one slot without a break: one call of a real endpoint.

    Prefills that follow each other are one prefill: a split whose late part is already known when
    the early part starts costs nothing.

    Attributes:
        tasks: in order, each continuing the KV cache of the one before.
        recompute_tokens: of context that no cache holds any more, to be prefilled again first.
        kv_tokens: reserved for it until its last task is done.
    """

    engine: str
    tasks: tuple[Task, ...]
    recompute_tokens: float
    kv_tokens: float


@dataclass
class Progress:
    """What followed from one report.

    Attributes:
        completed: tasks all of whose work is done now.
        skipped: tasks that will not run, for a condition said so; their result is nothing.
        answered: queries whose result is there.
        ended: queries of which nothing is left to do.
    """

    completed: list[Task] = field(default_factory=list)
    skipped: list[Task] = field(default_factory=list)
    answered: list[Hashable] = field(default_factory=list)
    ended: list[Hashable] = field(default_factory=list)
