"""Workflows: functions that are traced, explored and compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, ModuleOp, StringAttr, UnitAttr
from xdsl.ir import Block, Operation, Region

from flowir.dialects import flow
from flowir.dialects.plan_signature import parameters_of
from flowir.errors import WorkflowError
from flowir.workflow.calls import call
from flowir.workflow.declarations import Tool
from flowir.workflow.display import Graph, ShownModule
from flowir.workflow.front import Compiled, Functions, WorkflowFront, options_to_select
from flowir.workflow.kinds import signature, without_defaults
from flowir.workflow.options import PriceList, Profile, checked, observed_of, options_of
from flowir.workflow.places import here, placed_errors
from flowir.workflow.tracing import Declaration, Trace, clash, tracing
from flowir.workflow.values import Traced


@dataclass(frozen=True, eq=False)
class Workflow(Declaration):
    """A workflow; calling it inside another workflow is one invocation."""

    function: Callable[..., Any]

    def __call__(self, *args: Traced, **kwargs: Traced) -> Traced:
        return call(self, args, kwargs)

    def to_ir(self) -> ShownModule:
        """The verified module of the workflow and all it calls; a new one every time.

        Raises:
            WorkflowError: whatever cannot be traced, or means nothing as a workflow.
        """
        return ShownModule(_module(self)[0])

    def functions(self) -> Functions:
        """The functions of the tools it uses, by name.

        Raises:
            WorkflowError: as `to_ir`.
        """
        return _module(self)[1]

    def graph(self) -> Graph:
        """The workflow as a drawing."""
        return self.to_ir().graph(self.name)

    def explore(
        self, profile: Profile, prices: PriceList | None = None, **options: Any
    ) -> WorkflowFront:
        """The Pareto front.

        Args:
            profile: observations of single calls: a file, rows by column, or a data frame.
            prices: of the models: a file, or (input, output) in US dollars per million tokens by
                model. Without them money is no objective.
            options: those of the pass `flow-dse`, such as `objectives`, `max_latency`, `seed`.

        Raises:
            FlowirError: what the workflow, the observations or the options lack.
        """
        from flowir.passes.flow_dse import FlowDse

        given = checked(f"{self.name}.explore", options, options_of(FlowDse))
        exploring = FlowDse(workflow=self.name, **given)
        exploring.options()
        module, tools = _module(self)
        observed = observed_of(profile, prices, exploring.seed)
        with placed_errors(module):
            exploring.explore(Context(), module, observed)
        return WorkflowFront(module, self.name, tools, observed)

    def compile(
        self, profile: Profile, prices: PriceList | None = None, **options: Any
    ) -> Compiled:
        """One point of the front: `explore` and then `select`, with the options of both.

        Limits hold for both: what breaks them is not explored.

        Raises:
            FlowirError: as those.
        """
        from flowir.passes.flow_dse import FlowDse

        exploring, selecting = options_of(FlowDse), options_to_select()
        given = checked(f"{self.name}.compile", options, selecting | exploring)
        front = self.explore(
            profile, prices, **{name: v for name, v in given.items() if name in exploring}
        )
        return front.select(**{name: v for name, v in given.items() if name in selecting})

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        shown = self.to_ir()
        return {**shown.graph(self.name)._repr_mimebundle_(), "text/plain": str(shown)}


def workflow(function: Callable[..., Any]) -> Workflow:
    """Declare a workflow; the function runs when the workflow is traced, on traced values.

    Raises:
        WorkflowError: parameters that no workflow has, or hints without a counterpart.
    """
    place = here()
    where = f"{place}: workflow {function.__name__}"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise WorkflowError(
            f"{where}: it is async or a generator; write `def` and `return`: "
            "calls run at the same time wherever they can"
        )
    found, kinds, output = signature(function, where)
    names = without_defaults(found, where)
    marker = flow.WorkflowOp.create(
        properties={
            "sym_name": StringAttr(function.__name__),
            "function_type": FunctionType.from_lists(kinds, [output]),
        },
        regions=[Region(Block())],
    )
    marker.location = place.location
    return Workflow(function.__name__, names, kinds, names, len(names), output, marker, function)


def _module(entry: Workflow) -> tuple[ModuleOp, Functions]:
    """The module and the functions of its tools by symbol; callees come before callers."""
    building = _Building({}, {})
    building.trace(entry, ())
    tools = {name: d.function for name, d in building.declared.items() if isinstance(d, Tool)}
    module = ModuleOp(list(building.ops.values()))
    with placed_errors(module):
        module.verify()
    return module, tools


@dataclass(frozen=True)
class _Building:
    """What a module declares so far, and the operations of it that are done."""

    declared: dict[str, Declaration]
    ops: dict[str, Operation]

    def trace(self, entry: Workflow, callers: tuple[str, ...]) -> None:
        """Add a workflow and all it calls.

        Raises:
            WorkflowError: it calls itself, or two declarations have one name.
        """
        if entry.name in callers:
            circle = " → ".join((*callers[callers.index(entry.name) :], entry.name))
            raise WorkflowError(
                f"workflow {entry.name} calls itself ({circle}), without a bound; "
                "write loops with refine or fallback"
            )
        self._declare(entry)
        trace, block = _traced(entry)
        for name, what in trace.declared.items():
            self._declare(what)
            if name in self.ops:
                continue
            if isinstance(what, Workflow):
                self.trace(what, (*callers, entry.name))
            else:
                self.ops[name] = what.op.clone()
        for name, planned in trace.planned.items():
            self.ops[name].properties["takes"] = parameters_of(planned)
            if planned.about:
                self.ops[name].properties["about"] = StringAttr(planned.about)
        op = flow.WorkflowOp.create(properties=dict(entry.op.properties), regions=[Region(block)])
        op.location = entry.op.location
        self.ops[entry.name] = op

    def _declare(self, what: Declaration) -> None:
        known = self.declared.setdefault(what.name, what)
        if not known.same(what):
            raise clash(what, known)


def _traced(entry: Workflow) -> tuple[Trace, Block]:
    """The body of a workflow."""
    block = Block(arg_types=entry.kinds)
    with tracing() as trace:
        trace.blocks.append(block)
        for argument, name in zip(block.args, entry.parameters, strict=True):
            argument.name_hint = name
        arguments = inspect.signature(entry.function).bind_partial()
        arguments.arguments |= zip(entry.parameters, map(Traced, block.args), strict=True)
        given = entry.function(*arguments.args, **arguments.kwargs)
        value = trace.use(given, f"what {entry.name} returns")
        end = flow.ReturnOp(value)
        if given.optional:
            end.properties["optional"] = UnitAttr()
        block.add_op(end)
    return trace, block
