"""Engines as the lower tier sees them: what waits, what runs, and which batch comes next."""

from __future__ import annotations

from collections.abc import Hashable

from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.prim.graph import Node
from flowir.scheduling.memory import Memory
from flowir.scheduling.policies import Policy
from flowir.scheduling.queues import Entry, Queue
from flowir.scheduling.work import Batch, Share, Task

Lane = tuple[str, bool]
"""What may be in a batch together: a kind of primitive; False: each alone."""


class ModelStation:
    """A language model: requests that run and wait.

    Attributes:
        early: prefills that wait for the model to be idle; see `Policy.idle_early`.
    """

    def __init__(self, name: str, engine: LanguageModelEngine, rounds: bool) -> None:
        self.name = name
        self.engine = engine
        self.queue = Queue(rounds)
        self.early = Queue(False)
        self.memory = Memory(engine.kv_tokens)
        self.running = 0

    def forget(self, query: Hashable) -> None:
        """Drop what waits of a query."""
        for queue in (self.queue, self.early):
            queue.remove(lambda entry: entry.task.query != query)


class BatchStation:
    """A batch engine: a queue for each kind of primitive, since a batch is of one kind.

    Attributes:
        running: batches.
        wake_s: when a batch that waits for more goes as it is; None where none waits.
    """

    def __init__(self, name: str, engine: BatchEngine, policy: Policy) -> None:
        self.name = name
        self.engine = engine
        self.running = 0
        self.wake_s: float | None = None
        self._policy = policy
        self._limit = min(engine.largest_batch, engine.efficient_batch)
        self._lanes: dict[Lane, Queue] = {}
        self._tokens: dict[Task, float] = {}

    def push(self, entry: Entry, node: Node) -> None:
        """Let a task wait."""
        lane = (node.kind, node.batchable and self._policy.mixes)
        if lane not in self._lanes:
            self._lanes[lane] = Queue(self._policy.rounds)
        self._lanes[lane].push(entry)
        self._tokens[entry.task] = node.work.input_tokens / node.work.items

    def start(self, now: float) -> list[Batch]:
        """Batches that start now, while there are slots."""
        self.wake_s = None
        found: list[Batch] = []
        while self.running < self.engine.slots:
            lane = self._next(now)
            if lane is None:
                break
            found.append(self._batch(lane))
            self.running += 1
        return found

    def forget(self, query: Hashable) -> None:
        """Drop what waits of a query."""
        for queue in self._lanes.values():
            queue.remove(lambda entry: entry.task.query != query)
        self._tokens = {task: each for task, each in self._tokens.items() if task.query != query}

    def _next(self, now: float) -> Lane | None:
        """The lane whose first entry comes first, of those whose batch is full or has waited."""
        best, first = None, None
        for lane, queue in self._lanes.items():
            head = queue.head()
            if head is None or not (self._due(lane, queue, now)):
                continue
            if first is None or head < first:
                best, first = lane, head
        return best

    def _due(self, lane: Lane, queue: Queue, now: float) -> bool:
        linger = self._policy.linger_s
        if not linger or not lane[1] or queue.items >= self._limit:
            return True
        since = queue.waits_since()
        assert since is not None
        due = since + linger
        if due <= now:
            return True
        self.wake_s = due if self.wake_s is None else min(self.wake_s, due)
        return False

    def _batch(self, lane: Lane) -> Batch:
        kind, mixes = lane
        shares: list[Share] = []
        room = self._limit
        tokens = 0.0

        def accept(entry: Entry) -> int:
            nonlocal room, tokens
            items = min(room, entry.items)
            if not items or (shares and (not mixes or items < entry.items <= self._limit)):
                return 0  # what fits a batch of its own is not torn in two
            shares.append(Share(entry.task, entry.first, items))
            entry.first += items
            each = self._tokens[entry.task]
            if items == entry.items:
                del self._tokens[entry.task]
            tokens += items * each
            room -= items
            return items

        self._lanes[lane].take(accept)
        return Batch(self.name, kind, tuple(shares), self._limit - room, tokens)
