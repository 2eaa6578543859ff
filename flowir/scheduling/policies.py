"""Policies: in which order tasks that are ready are taken, and with which others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Order = Literal["ready", "depth", "longest path", "shortest path"]


@dataclass(frozen=True)
class Policy:
    """How an engine chooses among ready tasks.

    Attributes:
        order: `ready`: first ready, first served; `depth`: most primitives to the end of its query
            first; `longest path`: most seconds to the end first; `shortest path`: fewest.
        by_query: the query that arrived first comes first, and `order` decides inside a query;
            otherwise it decides among all.
        rounds: each query in turn gives its tasks that are first in `order`, before any gives
            its next; without, the oldest query gives all it has.
        mixes: a batch may hold tasks of several calls and queries; otherwise it is of one task.
        linger_s: how long a batch that is not full waits for more.
        idle_early: a prefill whose continuation still waits for something starts only when the
            model is idle, and at once when the continuation could go on: the two are one prefill
            then, so that under load a split costs nothing.
        window: requests that a query may have at a language model at a time; None: any number.
    """

    name: str
    order: Order = "depth"
    by_query: bool = True
    rounds: bool = False
    mixes: bool = True
    linger_s: float = 0.0
    idle_early: bool = False
    window: int | None = None

    def __post_init__(self) -> None:
        if self.rounds and not self.by_query:
            raise ValueError(f"policy {self.name}: rounds go over queries; set by_query")
        if self.linger_s < 0:
            raise ValueError(f"policy {self.name}: linger_s is {self.linger_s}; give at least 0")
        if self.window is not None and self.window < 1:
            raise ValueError(f"policy {self.name}: window is {self.window}; give at least 1")


TEOLA = Policy("teola", rounds=True)
OLDEST_FIRST = Policy("oldest first")
EARLY_WHEN_IDLE = Policy("early when idle", idle_early=True)
LONGEST_PATH = Policy("longest path", "longest path", idle_early=True)
SHORTEST_PATH = Policy("shortest path", "shortest path", by_query=False)
DEPTH_ONLY = Policy("depth only", by_query=False)
FIFO = Policy("fifo", "ready", by_query=False)
PER_INVOCATION = Policy("per invocation", "ready", by_query=False, mixes=False)
THROUGHPUT = Policy("throughput", "ready", by_query=False, linger_s=0.01)

POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        TEOLA,
        OLDEST_FIRST,
        EARLY_WHEN_IDLE,
        LONGEST_PATH,
        SHORTEST_PATH,
        DEPTH_ONLY,
        FIFO,
        PER_INVOCATION,
        THROUGHPUT,
    )
}
