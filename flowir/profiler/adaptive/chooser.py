"""The chooser of `flowir profile --adaptive`."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from flowir.profile.calls import Call, Key
from flowir.profiler.adaptive.arms import Arm
from flowir.profiler.adaptive.belief import SMALLEST, Belief, Seen, believe
from flowir.profiler.adaptive.fronts import Subjects, pool
from flowir.profiler.adaptive.value import Pool, allocated
from flowir.profiler.engine import Situation
from flowir.profiler.requests import Request

DRAWS = 128
"""Draws of the belief."""
BATCH = 32
"""Calls that are chosen at a time, at least."""
PER_DOLLAR = True
"""Whether dear calls have to promise more, where dollars are known."""
FIRST = 2
"""Queries over which the first call of each arm is spread."""


class Adaptive:
    """Asks about what may be on the front, until the front is known.

    First every arm once. Then, batch by batch, the arms whose errors matter most to the fronts that
    may be the true one (`value.py`), on the same queries in the same order, so that arms are
    compared on what they share. A batch is chosen while calls of the one before are under way.

    Args:
        requests: all that may be asked, in the order of the grid.
        tolerance: share of hypervolume, 0..1, that the front chosen may be expected to lack of the
            one that all requests would give.
        per_dollar: whether dear calls have to promise more, where dollars are known.
        behind: choose in a thread: the event loop goes on, and latencies are measured right.

    Attributes:
        arms: all that is believed of, by their place in a belief.
        regret: expected share of hypervolume that is lacking; 1 before it is known.
        done: the tolerance is reached, or nothing is left to ask.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        subjects: Subjects,
        *,
        tolerance: float = 0.01,
        seed: int = 0,
        per_dollar: bool = PER_DOLLAR,
        behind: bool = False,
    ) -> None:
        self._subjects, self._tolerance, self._seed = subjects, tolerance, seed
        self._waiting: dict[Arm, deque[Request]] = {}
        self._queries: dict[str, int] = {}
        asked_of: dict[Arm, set[str]] = {}
        for one in requests:
            self._waiting.setdefault(arm_of(one), deque()).append(one)
            self._queries.setdefault(one.key.query, len(self._queries))
            asked_of.setdefault(arm_of(one), set()).add(one.key.query)
        self._totals = {arm: len(some) for arm, some in self._waiting.items()}
        self._sizes = {arm: len(some) for arm, some in asked_of.items()}
        arms = dict.fromkeys([*subjects.arms(), *self._waiting])
        self.arms = {arm: number for number, arm in enumerate(arms)}
        self._queues: dict[str, deque[Request]] = {
            arm.configuration.model: deque() for arm in self._waiting
        }
        self._per_dollar = per_dollar
        self._thread = ThreadPoolExecutor(1) if behind else None
        self._choosing: Future[list[Request]] | None = None
        self._chosen_after = 0
        self._started = self._settling = False
        self.regret = 1.0
        self.done = False

    def __call__(self, situation: Situation) -> list[Request]:
        if not self._started:
            self._begin(situation)
        chosen = self._take(situation.room)
        while not chosen and not self.done and not self._later(situation):
            self._more(situation)
            chosen = self._take(situation.room)
        idle = self._thread is not None and self._choosing is None
        if (
            idle
            and not (self.done or self._settling)
            and self._queued(situation) < sum(situation.room.values())
        ):
            self._choosing = self._choose(situation)
        return chosen

    @property
    def known(self) -> bool:
        """Whether it was ever estimated what the front lacks."""
        return self.regret < 1.0

    @property
    def reached(self) -> bool:
        """Whether the front is known to the tolerance."""
        return self.regret <= self._tolerance

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _later(self, situation: Situation) -> bool:
        """Whether what is under way has to end first.

        A batch is being chosen or waits, or the front seemed known, which has to hold after the
        last call too: the next run on the same store would go on otherwise.
        """
        if not situation.open:
            return False
        if self._settling:
            return True
        if self._choosing is not None:
            return not self._choosing.done()
        return self._queued(situation) >= BATCH

    def _queued(self, situation: Situation) -> int:
        """How many calls wait for a model that is asked."""
        return sum(len(self._queues[model]) for model in _asked(situation) & self._queues.keys())

    def _begin(self, situation: Situation) -> None:
        """Every arm of which nothing is stored, once."""
        self._started = True
        for number, (arm, waiting) in enumerate(self._waiting.items()):
            left = [one for one in waiting if one.key not in situation.calls]
            if left and len(left) == len(waiting):
                first = left.pop(number % FIRST % len(left))
                self._queues[arm.configuration.model].append(first)
            self._waiting[arm] = deque(left)

    def _take(self, room: Mapping[str, int]) -> list[Request]:
        return [
            queue.popleft()
            for model, queue in self._queues.items()
            for _ in range(min(room.get(model, 0), len(queue)))
        ]

    def _more(self, situation: Situation) -> None:
        """Put the next batch into the queues."""
        future = self._choosing or self._choose(situation)
        self._choosing = None
        batch = future.result()
        self._settling = not batch and len(situation.calls) + len(situation.open) > (
            self._chosen_after
        )
        self.done = not (batch or self._settling)
        for one in batch:
            self._waiting[arm_of(one)].remove(one)
            self._queues[one.model].append(one)

    def _choose(self, situation: Situation) -> Future[list[Request]]:
        calls = list(situation.calls.values())
        self._chosen_after = len(calls)
        asked = _asked(situation)
        size = max(BATCH, sum(situation.room.values()) + len(situation.open))
        if self._thread is not None:
            return self._thread.submit(self._batch, calls, asked, size)
        now: Future[list[Request]] = Future()
        now.set_result(self._batch(calls, asked, size))
        return now

    def _batch(self, calls: Sequence[Call], models: set[str], size: int) -> list[Request]:
        """The next requests; none if the front is known well enough."""
        arms = [a for a, left in self._waiting.items() if left and a.configuration.model in models]
        # Other draws each time: what is on no front of one batch may be on one of the next.
        belief = self.belief(calls, self._seed + len(calls))
        points = self.pool(calls, belief)
        self.regret = points.regret()
        if self.reached or not arms:
            return []
        rows = [self.arms[arm] for arm in arms]
        rate = belief.right[rows].mean(axis=1)
        gains = points.weights()[rows] * rate * (1.0 - rate)
        if self._per_dollar and belief.dollars is not None:
            gains /= np.maximum(belief.dollars[rows].mean(axis=1), SMALLEST)
        left = np.array([len(self._waiting[arm]) for arm in arms], dtype=np.intp)
        asked = np.array([self._totals[arm] for arm in arms], dtype=np.float64) - left
        chosen = Counter(allocated(gains, asked, left, size))
        return [self._waiting[arms[i]][n] for i, many in chosen.items() for n in range(many)]

    def belief(self, calls: Iterable[Call], seed: int = 0) -> Belief:
        """What is believed after calls of what all calls together would say.

        Of an arm of which a share of the queries has been asked, that much of the variance is gone:
        the correction for a finite population. So nothing is unsure once all has been asked.
        """
        seen = seen_in(calls, self.arms, self._queries, self._subjects.critics)
        belief = believe(list(self.arms), len(self._queries), seen, DRAWS, seed)
        asked = dict.fromkeys((arm, query) for arm, query, _ in (*seen.success, *seen.seconds))
        known = Counter(arm for arm, _ in asked)
        open_share = [
            max(0.0, 1.0 - known[number] / self._sizes[arm]) if arm in self._sizes else 0.0
            for arm, number in self.arms.items()
        ]
        return belief.narrowed(np.sqrt(open_share)[:, None])

    def pool(self, calls: Iterable[Call], belief: Belief | None = None) -> Pool:
        """The points that may be on the front, after calls.

        Raises:
            CalculusError, SearchError: nothing can be said of the front of such a workflow.
        """
        return pool(self._subjects, self.arms, belief or self.belief(calls, self._seed))


