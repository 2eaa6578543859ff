"""How the answer of a sub-agent is read: which parser, and which labels it may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_checks import Symbols, describe, module_symbols
from flowir.errors import EmissionError

GIVES: Mapping[str, tuple[type[Attribute], ...]] = {
    "text": (flow.TextType, flow.LabelType),
    "code": (flow.TextType,),
    "label": (flow.LabelType, flow.TextType),
    "lines": (flow.ListType,),
    "json": (flow.JsonType, flow.ListType, flow.BoolType),
    "verdict": (flow.BoolType,),
}
"""The types that a parser can give. Lines give a list of texts or labels."""


def parser_of(agent: flow.AgentOp) -> str:
    """The parser of an agent, by default after its output type; `verdict` reads ACCEPT or REJECT.

    Raises:
        EmissionError: the parser does not give the output type.
    """
    output = agent.output
    simple = isinstance(output, flow.ListType) and isinstance(
        output.element, flow.TextType | flow.LabelType
    )
    if agent.parser is None:
        match output:
            case flow.JsonType():
                return "json"
            case flow.LabelType():
                return "label"
            case flow.ListType():
                return "lines" if simple else "json"
            case flow.BoolType():
                return "verdict"
            case _:
                return "text"
    name = agent.parser.data
    if not isinstance(output, GIVES[name]) or (name == "lines" and not simple):
        fitting = [other for other, types in GIVES.items() if isinstance(output, types)]
        raise EmissionError(
            f'{describe(agent)}: parser "{name}" does not give {output}; '
            f"{', '.join(fitting)} would, or leave it out"
        )
    return name


def known_labels(workflow: flow.WorkflowOp) -> Mapping[str, tuple[str, ...]]:
    """For each agent, the labels that branches look for in what it may have written.

    Found by following values backwards through everything that passes one on, in the workflow, all
    its alternatives, and the workflows it calls.
    """
    symbols = module_symbols(workflow) or {}
    found: dict[str, dict[str, None]] = {}
    for op in _workflow_ops(workflow, symbols):
        if isinstance(op, flow.BranchOp):
            for agent in _writers(op.on, symbols, set()):
                found.setdefault(agent, {}).update(dict.fromkeys(name.data for name in op.labels))
    return {agent: tuple(labels) for agent, labels in found.items()}


def _workflow_ops(workflow: flow.WorkflowOp, symbols: Symbols) -> Iterator[Operation]:
    """Every op of a workflow and of the workflows it calls, at every depth."""
    for op in workflow.walk():
        yield op
        if isinstance(op, flow.CallOp):
            callee = symbols.get(op.callee.root_reference.data)
            if isinstance(callee, flow.WorkflowOp):
                yield from _workflow_ops(callee, symbols)


def writers(value: SSAValue) -> tuple[str, ...]:
    """The agents that may have written a value of a workflow, each once."""
    owner = value.owner
    op = owner.parent_op() if isinstance(owner, Block) else owner
    symbols = {} if op is None else module_symbols(op) or {}
    return tuple(dict.fromkeys(_writers(value, symbols, set())))


def _writers(value: SSAValue, symbols: Symbols, seen: set[SSAValue]) -> Iterator[str]:
    """Agents that may have written a value."""
    if value in seen:
        return
    seen.add(value)
    for source in _sources(value, symbols):
        if isinstance(source, str):
            yield source
        else:
            yield from _writers(source, symbols, seen)


def _sources(value: SSAValue, symbols: Symbols) -> Iterator[SSAValue | str]:
    """Where a value comes from: an agent's name, or other values, one of which it is."""
    if isinstance(value, BlockArgument):
        yield from _argument_sources(value, symbols)
        return
    op = value.owner
    assert not isinstance(op, Block)
    match op:
        case flow.CallOp():
            name = op.callee.root_reference.data
            callee = symbols.get(name)
            if isinstance(callee, flow.AgentOp):
                yield name
            elif isinstance(callee, flow.WorkflowOp):
                yield _result(callee.body)
        case flow.JoinOp():
            yield from op.inputs
        case flow.RefineOp():
            yield op.initial
            yield _result(op.body)
        case _:
            yield from map(_result, op.regions)


def _argument_sources(value: BlockArgument, symbols: Symbols) -> Iterator[SSAValue | str]:
    """Where the argument of a region comes from; a workflow's, from every call of it."""
    op, index = value.block.parent_op(), value.index
    match op:
        case flow.RefineOp() if index == 0:
            yield op.initial
            yield _result(op.body)
        case flow.MapOp():
            yield op.source
        case flow.WorkflowOp():
            for other in symbols.values():
                for call in other.walk() if isinstance(other, flow.WorkflowOp) else ():
                    if (
                        isinstance(call, flow.CallOp)
                        and call.callee.root_reference.data == op.sym_name.data
                    ):
                        yield call.inputs[index]


def _result(region: Region) -> SSAValue:
    """What a region gives."""
    last = region.block.last_op
    assert last is not None
    return last.operands[0]
