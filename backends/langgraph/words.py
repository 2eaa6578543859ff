"""What the nodes of a graph say about themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowir.backends.asyncio.layout import Expression, collection
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.program import Program
from flowir.backends.asyncio.tree import Node
from flowir.backends.langgraph.units import Unit
from flowir.dialects import flow


def describe(program: Program, unit: Unit) -> str:
    """One sentence about a node of the graph."""
    if len(unit.nodes) > 1:
        names = ", ".join(program.value_name(node) for node in unit.nodes)
        return f"A chain beside others: {names}."
    return f"{what(program, unit.last)}."


def what(program: Program, node: Node) -> str:
    """What a node of the workflow does."""
    op = node.op
    match op:
        case flow.CallOp():
            return f"Call @{op.callee.root_reference.data}"
        case flow.JoinOp():
            by = "" if op.by is None else f" by @{op.by.root_reference.data}"
            return f"Join {op.mode.data}{by}"
        case flow.PlanOp():
            return f"Plan {program.sites[op]}, run as it is written"
        case flow.AlternativesOp():
            return f"What the point's {program.choices[op.choice.data]} says, beside others"
        case _:
            kind = op.name.removeprefix("flow.").capitalize()
            return f"{kind} {program.sites.get(op, program.value_name(node))}, beside others"


def sites_of(program: Program, unit: Unit) -> dict[str, Expression]:
    """The metadata that names the sites inside a node of the graph."""
    return _named(dict.fromkeys(site for node in unit.nodes for site in _sites(program, node)))


def sites_inside(program: Program, node: Node) -> dict[str, Expression]:
    """The metadata that names a node and the sites inside."""
    return _named(dict.fromkeys(_sites(program, node)))


def _named(sites: Iterable[str]) -> dict[str, Expression]:
    found = list(sites)
    if not found:
        return {}
    if len(found) == 1:
        return {"flowir.site": quoted(found[0])}
    return {"flowir.sites": collection([quoted(site) for site in found])}


def _sites(program: Program, node: Node) -> Iterator[str]:
    """The sites of a node and of all nodes inside."""
    if node.acts and node.op in program.sites and not isinstance(node.op, flow.AlternativesOp):
        yield program.sites[node.op]
    for _, body in node.bodies:
        for inner in body.nodes:
            yield from _sites(program, inner)
