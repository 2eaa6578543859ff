"""Primitives under a batching scheduler: speed-ups, distance from a lower bound, and its own speed.

    python -m benchmarks.prim [--data DIR] [--quick] [--seed N] [--json FILE]

Latencies are simulated, with engines fitted to published measurements
(`flowir/engines/defaults.py`; the fits are printed where the data is given). Unless a line says
otherwise: answers of 10 tokens, 48 chunks of 256 tokens a query, instructions of 450 tokens,
batches of at most 16 items, no linger except 10 ms for throughput batching, any number of calls of
a client at a time, and 64 requests on a language model. Published figures (Teola, arXiv
2407.00326) stand beside, and are no targets.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.fit_engines import fits
from benchmarks.prim_compiled import through_the_compiler
from benchmarks.prim_load import Runs, loaded, mixed
from benchmarks.prim_passes import optimising
from benchmarks.prim_workflows import (
    OPTIMISED,
    SEQUENTIAL,
    WORKFLOWS,
    Passes,
    Settings,
    search_engine,
)
from flowir.engines.defaults import DEFAULTS, EMBEDDING, LARGE, SPLIT_OVERHEAD_S
from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.prim.graph import Node, PrimitiveGraph, Work
from flowir.scheduling.policies import EARLY_WHEN_IDLE, PER_INVOCATION, TEOLA, Policy
from flowir.scheduling.scheduler import Scheduler
from flowir.scheduling.work import Batch, Request
from flowir.sim.bounds import query_bounds
from flowir.sim.primitives import Arrival, simulate_primitives

ANSWERS = (5, 10, 30, 100)

PUBLISHED = {"search engine": 1.79, "naive RAG": 1.62, "advanced RAG": 2.09}
"""Largest speed-ups at a low rate; contextual retrieval 1.06 to 1.59."""

PUBLISHED_ABLATION = {"full": 1.0, "parallelisation": 1.4, "pipelining": 1.55, "neither": 1.73}

ABLATION = {
    "full": OPTIMISED,
    "parallelisation": Passes(stages=False, pipeline=False),
    "pipelining": Passes(prune=False, prefill=False),
    "neither": SEQUENTIAL,
}


def alone_s(
    graph: PrimitiveGraph,
    policy: Policy = EARLY_WHEN_IDLE,
    label: str = "search",
    engines: Mapping[str, Engine] = DEFAULTS,
) -> float:
    """Latency of one query on idle engines."""
    labels = dict.fromkeys(graph.odds, label)
    run = simulate_primitives([Arrival(0, 0.0, graph, labels)], engines, policy)
    return run.mean_latency_s


def golden(figures: Figures) -> None:
    """The paper's worked examples, to the digit."""
    figures.heading("Published examples (arXiv 2407.00326)")
    node = Node("embed", "embedding", "embedding", Work(48), batchable=True)
    graph = PrimitiveGraph((node,), 0)
    for batch, seconds in ((4, 1.8), (16, 1.35)):
        engines = {"embedding": replace(EMBEDDING, efficient_batch=batch)}
        taken = alone_s(graph, engines=engines)
        figures.add(f"48 embeddings, batches of {batch}: seconds less {seconds}",
                    abs(taken - seconds), "s", at_most=1e-9)  # fmt: skip
    early, late = 0.07603, 0.21589
    split = LARGE.prefill_base_s * 2 + (0.26036 - SPLIT_OVERHEAD_S)
    figures.add("prefill in two parts less 76.03 + 215.89 ms", 1e3 * abs(split - early - late),
                "ms", at_most=1e-6)  # fmt: skip
    for engine in (BatchEngine("e", 1.0, efficient_batch=2), LanguageModelEngine("e", 1, 0, 0,
                   slots=2)):  # fmt: skip
        wrong = _two_slots(engine) != ["A", "G"]
        told = "a batch of two" if isinstance(engine, BatchEngine) else "two slots of a model"
        figures.add(f"A(3), B(1) / G(2), H(1), {told}: other than A, G", wrong, at_most=0)


def _two_slots(engine: Engine) -> list[str]:
    kind = "tool" if isinstance(engine, BatchEngine) else "prefilling"
    scheduler = Scheduler({"e": engine, "later": BatchEngine("later", 1.0)}, TEOLA)
    graphs = {}
    for query, depths in enumerate(({"B": 1, "A": 3}, {"H": 1, "G": 2})):
        nodes = [Node(name, kind, "e", Work(), batchable=True) for name in depths]  # type: ignore[arg-type]
        for index, depth in enumerate(depths.values()):
            last = index
            for _ in range(depth - 1):
                nodes.append(Node("later", "tool", "later", Work(), (last,)))
                last = len(nodes) - 1
        graphs[query] = PrimitiveGraph(tuple(nodes), 0)
        scheduler.arrive(query, graphs[query], 0.0)
    tasks = []
    for work in scheduler.starts(0.0):
        tasks += work.tasks if isinstance(work, Request) else [s.task for s in work.shares]
    return [graphs[int(str(task.query))].nodes[task.node].name for task in tasks]


