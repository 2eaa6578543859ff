"""Workflows: functions that are traced, explored and compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import FileLineColLoc, FunctionType, ModuleOp, StringAttr, UnitAttr
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.utils.exceptions import VerifyException

from flowir.dialects import flow
from flowir.dialects.plan_signature import parameters_of
from flowir.errors import WorkflowError
from flowir.workflow.declarations import Tool
from flowir.workflow.display import ShownModule
from flowir.workflow.front import Compiled, WorkflowFront
from flowir.workflow.kinds import signature
from flowir.workflow.tracing import Declaration, call, tracing
from flowir.workflow.values import Traced

_SELECTING = ("point", "prefer")
_LIMITS = ("max_latency", "min_accuracy", "max_cost")


@dataclass(frozen=True, eq=False)
class Workflow(Declaration):
    """A workflow; calling it inside another workflow is one invocation."""

    kinds: tuple[Attribute, ...]
    function: Callable[..., Any]

    def __call__(self, *args: Traced, **kwargs: Traced) -> Traced:
        return call(self, args, kwargs)

    def to_ir(self) -> ShownModule:
        """The verified module of the workflow and all it calls; a new one every time.

        Raises:
            WorkflowError: whatever cannot be traced, or means nothing as a workflow.
        """
        return ShownModule(_module(self)[0])

    def explore(
        self,
        profile: str | PathLike[str],
        prices: str | PathLike[str] | None = None,
        **options: Any,
    ) -> WorkflowFront:
        """The Pareto front; options are those of the pass `flow-dse`.

        Raises:
            FlowirError: what the observations or options lack.
        """
        from flowir.passes.flow_dse import FlowDse

        module, tools = _module(self)
        files = {"profile": fspath(profile), "prices": None if prices is None else fspath(prices)}
        try:
            exploring = FlowDse(**files, workflow=self.name, **options)  # type: ignore[arg-type]
        except TypeError as error:
            raise WorkflowError(f"{self.name}.explore: {error}") from None
        exploring.apply(Context(), module)
        return WorkflowFront(module, self.name, tools)

    def compile(
        self,
        profile: str | PathLike[str],
        prices: str | PathLike[str] | None = None,
        **options: Any,
    ) -> Compiled:
        """One point of the front, by `point`, `prefer` or limits; see `explore`."""
        chosen = {name: options.pop(name) for name in _SELECTING if name in options}
        chosen |= {name: options[name] for name in _LIMITS if name in options}
        return self.explore(profile, prices, **options).select(**chosen)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.to_ir()._repr_mimebundle_()


def workflow(function: Callable[..., Any]) -> Workflow:
    """Declare a workflow; the function runs when the workflow is traced, on traced values."""
    found, kinds, output = signature(function, f"workflow {function.__name__}")
    names = tuple(found.parameters)
    marker = flow.WorkflowOp.create(
        properties={
            "sym_name": StringAttr(function.__name__),
            "function_type": FunctionType.from_lists(kinds, [output]),
        },
        regions=[Region(Block())],
    )
    return Workflow(function.__name__, names, names, output, marker, kinds, function)


def _module(entry: Workflow) -> tuple[ModuleOp, dict[str, Callable[..., Any]]]:
    """The module and the functions of its tools by symbol; callees come before callers."""
    declared: dict[str, Declaration] = {}
    ops: dict[str, Operation] = {}
    _trace(entry, declared, ops, ())
    tools = {name: d.function for name, d in declared.items() if isinstance(d, Tool)}
    module = ModuleOp(list(ops.values()))
    try:
        module.verify()
    except VerifyException as error:
        place = getattr(getattr(error, "op", None), "location", None)
        line = ""
        if isinstance(place, FileLineColLoc):
            line = f"{place.filename.data}:{place.line.data}: "
        raise WorkflowError(f"{line}{error}") from None
    return module, tools


def _trace(
    entry: Workflow,
    declared: dict[str, Declaration],
    ops: dict[str, Operation],
    path: tuple[str, ...],
) -> None:
    if entry.name in path:
        raise WorkflowError(f"workflow {entry.name} calls itself; write the loop with refine")
    known = declared.setdefault(entry.name, entry)
    if known is not entry:
        raise WorkflowError(f"two different declarations are named {entry.name}; rename one")
    block = Block(arg_types=entry.kinds)
    with tracing() as trace:
        trace.blocks.append(block)
        for argument, name in zip(block.args, entry.parameters, strict=True):
            argument.name_hint = name
        given = entry.function(*map(Traced, block.args))
        value = trace.use(given, f"what {entry.name} returns")
        end = flow.ReturnOp(value)
        if given.optional:
            end.properties["optional"] = UnitAttr()
        block.add_op(end)
    for name, what in trace.declared.items():
        if name in declared and declared[name].op is not what.op:
            raise WorkflowError(f"two different declarations are named {name}; rename one")
        if isinstance(what, Workflow):
            if name not in ops:
                _trace(what, declared, ops, (*path, entry.name))
        elif name not in ops:
            declared[name] = what
            ops[name] = what.op.clone()
    for name, planned in trace.planned.items():
        ops[name].properties["takes"] = parameters_of(planned)
        if planned.about:
            ops[name].properties["about"] = StringAttr(planned.about)
    ops[entry.name] = flow.WorkflowOp.create(
        properties=dict(entry.op.properties), regions=[Region(block)]
    )
