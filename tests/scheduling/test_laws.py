"""Whatever the graphs and the policy: each primitive once, after its inputs, within what fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.prim.graph import Kind, Node, PrimitiveGraph, Work
from flowir.scheduling.policies import FIFO, OLDEST_FIRST, POLICIES, TEOLA, Policy
from flowir.scheduling.scheduler import Scheduler
from flowir.scheduling.work import Batch, Progress, Request, Task
from tests.budget import some
from tests.scheduling.graphs import ENGINES, graphs

CHOSEN = st.sampled_from(
    [
        *POLICIES.values(),
        Policy("window", "ready", False, window=1),
        Policy("in turn", rounds=True, linger_s=0.5, window=2),
    ]
)


class Player:
    """Runs queries to their end in an order that hypothesis chooses, checking every step."""

    def __init__(self, data: st.DataObject, policy: Policy) -> None:
        self.data = data
        self.scheduler = Scheduler(ENGINES, policy)
        self.graphs: dict[int, PrimitiveGraph] = {}
        self.cancelled: set[int] = set()
        self.running: list[Batch | Request] = []
        self.at: dict[int, int] = {}
        self.items: Counter[Task] = Counter()
        self.started: set[Task] = set()
        self.finished: dict[Task, str | None] = {}
        self.skipped: set[Task] = set()
        self.ended: set[int] = set()
        self.answered: Counter[int] = Counter()
        self.now = 0.0

    def play(self, arrivals: list[PrimitiveGraph], cancel: bool) -> None:
        waiting = list(enumerate(arrivals))
        while waiting or self.scheduler.queries or self.running:
            self.start()
            moves = [*(["arrive"] if waiting else []), *range(len(self.running))]
            if not moves:
                if not self.scheduler.queries:
                    break
                wake = self.scheduler.wake()
                assert wake is not None, "queries are left, and nothing runs or will"
                self.now = max(self.now, wake)
                continue
            self.now += self.data.draw(st.sampled_from((0.0, 0.1, 1.0)))
            move = self.data.draw(st.sampled_from(moves))
            if move == "arrive":
                query, graph = waiting.pop(0)
                self.graphs[query] = graph
                self.follow(self.scheduler.arrive(query, graph, self.now))
            else:
                self.end(int(move))
            if cancel and self.scheduler.queries and self.data.draw(st.integers(0, 9)) == 0:
                query = self.data.draw(st.sampled_from(self.scheduler.queries))
                assert isinstance(query, int)
                self.scheduler.cancel(query)
                self.cancelled.add(query)

    def start(self) -> None:
        while True:
            free = self.scheduler.immediate()
            for task in free:
                self.begins(task)
                self.follow(self.scheduler.done(task, self.now, self.label(task)), task)
            started = self.scheduler.starts(self.now)
            for work in started:
                self.running.append(work)
                if isinstance(work, Request):
                    for task in work.tasks:
                        assert task not in self.started
                        self.started.add(task)
                    self.begins(work.tasks[0])
                else:
                    engine = ENGINES[work.engine]
                    assert isinstance(engine, BatchEngine)
                    assert 0 < work.items <= min(engine.largest_batch, engine.efficient_batch)
                    assert work.items == sum(share.items for share in work.shares)
                    nodes = [self.node(share.task) for share in work.shares]
                    assert {node.kind for node in nodes} == {work.kind}
                    alone = not all(node.batchable for node in nodes)
                    assert not alone or len(work.shares) == 1
                    for task, first, items in work.shares:
                        assert first == self.items[task]
                        self.items[task] += items
                        if not first:
                            self.begins(task)
            self.fits()
            if not free and not started:
                return

    def begins(self, task: Task) -> None:
        """All it needs is done, and its conditions said so."""
        if task.query in self.cancelled:
            return
        node = self.node(task)
        for other in node.after:
            assert Task(task.query, other) in self.finished
        for condition, label in node.guards:
            assert self.finished[Task(task.query, condition)] == label

    def end(self, index: int) -> None:
        work = self.running[index]
        if isinstance(work, Batch):
            self.running.pop(index)
            self.follow(self.scheduler.batch_done(work, self.now))
            return
        at = self.at.get(id(work), 0)
        self.at[id(work)] = at + 1
        task = work.tasks[at]
        if at:
            self.begins(task)
        if at + 1 == len(work.tasks):
            self.running.pop(index)
            del self.at[id(work)]
        self.follow(self.scheduler.done(task, self.now), task)

    def follow(self, progress: Progress, task: Task | None = None) -> None:
        for one in progress.completed:
            assert one not in self.finished
            self.finished[one] = self.label(one)
        for one in progress.skipped:
            assert one not in self.finished
            assert one not in self.started
            assert not self.items[one]
            self.finished[one] = None
            self.skipped.add(one)
        self.answered.update(q for q in progress.answered if isinstance(q, int))
        self.ended.update(q for q in progress.ended if isinstance(q, int))

    def fits(self) -> None:
        for name, engine in ENGINES.items():
            mine = [work for work in self.running if work.engine == name]
            slots, tokens = self.scheduler.load(name)
            assert slots == len(mine) <= engine.slots
            if isinstance(engine, LanguageModelEngine):
                reserved = sum(work.kv_tokens for work in mine if isinstance(work, Request))
                assert reserved - 1e-6 <= tokens <= engine.kv_tokens + 1e-6

    def node(self, task: Task) -> Node:
        assert isinstance(task.query, int)
        return self.graphs[task.query].nodes[task.node]

    def label(self, task: Task) -> str | None:
        if self.node(task).kind != "condition":
            return None
        return "yes" if task.node % 2 else "no"


@settings(max_examples=some(80), deadline=None, phases=[Phase.generate])
@given(st.data(), CHOSEN, st.lists(graphs(), min_size=1, max_size=5), st.booleans())
def test_every_primitive_runs_once_after_its_inputs_and_within_slots_and_cache(
    data: st.DataObject, policy: Policy, arrivals: list[PrimitiveGraph], cancel: bool
) -> None:
    player = Player(data, policy)
    player.play(arrivals, cancel)
    for query, graph in enumerate(arrivals):
        if query in player.cancelled:
            continue
        assert query in player.ended
        assert player.answered[query] == 1
        for index, node in enumerate(graph.nodes):
            task = Task(query, index)
            assert task in player.finished
            wanted = all(player.finished[Task(query, c)] == label for c, label in node.guards)
            assert (task in player.skipped) == (not wanted)
            if node.engine in ("embed", "search") and wanted:
                assert player.items[task] == node.work.items
    for name in ENGINES:
        assert player.scheduler.load(name) == (0, 0.0)


@settings(max_examples=some(40), deadline=None)
@given(st.data(), graphs(), st.integers(1, 4))
def test_an_endless_stream_of_later_queries_never_starves_one(
    data: st.DataObject, graph: PrimitiveGraph, pressure: int
) -> None:
    """While others keep coming, faster than anything ends, the first query still ends."""
    policy = data.draw(st.sampled_from([p for p in POLICIES.values() if p.by_query or
                                        p.order == "ready"]))  # fmt: skip
    player = Player(data, policy)
    player.graphs[0] = graph
    player.follow(player.scheduler.arrive(0, graph, 0.0))
    query = 0
    for _ in range(400):
        if 0 in player.ended:
            break
        player.now += 1.0
        for _ in range(pressure):
            query += 1
            player.graphs[query] = graph
            player.follow(player.scheduler.arrive(query, graph, player.now))
        player.start()
        for _ in range(min(3, len(player.running))):  # the oldest of what runs ends
            player.end(0)
    assert 0 in player.ended


def first_two(
    policy: Policy, engine: BatchEngine | LanguageModelEngine, queries: Mapping[str, Sequence[int]]
) -> list[tuple[str, int]]:
    """Which tasks start on an engine with two places, of queries with tasks of these depths."""
    kind: Kind = "tool" if isinstance(engine, BatchEngine) else "prefilling"
    scheduler = Scheduler({"e": engine, "later": BatchEngine("later", 1.0)}, policy)
    for query, depths in queries.items():
        nodes = [Node(f"{depth}", kind, "e", Work(), batchable=True) for depth in depths]
        for index, depth in enumerate(depths):
            last = index
            for _ in range(depth - 1):
                nodes.append(Node("then", "tool", "later", Work(), (last,)))
                last = len(nodes) - 1
        scheduler.arrive(query, PrimitiveGraph(tuple(nodes), 0), 0.0)
    tasks = [
        task
        for work in scheduler.starts(0.0)
        for task in (
            work.tasks if isinstance(work, Request) else (share.task for share in work.shares)
        )
    ]
    return [(str(task.query), queries[str(task.query)][task.node]) for task in tasks]


@pytest.mark.parametrize(
    "engine",
    [BatchEngine("e", 1.0, efficient_batch=2), LanguageModelEngine("e", 1.0, 0, 0, slots=2)],
)
def test_of_a3_b1_and_g2_h1_two_slots_take_a_and_g(
    engine: BatchEngine | LanguageModelEngine,
) -> None:
    """The published example (arXiv 2407.00326), as two queries and as one."""
    two = {"one": (1, 3), "two": (1, 2)}
    assert first_two(TEOLA, engine, two) == [("one", 3), ("two", 2)]
    assert first_two(TEOLA, engine, {"one": (3, 1, 2, 1)}) == [("one", 3), ("one", 2)]
    assert first_two(FIFO, engine, two) == [("one", 1), ("one", 3)]
    assert first_two(OLDEST_FIRST, engine, two) == [("one", 3), ("one", 1)]


@pytest.mark.parametrize(("batch", "seconds"), [(4, 1.8), (16, 1.35)])
def test_48_embeddings_take_the_published_seconds(batch: int, seconds: float) -> None:
    engine = BatchEngine("embed", 0.05, 0.025, efficient_batch=batch)
    scheduler = Scheduler({"embed": engine})
    node = Node("embed", "embedding", "embed", Work(48), batchable=True)
    scheduler.arrive(0, PrimitiveGraph((node,), 0), 0.0)
    taken = 0.0
    while scheduler.queries:
        (work,) = scheduler.starts(taken)
        assert isinstance(work, Batch)
        taken += engine.batch_s(work.items, work.tokens)
        scheduler.batch_done(work, taken)
    assert taken == pytest.approx(seconds, rel=1e-12)