def single(figures: Figures, settings: Settings) -> None:
    """One query at a time."""
    for name, workflow in WORKFLOWS.items():
        figures.heading(
            f"{name}, one query; a search is {'needed' if 'engine' in name else 'made'}"
        )
        for answer in ANSWERS:
            sized = replace(settings, answer=answer)
            before = alone_s(workflow(sized, SEQUENTIAL), PER_INVOCATION)
            graph = workflow(sized, OPTIMISED)
            after = alone_s(graph)
            least = 0.99
            if name == "advanced RAG" and answer == settings.answer:
                least = 1.65
            figures.add(f"{name}, answers of {answer}: over sequential", before / after, "×",
                        at_least=least, note=f"{before:.3f} s to {after:.3f} s")  # fmt: skip
            labels = dict.fromkeys(graph.odds, "search")
            bound = query_bounds(graph, DEFAULTS, labels).latency_s
            plain = query_bounds(graph, DEFAULTS, labels, nested=False).latency_s
            figures.add(f"{name}, answers of {answer}: over the lower bound", after / bound, "×",
                        at_most=1.1 if name == "search engine" else 1.2,
                        note=f"over the one without nested heads {after / plain:.3f}")  # fmt: skip
        if name in PUBLISHED:
            figures.add(f"{name}, published, low rate", PUBLISHED[name], "×", simulated=False)
    _ablation(figures, settings)
    _windows(figures, settings)


def _ablation(figures: Figures, settings: Settings) -> None:
    for answer in (settings.answer, 100):
        figures.heading(f"Ablation: advanced RAG, one query, answers of {answer}; published beside")
        sized = replace(settings, answer=answer)
        taken = {}
        for name, passes in ABLATION.items():
            policy = PER_INVOCATION if passes == SEQUENTIAL else EARLY_WHEN_IDLE
            taken[name] = alone_s(WORKFLOWS["advanced RAG"](sized, passes), policy)
        for name, seconds in taken.items():
            figures.add(f"ablation, answers of {answer}, {name}: relative latency",
                        seconds / taken["full"], "×",
                        note=f"published {PUBLISHED_ABLATION[name]}")  # fmt: skip


def _windows(figures: Figures, settings: Settings) -> None:
    figures.heading("Contextual retrieval where a sequential client has few calls at a time")
    workflow = WORKFLOWS["contextual retrieval"]
    after = alone_s(workflow(settings, OPTIMISED))
    for window in (4, 8, 16, 32):
        policy = replace(PER_INVOCATION, name="window", window=window)
        before = alone_s(workflow(settings, SEQUENTIAL), policy)
        figures.add(f"contextual, {window} calls of the client at a time: over sequential",
                    before / after, "×", note="published 1.06 to 1.59")  # fmt: skip
    for slots in (16, 32, 128):
        engines = dict(DEFAULTS)
        engines["small"] = replace(engines["small"], slots=slots)  # type: ignore[arg-type]
        graph = workflow(settings, OPTIMISED)
        bound = query_bounds(graph, engines).latency_s
        after = alone_s(graph, engines=engines)
        before = alone_s(workflow(settings, SEQUENTIAL), PER_INVOCATION, engines=engines)
        figures.add(f"contextual, {slots} requests on the small model: over sequential",
                    before / after, "×", note=f"over its bound {after / bound:.3f}")  # fmt: skip


def elsewhere(figures: Figures, settings: Settings) -> None:
    """Where larger speed-ups appear: what advanced RAG's depends on, one thing at a time."""
    figures.heading("Advanced RAG, one query, over sequential: other settings, one at a time")
    reranker = DEFAULTS["reranker"]
    store = DEFAULTS["vector store"]
    assert isinstance(reranker, BatchEngine)
    assert isinstance(store, BatchEngine)
    cases: list[tuple[str, Settings, Mapping[str, Engine]]] = []
    for item_ms in (1, 5, 10):
        engine = replace(reranker, per_item_s=item_ms / 1000, base_s=0.01)
        told = f"reranker of 10 ms a batch and {item_ms} ms a pair"
        cases.append((told, settings, {**DEFAULTS, "reranker": engine}))
    cases += [
        (f"expanded queries of {n} tokens", replace(settings, expanded=n), DEFAULTS)
        for n in (10, 40, 60)
    ]
    cases += [(f"{n} chunks", replace(settings, chunks=n), DEFAULTS) for n in (16, 96, 192)]
    cases += [
        (f"instructions of {n} tokens", replace(settings, instruction=n), DEFAULTS)
        for n in (100, 1000)
    ]
    for item_ms in (10, 20):
        engine = replace(store, per_item_s=item_ms / 1000)
        cases.append((f"ingestion of {item_ms} ms a chunk", settings,
                      {**DEFAULTS, "vector store": engine}))  # fmt: skip
    cheap = replace(reranker, per_item_s=0.001, base_s=0.01)
    both = replace(settings, expanded=40, answer=5)
    cases.append(("reranker of 1 ms a pair, expanded queries of 40 tokens, answers of 5", both,
                  {**DEFAULTS, "reranker": cheap}))  # fmt: skip
    workflow = WORKFLOWS["advanced RAG"]
    for told, sized, engines in cases:
        before = alone_s(workflow(sized, SEQUENTIAL), PER_INVOCATION, engines=engines)
        after = alone_s(workflow(sized, OPTIMISED), engines=engines)
        figures.add(f"advanced RAG, {told}", before / after, "×")


