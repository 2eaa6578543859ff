"""Calls of agents, tools and workflows: every input once, of the type it has there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import Attribute

from flowir.dialects import flow
from flowir.dialects.dse import SpaceAttr
from flowir.errors import WorkflowError, nearest
from flowir.workflow.kinds import fits, hint_of
from flowir.workflow.places import Place, here
from flowir.workflow.tracing import Declaration, Properties, current
from flowir.workflow.values import Traced


def call(
    what: Declaration,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    group: str | None = None,
    space: SpaceAttr | None = None,
) -> Traced:
    """One invocation.

    Raises:
        WorkflowError: inputs that are not those it takes.
    """
    trace = current(f"{what.name}(…)")
    place = here()
    given = bound(what, place, args, kwargs)
    names = [name for name in what.inputs if name in given]
    operands = [trace.use(given[name], f"input {name} of {what.name}") for name in names]
    check_kinds(what, place, {n: v.type for n, v in zip(names, operands, strict=True)})
    properties: Properties = {"callee": trace.declare(what)}
    marked = [number for number, name in enumerate(names) if given[name].optional]
    if marked:
        properties["optional"] = ArrayAttr(map(IntAttr, marked))
    if group is not None:
        properties["group"] = StringAttr(group)
    if space is not None:
        properties["space"] = space
    op = flow.CallOp.create(operands=operands, result_types=[what.output], properties=properties)
    return trace.add(op, place, what.name)


def bound(
    what: Declaration, place: Place, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs by name.

    Raises:
        WorkflowError: one is missing, unknown, or given twice.
    """
    names = what.parameters
    takes = f"{place}: {what.name} takes ({', '.join(names)})"
    if len(args) > len(names):
        raise WorkflowError(f"{takes}, and {len(args)} values were given")
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            raise WorkflowError(f"{takes}, and no {name}{nearest(name, names)}")
        if name in given:
            raise WorkflowError(f"{takes}; {name} is given by position and by name")
        given[name] = value
    if missing := [name for name in names[: what.required] if name not in given]:
        raise WorkflowError(f"{takes}; {' and '.join(missing)} is missing")
    left_out = [name for name in names if name not in given]
    if left_out and left_out != list(names[-len(left_out) :]):
        raise WorkflowError(
            f"{takes}; {left_out[0]} is left out and a later one is given: tools are called by "
            "position, so give the ones before it too"
        )
    return given


def check_kinds(
    what: Declaration, place: Place, kinds: Mapping[str, Attribute], doing: str = "is given"
) -> None:
    """The types of inputs are those of the hints, where a hint says one.

    Raises:
        WorkflowError: one is not.
    """
    for name, wanted in zip(what.parameters, what.kinds, strict=True):
        if name in kinds and not fits(kinds[name], wanted):
            raise WorkflowError(
                f"{place}: input {name} of {what.name} is a {hint_of(wanted)}, and {doing} a "
                f"{hint_of(kinds[name])}; change the hint, or what is given"
            )


def judged(
    what: Declaration, place: Place, role: str, given: Sequence[Traced], value: Attribute
) -> list[Traced]:
    """What a selector or checker is given before what it judges, in the order of its operands.

    Args:
        role: the keyword that names it, such as `until`.
        value: the type of what it judges: its last parameter.

    Raises:
        WorkflowError: too few or too many values, types that differ, or a prompt that does not
            read what is judged last.
    """
    names = what.parameters
    if not what.required <= len(given) + 1 <= len(names):
        raise WorkflowError(
            f"{place}: {what.name} takes ({', '.join(names)}); {role}= gives it what given= names, "
            f"here {len(given)}, and then the value: {len(given) + 1} together"
        )
    kinds = {name: item.ssa.type for name, item in zip(names, given, strict=False)}
    last = names[len(given)]
    check_kinds(what, place, {**kinds, last: value})
    order = [name for name in what.inputs if name in kinds or name == last]
    if order[-1] != last:
        raise WorkflowError(
            f"{place}: the prompt of {what.name} reads {{{last}}}, the value, before "
            f"{{{order[-1]}}}; {role}= gives the value last, so let the prompt read it last"
        )
    return [given[names.index(name)] for name in order[:-1]]
