"""Any workflow of the `flow` dialect as a Python program of the front end.

The other way round than tracing, and nothing of it is shared: what a program says was known before.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp, NoneAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.literals import literal_value

Integer = Callable[[int, int], int]

TOOL_INPUTS = 4


def hint(kind: Attribute) -> str:
    match kind:
        case flow.TextType():
            return "str"
        case flow.LabelType():
            return "Label"
        case flow.BoolType():
            return "bool"
        case flow.ListType():
            return f"list[{hint(kind.element)}]"
        case _:
            return "dict"


def _space(space: SpaceAttr) -> str:
    """Arguments of `agent` or `within`: what models have of their own, or the same for all."""
    own = {
        option.model.data: {
            "budgets": [literal_value(b) for b in option.budgets],  # type: ignore[arg-type]
            "params": {
                name: [literal_value(v) for v in values]  # type: ignore[attr-defined]
                for name, values in option.params.data.items()
            },
        }
        for option in space.options
    }
    first = next(iter(own.values()))
    if all(fields == first for fields in own.values()):
        return f"models={[*own]!r}, budgets={first['budgets']!r}, params={first['params']!r}"
    if all(fields["params"] == first["params"] for fields in own.values()):
        budgets = {model: fields["budgets"] for model, fields in own.items()}
        return f"models={budgets!r}, params={first['params']!r}"
    return f"models={own!r}"


def _baseline(config: ConfigAttr) -> str:
    budget = None if isinstance(config.budget, NoneAttr) else literal_value(config.budget)
    params = tuple((name, literal_value(v)) for name, v in config.params.data.items())  # type: ignore[arg-type]
    return f"Configuration({config.model.data!r}, {budget!r}, {params!r})"


@dataclass
class _Writer:
    """Writes one program, with choices of style."""

    integer: Integer
    judges: set[str]
    names: dict[SSAValue, str] = field(default_factory=dict)
    parameters: dict[str, list[str]] = field(default_factory=dict)
    callees: dict[str, Operation] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    bodies: int = 0

    def chance(self, of: int) -> bool:
        return self.integer(1, of) == 1

    def declare(self, op: Operation) -> Iterator[str]:
        """An agent, a tool or a workflow."""
        symbol = op.properties["sym_name"]
        assert isinstance(symbol, StringAttr)
        name = symbol.data
        self.callees[name] = op
        self.variables[name] = f"d{len(self.variables)}"
        match op:
            case flow.AgentOp():
                yield from self._agent(op, name)
            case flow.ToolOp():
                yield from self._tool(op, name)
            case flow.WorkflowOp():
                yield from self._workflow(op, name)

    def _agent(self, op: flow.AgentOp, name: str) -> Iterator[str]:
        given = [f"prompt={op.prompt.data!r}"]
        given += [
            f"{word}={value.data!r}"
            for word in ("system", "parser", "metric")
            if isinstance(value := op.properties.get(word), StringAttr)
        ]
        if op.space is not None:
            given.append(_space(op.space))
        if op.baseline is not None:
            given.append(f"baseline={_baseline(op.baseline)}")
        inputs = list(op.inputs)
        written = [name, *inputs]
        if any(not w.isidentifier() or keyword.iskeyword(w) for w in written) or self.chance(3):
            self.parameters[name] = inputs
            output = f"output={hint(op.output)}"
            variable = self.variables[name]
            yield f"{variable} = wf.agent({name!r}, {', '.join([*given, output])})"
            return
        order = inputs[:-1] if name in self.judges else list(inputs)
        mixed = [order.pop(self.integer(0, len(order) - 1)) for _ in range(len(order))]
        self.parameters[name] = mixed + [i for i in inputs if i not in mixed]
        docstring = self.chance(2) and op.prompt.data == op.prompt.data.strip()
        if docstring:
            given = given[1:]
        yield f"@wf.agent({', '.join(given)})"
        hints = [f"{i}: Any" if self.chance(2) else i for i in self.parameters[name]]
        yield f"def {name}({', '.join(hints)}) -> {hint(op.output)}:"
        yield f"    {op.prompt.data!r}" if docstring else "    ..."
        yield f"{self.variables[name]} = {name}"

    def _tool(self, op: flow.ToolOp, name: str) -> Iterator[str]:
        variable = self.variables[name]
        self.parameters[name] = [f"x{i}" for i in range(TOOL_INPUTS)]
        inputs = ", ".join(f"{x}: Any = UNSET" for x in self.parameters[name])
        yield f"def f_{variable}({inputs}) -> {hint(op.output)}:"
        yield f"    return use({name!r}, {', '.join(self.parameters[name])})"
        given = [f"name={name!r}", f"impl={op.impl.data!r}", f"effect={str(op.effect.data)!r}"]
        given.append(f"latency={op.latency.data!r}")
        if op.accepts is not None:
            rates = (op.accepts.right.data, op.accepts.wrong.data, op.accepts.persistence.data)
            given.append(f"accepts={rates if rates[2] else rates[:2]!r}")
        yield f"{variable} = wf.tool(f_{variable}, {', '.join(given)})"

    def _workflow(self, op: flow.WorkflowOp, name: str) -> Iterator[str]:
        arguments = op.body.block.args
        inputs = [f"{self._name(value)}: {hint(value.type)}" for value in arguments]
        self.parameters[name] = [self.names[value] for value in arguments]
        yield "@wf.workflow"
        yield f"def {name}({', '.join(inputs)}) -> {hint(op.function_type.outputs.data[0])}:"
        yield from self._block(op.body, "    ")
        yield f"{self.variables[name]} = {name}"

    def _name(self, value: SSAValue) -> str:
        return self.names.setdefault(value, f"v{len(self.names)}")

    def _block(self, region: Region, indent: str) -> Iterator[str]:
        for op in region.block.ops:
            match op:
                case flow.YieldOp():
                    yield f"{indent}return {self.names[op.value]}"
                case flow.ReturnOp():
                    value = self.names[op.value]
                    shown = value if op.optional is None else f"wf.optional({value})"
                    yield f"{indent}return {shown}"
                case _:
                    before: list[str] = []
                    expression = self._expression(op, before)
                    yield from (f"{indent}{line}" for line in before)
                    yield f"{indent}{self._name(op.results[0])} = {expression}"

    def _body(self, region: Region, before: list[str]) -> str:
        """A region as an expression: a lambda, or a function that is defined before."""
        inputs = ", ".join(map(self._name, region.block.args))
        ops = list(region.block.ops)
        lambda_ = f"lambda {inputs}:" if inputs else "lambda:"
        if len(ops) == 1 and self.chance(2):
            return f"{lambda_} {self.names[ops[0].operands[0]]}"
        if len(ops) == 2 and ops[1].operands[0] in ops[0].results and not ops[0].regions:
            self._name(ops[0].results[0])
            return f"{lambda_} {self._expression(ops[0], before)}"
        self.bodies += 1
        name = f"body_{self.bodies}"
        before.append(f"def {name}({inputs}):")
        before += self._block(region, "    ")
        return name

    def _expression(self, op: Operation, before: list[str]) -> str:
        match op:
            case flow.CallOp():
                return self._call(op)
            case flow.JoinOp():
                return self._join(op)
            case flow.BranchOp():
                cases = self._cases(op.labels, op.cases, before)
                given = [self.names[op.on], cases]
                if op.otherwise is not None:
                    given.append(f"otherwise={self._body(op.otherwise, before)}")
                if op.weights is not None:
                    weights = [weight.data for weight in op.weights]
                    by_label = dict(zip([n for n, _ in op.blocks], weights, strict=True))
                    given.append(f"weights={by_label!r}")
                return f"wf.branch({', '.join(given)})"
            case flow.FallbackOp():
                given = [self._body(tier, before) for tier in op.tiers]
                given += self._judge(op, "until", op.until)
                if op.bound.data != 1 or self.chance(2):
                    given.append(f"max={op.bound.data}")
                return f"wf.fallback({', '.join(given)})"
            case flow.RefineOp():
                given = [self.names[op.initial], self._body(op.body, before)]
                given += [*self._judge(op, "until", op.until), f"max={op.bound.data}"]
                return f"wf.refine({', '.join(given)})"
            case flow.MapOp():
                given = [self._body(op.body, before), self.names[op.source], f"max={op.bound.data}"]
                if op.width is not None:
                    given.append(f"width={op.width.data}")
                return f"wf.map_({', '.join(given)})"
            case flow.AlternativesOp():
                cases = self._cases(op.labels, op.cases, before)
                return f"wf.alternatives({op.choice.data!r}, {cases})"
        raise AssertionError(op.name)

    def _cases(self, labels: object, regions: object, before: list[str]) -> str:
        pairs = zip(labels, regions, strict=True)  # type: ignore[call-overload]
        return "{" + ", ".join(f"{n.data!r}: {self._body(r, before)}" for n, r in pairs) + "}"

    def _callee(self, symbol: SymbolRefAttr, op: Operation) -> str:
        """The expression of what is called, in the group and with the space of the call."""
        variable = self.variables[symbol.root_reference.data]
        if isinstance(group := op.properties.get("group"), StringAttr):
            variable += f".grouped({group.data!r})"
        if isinstance(space := op.properties.get("space"), SpaceAttr):
            variable += f".within({_space(space)})"
        return variable

    def _call(self, op: flow.CallOp) -> str:
        name = op.callee.root_reference.data
        callee = self.callees[name]
        values = [
            f"wf.optional({self.names[v]})" if i in op.optional_inputs else self.names[v]
            for i, v in enumerate(op.inputs)
        ]
        parameters = self.parameters[name]
        inputs = list(callee.inputs) if isinstance(callee, flow.AgentOp) else parameters
        by_name = dict(zip(inputs, values, strict=False))
        ordered = [(p, by_name[p]) for p in parameters if p in by_name]
        named = 0
        if not any(keyword.iskeyword(p) for p in parameters):
            named = self.integer(0, len(ordered))
        first = [value for _, value in ordered[: len(ordered) - named]]
        rest = [f"{p}={value}" for p, value in ordered[len(ordered) - named :]]
        if len(rest) > 1 and self.chance(2):
            rest.reverse()
        return f"{self._callee(op.callee, op)}({', '.join(first + rest)})"

    def _judge(self, op: Operation, word: str, symbol: SymbolRefAttr) -> list[str]:
        """`until=…, given=…`: the values in the order of the parameters."""
        name = symbol.root_reference.data
        callee, values = self.callees[name], [self.names[v] for v in op.context]  # type: ignore[attr-defined]
        if isinstance(callee, flow.AgentOp):
            by_name = dict(zip(callee.inputs, values, strict=False))
            values = [by_name[p] for p in self.parameters[name][:-1]]
        given = [f"{word}={self._callee(symbol, op)}"]
        if len(values) == 1 and self.chance(2):
            given.append(f"given={values[0]}")
        elif values:
            given.append(f"given=[{', '.join(values)}]")
        return given

    def _join(self, op: flow.JoinOp) -> str:
        values = ", ".join(self.names[value] for value in op.inputs)
        if self.chance(2):
            values = f"[{values}]"
        given = [values]
        if op.key is not None:
            given.append(f"key={self._callee(op.key, op)}")
        if op.quorum is not None:
            given.append("quorum=True")
        for word, symbol in (("by", op.by), ("until", op.until)):
            if symbol is not None:
                given += self._judge(op, word, symbol)
        if op.after is not None:
            given.append(f"after={list(op.delays)!r}")
        names = {"all": "all_of", "any": "any_of"}
        mode = str(op.mode.data)
        return f"wf.{names.get(mode, mode)}({', '.join(given)})"


def judges(module: ModuleOp) -> set[str]:
    """Agents that judge or select somewhere: what they judge is their last input."""
    found = set()
    for op in module.walk():
        for word in ("by", "until"):
            if isinstance(symbol := op.properties.get(word), SymbolRefAttr):
                found.add(symbol.root_reference.data)
    return found


def python_of(module: ModuleOp, integer: Integer) -> str:
    """The source of a program in which `wf` is the front end.

    Args:
        integer: draws an integer between two bounds, for the style.
    """
    writer = _Writer(integer, judges(module))
    head = "from __future__ import annotations\n"
    return head + "\n".join(line for op in module.ops for line in writer.declare(op)) + "\n"
