"""Prefills what is known early of a prompt before the rest is known."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, IntAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from flowir.dialects import prim
from flowir.prim.from_ir import work_of
from flowir.prim.graph import Work
from flowir.prim.timing import EPSILON_S, Timer, timed


@dataclass(frozen=True)
class PrimSplitPrefill(ModulePass):
    """The beginning of a prompt is prefilled while the rest is still being made.

        %kv = prim.prefilling @answer["Answer ", %q tokens 12, " from ", %c tokens 600 late]
            engine "llm" work <input = 616> : (!flow.text, !prim.chunks) -> !prim.kv

    becomes, where `%c` comes late enough,

        %early = prim.partial_prefilling @answer["Answer ", %q tokens 12, " from "] engine "llm"
            work <input = 16> : (!flow.text) -> !prim.kv
        %kv = prim.full_prefilling @answer(%early)[%c tokens 600 late] engine "llm"
            work <input = 600, context = 16> : (!prim.kv, !prim.chunks) -> !prim.kv

    Legal because a KV cache of the two is that of the whole. Each part pays the base of a prefill
    (`prefill_base_s`), so a prompt is split only where its prefill ends earlier for it, and there
    where it ends earliest.

    Attributes:
        engines: a file of engines (`flowir.engines.storage`) beside the defaults.
    """

    name = "prim-split-prefill"

    engines: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for graph, timer in timed(op, self.engines):
            for inner in list(graph.primitives):
                if not (isinstance(inner, prim.PrefillingOp) and _split(inner, timer)):
                    timer.run(inner)


def _split(op: prim.PrefillingOp, timer: Timer) -> bool:
    whole = timer.ready(op.operands) + timer.duration(op)
    cuts = range(1, len(op.prompt))
    ends = {cut: _end(op, cut, timer) for cut in cuts}
    if not ends:
        return False
    best = min(ends, key=lambda cut: (ends[cut], cut))
    if ends[best] >= whole - EPSILON_S:
        return False
    early, late = _halves(op, best)
    Rewriter.insert_op(early, InsertPoint.before(op))
    Rewriter.replace_op(op, late)
    for made in (early, late):
        timer.run(made)
    return True


def _end(op: prim.PrefillingOp, cut: int, timer: Timer) -> float:
    """When the whole prompt is in the cache, if its first pieces are prefilled by themselves."""
    shown = _shown_before(op, cut)
    always = op.operands[len(op.inputs) :]
    early = _tokens(op, 0, cut)
    rest = work_of(op).input_tokens - early
    begun = timer.ready([*op.shown[:shown], *always]) + timer.duration(op, Work(1, early))
    known = timer.ready([*op.shown[shown:], *always])
    return max(begun, known) + timer.duration(op, Work(1, rest, 0.0, early))


def _halves(
    op: prim.PrefillingOp, cut: int
) -> tuple[prim.PartialPrefillingOp, prim.FullPrefillingOp]:
    shown = _shown_before(op, cut)
    tokens = _tokens(op, 0, cut)
    rest = work_of(op).input_tokens - tokens
    common = {
        name: op.properties.get(name) for name in ("callee", "config", "site", "engine", "spare")
    }
    pieces = op.prompt.data
    early = prim.PartialPrefillingOp.make(
        op.shown[:shown],
        op.result_types,
        guard=op.guard,
        after=op.after,
        prompt=ArrayAttr(pieces[:cut]),
        work=prim.WorkAttr.of(input=tokens),
        **common,
    )
    late = prim.FullPrefillingOp.make(
        [early.output, *op.shown[shown:]],
        op.result_types,
        guard=op.guard,
        after=op.after,
        prompt=ArrayAttr(_moved(piece, shown) for piece in pieces[cut:]),
        work=prim.WorkAttr.of(input=rest, context=tokens),
        **common,
    )
    early.output.name_hint = "early"
    late.output.name_hint = op.output.name_hint
    return early, late


def _moved(piece: prim.PieceAttr, places: int) -> prim.PieceAttr:
    """A piece whose operand has moved forward by some places."""
    if not isinstance(piece.content, IntAttr):
        return piece
    place = IntAttr(piece.content.data - places)
    return prim.PieceAttr(piece.role, place, piece.tokens, piece.late)


def _shown_before(op: prim.PrefillingOp, cut: int) -> int:
    return sum(isinstance(piece.content, IntAttr) for piece in op.prompt.data[:cut])


def _tokens(op: prim.PrefillingOp, begin: int, end: int) -> float:
    return sum(piece.tokens.data for piece in op.prompt.data[begin:end])
