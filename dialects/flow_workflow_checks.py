"""What the verifier rejects about a workflow as a whole: its symbols, sites, ties and order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects.builtin import StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue

from flowir.dialects.flow_checks import Symbols, agent_inputs, describe, fail, module_symbols
from flowir.dialects.flow_fused import verify_fused
from flowir.dialects.flow_types import boolean, text

if TYPE_CHECKING:
    from flowir.dialects import flow


def verify_workflow(op: flow.WorkflowOp) -> None:
    """The signature; then, inside a module, every symbol, site and tied choice."""
    inputs, outputs = list(op.function_type.inputs), list(op.function_type.outputs)
    if len(outputs) != 1:
        raise fail(op, f"a workflow gives exactly one result, not {len(outputs)}")
    if [argument.type for argument in op.body.block.args] != inputs:
        raise fail(op, "the arguments of the body differ from the signature")
    last = op.body.block.last_op
    if last is None or last.name != "flow.return":
        raise fail(op, "the body does not end in flow.return")
    if last.operands[0].type != outputs[0]:
        raise fail(op, f"it returns {last.operands[0].type}, but the signature says {outputs[0]}")
    _verify_order(op.body, set())
    verify_sites(op)
    _verify_ties(op)
    verify_fused(op)
    if (symbols := module_symbols(op)) is not None:
        from flowir.dialects.flow_plan import verify_plan_tools  # It needs the ops that need this.

        for inner in op.walk():
            _verify_symbols(inner, symbols)
            verify_plan_tools(inner, symbols)
        _verify_no_recursion(op, symbols)


def _verify_order(region: Region, seen: set[SSAValue]) -> None:
    """Every value is made before it is used, in this region or in one around it."""
    inside: set[SSAValue] = set()
    for block in region.blocks:
        inside.update(block.args)
        for op in block.ops:
            for value in op.operands:
                if value not in seen and value not in inside:
                    name = f"%{value.name_hint}" if value.name_hint else f"a {value.type}"
                    raise fail(op, f"it uses {name} before it is made; order them by use")
            for inner in op.regions:
                _verify_order(inner, seen | inside)
            inside.update(op.results)


def verify_sites(op: Operation) -> None:
    """No site name twice."""
    seen: dict[str, Operation] = {}
    for inner in op.walk():
        if not isinstance(site := inner.properties.get("site"), StringAttr):
            continue
        if site.data in seen:
            raise fail(inner, f"the site name is taken by {describe(seen[site.data])}; rename one")
        seen[site.data] = inner


def _verify_ties(op: Operation) -> None:
    """Alternatives of one name have the same labels."""
    seen: dict[str, Operation] = {}
    for inner in op.walk():
        if inner.name != "flow.alternatives":
            continue
        choice = inner.properties["choice"]
        assert isinstance(choice, StringAttr)
        other = seen.setdefault(choice.data, inner)
        if other.properties["labels"] != inner.properties["labels"]:
            raise fail(
                inner, "tied alternatives differ in their labels; give both the same, in order"
            )


def _verify_symbols(op: Operation, symbols: Symbols) -> None:
    """Symbols exist, are of the right kind and are called with what they take."""
    for name, kinds in (
        ("callee", ("flow.agent", "flow.tool", "flow.workflow")),
        ("by", ("flow.agent",)),
        ("key", ("flow.tool",)),
        ("until", ("flow.agent", "flow.tool")),
    ):
        if not isinstance(symbol := op.properties.get(name), SymbolRefAttr):
            continue
        if symbol.nested_references.data:
            raise fail(op, f"{symbol} names something inside a symbol; name the symbol itself")
        target = symbols.get(symbol.root_reference.data)
        known = sorted(n for n, o in symbols.items() if o.name in kinds)
        if target is None:
            raise fail(
                op,
                f"unknown symbol @{symbol.root_reference.data}; declared here: "
                f"{', '.join('@' + n for n in known) or 'none'}",
            )
        if target.name not in kinds:
            raise fail(
                op,
                f"@{symbol.root_reference.data} is a {target.name}, expected {' or '.join(kinds)}",
            )
        _verify_signature(op, name, target)
        if target.name != "flow.agent" and name != "key":
            _verify_unconfigured(op, target)
    if op.name == "flow.branch" and isinstance(producer := op.operands[0].owner, Operation):
        _verify_routed(op, producer, symbols)


def _verify_unconfigured(op: Operation, target: Operation) -> None:
    """Only agents have configurations to decide."""
    for clause, name in (("as", "group"), ("space", "space"), ("config", "config")):
        if name in op.properties:
            raise fail(
                op, f"`{clause}` is for agents, and what is called is a {target.name}; remove it"
            )


def _verify_signature(op: Operation, role: str, target: Operation) -> None:
    """The op gives `target` what it takes, and takes what it gives."""
    given = len(op.operands)
    if role == "by":
        given = len(op.operands) - len(op.inputs) + 1  # type: ignore[attr-defined]
    elif role == "until":
        given = len(op.context) + 1  # type: ignore[attr-defined]
    if target.name == "flow.agent" and role in ("callee", "by", "until"):
        try:
            names = agent_inputs(target)  # type: ignore[arg-type]
        except ValueError as error:
            raise fail(target, f"the prompt template does not read: {error}") from None
        if len(names) != given:
            what = {
                "callee": "the call gives",
                "by": "the join gives its context and the list of candidates, together",
                "until": "it is given its operands and the value, together",
            }[role]
            raise fail(
                op,
                f"the prompt of @{target.properties['sym_name'].data} has {len(names)} variables "  # type: ignore[attr-defined]
                f"({', '.join(names) or 'none'}), {what} {given}",
            )
    if target.name == "flow.workflow":
        signature = target.function_type  # type: ignore[attr-defined]
        types = [value.type for value in op.operands]
        if types != list(signature.inputs):
            wanted = ", ".join(map(str, signature.inputs))
            raise fail(
                op, f"the workflow takes ({wanted}), the call gives ({', '.join(map(str, types))})"
            )
        produced: Attribute = signature.outputs.data[0]
    else:
        produced = target.output  # type: ignore[attr-defined]
    if role == "callee" and op.results[0].type != produced:
        raise fail(op, f"it gives {produced}, but the result is typed {op.results[0].type}")
    if role == "until" and target.name == "flow.tool" and produced not in (boolean, text):
        raise fail(op, f"the checker gives {produced}, not a verdict; declare it -> !flow.bool")


def _verify_routed(op: Operation, producer: Operation, symbols: Symbols) -> None:
    """Where a model writes the label, the branch has an `else`."""
    callee = producer.properties.get("callee")
    if not isinstance(callee, SymbolRefAttr):
        return
    target = symbols.get(callee.root_reference.data)
    if target is not None and target.name == "flow.agent" and op.otherwise is None:  # type: ignore[attr-defined]
        raise fail(op, "a model writes this label and may write anything: add an `else` case")


def _verify_no_recursion(op: Operation, symbols: Symbols) -> None:
    """A workflow does not call itself, at any remove: there would be no bound."""
    finished: set[str] = set()

    def visit(workflow: Operation, path: tuple[str, ...]) -> None:
        name = _symbol_name(workflow)
        if name in path:
            cycle = " → ".join(f"@{step}" for step in (*path[path.index(name) :], name))
            raise fail(
                op, f"workflows call each other in a circle ({cycle}); use flow.refine or flow.map"
            )
        if name in finished:
            return
        for inner in workflow.walk():
            callee = inner.properties.get("callee")
            if isinstance(callee, SymbolRefAttr):
                target = symbols.get(callee.root_reference.data)
                if target is not None and target.name == "flow.workflow":
                    visit(target, (*path, name))
        finished.add(name)

    visit(op, ())


def _symbol_name(op: Operation) -> str:
    name = op.properties["sym_name"]
    assert isinstance(name, StringAttr)
    return name.data
