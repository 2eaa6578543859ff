"""The trace: where calls made by a workflow's function become operations."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects.builtin import StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from flowir.dialects import flow
from flowir.errors import WorkflowError
from flowir.plan.signatures import Signature
from flowir.workflow.places import Place, here, located
from flowir.workflow.values import Traced

Properties = dict[str, Attribute]


@dataclass(frozen=True, eq=False)
class Declaration:
    """What a workflow calls.

    Attributes:
        name: its symbol.
        parameters: names of what it takes, in the order Python gives them.
        kinds: the types of those; JSON where anything will do.
        inputs: the same names in the order of the operands.
        required: how many of the parameters every call gives.
        output: type of its result.
        op: its declaration in IR.
    """

    name: str
    parameters: tuple[str, ...]
    kinds: tuple[Attribute, ...]
    inputs: tuple[str, ...]
    required: int
    output: Attribute
    op: Operation

    def same(self, other: Declaration) -> bool:
        """Whether both mean one thing: a cell of a notebook may have run twice."""
        return self.op is other.op


@dataclass(eq=False)
class Trace:
    """A workflow being traced: the blocks it is in, what it declared, the site names it gave, and
    the signatures of the tools that plans may call."""

    declared: dict[str, Declaration] = field(default_factory=dict)
    planned: dict[str, Signature] = field(default_factory=dict)
    sites: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    blocks: list[Block] = field(default_factory=list)

    def declare(self, what: Declaration) -> SymbolRefAttr:
        """The symbol of a declaration, which the module will have."""
        known = self.declared.setdefault(what.name, what)
        if not known.same(what):
            raise clash(what, known, f"{here()}: ")
        return SymbolRefAttr(what.name)

    def site(self, base: str) -> str:
        """A name no other site of the workflow has: `draft`, `draft_1`, `draft_2`, …"""
        name = base
        while name in self.taken:
            self.sites[base] += 1
            name = f"{base}_{self.sites[base]}"
        self.taken.add(name)
        return name

    def use(self, value: Any, what: str) -> SSAValue:
        """The value an operand stands for.

        Raises:
            WorkflowError: no traced value, or one that is not there at this place.
        """
        if not isinstance(value, Traced):
            raise WorkflowError(
                f"{here()}: {what} is {value!r}, which no step makes; "
                "write constants into a prompt, or make it an input of the workflow"
            )
        owner = value.ssa.owner
        block = owner if isinstance(owner, Block) else owner.parent
        if block not in self.blocks:
            raise WorkflowError(
                f"{here()}: {what} was made inside another region or workflow and is not there "
                "here; return it from that region, and use what the construct gives"
            )
        return value.ssa

    def region(self, body: Callable[..., Any], kinds: Sequence[Attribute], what: str) -> Region:
        """A region with what a function of traced values does, ending in a yield."""
        block = Block(arg_types=kinds)
        if isinstance(body, Traced) or not callable(body):
            raise WorkflowError(f"{here()}: {what} is no function; write `lambda: …` around it")
        try:
            inspect.signature(body).bind(*block.args)
        except TypeError:
            takes = inspect.signature(body)
            raise WorkflowError(
                f"{here()}: {what} takes {takes}, but is given {len(kinds)} values"
            ) from None
        self.blocks.append(block)
        try:
            value = self.use(body(*map(Traced, block.args)), f"what {what} returns")
            block.add_op(flow.YieldOp(value))
        finally:
            self.blocks.pop()
        return Region(block)

    def add(
        self, op: Operation, place: Place, word: str, site: bool = True, name: str | None = None
    ) -> Traced:
        """Put an op where the trace is, named by the variable it is assigned to, else `word`."""
        base = place.name or word
        if site:
            base = name or self.site(base)
            op.properties["site"] = StringAttr(base)
        if SSAValue.is_valid_name(base):
            op.results[0].name_hint = base
        op.location = place.location
        self.blocks[-1].add_op(op)
        return Traced(op.results[0])


_CURRENT: ContextVar[Trace | None] = ContextVar("flowir trace", default=None)


def current(what: str) -> Trace:
    """The workflow being traced.

    Raises:
        WorkflowError: none is.
    """
    trace = _CURRENT.get()
    if trace is None:
        raise WorkflowError(f"{here()}: {what} outside a workflow; call it in a @workflow function")
    return trace


@contextmanager
def tracing() -> Iterator[Trace]:
    """A new trace, current while this lasts."""
    trace = Trace()
    token = _CURRENT.set(trace)
    try:
        yield trace
    finally:
        _CURRENT.reset(token)


def clash(one: Declaration, other: Declaration, where: str = "") -> WorkflowError:
    """Two declarations of one name."""
    places = [located(item.op.location) for item in (one, other)]
    return WorkflowError(
        f"{where}two different declarations are named {one.name} ({places[0]} and {places[1]}); "
        'rename one: agent("…", prompt=…) and tool(function, name="…") take any name'
    )
