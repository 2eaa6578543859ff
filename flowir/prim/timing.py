"""When each primitive of a graph is expected to end, while passes change the graph.

Two estimates. `ready` is what `critical_path_s` computes of a whole graph, op by op: every engine
idle, every case taken. `served` is the same, but the parts of one op share the slots of its engine:
they would all end at once otherwise, and nothing could be gained from those that come first.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from flowir.dialects import prim
from flowir.dialects.flow_checks import describe
from flowir.engines import storage
from flowir.engines.defaults import (
    DEFAULT_ENGINES,
    EMBEDDING,
    LLM,
    RERANKER,
    VECTOR_STORE,
)
from flowir.engines.engine import BatchEngine, Engine
from flowir.errors import PrimError, nearest
from flowir.prim.from_ir import kind_of, tool_engines, work_of
from flowir.prim.graph import DECODES, PREFILLS, Node, Work, alone_s

EPSILON_S = 1e-9
"""Differences below it are rounding."""


DEFAULT_OF: Mapping[str, str] = {
    **dict.fromkeys(PREFILLS | DECODES, LLM),
    "embedding": EMBEDDING.name,
    "ingestion": VECTOR_STORE.name,
    "searching": VECTOR_STORE.name,
    "reranking": RERANKER.name,
}
"""By kind of primitive, the engine to estimate with where nothing is known of its own."""


def timed(module: ModuleOp, path: str = "") -> Iterator[tuple[prim.GraphOp, Timer]]:
    """The graphs of a module, each with a timer that has seen nothing yet.

    Args:
        path: a file of engines beside the defaults; empty for none.
    """
    for graph in module.ops:
        if isinstance(graph, prim.GraphOp):
            yield graph, Timer(engines_of(graph, path))


def engines_of(graph: prim.GraphOp, path: str = "") -> dict[str, Engine]:
    """The engines that a graph is estimated with: the defaults, its tools', and those of a file.

    An engine of which nothing is known is taken to be like the default of its kind, with a warning.

    Raises:
        ProfileError: the file is no file of engines.
    """
    given = storage.read(path) if path else {}
    found = {**DEFAULT_ENGINES, **tool_engines(graph), **given}
    for op in graph.primitives:
        if op.engine is None or op.engine.data in found:
            continue
        like = DEFAULT_OF.get(kind_of(op))
        if like is not None:
            found[op.engine.data] = DEFAULT_ENGINES[like]
            warnings.warn(
                f'nothing is known of engine "{op.engine.data}"; estimated like "{like}". '
                "Give it in a file: engines=FILE",
                stacklevel=2,
            )
    return found


class Timer:
    """Ends of ops, computed in the order of the graph."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self.engines = engines
        self._ends: dict[SSAValue, float] = {}
        self._served: dict[SSAValue, float] = {}

    def ready(self, values: Iterable[SSAValue]) -> float:
        """When all of these are there, in seconds; what no op makes is there from the beginning."""
        return max((self._ends.get(value, 0.0) for value in values), default=0.0)

    def served(self, values: Iterable[SSAValue]) -> float:
        """When all of these are there, where parts have been done one after another."""
        return max((self._served.get(value, 0.0) for value in values), default=0.0)

    def duration(self, op: prim.PrimitiveOp, work: Work | None = None) -> float:
        """Seconds of an op, or of as much other work of its kind, on an idle engine.

        Raises:
            PrimError: no such engine is known, or it is of the wrong kind.
        """
        if op.engine is None:
            return 0.0
        name = op.engine.data
        node = Node(op.name, kind_of(op), name, work_of(op) if work is None else work)
        try:
            return alone_s(node, self.engines)
        except KeyError:
            known = ", ".join(self.engines)
            raise PrimError(
                f'{describe(op)}: no engine "{name}"{nearest(name, self.engines)}; known: '
                f"{known}. Give it in a file: engines=FILE"
            ) from None
        except TypeError as error:
            raise PrimError(f"{describe(op)}: {error}; name an engine that fits") from None

    def batches(self, op: prim.PrimitiveOp) -> BatchEngine | None:
        """Its engine, where that takes batches."""
        engine = self.engines.get("" if op.engine is None else op.engine.data)
        return engine if isinstance(engine, BatchEngine) else None

    def run(self, op: prim.PrimitiveOp, served: float | None = None) -> None:
        """Let an op run as soon as it can. What is spare takes no time.

        Args:
            served: when it ends among the parts that it belongs to.
        """
        duration = 0.0 if op.spare is not None else self.duration(op)
        end = 0.0 if op.spare is not None else self.ready(op.operands) + duration
        if op.spare is not None:
            served = 0.0
        elif served is None:
            served = self.served(op.operands) + duration
        for result in op.results:
            self._ends[result] = end
            self._served[result] = served
