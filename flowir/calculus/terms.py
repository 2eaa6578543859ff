"""The terms the calculus composes: a workflow without its syntax.

A term names values by number. Numbers are unique in a workflow: a value that several terms use is
one event, not several. `from_ir` builds terms from `flow` operations; nothing here knows the IR.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from flowir.calculus.plans import PlanShape
from flowir.configuration import Configuration
from flowir.errors import CalculusError
from flowir.plan.signatures import Signature

Value = int


@dataclass(frozen=True)
class Decision:
    """One choice of configuration, shared by all calls of an agent in one decision group.

    Attributes:
        workflow: the workflow that wrote the calls.
        agent: the agent called; observations belong to it.
        group: the decision group, `""` for the agent's ordinary calls.
        configurations: what may be chosen, in the order of the declared space.
        baseline: index of today's configuration, None where none is declared.
        closed: how many configurations at the end may not be chosen: today's, where the space no
            longer has it, is evaluated all the same.
    """

    workflow: str
    agent: str
    group: str
    configurations: tuple[Configuration, ...]
    baseline: int | None = None
    closed: int = 0

    @property
    def choices(self) -> range:
        """Indices of the configurations that may be chosen."""
        return range(len(self.configurations) - self.closed)

    def __str__(self) -> str:
        return f"{self.agent}/{self.group}" if self.group else self.agent


@dataclass(frozen=True)
class Checker:
    """Who accepts or rejects a value: a tool, or an agent that is called and billed.

    Attributes:
        name: symbol of the tool or agent.
        site: stable site name of the judging call.
        decision: index of the agent's decision; None for a tool.
        latency_s: seconds one verdict of a tool takes; ignored for an agent.
        writes: whether it changes the world, so that it is never cancelled.
    """

    name: str
    site: str
    decision: int | None = None
    latency_s: float = 0.0
    writes: bool = False


@dataclass(frozen=True)
class Block:
    """Terms in order, the values they may assume (`arguments`) and the value they give."""

    terms: tuple[Term, ...]
    result: Value
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Call:
    """One invocation of a sub-agent: right with p where all inputs are right, else with p0.

    `fresh` says that an unobserved p0 is a fresh attempt (p0 = p): the body of a refine.
    """

    site: str
    decision: int
    inputs: tuple[Value, ...]
    output: Value
    fresh: bool = False


@dataclass(frozen=True)
class ToolCall:
    """Code: it is as right as its inputs (p = 1, p0 = 0). What `writes` is never cancelled."""

    site: str
    tool: str
    inputs: tuple[Value, ...]
    output: Value
    latency_s: float = 0.0
    writes: bool = False


@dataclass(frozen=True)
class Join:
    """A list (or its concatenation): right iff all, or iff any, of the elements are."""

    kind: Literal["all", "any", "concat"]
    inputs: tuple[Value, ...]
    output: Value


@dataclass(frozen=True)
class Vote:
    """Plurality over the candidates' labels; ties go to the earliest candidate among the tied.

    With `quorum` it ends when the leader cannot be overtaken; see `races` for its `lanes`, the
    blocks of what is cancelled then, one for each distinct input. `writes` if telling labels does.
    """

    inputs: tuple[Value, ...]
    output: Value
    quorum: bool = False
    lanes: tuple[Block, ...] = ()
    writes: bool = False


@dataclass(frozen=True)
class First:
    """A race: the first candidate that is there, or the first that the checker accepts.

    Every candidate is judged as soon as it is there, and the first acceptance decides; if none is
    accepted, the one judged last is the result.

    Attributes:
        after: seconds after the start of the race at which each candidate is started; () for 0.
        lanes: what is started then and cancelled in the end, one block for each distinct candidate;
            see `races`. None before they have been told apart.
    """

    site: str
    candidates: tuple[Value, ...]
    output: Value
    checker: Checker | None = None
    after: tuple[float, ...] = ()
    lanes: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Select:
    """An agent picks one of the candidates; `inputs` are what else its prompt shows."""

    site: str
    decision: int
    inputs: tuple[Value, ...]
    candidates: tuple[Value, ...]
    output: Value


@dataclass(frozen=True)
class Case:
    """One way a branch can go; `label` None is the `else` case, `weight` None is not given."""

    label: str | None
    block: Block
    weight: float | None = None


@dataclass(frozen=True)
class Branch:
    """One case runs, drawn by the label; `router` is the decision that writes the label."""

    site: str
    label: Value
    cases: tuple[Case, ...]
    output: Value
    router: int | None = None


@dataclass(frozen=True)
class Fallback:
    """Tiers in order until the checker accepts; the last tier is not checked.

    `max N` over one region is that block N times.
    """

    site: str
    checker: Checker
    tiers: tuple[Block, ...]
    output: Value


@dataclass(frozen=True)
class Refine:
    """Check the value; while rejected, and at most `bound` times, replace it by the body's result.

    The body assumes (value, feedback). There are at most `bound` checks, none after the last body.
    """

    site: str
    checker: Checker
    initial: Value
    body: Block
    bound: int
    output: Value


@dataclass(frozen=True)
class Map:
    """The body once per item, concurrently. The body assumes (item,).

    `width` is the number of items assumed when predicting, `bound` the most there can be. The list
    is right iff every item is; with `mean`, the share of right items counts instead.
    """

    site: str
    source: Value
    body: Block
    width: int
    bound: int
    output: Value
    mean: bool = False


@dataclass(frozen=True)
class Plan:
    """Plans of tool calls that a planner writes, until a joiner finishes with what they found.

    What the joiner sees is right iff the last plan and its tasks are. The planner assumes (tools,
    history), information that is right; the joiner assumes (history,), right iff what it sees is.

    Attributes:
        plans: the most there are; after the last the joiner has to finish.
        most_tasks: of one plan.
        tools: what plans may call, in the order of the seconds in `shape`.
        writes: whether one of its tools changes the world.
    """

    site: str
    planner: Block
    joiner: Block
    plans: int
    shape: PlanShape
    output: Value
    most_tasks: int = 1000
    tools: tuple[Signature, ...] = ()
    writes: bool = False


@dataclass(frozen=True)
class Alternatives:
    """Blocks of which compilation picks exactly one; equal names in a workflow are one choice."""

    name: str
    cases: tuple[tuple[str, Block], ...]
    output: Value


Term = (
    Call
    | ToolCall
    | Join
    | Vote
    | First
    | Select
    | Branch
    | Fallback
    | Refine
    | Map
    | Plan
    | Alternatives
)


@dataclass(frozen=True)
class Structure:
    """A structural choice: the name of tied alternatives and their labels, today's first."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Workflow:
    """A whole workflow: its arguments are right, its result is judged.

    Attributes:
        decisions: indexed by `Call.decision` and the like.
        structures: the names of all `Alternatives` inside, each once, in order of appearance.
        fused: values whose terms share one node of LangGraph, each with the name of its node; see
            `supersteps`.
    """

    name: str
    body: Block
    decisions: tuple[Decision, ...] = ()
    structures: tuple[Structure, ...] = ()
    fused: tuple[tuple[Value, str], ...] = ()

    def specialise(self, choices: Mapping[str, str]) -> Workflow:
        """The workflow with every alternatives replaced by the chosen block.

        Raises:
            CalculusError: a choice is missing or names no label.
        """
        body = _specialise(self.body, choices)
        return replace(self, body=body, structures=())


