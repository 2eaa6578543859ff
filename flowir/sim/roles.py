"""What every call of a workflow is for, by the site name that emitted code gives to the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flowir.calculus.labels import LabelEvent, label_events
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Checker,
    Fallback,
    First,
    Map,
    Plan,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
    Workflow,
    blocks_of,
    walk,
)
from flowir.calculus.writers import writers
from flowir.errors import SimulationError
from flowir.sim.reading import Reading, Readings, one_of


@dataclass(frozen=True)
class Answers:
    """A call that answers a question; `items` is the length of the list it writes, if it does."""

    decision: int
    inputs: Reading
    topic: int
    fresh: bool = False
    items: int | None = None


@dataclass(frozen=True)
class Selects:
    """A call that picks a candidate; `writers` are the decisions that wrote them, where known.

    `inputs` is what else its prompt shows.
    """

    decision: int
    inputs: Reading
    candidates: tuple[Reading, ...]
    writers: tuple[int | None, ...]


@dataclass(frozen=True)
class Judges:
    """A call that accepts or rejects a value."""

    decision: int
    checker: Checker
    judged: Reading


@dataclass(frozen=True)
class Routes:
    """A call that writes a label."""

    decision: int
    event: LabelEvent


@dataclass(frozen=True)
class Writes:
    """A call that writes the plans of a term; `topic` is that of their marks."""

    decision: int
    inputs: Reading
    topic: int
    fresh: bool
    plan: Plan


@dataclass(frozen=True)
class Joins:
    """A call that finishes, or asks for another plan; `seen` is the topic of the plans' marks."""

    decision: int
    inputs: Reading
    topic: int
    seen: int
    fresh: bool
    plan: Plan


Role = Answers | Selects | Judges | Routes | Writes | Joins


@dataclass(frozen=True)
class ToolRole:
    """What a tool does: judges its last argument, writes a label, or passes its arguments on.

    `items` is the length of the list it gives, if a map goes through what it gives.
    """

    latency_s: float = 0.0
    checker: Checker | None = None
    judged: Reading = field(default_factory=Reading)
    event: LabelEvent | None = None
    items: int | None = None


@dataclass(frozen=True)
class Roles:
    """The roles of a workflow's sites and tools, and how its result is read.

    `mean` says that the share of right items of the result counts.
    """

    sites: Mapping[str, Role]
    tools: Mapping[str, ToolRole]
    result: Reading
    mean: bool


def roles_of(workflow: Workflow) -> Roles:
    """The roles in a specialised workflow.

    Raises:
        SimulationError: alternatives are left, or a site or tool has two different roles.
    """
    if workflow.structures or any(isinstance(t, Alternatives) for t in walk(workflow.body)):
        names = ", ".join(structure.name for structure in workflow.structures)
        raise SimulationError(
            f"workflow {workflow.name}: alternatives are left ({names}); specialise it to one "
            "choice of each before simulating it"
        )
    return _Table(workflow.body).roles()


