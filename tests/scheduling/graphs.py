"""Engines and random graphs for the tests of scheduling and its simulation."""

from __future__ import annotations

from hypothesis import strategies as st

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.prim.graph import Node, PrimitiveGraph, Work

ENGINES: dict[str, Engine] = {
    "llm": LanguageModelEngine(
        "llm", 0.03, 7e-5, 0.0136, 8e-5, 3e-8, slots=3, kv_tokens=4000, prefill_batch_tokens=1000
    ),
    "small": LanguageModelEngine(
        "small", 0.01, 2e-5, 0.006, 0.0, 5e-8, slots=2, kv_tokens=2500, prefix_cache=False
    ),
    "embed": BatchEngine("embed", 0.05, 0.025, efficient_batch=16),
    "search": BatchEngine("search", 0.01, 0.002, largest_batch=4, slots=2),
}
MODELS = ("llm", "small")


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> PrimitiveGraph:
    """Random primitives: chains of prefills and decodes, batches, conditions and guards."""
    nodes: list[Node] = []
    odds: dict[int, dict[str, float]] = {}
    for index in range(draw(st.integers(1, most))):
        earlier = st.integers(0, index - 1) if index else st.nothing()
        after = draw(st.sets(earlier, max_size=3)) if index else set()
        guards = []
        if odds and draw(st.integers(0, 3)) == 0:
            condition = draw(st.sampled_from(sorted(odds)))
            guards.append((condition, draw(st.sampled_from(sorted(odds[condition])))))
        choice = draw(st.sampled_from(("chain", "prefill", "batch", "free", "condition")))
        chains = [i for i, node in enumerate(nodes) if node.engine in MODELS]
        if choice == "chain" and chains:
            parent = draw(st.sampled_from(chains))
            before = nodes[parent]
            held = before.work
            context = held.context_tokens + held.input_tokens + held.output_tokens
            kind = draw(st.sampled_from(("full prefilling", "decoding", "partial decoding")))
            tokens = float(draw(st.integers(0, 150)))
            work = (
                Work(1, tokens, 0.0, context)
                if kind == "full prefilling"
                else Work(1, 0.0, tokens, context)
            )
            if context + tokens > 2500:
                continue_with = Node(f"n{index}", "aggregate", None, after=tuple(sorted(after)))
            else:
                continue_with = Node(
                    f"n{index}",
                    kind,  # type: ignore[arg-type]
                    before.engine,
                    work,
                    tuple(sorted({*after, parent})),
                    parent,
                    tuple(guards),
                )
            nodes.append(continue_with)
            continue
        if choice in ("chain", "prefill"):
            work = Work(1, float(draw(st.integers(0, 900))))
            node = Node(f"n{index}", "partial prefilling", draw(st.sampled_from(MODELS)), work)
        elif choice == "batch":
            work = Work(draw(st.integers(1, 40)))
            kind, engine = draw(st.sampled_from((("embedding", "embed"), ("searching", "search"))))
            node = Node(f"n{index}", kind, engine, work, batchable=draw(st.booleans()))  # type: ignore[arg-type]
        elif choice == "free":
            node = Node(f"n{index}", "aggregate", None)
        else:
            node = Node(f"n{index}", "condition", None)
            odds[index] = {"yes": 0.5, "no": 0.5}
        nodes.append(
            Node(
                node.name,
                node.kind,
                node.engine,
                node.work,
                tuple(sorted(after)),
                None,
                tuple(guards),
                node.batchable,
            )
        )
    return PrimitiveGraph(tuple(nodes), draw(st.integers(0, len(nodes) - 1)), odds)
