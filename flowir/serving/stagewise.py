"""Stage by stage: each call goes where it costs least by what is seen of the load when it is ready.

    for each ready call, first come first served, of one request the longest path to an end first:
        of every open choice, at every endpoint that serves it: its cost + that of the stages after
        the least has a free slot: place it there;  else: it waits for that, later ones may pass

A call that could begin at once on a model it can do without waits for the one that costs less: it
would hold up those that cannot. Calls that wait are counted at the endpoint they intend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from flowir.serving.forecast import (
    Candidate,
    Objective,
    delay_cost,
    dollars,
    finish_time,
)
from flowir.serving.requests import CallKey, EngineLoad, Placement, ReadyCall, ServedRequest
from flowir.serving.rounds import Done, Queue, Round, done_of
from flowir.serving.sets import ConfigurationSet, Node

REMEMBERED = 20_000
"""Narrowed sets that are kept so as not to be worked out again."""

LATER_S = 0.25
"""What later stages cost is worked out so often: they are seconds away."""

LONGER = 1.1
"""A queue that has grown by so much may make a call change its mind about waiting in it."""

_ORDER = attrgetter("order")


@dataclass(slots=True)
class _Waiting:
    """What is remembered of a call that was not placed.

    Attributes:
        root: of the set its candidates are of.
        alive: endpoints of the round in which they were worked out.
        endpoints: of the candidates.
        sets: per choice, the set after it; empty where later stages do not depend on the choice.
        wants: the candidate it waits for.
        queue: how long the queue for it was when that was decided.
        rests: per choice, what later stages cost after it.
        rests_of: the round and the stages chosen that they are of.
    """

    root: Node
    alive: frozenset[str]
    candidates: tuple[Candidate, ...]
    endpoints: frozenset[str]
    sets: dict[int, ConfigurationSet]
    wants: Candidate | None = None
    queue: int = 0
    rests: dict[int, float] = field(default_factory=dict)
    rests_of: tuple[Round, Done] | None = None


class StageWise:
    """Places each call where `objective` is least; see the module.

    Args:
        objective: :func:`delay_cost`, :func:`finish_time` or :func:`dollars`.
    """

    def __init__(self, objective: Objective = delay_cost) -> None:
        self.objective = objective
        self._waiting: dict[CallKey, _Waiting] = {}
        self._alive: frozenset[str] = frozenset()
        self._queues: dict[str, Queue] = {}
        self._later: Round | None = None
        self._later_from = 0.0
        self._times: Round | None = None  # Of this round, where a deadline asks for it.
        self._batches: dict[str, int] = {}
        self._narrowed: dict[tuple[ConfigurationSet, str, int], ConfigurationSet] = {}

    def round(self, loads: Sequence[EngineLoad]) -> Round:
        """What stages cost now, with all that waits."""
        return Round(loads, self.objective, self._queues)

    def place(
        self, ready: Sequence[ReadyCall], loads: Sequence[EngineLoad], now: float
    ) -> list[Placement]:
        """See :meth:`flowir.serving.scheduler.StageScheduler.place`."""
        seen = self.round(loads)
        self._times = None
        fresh = self._notice(seen, now)
        free = {view.endpoint for view in seen.views.values() if view.has_slot()}
        if not fresh:
            # Those that wait have seen all there is: only newcomers are to be placed.
            ready = [call for call in ready if call.key not in self._waiting]
            for view in seen.views.values():
                view.ahead_s = view.queue_s
        placed = []
        for call in sorted(ready, key=_ORDER):
            found = self._remembered(call, seen)
            if found.wants is not None and not self._reconsider(found, fresh, free):
                seen.views[found.wants.endpoint].ahead_s += found.wants.work_s
                continue
            best = self._best(call, found, seen, now)
            if best is None:
                continue
            view = seen.views[best.endpoint]
            if not view.has_slot():
                view.ahead_s += best.work_s
                self._want(found, best, seen)
                continue
            view.take(best)
            if not view.has_slot():
                free.discard(view.endpoint)
                fresh.discard(view.endpoint)
            request = call.request
            request.open = self._narrow(request.open, call.stage, best.choice)
            request.choose(call.stage, best.choice)
            self._drop(call.key, seen)
            placed.append(Placement(call, best.choice, best.endpoint))
        self._batches = {view.endpoint: view.batch for view in seen.views.values()}
        return placed

    def forget(self, request: ServedRequest) -> None:
        """What its calls waited for."""
        for key in [key for key in self._waiting if key[0] == request.id]:
            self._drop(key)

    def _notice(self, seen: Round, now: float) -> set[str]:
        """Endpoints with slots that have become free since the last round.

        Also which are alive, and what later stages cost, where that is due.
        """
        if seen.views.keys() != self._alive:
            self._alive = frozenset(seen.views)
        later = self._later
        due = later is None or now >= self._later_from + LATER_S
        if due or (later is not None and later.views.keys() != seen.views.keys()):
            self._later, self._later_from = self.round(seen.loads), now
        return {
            view.endpoint
            for view in seen.views.values()
            if view.has_slot() and view.batch < self._batches.get(view.endpoint, view.batch + 1)
        }

    def _reconsider(self, waiting: _Waiting, fresh: set[str], free: set[str]) -> bool:
        """Whether a call that waits might do better: a slot became free, or its queue grew."""
        if not fresh.isdisjoint(waiting.endpoints):
            return True
        assert waiting.wants is not None
        longer = self._queues[waiting.wants.endpoint][0] > LONGER * waiting.queue
        return longer and not free.isdisjoint(waiting.endpoints)

    def _remembered(self, call: ReadyCall, seen: Round) -> _Waiting:
        """Candidates of a call; worked out anew once its set or the endpoints have changed."""
        found, root = self._waiting.get(call.key), call.request.open.root
        if found is None or found.root is not root or found.alive is not self._alive:
            self._drop(call.key, seen)
            candidates = seen.candidates(call)
            endpoints = frozenset(candidate.endpoint for candidate in candidates)
            found = _Waiting(root, self._alive, candidates, endpoints, self._after(call))
            self._waiting[call.key] = found
        return found

    def _want(self, waiting: _Waiting, candidate: Candidate, seen: Round) -> None:
        """The call waits for this candidate from now on."""
        self._unwant(waiting, seen)
        waiting.wants = candidate
        calls, seconds = self._queues.get(candidate.endpoint, (0, 0.0))
        self._queues[candidate.endpoint] = calls + 1, seconds + candidate.work_s
        waiting.queue = calls + 1
        seen.views[candidate.endpoint].queue += 1

    def _unwant(self, waiting: _Waiting, seen: Round | None) -> None:
        if waiting.wants is None:
            return
        endpoint = waiting.wants.endpoint
        calls, seconds = self._queues[endpoint]
        left = (calls - 1, seconds - waiting.wants.work_s) if calls > 1 else (0, 0.0)
        self._queues[endpoint] = left
        if seen is not None and endpoint in seen.views:
            seen.views[endpoint].queue -= 1

    def _drop(self, key: CallKey, seen: Round | None = None) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._unwant(waiting, seen)

    def _best(self, call: ReadyCall, found: _Waiting, seen: Round, now: float) -> Candidate | None:
        """The candidate that costs least, with what comes after; None where there is none."""
        request, candidates = call.request, found.candidates
        limited = request.budget_usd < math.inf or request.deadline < math.inf
        if limited and len(candidates) > 1:  # The only one is allowed whatever it costs.
            candidates = self._allowed(call, candidates, seen, now)
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        views, objective = seen.views, self.objective
        rests = self._rests(call, found) if found.sets else None
        mine = None if found.wants is None else found.wants.endpoint
        best, least = None, math.inf
        for candidate in candidates:
            view = views[candidate.endpoint]
            queue = view.queue - (candidate.endpoint == mine)
            cost = view.cost(candidate, objective, view.ahead_s, queue)
            if rests is not None:
                cost += rests[candidate.choice]
            if best is None or cost < least:
                best, least = candidate, cost
        return best

    def _rests(self, call: ReadyCall, found: _Waiting) -> dict[int, float]:
        assert self._later is not None
        later, done = self._later, _done(call)
        if found.rests_of != (later, done):
            rest, workflow = later.rest, call.request.workflow
            found.rests = {
                choice: rest(workflow, kept, done) for choice, kept in found.sets.items()
            }
            found.rests_of = later, done
        return found.rests

    def _after(self, call: ReadyCall) -> dict[int, ConfigurationSet]:
        """Per choice, the set after it; nothing where later stages are alike for all choices."""
        request = call.request
        choices = request.open.open(call.stage)
        if len(choices) == 1 or _independent(request, call.stage):
            return {}
        return {choice: self._narrow(request.open, call.stage, choice) for choice in choices}

    def _allowed(
        self, call: ReadyCall, candidates: Sequence[Candidate], seen: Round, now: float
    ) -> tuple[Candidate, ...]:
        """Candidates within the budget, of those that are in time: all, where none is.

        Later stages are taken to run one after another.
        """
        request, done = call.request, _done(call)
        after = {
            choice: self._narrow(request.open, call.stage, choice)
            for choice in dict.fromkeys(candidate.choice for candidate in candidates)
        }
        if request.budget_usd < math.inf:
            left = request.budget_usd - request.spent_usd
            costs = {
                candidate: candidate.usd + _dollars_after(request, after[candidate.choice], done)
                for candidate in candidates
            }
            least = min(costs.values(), default=0.0)
            candidates = [c for c in candidates if costs[c] <= max(left, least)]
        if request.deadline < math.inf:
            if self._times is None:
                self._times = Round(seen.loads, finish_time, self._queues)
            later = self._times
            timely = [
                candidate
                for candidate in candidates
                for view in (seen.views[candidate.endpoint],)
                if now
                + view.cost(candidate, finish_time, view.ahead_s, view.queue)
                + later.rest(request.workflow, after[candidate.choice], done)
                <= request.deadline
            ]
            candidates = timely or candidates
        return tuple(candidates)

    def _narrow(self, kept: ConfigurationSet, stage: str, choice: int) -> ConfigurationSet:
        key = (kept, stage, choice)
        if key not in self._narrowed:
            if len(self._narrowed) >= REMEMBERED:
                self._narrowed.clear()
            self._narrowed[key] = kept.restrict(stage, choice)
        return self._narrowed[key]


def _done(call: ReadyCall) -> Done:
    """The stages that are chosen once this call is."""
    return done_of(call.request.workflow, {*call.request.chosen, call.stage})


def _independent(request: ServedRequest, stage: str) -> bool:
    """Whether what is open at other stages is the same whatever this stage chooses.

    Said of stages before which everything is decided: their choices then are edges of one node, and
    equal rests are one node.
    """
    node = request.open.root
    for name in request.open.stages:
        if name == stage:
            return len({child for _, child in node.edges}) == 1
        if len(node.edges) > 1:
            return False
        node = node.edges[0][1]
    return True


def _dollars_after(request: ServedRequest, kept: ConfigurationSet, done: Done) -> float:
    """Expected US dollars of the cheapest way through the stages that are not done."""
    layer = {kept.root: 0.0}
    for level, stage in enumerate(request.workflow.stages):
        below: dict[Node, float] = {}
        for node, spent in layer.items():
            for choice, child in node.edges:
                reached = choice >= 0 and not done >> level & 1
                own = stage.calls * stage.choices[choice].usd if reached else 0.0
                below[child] = min(below.get(child, math.inf), spent + own)
        layer = below
    return min(layer.values())


OBJECTIVES: dict[str, Objective] = {
    "delay-cost": delay_cost,
    "finish-time": finish_time,
    "dollars": dollars,
}
"""By the names that options use; `throughput` is :class:`flowir.serving.beam.BeamThroughput`."""
