"""Control flow of traced workflows: joins, choices and bounded loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, FloatData, IntAttr, StringAttr, UnitAttr
from xdsl.ir import Attribute, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_types import JoinMode, JoinModeAttr, label, text
from flowir.errors import WorkflowError
from flowir.workflow.calls import judged
from flowir.workflow.declarations import Agent, Tool
from flowir.workflow.kinds import hint_of
from flowir.workflow.places import Place, here
from flowir.workflow.tracing import Properties, Trace, current
from flowir.workflow.values import Traced

Body = Callable[..., Traced]
Checker = Agent | Tool
Given = Traced | Sequence[Traced]
"""What a selector or checker reads before what it judges."""


def optional(value: Traced) -> Traced:
    """The value, as an input that its reader can do without."""
    return Traced(value.ssa, optional=True)


def all_of(*values: Any) -> Traced:
    """The list of all values; right iff every one is."""
    return _join(JoinMode.ALL, values)


def any_of(*values: Any) -> Traced:
    """The list of all values; right iff some one is."""
    return _join(JoinMode.ANY, values)


def concat(*values: Any) -> Traced:
    """The texts, one after another."""
    return _join(JoinMode.CONCAT, values)


def vote(*values: Any, key: Tool | None = None, quorum: bool = False) -> Traced:
    """The plurality answer; `key` gives what is counted, `quorum` ends when it is decided."""
    properties: Properties = {}
    if key is not None:
        if not isinstance(key, Tool):
            raise WorkflowError(f"{here()}: key= takes a tool, not {key!r}; declare it with @tool")
        properties["key"] = current("vote").declare(key)
    if quorum:
        properties["quorum"] = UnitAttr()
    return _join(JoinMode.VOTE, values, properties)


def select(*values: Any, by: Agent, given: Given = ()) -> Traced:
    """What the agent picks of the values; it reads `given`, then the candidates."""
    return _join(JoinMode.SELECT, values, {}, by, given)


def first(
    *values: Any,
    until: Checker | None = None,
    given: Given = (),
    after: Sequence[float] | None = None,
) -> Traced:
    """The earliest value, or the earliest that the checker accepts; `after` in seconds."""
    properties: Properties = {}
    if after is not None:
        properties["after"] = ArrayAttr([FloatData(float(delay)) for delay in after])
    return _join(JoinMode.FIRST, values, properties, until, given)


def branch(
    on: Traced,
    cases: Mapping[str, Body],
    *,
    otherwise: Body | None = None,
    weights: Mapping[str | None, float] | None = None,
) -> Traced:
    """One of the cases, by label; weights by label, that of `otherwise` under None."""
    trace, place = current("branch"), here()
    value = trace.use(on, "what branch looks at")
    if value.type != label:
        raise WorkflowError(
            f"{place}: branch looks at a label, not at a {hint_of(value.type)}; let who gives it "
            'say so: -> Label, or -> Literal["…", "…"]'
        )
    regions = _regions(trace, place, cases, "case")
    rest = [trace.region(otherwise, (), "`otherwise`")] if otherwise is not None else []
    if not regions and not rest:
        raise WorkflowError(f"{place}: branch without cases; give at least one")
    properties: Properties = {"labels": _labels(cases)}
    if weights is not None:
        names = [*cases, *([None] if rest else [])]
        if weights.keys() != set(names):
            raise WorkflowError(f"{place}: weights for {[*weights]}, cases are {names}")
        properties["weights"] = ArrayAttr([FloatData(float(weights[name])) for name in names])
    op = flow.BranchOp.build(
        operands=[value],
        result_types=[_given_type([*regions, *rest])],
        properties=properties,
        regions=[regions, rest],
    )
    return trace.add(op, place, "branch")


def alternatives(name: str, cases: Mapping[str, Body]) -> Traced:
    """Of these compilation picks exactly one; the first is what is done today."""
    trace, place = current("alternatives"), here()
    if not cases:
        raise WorkflowError(f"{place}: alternatives {name!r} without cases; give at least one")
    regions = _regions(trace, place, cases, "alternative")
    op = flow.AlternativesOp.build(
        result_types=[_given_type(regions)],
        properties={"choice": StringAttr(name), "labels": _labels(cases)},
        regions=[regions],
    )
    return trace.add(op, place, "choice", site=False)


def fallback(*tiers: Body, until: Checker, given: Given = (), max: int = 1) -> Traced:
    """The tiers in order until the checker accepts; `max` runs the first up to so many times."""
    trace, place = current("fallback"), here()
    if not tiers:
        raise WorkflowError(f"{place}: fallback without tiers; give at least one function")
    regions = [trace.region(tier, (), f"tier {n}") for n, tier in enumerate(tiers, 1)]
    context, properties = _checked(trace, place, "until", until, given, _given_type(regions))
    op = flow.FallbackOp.build(
        operands=[context],
        result_types=[_given_type(regions)],
        properties={**properties, "bound": _count(place, "max", max)},
        regions=[regions],
    )
    return trace.add(op, place, "fallback")


def refine(initial: Traced, body: Body, *, until: Checker, max: int, given: Given = ()) -> Traced:
    """While the critic rejects the value, at most `max` times: `body(value, feedback)`."""
    trace, place = current("refine"), here()
    value = trace.use(initial, "what refine starts from")
    context, properties = _checked(trace, place, "until", until, given, value.type)
    op = flow.RefineOp.build(
        operands=[value, context],
        result_types=[value.type],
        properties={**properties, "bound": _count(place, "max", max)},
        regions=[trace.region(body, (value.type, text), "the body")],
    )
    return trace.add(op, place, "refine")


def map_(
    body: Body, items: Traced, *, max: int, width: int | None = None, mean: bool = False
) -> Traced:
    """The body once per item, concurrently; predictions assume `width` items (default `max`)."""
    trace, place = current("map_"), here()
    source = trace.use(items, "what map_ goes through")
    if not isinstance(source.type, flow.ListType):
        raise WorkflowError(f"{place}: map_ goes through a list, not {source.type}")
    region = trace.region(body, (source.type.element,), "the body")
    properties: Properties = {"bound": _count(place, "max", max)}
    if width is not None:
        properties["width"] = IntAttr(width)
    if mean:
        properties["mean"] = UnitAttr()
    op = flow.MapOp.build(
        operands=[source],
        result_types=[flow.ListType(_given_type([region]))],
        properties=properties,
        regions=[region],
    )
    return trace.add(op, place, "map")


def _join(
    mode: JoinMode,
    values: Sequence[Any],
    properties: Properties | None = None,
    judge: Checker | None = None,
    given: Given = (),
) -> Traced:
    trace, place = current(str(mode)), here()
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = values[0]
    if not values:
        raise WorkflowError(f"{place}: {mode} of nothing; give at least one value")
    operands = [trace.use(value, f"operand {n} of {mode}") for n, value in enumerate(values, 1)]
    kind = operands[0].type
    context: list[SSAValue] = []
    properties = {"mode": JoinModeAttr(mode), **(properties or {})}
    if judge is not None:
        role = "by" if mode is JoinMode.SELECT else "until"
        shown = flow.ListType(kind) if mode is JoinMode.SELECT else kind
        context, checked = _checked(trace, place, role, judge, given, shown)
        properties |= checked
    results: dict[JoinMode, Attribute] = {
        JoinMode.ALL: flow.ListType(kind),
        JoinMode.ANY: flow.ListType(kind),
        JoinMode.CONCAT: text,
    }
    op = flow.JoinOp.build(
        operands=[operands, context],
        result_types=[results.get(mode, kind)],
        properties=properties,
    )
    return trace.add(op, place, str(mode))


def _checked(
    trace: Trace, place: Place, role: str, judge: Checker, given: Given, value: Attribute
) -> tuple[list[SSAValue], Properties]:
    """What a selector or checker reads first, and its symbol and decision group."""
    if not isinstance(judge, Agent if role == "by" else Agent | Tool):
        kinds = "an agent" if role == "by" else "an agent or a tool"
        raise WorkflowError(f"{place}: {role}= takes {kinds}, not {judge!r}; declare it as one")
    values = [given] if isinstance(given, Traced) else list(given)
    for item in values:
        trace.use(item, f"what {judge.name} is given")
    context = [item.ssa for item in judged(judge, place, role, values, value)]
    properties: Properties = {role: trace.declare(judge)}
    if isinstance(judge, Agent) and judge.group is not None:
        properties["group"] = StringAttr(judge.group)
    return context, properties


def _regions(trace: Trace, place: Place, cases: Mapping[str, Body], what: str) -> list[Region]:
    if not isinstance(cases, Mapping) or not all(isinstance(name, str) for name in cases):
        raise WorkflowError(
            f'{place}: {what}s are given by label: {{"label": function, …}}, not {cases!r}'
        )
    return [trace.region(body, (), f"{what} {name!r}") for name, body in cases.items()]


def _count(place: Place, name: str, value: int) -> IntAttr:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise WorkflowError(f"{place}: {name}={value!r}; it takes a whole number, 1 or more")
    return IntAttr(value)


def _labels(cases: Mapping[str, Body]) -> ArrayAttr[StringAttr]:
    return ArrayAttr(map(StringAttr, cases))


def _given_type(regions: Sequence[Region]) -> Attribute:
    last = regions[0].block.last_op
    assert last is not None
    return last.operands[0].type
