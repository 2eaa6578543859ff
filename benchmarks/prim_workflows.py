"""The four workflows of Teola (arXiv 2407.00326) as primitives: module after module, and optimised.

Sequential: each module waits for all of the one before, and calls a model once per prompt.
Optimised: what the passes make of it: only data edges (prune), stages of 16 (split), prompt parts
known early prefilled early (prefill), pieces of a list going on as they are written (pipeline).
Each pass can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowir.prim.graph import Kind, Node, PrimitiveGraph, Work

STAGE = 16
"""Items of a stage: the batch size of the published embedding example."""


@dataclass(frozen=True)
class Settings:
    """Sizes; tokens unless said otherwise.

    Attributes:
        chunks: of the documents of a query; 48 is the published embedding example.
        answer: of each synthesis call; 10 is `max_tokens` of the published code's examples.
        instruction: of a synthesis prompt; about the length of the published code's template.
    """

    chunks: int = 48
    chunk: int = 256
    answer: int = 10
    instruction: int = 450
    question: int = 20
    expanded: int = 20
    expand_instruction: int = 150
    proxy_answer: int = 60
    verdict: int = 5
    pages: int = 4
    summary: int = 50
    neighbours: int = 4
    search_odds: float = 0.5


@dataclass(frozen=True)
class Passes:
    """Which passes ran."""

    prune: bool = True
    stages: bool = True
    prefill: bool = True
    pipeline: bool = True
    speculate: bool = False


SEQUENTIAL = Passes(False, False, False, False)
OPTIMISED = Passes()


@dataclass
class Builder:
    """Collects nodes; `barrier` is what everything waits for where modules are sequential."""

    passes: Passes
    nodes: list[Node] = field(default_factory=list)
    odds: dict[int, Mapping[str, float]] = field(default_factory=dict)
    barrier: tuple[int, ...] = ()

    def add(
        self,
        name: str,
        kind: Kind,
        engine: str | None,
        work: Work,
        after: tuple[int, ...] = (),
        kv: int | None = None,
        guards: tuple[tuple[int, str], ...] = (),
    ) -> int:
        needs = set(after)
        # Pieces go on one by one between modules that pass data on, in their order otherwise.
        pieces = self.passes.stages or self.passes.pipeline
        if not self.passes.prune and not (pieces and needs & set(self.barrier)):
            needs |= set(self.barrier)
        if kv is not None:
            needs.add(kv)
        batchable = kind in ("embedding", "ingestion", "searching", "reranking")
        self.nodes.append(
            Node(name, kind, engine, work, tuple(sorted(needs)), kv, guards, batchable)
        )
        return len(self.nodes) - 1

    def ends(self, *nodes: int) -> None:
        """A module ends: where modules are sequential, the next begins after it."""
        self.barrier = nodes

    def staged(
        self,
        name: str,
        kind: Kind,
        engine: str,
        items: int,
        after: list[tuple[int, ...]],
        each: int,
    ) -> list[int]:
        """One node, or one per stage of 16; `after` of each stage where there are several."""
        if not self.passes.stages or items <= STAGE:
            every = tuple(sorted({other for some in after for other in some}))
            return [self.add(name, kind, engine, Work(items, items * each), every)]
        sizes = [min(STAGE, items - first) for first in range(0, items, STAGE)]
        return [
            self.add(f"{name} {i}", kind, engine, Work(size, size * each),
                     after[i] if len(after) == len(sizes) else
                     tuple(sorted({other for some in after for other in some})))
            for i, size in enumerate(sizes)
        ]  # fmt: skip

    def prompt(
        self,
        name: str,
        engine: str,
        parts: list[tuple[int, tuple[int, ...]]],
        guards: tuple[tuple[int, str], ...] = (),
    ) -> int:
        """Prefill parts of (tokens, what they wait for), in prompt order; gives the last node.

        Parts that wait for the same are one; with the pass, what is known early is prefilled then.
        """
        if not self.passes.prefill:
            every = tuple(sorted({other for _, after in parts for other in after}))
            total = sum(tokens for tokens, _ in parts)
            return self.add(name, "prefilling", engine, Work(1, total), every, guards=guards)
        joined: list[tuple[int, tuple[int, ...]]] = []
        for tokens, after in parts:
            if joined and set(after) <= set(joined[-1][1]):
                joined[-1] = (joined[-1][0] + tokens, joined[-1][1])
            else:
                joined.append((tokens, after))
        last, context = None, 0
        for i, (tokens, after) in enumerate(joined):
            kind: Kind = "partial prefilling"
            if i == len(joined) - 1:
                kind = "full prefilling" if i else "prefilling"
            last = self.add(f"{name} {i}", kind, engine, Work(1, tokens, 0, context), after, last,
                            guards if i == len(joined) - 1 else ())  # fmt: skip
            context += tokens
        assert last is not None
        return last

    def decode(
        self, name: str, prefill: int, tokens: int, guards: tuple[tuple[int, str], ...] = ()
    ) -> int:
        work = self.nodes[prefill].work
        context = work.context_tokens + work.input_tokens
        engine = self.nodes[prefill].engine
        return self.add(name, "decoding", engine, Work(1, 0, tokens, context), (), prefill, guards)

    def pieces(self, name: str, prefill: int, tokens: int, count: int) -> list[int]:
        """A decode of a list: one node per element, or one for all of them."""
        if not self.passes.pipeline:
            return [self.decode(name, prefill, tokens * count)] * count
        work = self.nodes[prefill].work
        context = work.context_tokens + work.input_tokens
        found, last = [], prefill
        for i in range(count):
            last = self.add(f"{name} {i}", "partial decoding", self.nodes[prefill].engine,
                            Work(1, 0, tokens, context + i * tokens), (), last)  # fmt: skip
            found.append(last)
        return found

    def graph(self, result: int) -> PrimitiveGraph:
        return PrimitiveGraph(tuple(self.nodes), result, dict(self.odds))


def _index(b: Builder, s: Settings) -> tuple[int, ...]:
    """Documents embedded and ingested."""
    embedded = b.staged("embed", "embedding", "embedding", s.chunks, [()], s.chunk)
    b.ends(*embedded)
    ingested = b.staged("ingest", "ingestion", "vector store", s.chunks,
                        [(node,) for node in embedded], s.chunk)  # fmt: skip
    b.ends(*ingested)
    return tuple(ingested)


def advanced_rag(s: Settings, passes: Passes) -> PrimitiveGraph:
    """Index; expand to 3; search 16 each; rerank to 3; refine 3 times."""
    b = Builder(passes)
    index = _index(b, s)
    asked = b.prompt("expand", "large", [(s.expand_instruction + s.question, ())])
    queries = b.pieces("expand", asked, s.expanded, 3)
    b.ends(*dict.fromkeys(queries))
    reranked: list[int] = []
    if passes.pipeline:
        embedded = [b.add(f"embed query {i}", "embedding", "embedding", Work(1, s.expanded), (q,))
                    for i, q in enumerate(queries)]  # fmt: skip
        b.ends(*embedded)
        found = [b.add(f"search {i}", "searching", "vector store", Work(1, s.expanded),
                       (e, *index)) for i, e in enumerate(embedded)]  # fmt: skip
    else:
        embedded = [b.add("embed queries", "embedding", "embedding", Work(3, 3 * s.expanded),
                          (queries[-1],))]  # fmt: skip
        b.ends(*embedded)
        found = [b.add("search", "searching", "vector store", Work(3, 3 * s.expanded),
                       (*embedded, *index))]  # fmt: skip
    b.ends(*found)
    pairs = s.question + s.chunk
    reranked = b.staged("rerank", "reranking", "reranker", 48, [(node,) for node in found], pairs)
    best = b.add("best", "aggregate", None, Work(), tuple(reranked))
    b.ends(best)
    last: int | None = None
    for i in range(3):
        # The chunk stands before the previous answer, which comes later.
        parts: list[tuple[int, tuple[int, ...]]] = [(s.instruction + s.question, ()),
                                                    (s.chunk, (best,))]  # fmt: skip
        if last is not None:
            parts.append((s.answer, (last, best)))
        last = b.decode(f"answer {i}", b.prompt(f"refine {i}", "large", parts), s.answer)
        b.ends(last)
    assert last is not None
    return b.graph(last)


def naive_rag(s: Settings, passes: Passes) -> PrimitiveGraph:
    """Index; search 3; a call for each and one for the three answers."""
    b = Builder(passes)
    index = _index(b, s)
    embedded = b.add("embed query", "embedding", "embedding", Work(1, s.question))
    b.ends(embedded)
    found = b.add("search", "searching", "vector store", Work(1, s.question), (embedded, *index))
    b.ends(found)
    early = s.instruction + s.question
    leaves = [
        b.decode(f"leaf {i}", b.prompt(f"leaf {i}", "large", [(early, ()), (s.chunk, (found,))]),
                 s.answer) for i in range(3)
    ]  # fmt: skip
    b.ends(*leaves)
    parts = [(early, ()), (3 * s.answer, tuple(leaves))]
    return b.graph(b.decode("answer", b.prompt("root", "large", parts), s.answer))


def search_engine(s: Settings, passes: Passes) -> PrimitiveGraph:
    """A small model answers, and judges whether to search; the large model writes the answer."""
    b = Builder(passes)
    asked = b.prompt("proxy", "small", [(s.instruction + s.question, ())])
    draft = b.decode("proxy", asked, s.proxy_answer)
    b.ends(draft)
    parts = [(s.instruction + s.question, ()), (s.proxy_answer, (draft,))]
    verdict = b.decode("judge", b.prompt("judge", "small", parts), s.verdict)
    condition = b.add("search?", "condition", None, Work(), (verdict,))
    b.odds[condition] = {"search": s.search_odds, "direct": 1 - s.search_odds}
    b.ends(condition)
    if passes.speculate:
        found = b.add("web", "tool", "web", Work())
    else:
        found = b.add("web", "tool", "web", Work(), guards=((condition, "search"),))
    b.ends(found)
    early = s.instruction + s.question
    ends = []
    for label, extra, after in (
        ("search", s.pages * s.chunk, (found, condition)),
        ("direct", s.proxy_answer, (condition,)),
    ):
        guards = ((condition, label),)
        # The instruction is prefilled for whichever of the two it will be.
        parts = [(extra, after)]
        prefill = _late(b, early, label, parts[0], guards)
        ends.append(b.decode(f"answer {label}", prefill, s.answer, guards))
    return b.graph(b.add("answer", "aggregate", None, Work(), tuple(ends)))


def _late(
    b: Builder,
    early: int,
    label: str,
    late: tuple[int, tuple[int, ...]],
    guards: tuple[tuple[int, str], ...],
) -> int:
    """Synthesis after a condition: its early part is one prefix for both cases."""
    tokens, after = late
    if not b.passes.prefill:
        work = Work(1, early + tokens)
        return b.add(f"synthesis {label}", "prefilling", "large", work, after, guards=guards)
    shared = next((i for i, node in enumerate(b.nodes) if node.name == "synthesis early"), None)
    if shared is None:
        shared = b.add("synthesis early", "partial prefilling", "large", Work(1, early))
    work = Work(1, tokens, 0, early)
    return b.add(f"synthesis {label}", "full prefilling", "large", work, after, shared, guards)


def contextual(s: Settings, passes: Passes) -> PrimitiveGraph:
    """Each chunk gets a summary of its surroundings; index; search 32; rerank to 3; one call."""
    b = Builder(passes)
    prompt = s.expand_instruction + (1 + s.neighbours) * s.chunk
    summaries = [
        b.decode(f"summary {i}", b.prompt(f"summary {i}", "small", [(prompt, ())]), s.summary)
        for i in range(s.chunks)
    ]
    b.ends(*summaries)
    each = s.chunk + s.summary
    if passes.stages:  # as summaries come, so do texts to embed; the engine makes batches of them
        embedded = [b.add(f"embed {i}", "embedding", "embedding", Work(1, each), (node,))
                    for i, node in enumerate(summaries)]  # fmt: skip
        ingested = [b.add(f"ingest {i}", "ingestion", "vector store", Work(1, each), (node,))
                    for i, node in enumerate(embedded)]  # fmt: skip
    else:
        embedded = [b.add("embed", "embedding", "embedding", Work(s.chunks, s.chunks * each),
                          tuple(summaries))]  # fmt: skip
        b.ends(*embedded)
        ingested = [b.add("ingest", "ingestion", "vector store", Work(s.chunks, s.chunks * each),
                          tuple(embedded))]  # fmt: skip
    b.ends(*ingested)
    query = b.add("embed query", "embedding", "embedding", Work(1, s.question))
    b.ends(query)
    found = b.add("search", "searching", "vector store", Work(1, s.question), (query, *ingested))
    b.ends(found)
    reranked = b.staged("rerank", "reranking", "reranker", 32, [(found,)], s.question + each)
    best = b.add("best", "aggregate", None, Work(), tuple(reranked))
    b.ends(best)
    parts = [(s.instruction + s.question, ()), (3 * each, (best,))]
    return b.graph(b.decode("answer", b.prompt("synthesis", "large", parts), s.answer))


WORKFLOWS: Mapping[str, Callable[[Settings, Passes], PrimitiveGraph]] = {
    "search engine": search_engine,
    "naive RAG": naive_rag,
    "advanced RAG": advanced_rag,
    "contextual retrieval": contextual,
}
