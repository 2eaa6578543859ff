"""What must be known of plans: which calls are read as they write, and which tools are called."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.ir import Operation

from flowir.backends.asyncio.layout import Expression, call, collection, lines, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.tree import Body, Node, Tree
from flowir.dialects import flow
from flowir.dialects.flow_checks import Symbols
from flowir.dialects.flow_plan import planned_tools
from flowir.runtime.answers import parser_of


def streamed_call(body: Body, symbols: Symbols) -> Node | None:
    """The call whose text is what a body gives, as it is written, and that is all it does."""
    match body.nodes:
        case (node,) if isinstance(node.op, flow.CallOp) and node.output is body.result:
            agent = symbols[node.op.callee.root_reference.data]
            return node if isinstance(agent, flow.AgentOp) and parser_of(agent) == "text" else None
        case _:
            return None


def planners(tree: Tree, symbols: Symbols) -> Iterator[Operation]:
    """The calls that write plans and are read while they do."""
    for node in tree.body.walk():
        if isinstance(node.op, flow.PlanOp):
            call_ = streamed_call(node.bodies[0][1], symbols)
            if call_ is not None:
                yield call_.op


def planned(tree: Tree, symbols: Symbols) -> str:
    """The table of what plans may call: signature, calls at the same time, seconds of one."""
    tools: dict[str, Expression] = {}
    for node in tree.body.walk():
        if isinstance(node.op, flow.PlanOp):
            for tool in planned_tools(node.op, symbols):
                tools.setdefault(tool.sym_name.data, _entry(tool))
    if not tools:
        return ""
    rows = [prefixed(f"{quoted(name)}: ", entry) for name, entry in tools.items()]
    kind = "dict[str, tuple[Signature, int | None, float | None]]"
    return "\n".join(lines(prefixed(f"PLANNED: {kind} = ", collection(rows, "{}")), 0))


def _entry(tool: flow.ToolOp) -> Expression:
    signature = tool.signature
    parameters = []
    for parameter in signature.parameters:
        words = [quoted(parameter.name)]
        if parameter.kind != "any" or not parameter.required:
            words.append(quoted(parameter.kind))
        if not parameter.required:
            words.append("required=False")
        parameters.append(call("Parameter", *words))
    options: list[Expression] = [quoted(signature.name), collection(parameters, "()")]
    if signature.about:
        options.append(quoted(signature.about))
    if signature.pure:
        options.append("pure=True")
    most = "None" if tool.concurrency is None else str(tool.concurrency.data)
    seconds = "None" if tool.timeout is None else repr(tool.timeout.data)
    return collection([call("Signature", *options), most, seconds], "()")
