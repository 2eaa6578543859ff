"""Lets each item of an answer go on while the rest is still being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp
from xdsl.ir import Use
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from flowir.dialects import prim
from flowir.dialects.prim_types import element_of, stream
from flowir.prim.from_ir import work_of
from flowir.prim.graph import Work
from flowir.prim.splitting import drop_unused, follow, pays
from flowir.prim.timing import EPSILON_S, Timer, timed


@dataclass(frozen=True)
class PrimPipelineDecode(ModulePass):
    """Items of an answer that is a list go downstream one by one.

        %qs = prim.decoding @expand(%kv) engine "llm" work <items = 2, output = 24> : …
        %e = prim.embedding(%qs) engine "embedding" work <items = 2> : …

    becomes

        %qs1, %s1 = prim.partial_decoding @expand(%kv) part 1 of 2 engine "llm" work <output = 12>
            : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
        %qs2, %s2 = prim.partial_decoding @expand(%s1) part 2 of 2 engine "llm" work <output = 12>
            : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
        %e1 = prim.embedding(%qs1) engine "embedding" : …
        %e2 = prim.embedding(%qs2) engine "embedding" : …
        %e = prim.aggregate concat(%e1, %e2) : …

    Legal because the parts of one decode are one draw: part k is the k-th item of the same answer,
    the last part what is left, however many items were expected. It is done where an item, or
    something that works item by item, reads the answer and ends no later for it.

    Attributes:
        engines: a file of engines (`flowir.engines.storage`) beside the defaults.
    """

    name = "prim-pipeline-decode"

    engines: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for graph, timer in timed(op, self.engines):
            for inner in list(graph.primitives):
                if not (_pipeline(inner, timer) or follow(inner, timer)):
                    timer.run(inner)
            drop_unused(graph)


def _pipeline(op: prim.PrimitiveOp, timer: Timer) -> bool:
    if not isinstance(op, prim.DecodingOp) or element_of(op.output.type) is None:
        return False
    count = _count(op)
    if count < 2:
        return False
    ends = _ends(op, count, timer)
    if ends[-1] > timer.served(op.operands) + timer.duration(op) + EPSILON_S:
        return False
    if not any(_gains(use, count, ends, timer) for use in op.output.uses):
        return False
    parts = _parts(op, count)
    gathered = prim.AggregateOp.make(
        [part.output for part in parts],
        [op.output.type],
        mode=prim.GatheringAttr(prim.Gathering.CONCAT),
        spare=op.spare,
    )
    Rewriter.insert_op([*parts, gathered], InsertPoint.before(op))
    for made in (*parts, gathered):
        timer.run(made)
    for use in list(op.output.uses):
        if isinstance(use.operation, prim.ItemOp) and use.index == 0:
            _take(use.operation, parts)
    Rewriter.replace_op(op, [], [gathered.output])
    return True


def _count(op: prim.DecodingOp) -> int:
    """As many parts as items are expected, and no more than a map would take."""
    count = 1 if op.work is None else round(op.work.items.data)
    for use in op.output.uses:
        if isinstance(item := use.operation, prim.ItemOp) and item.last is not None:
            count = min(count, item.place.data + 1)
    return count


def _ends(op: prim.DecodingOp, count: int, timer: Timer) -> list[float]:
    """When each part is there."""
    begin = timer.served(op.operands)
    durations = [timer.duration(op, work) for work in _works(work_of(op), count)]
    return [begin + spent for spent in accumulate(durations)]


def _works(whole: Work, count: int) -> list[Work]:
    """Equal shares of the output; what has been written is context of what follows."""
    each = whole.output_tokens / count
    return [Work(1, 0.0, each, whole.context_tokens + number * each) for number in range(count)]


def _gains(use: Use, count: int, ends: Sequence[float], timer: Timer) -> bool:
    """Whether who reads the answer can begin before its end, and ends no later for it."""
    match use.operation:
        case prim.ItemOp() as item:
            return use.index == 0 and item.place.data < count - 1
        case prim.PrimitiveOp() as reader:
            trait = reader.get_trait(prim.Splittable)
            if trait is None or reader.part is not None or trait.over != use.index:
                return False
            return pays(reader, [1.0 / count] * count, ends, timer)
        case _:
            return False


def _parts(op: prim.DecodingOp, count: int) -> list[prim.PartialDecodingOp]:
    whole = prim.WorkAttr.of() if op.work is None else op.work
    made: list[prim.PartialDecodingOp] = []
    for number, work in enumerate(_works(work_of(op), count)):
        part = prim.PartialDecodingOp.make(
            [made[-1].rest] if made else [op.inputs[0]],
            [op.output.type, stream],
            guard=op.guard,
            after=op.after,
            callee=op.callee,
            config=op.config,
            labels=op.labels,
            raw=op.raw,
            site=op.site,
            engine=op.engine,
            spare=op.spare,
            part=prim.PartAttr.of(number + 1, count),
            work=prim.WorkAttr.of(
                whole.items.data / count, 0.0, work.output_tokens, work.context_tokens
            ),
        )
        if op.output.name_hint is not None:
            part.output.name_hint = f"{op.output.name_hint}_part{number + 1}"
        made.append(part)
    return made


def _take(item: prim.ItemOp, parts: Sequence[prim.PartialDecodingOp]) -> None:
    """Take an item from the part that it is in."""
    part = min(item.place.data, len(parts) - 1)
    item.properties["place"] = IntAttr(item.place.data - part)
    item.operands[0] = parts[part].output
