"""Canonicalization of the `flow` dialect; each pattern's docstring is the equation it applies.

Whatever a pattern drops has no effect but its result: a checker or tool that writes keeps its op.
"""

from __future__ import annotations

from xdsl.ir import Operation, Region, SSAValue
from xdsl.pattern_rewriter import (
    PatternRewriter,
    RewritePattern,
    op_type_rewrite_pattern,
)
from xdsl.rewriter import InsertPoint
from xdsl.transforms.dead_code_elimination import result_only_effects

from flowir.dialects.flow import (
    AlternativesOp,
    BranchOp,
    FallbackOp,
    JoinMode,
    JoinOp,
    MapOp,
    RefineOp,
)


def _yielded(region: Region) -> SSAValue:
    """The value a region gives."""
    last = region.block.last_op
    assert last is not None
    return last.operands[0]


def _inline(op: Operation, region: Region, rewriter: PatternRewriter) -> None:
    """Put the contents of one of its regions, which takes no arguments, in place of `op`."""
    result = _yielded(region)
    last = region.block.last_op
    assert last is not None
    rewriter.erase(last)
    rewriter.inline_block(region.block, InsertPoint.before(op))
    rewriter.replace(op, [], [result])


class JoinOfOne(RewritePattern):
    """vote(x, …, x) = select(x, …, x) by a = first(x, …, x) = concat(x) = x

    What is checked is checked all the same if the checker writes; else one candidate is the result
    whatever the checker says of it. All delays of one candidate are 0.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: JoinOp, rewriter: PatternRewriter) -> None:
        if op.mode.data in (JoinMode.ALL, JoinMode.ANY):
            return
        if len(set(op.inputs)) > 1 or (op.mode.data is JoinMode.CONCAT and len(op.inputs) > 1):
            return
        if result_only_effects(op):
            rewriter.replace(op, [], [op.inputs[0]])


class BranchWithoutLabels(RewritePattern):
    """branch l { else: b } = b"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BranchOp, rewriter: PatternRewriter) -> None:
        if not op.labels.data and op.otherwise is not None:
            _inline(op, op.otherwise, rewriter)


class BranchOnKnownLabel(RewritePattern):
    """branch l { "a": … branch l { "a": x, … } … } = branch l { "a": … x … }"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BranchOp, rewriter: PatternRewriter) -> None:
        if (known := _known_label(op)) is None:
            return
        cases = dict(op.blocks)
        taken = cases.get(known, op.otherwise)
        if taken is not None:
            _inline(op, taken, rewriter)


def _known_label(op: BranchOp) -> str | None:
    """What `op` branches on, where an outer branch has told already."""
    region = op.parent_region()
    while region is not None and (parent := region.parent_op()) is not None:
        if isinstance(parent, BranchOp) and parent.on is op.on:
            return next(name for name, case in parent.blocks if case is region)
        region = parent.parent_region()
    return None


class BranchToOneValue(RewritePattern):
    """branch l { "a": x, …, else: x } = x"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BranchOp, rewriter: PatternRewriter) -> None:
        values = {_yielded(region) for _, region in op.blocks}
        if len(values) == 1 and result_only_effects(op):
            rewriter.replace(op, [], [*values])


class FallbackOfOne(RewritePattern):
    """fallback until c { a } = a: the last tier is not checked"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: FallbackOp, rewriter: PatternRewriter) -> None:
        if len(op.tiers) == 1 and op.bound.data == 1:
            _inline(op, op.tiers[0], rewriter)


class FallbackInLastTier(RewritePattern):
    """fallback until c { x } else { fallback until c { y } else { z } }
    = fallback until c { x } else { y } else { z }

    The inner one must be the whole tier and ask the same of the same checker. In an earlier tier
    its result would be judged once more. One with a site of its own is kept: somebody looks there.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: FallbackOp, rewriter: PatternRewriter) -> None:
        inner = op.tiers[-1].block.first_op
        if not isinstance(inner, FallbackOp) or _yielded(op.tiers[-1]) is not inner.output:
            return
        if inner.next_op is not op.tiers[-1].block.last_op or op.bound.data + inner.bound.data > 2:
            return
        if inner.site is not None or inner.attributes or not _same_judge(op, inner):
            return
        tiers = [*op.tiers[:-1], *inner.tiers]
        for region in tiers:
            if (parent := region.parent_op()) is not None:
                parent.detach_region(region)
        flat = FallbackOp.build(
            operands=[list(op.context)],
            result_types=[op.output.type],
            properties=dict(op.properties),
            attributes=dict(op.attributes),
            regions=[tiers],
        )
        flat.location = op.location
        rewriter.replace(op, flat)


def _same_judge(one: FallbackOp, other: FallbackOp) -> bool:
    return (
        tuple(one.context) == tuple(other.context)
        and one.until == other.until
        and one.group == other.group
        and one.config == other.config
    )


class RefineToItself(RewritePattern):
    """refine v from x { v } = x"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: RefineOp, rewriter: PatternRewriter) -> None:
        if _yielded(op.body) is op.body.block.args[0] and result_only_effects(op):
            rewriter.replace(op, [], [op.initial])


class MapToItself(RewritePattern):
    """map x in xs { x } = xs, unless the mean over its items is what counts"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MapOp, rewriter: PatternRewriter) -> None:
        same = _yielded(op.body) is op.body.block.args[0]
        if same and op.mean is None and result_only_effects(op):
            rewriter.replace(op, [], [op.source])


class AlternativesOfOne(RewritePattern):
    """alternatives { "a": x } = x"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AlternativesOp, rewriter: PatternRewriter) -> None:
        if len(op.cases) == 1:
            _inline(op, op.cases[0], rewriter)


PATTERNS: dict[type[Operation], tuple[RewritePattern, ...]] = {
    AlternativesOp: (AlternativesOfOne(),),
    BranchOp: (BranchWithoutLabels(), BranchOnKnownLabel(), BranchToOneValue()),
    FallbackOp: (FallbackOfOne(), FallbackInLastTier()),
    JoinOp: (JoinOfOne(),),
    MapOp: (MapToItself(),),
    RefineOp: (RefineToItself(),),
}
"""What `Canonicalizable` hands to xDSL's `canonicalize`."""