def _asked(situation: Situation) -> set[str]:
    """Models that are not given up: those have no room, and in the end no calls under way."""
    return {*situation.room, *(key.configuration.model for key in situation.open)}


def arm_of(request: Request) -> Arm:
    """The arm a request is of."""
    example = request.example
    right = example is None or example.input_correct
    return Arm(request.key.agent, request.key.configuration, right)


def seen_in(
    calls: Iterable[Call],
    arms: Mapping[Arm, int],
    queries: Mapping[str, int],
    critics: frozenset[str] = frozenset(),
) -> Seen:
    """What stored calls say of these arms and queries; others are left out."""
    right, seconds, dollars = [], [], []
    for call in calls:
        key: Key = call.key
        arm = arms.get(Arm(key.agent, key.configuration, call.input_correct))
        query = queries.get(key.query)
        if arm is None or query is None:
            continue
        judged = call.judgement
        if judged is not None and key.agent in critics and judged.answer is not None:
            right.append((arm, query, float(judged.answer == "accept")))
        elif judged is not None and judged.correct is not None:
            right.append((arm, query, judged.correct))
        if call.latency_s is not None:
            seconds.append((arm, query, call.latency_s))
        if call.cost_usd is not None:
            dollars.append((arm, query, call.cost_usd))
    return Seen(right, seconds, dollars)