def streamed(term: Plan) -> PlanShape:
    """The shape of a plan's plans, which are read while written where the planner is one call."""
    match term.planner.terms:
        case (Call(output=written),):
            return replace(term.shape, streamed=written == term.planner.result)
        case _:
            return replace(term.shape, streamed=False)


def blocks_of(term: Term) -> tuple[Block, ...]:
    """The blocks inside a term, each once."""
    match term:
        case Branch(cases=cases):
            return tuple(case.block for case in cases)
        case Fallback(tiers=tiers):
            return tuple(dict.fromkeys(tiers))
        case Refine(body=body) | Map(body=body):
            return (body,)
        case Plan(planner=planner, joiner=joiner):
            return (planner, joiner)
        case Alternatives(cases=cases):
            return tuple(block for _, block in cases)
        case Vote(lanes=lanes) | First(lanes=lanes):
            return lanes
        case _:
            return ()


def with_blocks(term: Term, blocks: Mapping[Block, Block]) -> Term:
    """The term with other blocks in the place of its own."""
    match term:
        case Branch(cases=cases):
            return replace(term, cases=tuple(replace(c, block=blocks[c.block]) for c in cases))
        case Fallback(tiers=tiers):
            return replace(term, tiers=tuple(blocks[tier] for tier in tiers))
        case Refine(body=body) | Map(body=body):
            return replace(term, body=blocks[body])
        case Plan(planner=planner, joiner=joiner):
            return replace(term, planner=blocks[planner], joiner=blocks[joiner])
        case Alternatives(cases=alternatives):
            return replace(term, cases=tuple((label, blocks[b]) for label, b in alternatives))
        case Vote(lanes=lanes) | First(lanes=lanes):
            return replace(term, lanes=tuple(blocks[lane] for lane in lanes))
        case _:
            return term


def checker_of(term: Term) -> Checker | None:
    """Who judges in a term."""
    return term.checker if isinstance(term, Fallback | Refine | First) else None


def operands_of(term: Term) -> tuple[Value, ...]:
    """The values that a term reads itself, each once. Those that a race's lanes make are inside."""
    match term:
        case Call(inputs=read) | ToolCall(inputs=read) | Join(inputs=read):
            return tuple(dict.fromkeys(read))
        case Vote(inputs=read, lanes=lanes) | First(candidates=read, lanes=lanes):
            return () if lanes else tuple(dict.fromkeys(read))
        case Select(inputs=inputs, candidates=candidates):
            return tuple(dict.fromkeys((*inputs, *candidates)))
        case Branch(label=label):
            return (label,)
        case Refine(initial=initial):
            return (initial,)
        case Map(source=source):
            return (source,)
        case Fallback() | Plan() | Alternatives():
            return ()


