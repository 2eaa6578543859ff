"""`flow.fused`: which operations run together in one node of LangGraph."""

from __future__ import annotations

from collections.abc import Hashable
from graphlib import CycleError, TopologicalSorter

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, SSAValue

from flowir.dialects.flow_checks import describe, fail

FUSED = "flow.fused"
"""On an op: the name of the node of LangGraph that it shares with other ops of its block, and in
which they run, with what is in their regions, as concurrent code."""


def fused_with(op: Operation) -> str | None:
    """The name of the node that an op shares with others, None where it does not."""
    name = op.attributes.get(FUSED)
    return name.data if isinstance(name, StringAttr) else None


def verify_fused(workflow: Operation) -> None:
    """A node has a name, stands in one block, and can run when all that it reads is there."""
    blocks: dict[str, Operation] = {}
    marked: dict[Block, list[Operation]] = {}
    for op in workflow.walk():
        if FUSED not in op.attributes:
            continue
        name = fused_with(op)
        block = op.parent_block()
        if not name:
            raise fail(op, f"`{FUSED}` is {op.attributes[FUSED]}; give the name of a node")
        if block is None or not op.results or op.name == "flow.alternatives":
            raise fail(op, f"`{FUSED}` is for ops that run; mark the ops inside, or remove it")
        other = blocks.setdefault(name, op)
        if other.parent_block() is not block:
            raise fail(
                op,
                f'the node "{name}" is that of {describe(other)} too, in another region; '
                f"give `{FUSED}` another name",
            )
        marked.setdefault(block, []).append(op)
    for block, ops in marked.items():
        _verify_order(block, ops)


def _verify_order(block: Block, marked: list[Operation]) -> None:
    """Nodes of a block wait for each other in no circle."""
    node: dict[Operation, Hashable] = {op: fused_with(op) or op for op in block.ops}
    needs: dict[Hashable, set[Hashable]] = {}
    behind: dict[Operation, set[Operation]] = {}
    for op in block.ops:
        makers = {value.owner for value in _reads(op)} & behind.keys()
        read = set[Operation]().union(*(behind[maker] for maker in makers))  # type: ignore[index]
        if _only_arranges(op):
            behind[op] = read
            continue
        behind[op] = {op}
        found = needs.setdefault(node[op], set())
        found.update(node[maker] for maker in read if node[maker] != node[op])
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = [one for one in error.args[1] if isinstance(one, str)]
        first = next(op for op in marked if fused_with(op) in circle)
        raise fail(
            first,
            f'the node "{fused_with(first)}" waits for something that waits for it; '
            f"fuse what lies between as well, or remove `{FUSED}`",
        ) from None


def _only_arranges(op: Operation) -> bool:
    """Whether an op is made by whoever reads it: a list, a text, a vote over what is there."""
    if op.name != "flow.join" or fused_with(op) is not None:
        return False
    modes = ("all", "any", "concat", "vote")
    return op.mode.data in modes and not op.races  # type: ignore[attr-defined]


def _reads(op: Operation) -> list[SSAValue]:
    """What an op, and everything inside it, reads."""
    return [value for inner in op.walk() for value in inner.operands]
