"""What a workflow says to the profiler: its sub-agents, their configurations, and which are asked
with nothing but the inputs of the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from flowir.calculus.from_ir import configuration, configurations, find_workflow
from flowir.configuration import Budget, Configuration
from flowir.dialects import flow, prompt
from flowir.dialects.flow_checks import agent_inputs, module_symbols
from flowir.errors import CalculusError, ProfilerError
from flowir.passes.flow_inline import FlowInline
from flowir.profiler.data import Record
from flowir.profiler.requests import Example, Messages
from flowir.runtime.answers import writers
from flowir.runtime.values import show
from flowir.universe import context


@dataclass(frozen=True)
class Subject:
    """A workflow to profile.

    Attributes:
        agents: the sub-agents that some way of compiling it calls, by name.
        critics: those of them that give verdicts.
        selectors: those that pick one of several candidates.
        checkers: tools that give verdicts, by name.
        inputs: names and types of the workflow's arguments.
    """

    workflow: flow.WorkflowOp
    agents: Mapping[str, flow.AgentOp]
    critics: frozenset[str]
    selectors: frozenset[str]
    inputs: Mapping[str, Attribute]
    checkers: Mapping[str, flow.ToolOp] = field(default_factory=dict)

    @property
    def result(self) -> SSAValue:
        """What the workflow answers."""
        last = self.workflow.body.block.last_op
        assert last is not None
        return last.operands[0]

    @property
    def silent(self) -> tuple[str, ...]:
        """The checkers that state no rates: how they judge is to be learned."""
        return tuple(name for name, tool in self.checkers.items() if tool.accepts is None)

    @property
    def finals(self) -> tuple[str, ...]:
        """The sub-agents that may have written the workflow's answer."""
        return writers(self.result)


def subject_from(module: ModuleOp, name: str | None = None, where: str = "") -> Subject:
    """The workflow of a verified module, which is left as it is; workflows that it calls inlined.

    Args:
        where: the module is from, for messages.

    Raises:
        ProfilerError: it is open which workflow is meant, or what it calls cannot be inlined.
    """
    module = module.clone()
    try:
        FlowInline().apply(context(), module)
        return subject_of(module, name)
    except (CalculusError, VerifyException) as error:
        raise ProfilerError(f"{where}: {error}" if where else str(error)) from None


def subject_of(module: ModuleOp, name: str | None = None) -> Subject:
    """The workflow of a verified module without calls of workflows.

    Raises:
        CalculusError: it is open which workflow is meant.
    """
    workflow = find_workflow(module, name)
    symbols = module_symbols(workflow) or {}
    agents: dict[str, flow.AgentOp] = {}
    critics, selectors = set(), set()
    checkers: dict[str, flow.ToolOp] = {}
    for op in workflow.walk():
        called = flow.called_symbol(op)
        agent = symbols.get(called or "")
        if called is not None and isinstance(agent, flow.ToolOp) and _judges(op):
            checkers.setdefault(called, agent)
        if called is None or not isinstance(agent, flow.AgentOp):
            continue
        agents.setdefault(called, agent)
        if _judges(op):
            critics.add(called)
        elif isinstance(op, flow.JoinOp):
            selectors.add(called)
    arguments = workflow.body.block.args
    inputs = {
        argument.name_hint or f"arg{n}": argument.type for n, argument in enumerate(arguments)
    }
    return Subject(workflow, agents, frozenset(critics), frozenset(selectors), inputs, checkers)


def _judges(op: Operation) -> bool:
    """Whether what an op calls gives verdicts."""
    if isinstance(op, flow.JoinOp):
        return op.mode.data is flow.JoinMode.FIRST
    return isinstance(op, flow.FallbackOp | flow.RefineOp)


def spaces(
    subject: Subject,
    agents: Sequence[str],
    models: Sequence[str] = (),
    budgets: Sequence[Budget] = (),
) -> dict[str, tuple[Configuration, ...]]:
    """The configurations to profile of each agent.

    Models and budgets given here replace those of the workflow. A model that the workflow has keeps
    its budgets and parameters where no budgets are given.

    Raises:
        ProfilerError: an agent without a space, and no models were given.
    """
    found: dict[str, tuple[Configuration, ...]] = {}
    for name in agents:
        agent = subject.agents[name]
        written = () if agent.space is None else configurations(agent.space)
        if agent.baseline is not None and configuration(agent.baseline) not in written:
            written = (*written, configuration(agent.baseline))
        own = dict.fromkeys(models or (one.model for one in written))
        if not own:
            raise ProfilerError(
                f"@{name} has no space, so it is open which models to ask; give --models"
            )
        chosen: dict[Configuration, None] = {}
        for model in own:
            of_model = [one for one in written if one.model == model]
            params = dict.fromkeys(one.params for one in of_model) or {(): None}
            if budgets:
                of_model = [Configuration(model, b, p) for b in budgets for p in params]
            chosen.update(dict.fromkeys(of_model or [Configuration(model)]))
        found[name] = tuple(chosen)
    return found


def messages_of(agent: flow.AgentOp, shown: Mapping[str, str]) -> Messages:
    """The messages of a sub-agent for the values of its prompt's variables."""
    values = dict(shown)
    system = () if agent.system is None else (("system", prompt.fill(agent.system.data, values)),)
    return (*system, ("user", prompt.fill(agent.prompt.data, values)))


@dataclass(frozen=True)
class Direct:
    """A sub-agent that is given inputs of the workflow and nothing else.

    Attributes:
        takes: for each variable of the prompt the input it shows.
        answers: what it writes may be the workflow's answer, so labels of the one are of the other.
    """

    agent: str
    takes: Mapping[str, str]
    answers: bool


def direct_agents(subject: Subject) -> dict[str, Direct]:
    """The sub-agents all of whose calls are given the same inputs of the workflow."""
    block = subject.workflow.body.block
    names = dict(zip(block.args, subject.inputs, strict=True))
    final = set(subject.finals)
    found: dict[str, Direct | None] = {}
    for op in subject.workflow.walk():
        called = flow.called_symbol(op)
        if called is None or called not in subject.agents:
            continue
        one: Direct | None = None
        if isinstance(op, flow.CallOp) and all(value in names for value in op.inputs):
            variables = agent_inputs(subject.agents[called])
            shown = (names[value] for value in op.inputs)  # type: ignore[index]
            one = Direct(called, dict(zip(variables, shown, strict=True)), called in final)
        found[called] = one if found.get(called, one) == one else None
    return {name: one for name, one in found.items() if one is not None}


def direct_examples(
    subject: Subject, direct: Direct, records: Sequence[Record], proxy: str = ""
) -> list[Example]:
    """What a direct sub-agent is given for each query."""
    agent = subject.agents[direct.agent]
    return [
        Example(
            direct.agent,
            record.query,
            messages_of(
                agent,
                {
                    variable: show(record.fields[name], subject.inputs[name])
                    for variable, name in direct.takes.items()
                },
            ),
            record.expected if direct.answers else None,
            fields=record.fields,
            proxy=proxy,
        )
        for record in records
    ]