def speculation(figures: Figures, settings: Settings, queries: int, seed: int) -> None:
    """Searching before the condition has said so, and what of it is wasted."""
    for odds in (0.2, 0.5, 0.8):
        sized = replace(settings, search_odds=odds)
        figures.heading(f"SE: search while the condition is open; needed with odds {odds}")
        taken = {}
        for name, passes in (("kept", OPTIMISED), ("open", replace(OPTIMISED, speculate=True))):
            graph = search_engine(sized, passes)
            arrivals = [Arrival(i, 20.0 * i, graph) for i in range(queries)]
            run = simulate_primitives(arrivals, DEFAULTS, EARLY_WHEN_IDLE, seed=seed)
            taken[name] = run
        gain = taken["kept"].mean_latency_s / taken["open"].mean_latency_s
        figures.add(f"speculation, odds {odds}: over the condition kept", gain, "×")
        useless = sum("direct" in a.labels.values() for a in taken["open"].answers)
        figures.add(f"speculation, odds {odds}: searches wasted", 100 * useless / queries, "%")
        more = taken["open"].busy_s["web"] - taken["kept"].busy_s["web"]
        figures.add(f"speculation, odds {odds}: seconds of search wasted a query", more / queries,
                    "s")  # fmt: skip


def decisions(figures: Figures, nodes: int, repeats: int) -> None:
    """CPU time of a node from its query's arrival to its end, without what it does.

    The least of the repeats: what other work of the machine adds to CPU time is no one's speed.
    """
    figures.heading(f"Scheduling a graph of {nodes} primitives: CPU time, least of {repeats}")
    draw = random.Random(0)
    made = []
    for index in range(nodes):
        near = range(max(0, index - 200), index)
        after = tuple(sorted(set(draw.sample(near, 2)))) if index > 50 else ()
        if index % 2:
            made.append(Node("e", "embedding", "embedding", Work(3), after, batchable=True))
        else:
            made.append(Node("p", "prefilling", "large", Work(1, 100), after))
    graph = PrimitiveGraph(tuple(made), nodes - 1)
    for policy in (EARLY_WHEN_IDLE, TEOLA):
        taken = []
        for _ in range(repeats):
            start = time.process_time()
            _play(graph, policy)
            taken.append(time.process_time() - start)
        figures.add(f"a node, {policy.name}", 1e6 * min(taken) / nodes, "µs", at_most=50,
                    simulated=False)  # fmt: skip


def _play(graph: PrimitiveGraph, policy: Policy) -> None:
    scheduler = Scheduler(DEFAULTS, policy)
    scheduler.arrive(0, graph, 0.0)
    while scheduler.queries:
        for work in scheduler.starts(0.0):
            if isinstance(work, Batch):
                scheduler.batch_done(work, 0.0)
            else:
                for task in work.tasks:
                    scheduler.done(task, 0.0)


def main(given: Sequence[str] | None = None) -> None:
    asked = arguments(__doc__).parse_args(given)
    figures = Figures(simulated=True)
    settings = Settings()
    seeds = range(asked.seed, asked.seed + (2 if asked.quick else 10))
    if asked.data:
        fits(figures, asked.data)
    golden(figures)
    decisions(figures, 10_000, 3 if asked.quick else 5)
    measured = Figures()
    measured.heading("Optimising: the passes of `teola`")
    optimising(measured, quick=asked.quick)
    figures.found += measured.found
    single(figures, settings)
    elsewhere(figures, settings)
    speculation(figures, settings, 100 if asked.quick else 1000, asked.seed)
    runs = Runs(seeds, 60, asked.data, settings)
    through_the_compiler(figures, runs)
    loaded(figures, runs)
    mixed(figures, runs)
    if asked.json:
        write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
