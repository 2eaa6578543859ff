"""The graph of primitives that a scheduler runs and a cost is estimated of; numbers, no IR.

Kinds are those of Teola (arXiv 2407.00326, table 2), and `tool` for other code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine

Kind = Literal[
    "embedding",
    "ingestion",
    "searching",
    "reranking",
    "prefilling",
    "partial prefilling",
    "full prefilling",
    "decoding",
    "partial decoding",
    "condition",
    "aggregate",
    "tool",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
PREFILLS = frozenset({"prefilling", "partial prefilling", "full prefilling"})
DECODES = frozenset({"decoding", "partial decoding"})


@dataclass(frozen=True)
class Work:
    """How much an engine has to do.

    Attributes:
        items: texts embedded, chunks ingested, queries searched, pairs reranked.
        input_tokens: of all items; of a prefill, those that are new to the engine.
        output_tokens: of a decode.
        context_tokens: in the KV cache before it starts.
    """

    items: int = 1
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    context_tokens: float = 0.0


@dataclass(frozen=True)
class Node:
    """One primitive.

    Attributes:
        engine: the engine it runs on; None costs nothing and takes no time.
        after: indices of the nodes whose results it needs; each smaller than its own.
        kv: index of the node whose KV cache it continues, one of `after`: the same replica.
        guards: (condition, label) pairs. It runs iff every condition it names gave that label;
            a node that does not run counts as done, with nothing as its result.
        batchable: it may share a batch with nodes of other calls and queries.
        splittable: its result can go on in pieces.
    """

    name: str
    kind: Kind
    engine: str | None
    work: Work = Work()
    after: tuple[int, ...] = ()
    kv: int | None = None
    guards: tuple[tuple[int, str], ...] = ()
    batchable: bool = False
    splittable: bool = False


@dataclass(frozen=True)
class PrimitiveGraph:
    """Nodes in an order in which each comes after those it needs; `result` gives the answer.

    Attributes:
        odds: of each condition, how often each label comes; they sum to 1.

    Raises:
        ValueError: a node needs one that does not come before it, or guards name no condition.
    """

    nodes: tuple[Node, ...]
    result: int
    odds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, node in enumerate(self.nodes):
            needs = {*node.after, *(condition for condition, _ in node.guards)}
            if any(not 0 <= other < index for other in needs):
                raise ValueError(f"primitive {node.name} needs one that does not come before it")
            if node.kv is not None and node.kv not in node.after:
                raise ValueError(f"primitive {node.name} continues the KV cache of none it needs")
            for condition, label in node.guards:
                if self.nodes[condition].kind != "condition":
                    raise ValueError(
                        f"primitive {node.name} is guarded by {condition}, no condition"
                    )
                if label not in self.odds.get(condition, {label: 1.0}):
                    raise ValueError(f"primitive {node.name}: condition {condition} has no {label}")

    def successors(self) -> tuple[tuple[int, ...], ...]:
        """For each node, those that need it."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for other in sorted({*node.after, *(condition for condition, _ in node.guards)}):
                found[other].append(index)
        return tuple(map(tuple, found))


def alone_s(node: Node, engines: Mapping[str, Engine]) -> float:
    """Seconds the node takes when its engine is idle.

    Raises:
        KeyError: its engine is not among `engines`.
        TypeError: its engine is of the other kind.
    """
    if node.engine is None:
        return 0.0
    engine, work = engines[node.engine], node.work
    if node.kind in PREFILLS:
        return _model(engine, node).prefill_s(work.input_tokens)
    if node.kind in DECODES:
        return _model(engine, node).decode_s(work.output_tokens, work.context_tokens)
    if not isinstance(engine, BatchEngine):
        raise TypeError(f"{node.kind} {node.name} cannot run on a language model ({engine.name})")
    return engine.alone_s(work.items, work.input_tokens)


def critical_path_s(graph: PrimitiveGraph, engines: Mapping[str, Engine]) -> float:
    """Seconds until the result, were every engine idle and every guarded node to run."""
    done: list[float] = []
    for node in graph.nodes:
        needs = (*node.after, *(condition for condition, _ in node.guards))
        start = max((done[other] for other in needs), default=0.0)
        done.append(start + alone_s(node, engines))
    return done[graph.result]


def _model(engine: Engine, node: Node) -> LanguageModelEngine:
    if not isinstance(engine, LanguageModelEngine):
        raise TypeError(f"{node.kind} {node.name} needs a language model, not {engine.name}")
    return engine