def reads_of(term: Term) -> tuple[Value, ...]:
    """The values from outside that a term, or anything inside it, reads, each once."""
    found = dict.fromkeys(operands_of(term))
    for block in blocks_of(term):
        found.update(dict.fromkeys(free_values(block)))
    return tuple(found)


def free_values(block: Block) -> tuple[Value, ...]:
    """The values from outside that a block reads, or gives, each once."""
    made = {*block.arguments, *(term.output for term in block.terms)}
    found = dict.fromkeys(v for term in block.terms for v in reads_of(term))
    found[block.result] = None
    return tuple(value for value in found if value not in made)


def walk(block: Block) -> Iterator[Term]:
    """Every term of a block and of the blocks inside, outer before inner, in order."""
    for term in block.terms:
        yield term
        for inner in blocks_of(term):
            yield from walk(inner)


def decisions_used(block: Block) -> tuple[int, ...]:
    """Indices of the decisions a block depends on, sorted."""
    return decisions_of(walk(block))


def decisions_of(terms: Iterable[Term]) -> tuple[int, ...]:
    """Indices of the decisions that terms depend on, those inside them apart, sorted."""
    used: set[int] = set()
    for term in terms:
        if isinstance(term, Call | Select):
            used.add(term.decision)
        if (checker := checker_of(term)) is not None and checker.decision is not None:
            used.add(checker.decision)
        if isinstance(term, Branch) and term.router is not None:
            used.add(term.router)
    return tuple(sorted(used))


def _specialise(block: Block, choices: Mapping[str, str]) -> Block:
    """Inline the chosen blocks; the value of an alternatives becomes the chosen block's result."""
    renamed: dict[Value, Value] = {}
    terms = tuple(_specialised_terms(block, choices, renamed))
    return Block(
        tuple(_rename(term, renamed) for term in terms),
        renamed.get(block.result, block.result),
        block.arguments,
    )


def _specialised_terms(
    block: Block, choices: Mapping[str, str], renamed: dict[Value, Value]
) -> Iterator[Term]:
    for term in block.terms:
        match term:
            case Alternatives(name=name, cases=cases, output=output):
                chosen = dict(cases).get(choices.get(name, ""))
                if chosen is None:
                    labels = ", ".join(label for label, _ in cases)
                    raise CalculusError(
                        f'alternatives "{name}": no choice among {labels} was made '
                        f"(got {choices.get(name)!r}); give one of the labels"
                    )
                yield from _specialised_terms(chosen, choices, renamed)
                renamed[output] = renamed.get(chosen.result, chosen.result)
            case Branch(cases=branches):
                yield replace(
                    term,
                    cases=tuple(
                        replace(case, block=_specialise(case.block, choices)) for case in branches
                    ),
                )
            case Fallback(tiers=tiers):
                inner = {tier: _specialise(tier, choices) for tier in dict.fromkeys(tiers)}
                yield replace(term, tiers=tuple(inner[tier] for tier in tiers))
            case Refine(body=body) | Map(body=body):
                yield replace(term, body=_specialise(body, choices))
            case Plan(planner=planner, joiner=joiner):
                yield replace(
                    term,
                    planner=_specialise(planner, choices),
                    joiner=_specialise(joiner, choices),
                )
            case _:
                yield term


def _rename(term: Term, renamed: Mapping[Value, Value]) -> Term:
    """The term with its operands, and the captures of its blocks, read through `renamed`."""
    if not renamed:
        return term

    def name(value: Value) -> Value:
        return renamed.get(value, value)

    def names(values: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(name(value) for value in values)

    def inside(block: Block) -> Block:
        return Block(
            tuple(_rename(inner, renamed) for inner in block.terms),
            name(block.result),
            block.arguments,
        )

    match term:
        case Call() | ToolCall() | Join() | Vote():
            return replace(term, inputs=names(term.inputs))
        case First():
            return replace(term, candidates=names(term.candidates))
        case Select():
            return replace(term, inputs=names(term.inputs), candidates=names(term.candidates))
        case Branch():
            cases = tuple(replace(case, block=inside(case.block)) for case in term.cases)
            return replace(term, label=name(term.label), cases=cases)
        case Fallback():
            inner = {tier: inside(tier) for tier in dict.fromkeys(term.tiers)}
            return replace(term, tiers=tuple(inner[tier] for tier in term.tiers))
        case Refine():
            return replace(term, initial=name(term.initial), body=inside(term.body))
        case Map():
            return replace(term, source=name(term.source), body=inside(term.body))
        case Plan():
            return replace(term, planner=inside(term.planner), joiner=inside(term.joiner))
        case Alternatives():
            cases_ = tuple((label, inside(block)) for label, block in term.cases)
            return replace(term, cases=cases_)
