"""Programs of the front end mean what they say: as IR, and as plain Python.

Random workflows of the dialect are written down as Python. What tracing makes of it is the module
they came from, up to names; what the reference interpreter then does is what the same source does
when it simply runs, with stand-ins for the constructs.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatData,
    IntAttr,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
)

import flowir.workflow
from flowir.calculus.from_ir import find_workflow
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.dse import SpaceAttr
from flowir.runtime.answers import known_labels, parser_of
from flowir.runtime.interpreter import interpret
from flowir.runtime.values import parse as read
from flowir.workflow import Label, Workflow
from tests.budget import some
from tests.strategies_ir import entry, module_text, parse
from tests.workflow.plain import Script, Value, front_end
from tests.workflow.written import hint, python_of

UNSET = object()


def module_of(seed: int, runs: bool) -> ModuleOp:
    """A random module; its workflows are named w0, w1, and every clause is there now and then.

    Args:
        runs: leave out races, which time decides, and spaces that leave no configuration.
    """
    random = Random(seed)
    module = parse(module_text(random.randint, races=not runs, plans=False))
    for number, workflow in enumerate(op for op in module.ops if isinstance(op, flow.WorkflowOp)):
        _rename(module, workflow, f"w{number}")
    for op in module.walk():
        if random.random() < 0.3:
            _embellish(op, module, random, not runs)
    _keep_called(module)
    module.verify()
    return module


def _keep_called(module: ModuleOp) -> None:
    """Drop what the entry does not call, at any remove: a program that is traced has no more."""
    by_name = {op.properties["sym_name"].data: op for op in module.ops}  # type: ignore[attr-defined]
    kept, found = set(), [entry(module).sym_name.data]
    while found:
        kept.add(name := found.pop())
        for op in by_name[name].walk():
            symbols = (op.properties.get(word) for word in ("callee", "by", "key", "until"))
            found += [s.root_reference.data for s in symbols if isinstance(s, SymbolRefAttr)]
    for name, op in by_name.items():
        if name not in kept:
            op.detach()


def _rename(module: ModuleOp, workflow: flow.WorkflowOp, name: str) -> None:
    for op in module.walk():
        if isinstance(op, flow.CallOp) and op.callee.root_reference == workflow.sym_name:
            op.callee = SymbolRefAttr(name)
    workflow.properties["sym_name"] = StringAttr(name)


def _embellish(op: Any, module: ModuleOp, random: Random, narrow: bool) -> None:
    """Clauses that random texts leave out."""
    match op:
        case flow.CallOp():
            op.optional = ArrayAttr([IntAttr(random.randrange(len(op.inputs)))])
            names = {o.properties["sym_name"]: o for o in module.ops}
            callee = names[op.callee.root_reference]
            if narrow and isinstance(callee, flow.AgentOp):
                assert callee.space is not None
                op.space = SpaceAttr(ArrayAttr([random.choice(callee.space.options.data)]))
        case flow.BranchOp():
            weights = [0.0] * len(op.blocks)
            weights[random.randrange(len(weights))] = 1.0
            op.weights = ArrayAttr(map(FloatData, weights))
        case flow.MapOp():
            op.width = IntAttr(1)
        case flow.ToolOp():
            op.latency = FloatData(0.25)
        case flow.AgentOp():
            op.metric = StringAttr('of "them"')
        case flow.ReturnOp():
            op.optional = UnitAttr()


def program(source: str, wf: Any, use: Any) -> dict[str, Any]:
    """What the source defines."""
    names = {"wf": wf, "use": use, "UNSET": UNSET, "Any": Any, "Label": Label}
    names["Configuration"] = Configuration
    exec(compile(source, "<written>", "exec"), names)
    return names


def plain_text(module: ModuleOp) -> str:
    """The module without the names that mean nothing, its declarations in one order."""
    copy = module.clone()
    for op in copy.walk():
        op.properties.pop("site", None)
        for value in (*op.results, *(a for r in op.regions for b in r.blocks for a in b.args)):
            value.name_hint = None
    ops = sorted(copy.ops, key=lambda op: str(op.properties["sym_name"]))
    return "\n".join(map(str, ops))


def traced(source: str, module: ModuleOp) -> ModuleOp:
    name = entry(module).sym_name.data
    found = program(source, flowir.workflow, None)[name]
    assert isinstance(found, Workflow)
    return found.to_ir().module


seeds = st.integers(0, 2**32)
examples = settings(
    max_examples=some(150), suppress_health_check=[HealthCheck.too_slow], deadline=None
)


@examples
@given(seed=seeds)
def test_a_program_traces_to_the_module_it_was_written_from(seed: int) -> None:
    module = module_of(seed, runs=False)
    source = python_of(module, Random(seed).randint)
    assert plain_text(traced(source, module)) == plain_text(module), source


@examples
@given(seed=seeds, answers=st.integers(0, 9))
def test_a_traced_program_runs_as_plain_python_does(seed: int, answers: int) -> None:
    module = module_of(seed, runs=True)
    source = python_of(module, Random(seed).randint)
    workflow = entry(module)
    kinds = {
        op.sym_name.data: role
        if (role := op.impl.data.split(":")[1]) != "plain"
        else str(op.output)
        for op in module.ops
        if isinstance(op, flow.ToolOp)
    }
    agents = {op.sym_name.data: op for op in module.ops if isinstance(op, flow.AgentOp)}
    labels = known_labels(workflow)
    inputs = [_input(hint(value.type)) for value in workflow.body.block.args]

    def reading(name: str, text: str) -> Any:
        op = agents[name]
        return read(parser_of(op), op.output, text, labels.get(name, ()), name)

    plain = Script(answers, kinds)
    plain_program = program(
        source,
        front_end(plain, reading),
        lambda name, *values: plain.use(name, [value for value in values if value is not UNSET]),
    )
    found, failed = None, False
    try:
        found = plain_program[workflow.sym_name.data](*inputs)
    except Exception:
        failed = True

    script = Script(answers, kinds)
    run = find_workflow(traced(source, module), workflow.sym_name.data)
    values = [value.it for value in inputs]
    try:
        result = asyncio.run(interpret(run, values, script.llm, script.tools()))
    except Exception:
        assert failed, source
        return
    assert not failed, source
    assert found is not None
    assert result.value == found.it, source
    assert script.asked == plain.asked, source


def _input(kind: str) -> Value:
    made = {"str": "a {task}", "Label": "Hard", "bool": True, "dict": {"k": 1}}
    if kind.startswith("list"):
        inner = _input(Value(None, kind).element)
        return Value([inner.it, inner.it], kind)
    return Value(made[kind], kind)
