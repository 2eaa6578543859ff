"""What the verifier of the `flow` dialect rejects; messages name the op, the site and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from flowir.dialects import prompt
from flowir.dialects.flow_types import JoinMode, ListType, boolean, text
from flowir.dialects.plan_signature import named_twice

if TYPE_CHECKING:
    from flowir.dialects import flow

Symbols = Mapping[str, Operation]

PARSERS = ("text", "code", "json", "lines", "label")
"""The text as it is, its last fenced code block, JSON, its non-empty lines, a single word."""

_IMPL = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def describe(op: Operation) -> str:
    """The op with what a reader finds it by: `flow.call @coder at "draft"`."""
    words = [op.name]
    for name in ("sym_name", "callee", "by", "until"):
        match op.properties.get(name):
            case SymbolRefAttr() as symbol:
                words.append(f"@{symbol.root_reference.data}")
            case StringAttr() as string:
                words.append(f"@{string.data}")
            case _:
                pass
    if isinstance(choice := op.properties.get("choice"), StringAttr):
        words.append(f'"{choice.data}"')
    if isinstance(site := op.properties.get("site"), StringAttr):
        words.append(f'at "{site.data}"')
    elif op.results and op.results[0].name_hint:
        words.append(f"(%{op.results[0].name_hint})")
    return " ".join(words)


class OperationError(VerifyException):
    """What is wrong with one operation, which may stand inside the one being verified."""

    def __init__(self, op: Operation, problem: str) -> None:
        super().__init__(f"{describe(op)}: {problem}")
        self.op = op


fail = OperationError


def module_symbols(op: Operation) -> Symbols | None:
    """Agents, tools and workflows around `op`, by name; None outside any module."""
    module = op
    while not isinstance(module, ModuleOp):
        parent = module.parent_op()
        if parent is None:
            return None
        module = parent
    return {
        name.data: inner
        for inner in module.ops
        if isinstance(name := inner.properties.get("sym_name"), StringAttr)
    }


def invoked(op: Operation) -> Iterator[SymbolRefAttr]:
    """What an op itself invokes: its callee, selector, key and checker, the tools of a plan."""
    for name in ("callee", "by", "key", "until"):
        if isinstance(symbol := op.properties.get(name), SymbolRefAttr):
            yield symbol
    if isinstance(tools := op.properties.get("tools"), ArrayAttr):
        yield from (tool for tool in tools if isinstance(tool, SymbolRefAttr))


def agent_inputs(op: flow.AgentOp) -> tuple[str, ...]:
    """Variables of the system prompt and the prompt, by first appearance."""
    system = "" if op.system is None else op.system.data
    return prompt.variables(system, op.prompt.data)


def verify_agent(op: flow.AgentOp) -> None:
    """Templates read; a known parser that gives the output type; a baseline that names a model."""
    try:
        agent_inputs(op)
    except ValueError as error:
        raise fail(op, f"the prompt template does not read: {error}") from None
    if op.parser is not None and op.parser.data not in PARSERS:
        raise fail(op, f'unknown parser "{op.parser.data}"; use one of {", ".join(PARSERS)}')


def verify_tool(op: flow.ToolOp) -> None:
    """An implementation that can be found; a latency that time allows; checkers give verdicts."""
    if not _IMPL.fullmatch(op.impl.data):
        raise fail(op, f'impl "{op.impl.data}" is not of the form "package.module:function"')
    if not 0.0 <= op.latency.data < float("inf"):
        raise fail(op, f"latency {op.latency.data} s; it must be zero or more seconds")
    if op.takes is not None and named_twice(op.takes):
        raise fail(op, "two of the parameters it `takes` have one name; rename one")
    if op.concurrency is not None and op.concurrency.data < 1:
        raise fail(op, f"concurrency {op.concurrency.data}; write 1 or more, or leave it out")
    if op.timeout is not None and not 0.0 < op.timeout.data < float("inf"):
        raise fail(op, f"timeout {op.timeout.data} s; it must be more than zero seconds")
    if op.accepts is not None and op.output not in (boolean, text):
        raise fail(op, f"it `accepts`, so it gives a verdict, not {op.output}; write -> !flow.bool")


def _one_region_each(op: Operation, labels: Sequence[str], regions: Sequence[Region]) -> None:
    """As many labels as regions, and none twice; the generic form can say otherwise."""
    if len(labels) != len(regions):
        raise fail(op, f"{len(labels)} labels for {len(regions)} regions; give each its own")
    if len(set(labels)) != len(labels):
        raise fail(op, f"a label stands twice among {', '.join(labels)}; rename or merge")


def _yielded(
    op: Operation, region: Region, expected: Attribute, which: str, arguments: int = 0
) -> None:
    """The region takes what its op gives it and ends in a yield of the expected type."""
    if len(region.block.args) != arguments:
        raise fail(
            op,
            f"{which} has {len(region.block.args)} block arguments, but is given {arguments}; "
            "values from outside are used directly",
        )
    last = region.block.last_op
    if last is None or last.name != "flow.yield":
        raise fail(op, f"{which} does not end in flow.yield; give the value of the region")
    if (found := last.operands[0].type) != expected:
        raise fail(op, f"{which} yields {found}, but the result is {expected}")


def verify_call(op: flow.CallOp) -> None:
    """The operands marked `optional` exist, each marked once, in order; no mark, no list."""
    if op.optional is None:
        return
    marked = [index.data for index in op.optional]
    if not marked or marked != sorted(set(marked) & set(range(len(op.inputs)))):
        raise fail(
            op,
            f"optional = {marked} is no ascending list of some of its {len(op.inputs)} operands; "
            "write `optional` before the operands that are meant",
        )


def verify_join(op: flow.JoinOp) -> None:
    """At least one operand; what each mode needs and gives."""
    mode = op.mode.data
    types = [value.type for value in op.inputs]
    if not types:
        raise fail(op, "nothing to join; give at least one operand")
    if (op.by is not None) != (mode is JoinMode.SELECT):
        raise fail(op, "`by @agent` belongs to `select`, and `select` needs it")
    if op.key is not None and mode is not JoinMode.VOTE:
        raise fail(op, "`key @tool` belongs to `vote`: it gives the label to count")
    if op.quorum is not None and mode is not JoinMode.VOTE:
        raise fail(op, "`quorum` belongs to `vote`: it ends when the leader cannot be overtaken")
    for word, given in (("until @checker", op.until), ("after […]", op.after)):
        if given is not None and mode is not JoinMode.FIRST:
            raise fail(op, f"`{word}` belongs to `first`: candidates that race")
    if op.by is None and op.until is None:
        if op.group is not None or op.config is not None:
            raise fail(
                op, "`as` and `config` are for the agent of `select` or `until`; remove them"
            )
        if op.context:
            raise fail(op, f"{len(op.context)} values of context, and nobody who reads them")
    if op.after is not None:
        _verify_delays(op, op.delays)
    if len(set(types)) > 1:
        raise fail(
            op, f"operands of different types: {', '.join(map(str, types))}; make them one type"
        )
    expected: dict[JoinMode, Attribute] = {
        JoinMode.ALL: ListType(types[0]),
        JoinMode.ANY: ListType(types[0]),
        JoinMode.CONCAT: text,
    }
    if op.output.type != (wanted := expected.get(mode, types[0])):
        raise fail(op, f"`{mode}` of {types[0]} gives {wanted}, not {op.output.type}")
    if mode is JoinMode.CONCAT and types[0] != text:
        raise fail(op, f"`concat` joins !flow.text, not {types[0]}")


def _verify_delays(op: flow.JoinOp, delays: Sequence[float]) -> None:
    """One for each operand, in seconds; somebody starts at once."""
    if len(delays) != len(op.inputs):
        raise fail(op, f"{len(delays)} delays for {len(op.inputs)} operands; give one each")
    for delay in delays:
        if not 0.0 <= delay < float("inf"):
            raise fail(op, f"a delay of {delay} s; it must be zero or more seconds")
    if min(delays) > 0.0:
        raise fail(op, "every operand is delayed; let one start at once with a delay of 0.0")
    places: dict[SSAValue, float] = {}
    for value, delay in zip(op.inputs, delays, strict=True):
        if places.setdefault(value, delay) != delay:
            raise fail(op, "one operand has two delays; it is made once, so give it one")


def verify_branch(op: flow.BranchOp) -> None:
    """Cases with distinct labels that yield the result type; weights that are probabilities."""
    _one_region_each(op, [name.data for name in op.labels], op.cases)
    if not op.blocks:
        raise fail(op, "no cases; give at least one label or `else`")
    for name, region in op.blocks:
        which = "the `else` case" if name is None else f'case "{name}"'
        _yielded(op, region, op.output.type, which)
    if op.weights is not None:
        if len(op.weights) != len(op.blocks):
            raise fail(op, f"{len(op.weights)} weights for {len(op.blocks)} cases; give one each")
        verify_probabilities(op, [weight.data for weight in op.weights])


def verify_probabilities(op: Operation, values: Iterable[float]) -> None:
    """Each in [0, 1], together 1."""
    numbers = list(values)
    for number in numbers:
        if not 0.0 <= number <= 1.0:
            raise fail(op, f"weight {number} is no probability; it must lie in [0, 1]")
    if abs(sum(numbers) - 1.0) > 1e-6:
        raise fail(op, f"the weights sum to {sum(numbers):g}; they must sum to 1")


def verify_fallback(op: flow.FallbackOp) -> None:
    """At least one attempt; tiers that yield the result type."""
    if op.bound.data < 1:
        raise fail(op, f"max {op.bound.data} never runs; give `max 1` or more")
    if op.bound.data > 1 and len(op.tiers) > 2:
        raise fail(op, "`max N` repeats the first tier, with at most one `else` after it")
    for number, region in enumerate(op.tiers):
        _yielded(op, region, op.output.type, f"tier {number + 1}")


def verify_refine(op: flow.RefineOp) -> None:
    """A body that takes and gives the value."""
    if op.bound.data < 1:
        raise fail(op, f"max {op.bound.data} never refines; give `max 1` or more")
    types = [argument.type for argument in op.body.block.args]
    if types != [op.initial.type, text] or op.output.type != op.initial.type:
        raise fail(
            op, f"the body takes (value, feedback) of {op.initial.type}, {text} and gives the value"
        )
    _yielded(op, op.body, op.output.type, "the body", arguments=2)


def verify_map(op: flow.MapOp) -> None:
    """A bounded body from the element type to the result's element type."""
    if op.bound.data < 1:
        raise fail(op, f"max {op.bound.data} maps nothing; give `max 1` or more")
    if op.width is not None and not 1 <= op.width.data <= op.bound.data:
        raise fail(op, f"width {op.width.data} lies outside 1 … max {op.bound.data}")
    source, result = op.source.type, op.output.type
    assert isinstance(source, ListType)
    assert isinstance(result, ListType)
    if [argument.type for argument in op.body.block.args] != [source.element]:
        raise fail(op, f"the body takes one item of type {source.element}")
    _yielded(op, op.body, result.element, "the body", arguments=1)
    if op.mean is not None:
        users = [use.operation.name for use in op.output.uses]
        if users != ["flow.return"]:
            raise fail(op, "`mean` is allowed only where the list is the workflow's result")


def verify_alternatives(op: flow.AlternativesOp) -> None:
    """Distinct labels; regions that yield the result type."""
    labels = [name.data for name in op.labels]
    if not labels:
        raise fail(op, 'no regions; give at least one, `"label" { … }`')
    _one_region_each(op, labels, op.cases)
    for name, region in zip(labels, op.cases, strict=True):
        _yielded(op, region, op.output.type, f'region "{name}"')