class _Table:
    """Collects the roles of one workflow body."""

    def __init__(self, body: Block) -> None:
        self.body = body
        self.terms = tuple(walk(body))
        self.labels = label_events(body)
        self.writers = writers(body)
        routers = [t.site for t in self.terms if isinstance(t, Call) and t.output in self.labels]
        self.readings = Readings(body, routers)
        self.topics = self._topics()
        self.lists = self._lists()

    def roles(self) -> Roles:
        sites: dict[str, Role] = {}
        tools: dict[str, ToolRole] = {}
        plans = [term for term in self.terms if isinstance(term, Plan)]
        self.parts = {part.site: part for plan in plans for part in self._parts(plan)}
        for term in self.terms:
            for site, role in self._site_roles(term):
                _agree(sites.setdefault(site, role), role, f"site {site!r}")
            for name, tool in self._tool_roles(term):
                if (known := tools.get(name)) and known.checker and tool.checker:
                    judged = one_of([known.judged, tool.judged])
                    tools[name] = ToolRole(tool.latency_s, known.checker, judged)
                else:
                    _agree(tools.setdefault(name, tool), tool, f"tool @{name}")
        mean = any(isinstance(term, Map) and term.mean for term in self.terms)
        return Roles(sites, tools, self.reading(self.body.result), mean)

    def reading(self, *values: Value) -> Reading:
        return self.readings.of(*values).renamed(self.topics)

    def _site_roles(self, term: Term) -> Iterator[tuple[str, Role]]:
        match term:
            case Call(site=site) if site in self.parts:
                yield site, self._part(term, self.parts[site].plan)
            case Call() if term.output in self.labels:
                yield term.site, Routes(term.decision, self.labels[term.output])
            case Call(site=site, decision=decision, fresh=fresh):
                inputs, topic = self.reading(*term.inputs), self.topics[site]
                items = self.lists.get(term.output)
                yield site, Answers(decision, inputs, topic, fresh, items)
            case Select(site=site, decision=decision, candidates=candidates):
                wrote = tuple(self.writers.get(value) for value in candidates)
                shown = tuple(map(self.reading, candidates))
                yield site, Selects(decision, self.reading(*term.inputs), shown, wrote)
            case Fallback() | Refine() | First():
                checker = term.checker
                if checker is not None and checker.decision is not None:
                    yield checker.site, Judges(checker.decision, checker, self._judged(term))

    def _parts(self, plan: Plan) -> Iterator[_Part]:
        """The planner's and the joiner's call of a plan."""
        for block, who in ((plan.planner, "planner"), (plan.joiner, "joiner")):
            match block.terms:
                case (Call() as only,) if only.output == block.result:
                    yield _Part(only.site, plan)
                case _:
                    raise SimulationError(
                        f"plan {plan.site!r}: its {who} is more than one call, and what it writes "
                        "cannot be simulated; simulate it with a planner and a joiner of one call"
                    )

    def _part(self, term: Call, plan: Plan) -> Role:
        history = {*plan.planner.arguments, *plan.joiner.arguments}
        inputs = self.reading(*(value for value in term.inputs if value not in history))
        topic = self.topics[term.site]
        (writer,) = plan.planner.terms
        if term is writer:
            return Writes(term.decision, inputs, topic, term.fresh, plan)
        assert isinstance(writer, Call)
        seen = self.topics[writer.site]
        return Joins(term.decision, inputs, topic, seen, term.fresh, plan)

    def _tool_roles(self, term: Term) -> Iterator[tuple[str, ToolRole]]:
        match term:
            case Plan(tools=tools, shape=shape):
                for tool, seconds in zip(tools, shape.tools, strict=True):
                    yield tool.name, ToolRole(seconds)
            case ToolCall(tool=name, latency_s=latency_s, output=output):
                items = self.lists.get(output)
                yield name, ToolRole(latency_s, event=self.labels.get(output), items=items)
            case Fallback() | Refine() | First():
                checker = term.checker
                if checker is not None and checker.decision is None:
                    yield checker.name, ToolRole(checker.latency_s, checker, self._judged(term))

    def _judged(self, term: Fallback | Refine | First) -> Reading:
        given: tuple[Value, ...] = ()
        if isinstance(term, First):
            given = term.candidates
        elif isinstance(term, Refine):
            given = (term.initial,)
        results = (block.result for block in blocks_of(term))
        return one_of(self.reading(value) for value in (*given, *results))

    def _topics(self) -> dict[object, int]:
        """The topic of every site; candidates of one vote answer the same question."""
        order = [term.site for term in self.terms if isinstance(term, Call)]
        topic: dict[object, int] = {site: i for i, site in enumerate(dict.fromkeys(order))}
        for term in self.terms:
            if isinstance(term, Vote):
                merged = {topic[site] for v in term.inputs for site in self.readings.sites(v)}
                for site, number in topic.items():
                    if number in merged:
                        topic[site] = min(merged)
        return topic

    def _lists(self) -> dict[Value, int]:
        """How many items the calls and tools that write a map's source write."""
        producers = {term.output: term for term in self.terms}
        found: dict[Value, int] = {}
        for term in self.terms:
            if not isinstance(term, Map):
                continue
            open_, seen = [term.source], set[Value]()
            while open_:
                value = open_.pop()
                producer = producers.get(value)
                if producer is None or value in seen:
                    continue
                seen.add(value)
                match producer:
                    case Call() | ToolCall():
                        found[value] = term.width
                    case Vote(inputs=inputs) | Select(candidates=inputs) | First(candidates=inputs):
                        open_.extend(inputs)
                    case Fallback() | Branch():
                        open_.extend(block.result for block in blocks_of(producer))
                    case Refine(initial=initial, body=body):
                        open_.extend((initial, body.result))
                    case _:
                        pass
        return found


@dataclass(frozen=True)
class _Part:
    site: str
    plan: Plan


def _agree(known: object, found: object, where: str) -> None:
    if known != found:
        raise SimulationError(
            f"{where} stands for two different things, so its calls cannot be told apart: {known} "
            f"and {found}; give the places different names"
        )
