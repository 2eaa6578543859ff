"""What passes and schedulers may do with primitives, and what those do to the world."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from xdsl.ir import Operation
from xdsl.traits import EffectInstance, MemoryEffect, MemoryEffectKind, OpTrait

from flowir.dialects.prim_types import Gathering


@dataclass(frozen=True)
class Batchable(OpTrait):
    """Its items are independent: they may share a batch with those of other calls and queries."""


@dataclass(frozen=True)
class Splittable(OpTrait):
    """What it makes of a list is what it makes of the list's parts, put together.

    Attributes:
        over: which input is the list.
        by: how the results of the parts make the result.
    """

    over: int
    by: Gathering


class Streams(OpTrait):
    """What it writes can go on piece by piece while it still writes."""


class AllocatesResults(MemoryEffect):
    """Each result is new: equal ops are not merged, dead ones may be dropped."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance]:
        return {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}
