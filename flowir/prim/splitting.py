"""Does the parts of a list one by one, where what makes the list makes it in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import pairwise

from xdsl.ir import OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from flowir.dialects import prim
from flowir.dialects.prim_types import split_evenly
from flowir.prim.from_ir import work_of
from flowir.prim.graph import Work
from flowir.prim.timing import EPSILON_S, Timer


def split_into(op: prim.PrimitiveOp, count: int, timer: Timer) -> bool:
    """So many parts of an op's own list, unless that makes it later; whether it was done."""
    total = work_of(op).items
    shares = [(end - begin) / total for begin, end in split_evenly(total, count)]
    arrivals = [timer.served([op.inputs[_over(op)]])] * count
    if not pays(op, shares, arrivals, timer):
        return False

    def part(number: int, work: prim.WorkAttr) -> prim.PrimitiveOp:
        return op.like(part=prim.PartAttr.of(number + 1, count), work=work)

    _replace(op, shares, arrivals, part, timer)
    return True


def follow(op: prim.PrimitiveOp, timer: Timer) -> bool:
    """An op on a list that is made in parts does each as it comes, unless that makes it later.

    Raises:
        PrimError: an engine is not known.
    """
    trait = op.get_trait(prim.Splittable)
    if trait is None or op.part is not None:
        return False
    parts = parts_of(op.inputs[trait.over], op.guard)
    if len(parts) < 2:
        return False
    makers = [_maker(value) for value in parts]
    sizes = [work_of_items(maker) for maker in makers]
    shares = [size / sum(sizes) for size in sizes]
    arrivals = [timer.served([value]) for value in parts]
    if not pays(op, shares, arrivals, timer):
        return False

    def part(number: int, work: prim.WorkAttr) -> prim.PrimitiveOp:
        inputs = list(op.inputs)
        inputs[trait.over] = parts[number]
        return op.like(inputs, work=work)

    _replace(op, shares, arrivals, part, timer)
    return True


def pays(
    op: prim.PrimitiveOp, shares: Sequence[float], arrivals: Sequence[float], timer: Timer
) -> bool:
    """Whether an op ends no later if it does each share as it arrives.

    Neither on an idle engine nor on one whose slots the parts take one after another: the base of
    a batch is paid by each part.
    """
    durations = _durations(op, shares, timer)
    whole = timer.duration(op)
    if max(durations) > whole + EPSILON_S:
        return False
    together = max(timer.served(_others(op)), *arrivals) + whole
    return max(_one_by_one(op, durations, arrivals, timer)) <= together + EPSILON_S


def _one_by_one(
    op: prim.PrimitiveOp, durations: Sequence[float], arrivals: Sequence[float], timer: Timer
) -> list[float]:
    """Ends of the parts in the slots of their engine, in order."""
    ready = timer.served(_others(op))
    engine = timer.batches(op)
    free = [0.0] * (1 if engine is None else engine.slots)
    ends: list[float] = []
    for arrival, duration in zip(arrivals, durations, strict=True):
        ends.append(max(ready, arrival, heappop(free)) + duration)
        heappush(free, ends[-1])
    return ends


def _durations(op: prim.PrimitiveOp, shares: Sequence[float], timer: Timer) -> list[float]:
    work = work_of(op)
    return [timer.duration(op, _share(work, share)) for share in shares]


def _others(op: prim.PrimitiveOp) -> list[SSAValue]:
    """What it waits for beside the list that is split."""
    return [value for value in op.operands if value is not op.inputs[_over(op)]]


def parts_of(value: SSAValue, guard: SSAValue | None) -> tuple[SSAValue, ...]:
    """The parts of a list of which either all are there or none; nothing of any other value.

    Args:
        guard: under which the list is wanted.
    """
    if not isinstance(value, OpResult) or not isinstance(value.op, prim.AggregateOp):
        return ()
    gathered = value.op
    if gathered.mode.data is not prim.Gathering.CONCAT or gathered.guard not in (None, guard):
        return ()
    return tuple(gathered.inputs) if are_siblings(gathered.inputs) else ()


def are_siblings(values: Sequence[SSAValue]) -> bool:
    """Whether the values are the results of the parts of one op, so that all are there or none."""
    ops = [op for value in values if isinstance(op := value.owner, prim.PrimitiveOp)]
    if len(set(ops)) != len(values) or not ops:
        return False
    first = ops[0]
    if any(type(op) is not type(first) or op.guard is not first.guard for op in ops):
        return False
    if isinstance(first, prim.PartialDecodingOp):
        return all(later.inputs[0].owner is op for op, later in pairwise(ops))
    inputs = [tuple(op.inputs) for op in ops]
    if len(set(inputs)) == 1:
        return True
    trait = first.get_trait(prim.Splittable)
    if trait is None:
        return False
    rest = {each[: trait.over] + each[trait.over + 1 :] for each in inputs}
    return len(rest) == 1 and are_siblings([each[trait.over] for each in inputs])


def drop_unused(graph: prim.GraphOp) -> None:
    """Drop lists of parts that nobody reads as a whole."""
    for op in reversed(list(graph.primitives)):
        if isinstance(op, prim.AggregateOp) and not any(result.uses for result in op.results):
            Rewriter.erase_op(op)


def work_of_items(op: prim.PrimitiveOp) -> float:
    """How many items an op is expected to have worked on or written."""
    return 1.0 if op.work is None else max(op.work.items.data, 1e-6)


def scaled(work: prim.WorkAttr, share: float) -> prim.WorkAttr:
    """A share of some work; the context is that of the whole."""
    items, given, output, context = work.values
    return prim.WorkAttr.of(items * share, given * share, output * share, context)


def _over(op: prim.PrimitiveOp) -> int:
    trait = op.get_trait(prim.Splittable)
    assert trait is not None
    return trait.over


def _maker(value: SSAValue) -> prim.PrimitiveOp:
    op = value.owner
    assert isinstance(op, prim.PrimitiveOp)
    return op


def _share(work: Work, share: float) -> Work:
    return Work(
        max(1, round(work.items * share)),
        work.input_tokens * share,
        work.output_tokens * share,
        work.context_tokens,
    )


def _replace(
    op: prim.PrimitiveOp,
    shares: Sequence[float],
    arrivals: Sequence[float],
    part: Callable[[int, prim.WorkAttr], prim.PrimitiveOp],
    timer: Timer,
) -> None:
    """Put the parts and what they make together in the place of an op."""
    trait = op.get_trait(prim.Splittable)
    assert trait is not None
    ends = _one_by_one(op, _durations(op, shares, timer), arrivals, timer)
    whole = prim.WorkAttr.of() if op.work is None else op.work
    made = [part(number, scaled(whole, share)) for number, share in enumerate(shares)]
    result = op.results[0]
    gathered = prim.AggregateOp.make(
        [each.results[0] for each in made],
        [result.type],
        mode=prim.GatheringAttr(trait.by),
        spare=op.spare,
    )
    for number, each in enumerate(made, start=1):
        if result.name_hint is not None:
            each.results[0].name_hint = f"{result.name_hint}_part{number}"
    Rewriter.insert_op([*made, gathered], InsertPoint.before(op))
    Rewriter.replace_op(op, [], [gathered.output])
    for each, end in zip(made, ends, strict=True):
        timer.run(each, end)
    timer.run(gathered)
