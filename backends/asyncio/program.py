"""What the emitter must know of a workflow before it writes: names, points, agents and tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue

from flowir.backends.asyncio import extract
from flowir.backends.asyncio.names import KEYS_FORBIDDEN, Names, identifier
from flowir.backends.asyncio.planned import planners
from flowir.backends.asyncio.same_races import require_same_races
from flowir.backends.asyncio.tree import Node, Tree
from flowir.calculus.from_ir import find_workflow
from flowir.calculus.sites import site_names
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.dse import ESTIMATE, FRONT, PRICES, EstimateAttr
from flowir.dialects.flow_checks import Symbols, describe, module_symbols
from flowir.passes.flow_inline import inline_calls
from flowir.profile.prices import Prices
from flowir.runtime.answers import known_labels, parser_of
from flowir.runtime.choices import Choices, Key, choices_of, decision_key
from flowir.runtime.planning import is_identity
from flowir.search.annotate import front_from_ir
from flowir.search.facts import read_prices
from flowir.search.front import QUANTITY, Estimate, Front

Role = Literal["answers", "accepts", "judges", "picks", "writes"]
"""What an agent is asked for: an answer as its parser reads it, a bool, a verdict with feedback, a
text that names a candidate, or a text that is read as it is written."""

POINT_FIELDS = ("number", "configs", "accuracy", "latency_s", "cost_usd", "baseline")


@dataclass(frozen=True)
class Agent:
    """A coroutine that asks a sub-agent.

    Attributes:
        name: of the coroutine.
        labels: what a label is read among.
        configs: the configurations its calls use, by name in the points.
    """

    op: flow.AgentOp
    role: Role
    name: str
    labels: tuple[str, ...]
    configs: tuple[str, ...]

    @property
    def default(self) -> str | None:
        """The configuration of calls that do not say; None where they must."""
        own = self.op.sym_name.data
        if len(self.configs) == 1:
            return self.configs[0]
        return own if own in self.configs else None


@dataclass
class Program:
    """A workflow, ready to be written.

    Attributes:
        workflow: with calls of other workflows inlined.
        taken: names that the emitted file has for itself.
        front: where the workflow has one.
        estimates: of every point, by the quantity estimated; empty where nothing is known.
        points: the settings it can run in.
        function: name of its coroutine.
        inputs: its arguments, by the name under which callers give them.
        heard: the checkers whose feedback something reads.
        planners: the calls that write plans and are read while they do.
        choices: the field of a point for each alternatives in which points differ.
    """

    workflow: flow.WorkflowOp
    taken: Set[str] = field(default_factory=extract.names)
    front: Front | None = field(init=False)
    estimates: tuple[Mapping[str, Estimate], ...] = field(init=False)
    points: tuple[Choices, ...] = field(init=False)
    symbols: Symbols = field(init=False)
    sites: Mapping[Operation, str] = field(init=False)
    tree: Tree = field(init=False)
    names: Names = field(init=False)
    function: str = field(init=False)
    inputs: Mapping[str, SSAValue] = field(init=False)
    choices: Mapping[str, str] = field(init=False)
    heard: frozenset[str] = field(init=False)
    planners: frozenset[Operation] = field(init=False)
    agents: Mapping[tuple[str, Role], Agent] = field(init=False)

    def __post_init__(self) -> None:
        workflow = self.workflow
        self.front = front_from_ir(workflow) if FRONT in workflow.attributes else None
        self.points = choices_of(workflow)
        self.estimates = _estimates(workflow, self.front)
        self.symbols = module_symbols(workflow) or {}
        self.sites = site_names(workflow)
        self.tree = Tree(workflow, self.points)
        require_same_races(self.tree)
        self.names = Names(self.taken)
        self.function = self.names.new(workflow.sym_name.data, "workflow")
        keys = Names(forbidden=KEYS_FORBIDDEN)
        self.inputs = {
            keys.new(argument.name_hint or f"input{i + 1}"): argument
            for i, argument in enumerate(workflow.body.block.args)
        }
        fields = Names(POINT_FIELDS)
        self.choices = {name: fields.new(name, "choice") for name in self.tree.labels()}
        self.heard = frozenset(self._heard())
        self.planners = frozenset(planners(self.tree, self.symbols))
        self.agents = self._agents()

    @property
    def plans(self) -> bool:
        """Whether there is a plan in it."""
        return has_plans(self.workflow)

    @property
    def fields(self) -> tuple[str, ...]:
        """The estimates that every point has, by the name of the field."""
        return tuple(q for q in QUANTITY.values() if all(q in point for point in self.estimates))

    @property
    def prices(self) -> Prices:
        """What models cost when the workflow was explored."""
        if self.front is not None:
            return Prices(dict(self.front.facts.prices))
        kept = self.workflow.attributes.get(PRICES)
        texts = (
            [e.data for e in kept if isinstance(e, StringAttr)]
            if isinstance(kept, ArrayAttr)
            else []
        )
        return Prices(dict(read_prices(texts, describe(self.workflow))))

    def _agents(self) -> dict[tuple[str, Role], Agent]:
        configs: dict[tuple[str, Role], dict[str, None]] = {}
        for node in self.tree.body.walk():
            key = decision_key(node.op, self.symbols)
            if key is not None and (role := self.role(node)) is not None:
                configs.setdefault((key[0], role), {})[config_name(key)] = None
        labels = known_labels(self.workflow)
        found = {}
        for (name, role), used in configs.items():
            op = self.symbols[name]
            assert isinstance(op, flow.AgentOp)
            alone = sum(other == name for other, _ in configs) == 1
            function = self.names.new(name if alone else f"{name}_{role}", "agent")
            found[name, role] = Agent(op, role, function, labels.get(name, ()), tuple(used))
        return found

    def role(self, node: Node) -> Role | None:
        """What the agent that a node calls is asked for; None where it is not called."""
        match node.op:
            case flow.CallOp():
                return "writes" if node.op in self.planners else "answers"
            case flow.JoinOp() if is_identity(node.op):
                return None
            case flow.JoinOp() if node.op.until is not None:
                return "accepts"
            case flow.JoinOp():
                agent = self.symbols[flow.called_symbol(node.op) or ""]
                assert isinstance(agent, flow.AgentOp)
                return "answers" if parser_of(agent) == "text" else "picks"
            case flow.RefineOp() | flow.FallbackOp() if node.loops:
                return "judges" if flow.called_symbol(node.op) in self.heard else "accepts"
            case _:
                return None

    def _heard(self) -> Iterator[str]:
        for node in self.tree.body.walk():
            if isinstance(node.op, flow.RefineOp):
                ((_, body),) = node.bodies
                if body.arguments[1] in body.reads():
                    yield node.op.until.root_reference.data

    def tools(self) -> Iterator[flow.ToolOp]:
        """The tools that some point reaches, in order."""
        found: dict[str, None] = {}
        for node in self.tree.body.walk():
            for name in ("callee", "until", "key"):
                symbol = getattr(node.op, name, None)
                single = isinstance(node.op, flow.FallbackOp) and node.tiers == 1
                if symbol is not None and not single:
                    found[symbol.root_reference.data] = None
            if isinstance(node.op, flow.PlanOp):
                found.update(dict.fromkeys(node.op.tool_names))
        for name in found:
            if isinstance(tool := self.symbols[name], flow.ToolOp):
                yield tool

    def configurations(self) -> Iterator[Mapping[str, Configuration]]:
        """For each point, the configurations that it reaches, by name."""
        used = {config for agent in self.agents.values() for config in agent.configs}
        for point in self.points:
            named = {config_name(key): chosen for key, chosen in point.configurations.items()}
            yield {name: chosen for name, chosen in named.items() if name in used}

    def value_name(self, node: Node) -> str:
        """What a person would call the value of a node."""
        hint = node.output.name_hint or self.sites.get(node.op) or flow.called_symbol(node.op)
        return identifier(hint or node.op.name.removeprefix("flow."))


def program_of(
    module: ModuleOp, workflow: str | None = None, taken: Callable[[bool], Set[str]] | None = None
) -> Program:
    """The program of a workflow, by default of the one that no other calls.

    Args:
        taken: names that the emitted file has for itself, given whether there are plans in it; by
            default those of an asyncio file.

    Raises:
        FlowirError: what is wrong with the workflow or its front.
    """
    copy = module.clone()
    entry = find_workflow(copy, workflow)
    others = {op.sym_name.data: op for op in copy.ops if isinstance(op, flow.WorkflowOp)}
    inline_calls(entry, {name: op.clone() for name, op in others.items()})
    plans = has_plans(entry)
    return Program(entry, extract.names(plans) if taken is None else taken(plans))


def has_plans(workflow: flow.WorkflowOp) -> bool:
    """Whether there is a plan in a workflow."""
    return any(isinstance(op, flow.PlanOp) for op in workflow.walk())


def _estimates(
    workflow: flow.WorkflowOp, front: Front | None
) -> tuple[Mapping[str, Estimate], ...]:
    """What is expected of every point: of the front's, or of the one that was selected."""
    if front is not None:
        return tuple(point.estimates for point in front.points)
    selected = workflow.attributes.get(ESTIMATE)
    if not isinstance(selected, DictionaryAttr):
        return ({},)
    found = {n: e for n, e in selected.data.items() if isinstance(e, EstimateAttr)}
    return ({n: Estimate(e.mean.data, e.low.data, e.high.data) for n, e in found.items()},)


def config_name(key: Key) -> str:
    """What the configuration of a decision is called in points."""
    agent, group = key
    return f"{agent}/{group}" if group else agent


def python_type(kind: Attribute) -> str:
    """The Python type of a value."""
    match kind:
        case flow.TextType() | flow.LabelType():
            return "str"
        case flow.BoolType():
            return "bool"
        case flow.ListType():
            return f"list[{python_type(kind.element)}]"
        case _:
            return "Any"


def runtime_type(kind: Attribute) -> str:
    """What `isinstance` can tell of it."""
    name = python_type(kind).partition("[")[0]
    return "object" if name == "Any" else name
