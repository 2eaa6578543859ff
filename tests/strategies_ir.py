"""Random workflows over every construct of the flow dialect, and a model that plays along.

A module is written as text and parsed, so that strategies shrink to workflows a person can read.
`ScriptedModel` answers by what the prompt says is wanted, always the same to the same prompt the
same time; so two programs that make the same calls get the same answers, at the same time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.ir import Operation
from xdsl.parser import Parser

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.dialects import flow
from flowir.dialects.dse import Dse
from flowir.runtime.llm import CallError, Completion, Message, Usage
from flowir.search.annotate import annotate, decision_key, requirements
from flowir.search.front import Estimate, Facts, Front, FrontPoint

TEXT, LABEL, JSON, BOOL = "!flow.text", "!flow.label", "!flow.json", "!flow.bool"
TEXTS, DATA, TABLE = f"!flow.list<{TEXT}>", f"!flow.list<{JSON}>", f"!flow.list<!flow.list<{TEXT}>>"
TYPES = (TEXT, LABEL, JSON, BOOL, TEXTS, DATA, TABLE)
ITEM = {TEXTS: TEXT, DATA: JSON, TABLE: TEXTS}
LABELS = ("easy", "Hard", "very hard", "e")

VALUES = ("a", "draft", "coder", "class", "print", "ctx", "value", "l", "x_2", "group", "site")
SYMBOLS = ("coder", "draft", "größe", "class", "print", "ask", "run", "json", "2nd one", "A", "a")
"""Names of values and symbols: plain ones, and ones that mean something to Python."""


def parse(text: str) -> ModuleOp:
    """A module from text, verified."""
    context = Context()
    for dialect in (Builtin, flow.Flow, Dse):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


@dataclass
class _Writer:
    """Writes one module."""

    integer: Callable[[int, int], int]
    pure: bool = False
    races: bool = True
    plans: bool = True
    declared: list[str] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)
    agents: dict[tuple[int, str, str], list[str]] = field(default_factory=dict)
    values: Counter[str] = field(default_factory=Counter)
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    workflows: list[tuple[str, list[str], str]] = field(default_factory=list)
    ops: int = 0

    def pick(self, options: Any) -> Any:
        options = list(options)
        return options[self.integer(0, len(options) - 1)]

    def some(self, options: Any, most: int) -> list[Any]:
        """At most so many of the options, in any order."""
        left = list(options)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(self.integer(0, most))]

    def chance(self, of: int) -> bool:
        return self.integer(1, of) == 1

    def value(self) -> str:
        """A name for a value, never twice: text knows no shadowing."""
        name = self.pick(VALUES)
        self.values[name] += 1
        return f"%{name}" if self.values[name] == 1 else f"%{name}{self.values[name]}u"

    def symbol(self, base: str) -> str:
        name = self.pick(SYMBOLS) if self.chance(2) else base
        while name in self.symbols:
            name += "q"
        self.symbols.add(name)
        return f"@{name}" if name.isidentifier() and name.isascii() else f'@"{name}"'

    def agent(self, inputs: int, output: str, role: str) -> str:
        """An agent that takes so many inputs; an existing one, now and then."""
        known = self.agents.setdefault((inputs, output, role), [])
        if known and not self.chance(3):
            return self.pick(known)
        name = self.symbol("agent")
        first = self.integer(0, len(VARIABLES) - 1)
        variables = [f"{{{v}}}" for v in (VARIABLES[first:] + VARIABLES[:first])[:inputs]]
        systems = ["", ' system "Be {{brief}}."', f' system "{variables[0]}"']
        system = self.pick(systems)
        parser = {"code": ' parser "code"', "json-list": ' parser "json"'}.get(role, "")
        kind = "" if output == TEXT else f" -> {output}"
        space = (
            'models = ["m1" {params = {top_p = [0.9, 1.0]}}, "m2" {budgets = [10, 20]}], '
            "params = {temperature = [0.0, 0.7]}"
        )
        baseline = self.pick(["", '\n  baseline <"m2", budget = 20, temperature = 0.7>'])
        lead = self.pick(["", "{{", 'Line\\n\\"quoted\\" '])
        self.declared.append(
            f'flow.agent {name}{system} prompt "{lead}<{role}> {" / ".join(variables)}"{kind}'
            f"{parser}\n  space <{space}>{baseline}"
        )
        known.append(name)
        return name

    def tool(self, output: str, role: str) -> str:
        known = self.agents.setdefault((-1, output, role), [])
        if known and not self.chance(3):
            return self.pick(known)
        name = self.symbol(f"{role}_tool")
        accepts = " accepts <right = 0.9, wrong = 0.2>" if role == "checker" else ""
        effect = " effect pure" if self.pure or self.chance(2) else ""
        self.declared.append(
            f'flow.tool {name} impl "tests.tools:{role}" -> {output}{effect}{accepts}'
        )
        known.append(name)
        return name

    def operand(self, scope: list[tuple[str, str]], kinds: Any = TYPES) -> tuple[str, str]:
        return self.pick([entry for entry in scope if entry[1] in kinds])

    def operands(self, scope: list[tuple[str, str]], most: int = 3) -> list[tuple[str, str]]:
        return [self.operand(scope) for _ in range(self.integer(1, most))]

    def site(self) -> str:
        """A site name, now and then."""
        return (
            f' at "{self.ops}. \\"{len(self.declared)}\\" {{{self.values.total()}}}"'
            * self.chance(5)
        )

    def options(self, group: bool = True) -> str:
        """The decision group of an op that calls an agent."""
        return ' as "other"' if group and self.chance(4) else ""

    def call(self, scope: list[tuple[str, str]], output: str) -> tuple[str, str]:
        """A call that gives a value of a type."""
        given = self.operands(scope)
        types = ", ".join(kind for _, kind in given)
        name = self.value()
        if self.chance(5):
            callee, clauses = self.tool(output, "plain"), ""
        else:
            callee = self.agent(len(given), output, self.pick(ROLES[output]))
            clauses = self.site() + self.options()
        operands = ", ".join(value for value, _ in given)
        return name, f"{name} = flow.call {callee}({operands}){clauses} : ({types}) -> {output}"

    def checker(self, scope: list[tuple[str, str]]) -> str:
        """`until @checker(context)` with its clauses; a tool or an agent."""
        given = self.operands(scope, 2)[1:]
        context = ""
        if given:
            values, kinds = zip(*given, strict=True)
            context = f"({', '.join(values)} : {', '.join(kinds)})"
        if self.chance(2):
            return self.tool(BOOL, "checker") + context
        return self.agent(len(given) + 1, TEXT, "verdict") + context

    def op(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        """One operation; its value joins the scope."""
        self.ops += 1
        kinds = ["call", "call", "join", "vote", "select", *["vote", "first"] * self.races]
        if depth > 0 and self.ops < 14:
            kinds += [
                "branch",
                "fallback",
                "refine",
                "map",
                "alternatives",
                "alternatives",
                "workflow",
                *["plan"] * self.plans,
            ]
        yield from getattr(self, f"_{self.pick(kinds)}")(scope, depth)

    def body(
        self, scope: list[tuple[str, str]], depth: int, gives: str, arguments: Any = ()
    ) -> list[str]:
        """The lines of a region that yields a value of a type, in braces."""
        inner = [*scope, *arguments]
        found: list[str] = []
        for _ in range(self.integer(0, 2)):
            found += self.op(inner, depth - 1)
        there = [name for name, kind in inner if kind == gives]
        if there and not self.chance(3):
            result = self.pick(there[-3:])
        else:
            result, line = self.call(inner, gives)
            found.append(line)
        return ["{", *(f"  {line}" for line in found), f"  flow.yield {result} : {gives}", "}"]

    def _call(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        output = self.pick(TYPES)
        name, line = self.call(scope, output)
        yield line
        scope.append((name, output))

    def _join(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        _, kind = self.operand(scope, (TEXT, JSON, TEXTS))
        given = [self.operand(scope, (kind,))[0] for _ in range(self.integer(1, 3))]
        modes = ["all", "any", "concat"] if kind == TEXT else ["all", "any"]
        mode, name = self.pick(modes), self.value()
        output = TEXT if mode == "concat" else f"!flow.list<{kind}>"
        types = ", ".join([kind] * len(given))
        yield f"{name} = flow.join {mode}({', '.join(given)}) : ({types}) -> {output}"
        scope.append((name, output))

    def _candidates(self, scope: list[tuple[str, str]]) -> tuple[list[str], str, list[str]]:
        """Candidates for a vote or selection, some of them drawn anew; the lines that draw them."""
        _, kind = self.operand(scope)
        found, drawn = [], []
        for _ in range(self.integer(1, 3)):
            if self.chance(2):
                found.append(self.operand(scope, (kind,))[0])
            else:
                name, line = self.call(scope, kind)
                found.append(name)
                drawn.append(line)
        return found, kind, drawn

    def _vote(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        given, kind, drawn = self._candidates(scope)
        yield from drawn
        name, types = self.value(), ", ".join([kind] * len(given))
        key = f" key {self.tool(TEXT, 'key')}" if self.chance(2) else ""
        quorum = " quorum" if self.races and self.chance(2) else ""
        yield f"{name} = flow.join vote({', '.join(given)}){quorum}{key} : ({types}) -> {kind}"
        scope.append((name, kind))

    def _first(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        given, kind, drawn = self._candidates(scope)
        yield from drawn
        name, types = self.value(), ", ".join([kind] * len(given))
        until = f" until {self.checker(scope)}" if self.chance(2) else ""
        after = ""
        if self.chance(2):
            delays = {value: self.pick([0.3, 1.2, 2.5]) for value in given}
            delays[self.pick(given)] = 0.0
            after = f" after [{', '.join(str(delays[value]) for value in given)}]"
        yield f"{name} = flow.join first({', '.join(given)}){until}{after} : ({types}) -> {kind}"
        scope.append((name, kind))

    def _select(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        given, kind, drawn = self._candidates(scope)
        yield from drawn
        context = self.operands(scope, 2)[1:]
        shown = ""
        if context:
            values, kinds = zip(*context, strict=True)
            shown = f"({', '.join(values)} : {', '.join(kinds)})"
        by = self.agent(len(context) + 1, TEXT, self.pick(["number", "text"]))
        name, types = self.value(), ", ".join([kind] * len(given))
        yield (
            f"{name} = flow.join select({', '.join(given)}) by {by}{shown}{self.options()}"
            f" : ({types}) -> {kind}"
        )
        scope.append((name, kind))

    def _branch(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        there = [name for name, kind in scope if kind == LABEL]
        on = self.pick(there) if there else None
        if on is None:
            on, line = self.call(scope, LABEL)
            yield line
            scope.append((on, LABEL))
        gives, name = self.pick(TYPES), self.value()
        labels = self.some(LABELS, 3)
        yield f"{name} = flow.branch {on} : {LABEL} -> {gives}"
        for label in labels:
            first, *rest = self.body(scope, depth, gives)
            yield from (f'  "{label}" {first}', *(f"  {line}" for line in rest))
        first, *rest = self.body(scope, depth, gives)
        yield from (f"  else {first}", *(f"  {line}" for line in rest))
        scope.append((name, gives))

    def _fallback(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        gives, name = self.pick(TYPES), self.value()
        bound = self.integer(1, 3)
        tiers = self.integer(1, 3 if bound == 1 else 2)
        head = f"{name} = flow.fallback until {self.checker(scope)}"
        lines = [head + (f" max {bound}" if bound > 1 else "") + f" -> {gives}"]
        for _ in range(tiers):
            first, *rest = self.body(scope, depth, gives)
            lines[-1] += f" {first}" if len(lines) == 1 else f" else {first}"
            lines += rest
        yield from lines
        scope.append((name, gives))

    def _refine(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        initial, kind = self.operand(scope)
        value, feedback, name = self.value(), self.value(), self.value()
        bound, until = self.integer(1, 3), self.checker(scope)
        first, *rest = self.body(scope, depth, kind, [(value, kind), (feedback, TEXT)])
        yield (
            f"{name} = flow.refine({value}, {feedback}) from {initial} : {kind} max {bound} "
            f"until {until}{' ' + first}"
        )
        yield from rest
        scope.append((name, kind))

    def _map(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        there = [entry for entry in scope if entry[1] in ITEM]
        if there:
            source, kind = self.pick(there)
        else:
            source, line = self.call(scope, TEXTS)
            yield line
            kind = TEXTS
            scope.append((source, kind))
        item, name = self.value(), self.value()
        gives = self.pick([TEXT, JSON, TEXTS])
        first, *rest = self.body(scope, depth, gives, [(item, ITEM[kind])])
        most = self.integer(2, 5)
        output = f"!flow.list<{gives}>"
        yield f"{name} = flow.map({item}) in {source} : {kind} max {most} -> {output} {first}"
        yield from rest
        scope.append((name, output))

    def _plan(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        """Planner and joiner that are one call each, as they mostly are, or anything."""
        tools = [self.planned() for _ in range(self.integer(1, 2))]
        name, question = self.value(), self.operand(scope)
        yield (
            f"{name} = flow.plan tools [{', '.join(dict.fromkeys(tools))}]"
            f"{self.pick(['', ' max_replans 1', ' max_replans 2 max_tasks 3'])} -> {TEXT}"
        )
        for word, given in (("planner", 2), ("joiner", 1)):
            arguments = [(self.value(), TEXT) for _ in range(given)]
            if self.chance(5):
                lines = self.body(scope, depth, TEXT, arguments)
            else:
                shown = [*arguments, question]
                agent, said = self.agent(len(shown), TEXT, word), self.value()
                operands = ", ".join(value for value, _ in shown)
                types = ", ".join(kind for _, kind in shown)
                call = f"{said} = flow.call {agent}({operands}){self.options()}"
                lines = [
                    "{",
                    f"  {call} : ({types}) -> {TEXT}",
                    f"  flow.yield {said} : {TEXT}",
                    "}",
                ]
            takes = ", ".join(value for value, _ in arguments)
            yield f"  {word}({takes}) {lines[0]}"
            yield from (f"  {line}" for line in lines[1:])
        scope.append((name, TEXT))

    def planned(self) -> str:
        """A tool that plans may call."""
        known = self.agents.setdefault((-2, "", "planned"), [])
        if known and not self.chance(3):
            return self.pick(known)
        name = f"@planned_{len(known)}"
        clauses = self.pick(["", " concurrency 1", " timeout 1.5", " concurrency 2 timeout 1.2"])
        effect = " effect pure" if self.pure or self.chance(2) else ""
        self.declared.append(
            f'flow.tool {name} impl "tests.tools:planned" takes (a: any, b?: text) '
            f'-> {JSON}{effect}{clauses} about "{{looks}} up"'
        )
        known.append(name)
        return name

    def _alternatives(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        choice = self.pick(["how", "number", "class", "a b"])
        labels = self.choices.setdefault(
            choice, tuple(self.pick([("on", "off"), ("1", "2", "3"), ("one",)]))
        )
        gives, name = self.pick(TYPES), self.value()
        yield f'{name} = flow.alternatives "{choice}" -> {gives}'
        for label in labels:
            first, *rest = self.body(scope, depth, gives)
            yield from (f'  "{label}" {first}', *(f"  {line}" for line in rest))
        scope.append((name, gives))

    def _workflow(self, scope: list[tuple[str, str]], depth: int) -> Iterator[str]:
        if not self.workflows:
            yield from self._call(scope, depth)
            return
        callee, takes, gives = self.pick(self.workflows)
        if not all(any(kind == wanted for _, kind in scope) for wanted in takes):
            yield from self._call(scope, depth)
            return
        given = [self.operand(scope, (kind,))[0] for kind in takes]
        name = self.value()
        yield f"{name} = flow.call {callee}({', '.join(given)}) : ({', '.join(takes)}) -> {gives}"
        scope.append((name, gives))

    def workflow(self, depth: int) -> list[str]:
        """A workflow that later ones may call."""
        takes = [TEXT, *self.some(TYPES, 2)]
        scope = [(self.value(), kind) for kind in takes]
        signature = ", ".join(f"{name}: {kind}" for name, kind in scope)
        symbol, gives = self.symbol("workflow"), self.pick(TYPES)
        lines: list[str] = []
        for _ in range(self.integer(1, 5)):
            lines += self.op(scope, depth)
        there = [name for name, kind in scope if kind == gives]
        if there:
            result = there[-1]
        else:
            result, line = self.call(scope, gives)
            lines.append(line)
        self.workflows.append((symbol, takes, gives))
        return [
            f"flow.workflow {symbol}({signature}) -> {gives} {{",
            *(f"  {line}" for line in lines),
            f"  flow.return {result} : {gives}",
            "}",
        ]


ROLES = {
    TEXT: ("text", "code"),
    LABEL: ("label",),
    JSON: ("json",),
    BOOL: ("bool",),
    TEXTS: ("lines", "json-list"),
    DATA: ("data",),
    TABLE: ("table",),
}
"""What an agent may be asked to write for a value of a type."""

VARIABLES = ("task", "class", "site", "prompt", "self_")


def module_text(
    integer: Callable[[int, int], int],
    called: bool = True,
    pure: bool = False,
    races: bool = True,
    plans: bool = True,
) -> str:
    """A module with one workflow to run and, where `called`, maybe one that it may call.

    Args:
        integer: draws an integer between two bounds, such as `random.Random(0).randint`.
        pure: no tool has an effect, so that whatever is not used may go.
        races: whether some calls are cancelled.
        plans: whether there are plans.
    """
    writer = _Writer(integer, pure, races, plans)
    written: list[str] = []
    if called and writer.chance(3):
        written += writer.workflow(1)
        writer.ops, writer.choices = 0, {}
    written += writer.workflow(2)
    return "\n".join([*writer.declared, *written]) + "\n"


@st.composite
def module_texts(
    draw: Any, called: bool = True, pure: bool = False, races: bool = True, plans: bool = True
) -> str:
    """See `module_text`."""
    return module_text(lambda low, high: draw(st.integers(low, high)), called, pure, races, plans)


def entry(module: ModuleOp) -> flow.WorkflowOp:
    """The workflow of a module that was written last."""
    return [op for op in module.ops if isinstance(op, flow.WorkflowOp)][-1]


def with_front(module: ModuleOp, integer: Callable[[int, int], int], points: int = 3) -> None:
    """Annotate the workflow of a module with made-up points, today's first.

    Args:
        integer: draws an integer between two bounds.
    """
    workflow = find_workflow(module)
    terms = workflow_terms(workflow)
    made = []
    for number in range(points):
        labels = {s.name: s.labels[integer(0, len(s.labels) - 1)] for s in terms.structures}
        reached = set(_reached(workflow, labels))
        made.append(
            FrontPoint(
                {
                    "accuracy": Estimate(0.5 + number / 10, 0.4, 0.9),
                    "latency_s": Estimate(1.0 + number, 0.5, 9.0),
                },
                0.5,
                {"calls": 9},
                tuple(
                    d.configurations[integer(0, len(d.choices) - 1)]
                    if (d.agent, d.group) in reached
                    else None
                    for d in terms.decisions
                ),
                tuple(labels[s.name] if s.name in reached else None for s in terms.structures),
                baseline=number == 0,
            )
        )
    facts = Facts(
        ("accuracy", "latency"), "mean", "asyncio", "scenario", "population", "enumerated",
        0.9, 200, 256, 0, None, 0, points,
    )  # fmt: skip
    annotate(workflow, Front(terms.name, terms.decisions, terms.structures, tuple(made), facts))


def _reached(workflow: flow.WorkflowOp, labels: Mapping[str, str]) -> Iterator[Any]:
    """The choices and decisions that a point with these labels makes."""
    op: Operation
    for op in workflow.walk():
        if all(labels[name] == label for name, label in requirements(op)):
            if isinstance(op, flow.AlternativesOp):
                yield op.choice.data
            elif (key := decision_key(op)) is not None:
                yield key


@dataclass(frozen=True)
class Recorded:
    """A call as it started, with its virtual time."""

    start: float
    node: str
    messages: tuple[str, ...]
    settings: tuple[tuple[str, Any], ...]


OUT_OF_ORDER = " is out of order"


class ScriptedModel:
    """A model client and tools whose answers depend on what is asked, and how often it was.

    Args:
        seed: another one gives other answers.
        failures: one call in so many fails for good; 0 for none.
    """

    def __init__(self, seed: int = 0, failures: int = 0) -> None:
        self.calls: list[Recorded] = []
        self._seed = seed
        self._failures = failures
        self._times: Counter[tuple[Any, ...]] = Counter()
        self.tools = _Tools(self)

    @property
    def llm(self) -> ScriptedClient:
        """The client."""
        return ScriptedClient(self)

    async def whole(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        texts = tuple(f"{message['role']}: {message['content']}" for message in messages)
        settings = (("model", model), *sorted(params.items()))
        number = await self.answer(node, texts, settings)
        text = reply(messages[-1]["content"], number)
        return Completion(text, Usage(len(texts[-1]), len(text)), None, model)

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        """The same answer in pieces, at the end of as many equal parts of its time."""
        texts = tuple(f"{message['role']}: {message['content']}" for message in messages)
        number = self.asked(node, texts, (("model", model), *sorted(params.items())))
        text = reply(messages[-1]["content"], number)
        cuts = sorted(Random(number).randint(0, len(text)) for _ in range(number % 7))
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            await asyncio.sleep(_seconds(number) / (len(cuts) + 1))
            self.fail(node, number)
            yield text[start:end]
        yield Completion(text, Usage(len(texts[-1]), len(text)), None, model)

    async def answer(self, node: str, texts: tuple[str, ...], settings: Any = ()) -> int:
        """A number that stands for the answer, after some time.

        Two calls of one site are two draws; a tool gives the same to the same.
        """
        number = self.asked(node, texts, settings)
        await asyncio.sleep(_seconds(number))
        self.fail(node, number)
        return number

    def fail(self, node: str, number: int) -> None:
        """Raises where the answer is a failure."""
        if self._failures and number // 100_003 % self._failures == 0:
            raise CallError(node + OUT_OF_ORDER, transient=False)

    def asked(self, node: str, texts: tuple[str, ...], settings: Any) -> int:
        """The number that stands for the answer; the call is recorded."""
        asked = (node, texts, settings)
        self._times[asked] += not node.startswith("@")
        self.calls.append(Recorded(asyncio.get_running_loop().time(), node, texts, settings))
        what = repr((self._seed, asked, self._times[asked]))
        return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big")


@dataclass(frozen=True)
class ScriptedClient:
    """The client of a scripted model, whose answers can be read as they are written."""

    model: ScriptedModel

    async def __call__(self, node: str, messages: list[Message], **params: Any) -> Completion:
        return await self.model.whole(node, messages, **params)

    def pieces(
        self, node: str, messages: list[Message], **params: Any
    ) -> AsyncIterator[str | Completion]:
        return self.model.pieces(node, messages, **params)


def _seconds(number: int) -> float:
    return 1 + number % 100_003 / 100_003


class _Tools(Mapping[str, Any]):
    """Tools of any name; `tests.tools:role` is not asked for."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model
        self.kinds: dict[str, str] = {}

    def of(self, module: ModuleOp) -> Mapping[str, Any]:
        """The tools that a module declares."""
        for op in module.ops:
            if isinstance(op, flow.ToolOp):
                role = op.impl.data.partition(":")[2]
                self.kinds[op.sym_name.data] = role if role != "plain" else str(op.output)
        return self

    def __getitem__(self, name: str) -> Any:
        async def tool(*values: Any, **named: Any) -> Any:
            texts = (json.dumps([*values, named] if named else values, default=str),)
            number = await self._model.answer(f"@{name}", texts)
            return made(self.kinds[name], number)

        return tool

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)


def reply(prompt: str, number: int) -> str:
    """What the model writes where the prompt says `<role>`."""
    role = prompt[prompt.index("<") + 1 : prompt.index(">")]
    word = f'{{w{number % 4}}} """ \\ '
    match role:
        case "code":
            return (f"```\nfirst\n```\nso:\n```python\n{word}\n```\n", f"```\n{word}", word)[
                number % 3
            ]
        case "label":
            return (*LABELS, f"**{LABELS[number % 3].upper()}**.", "no idea", "")[number % 7]
        case "lines" | "json-list":
            items = [f"{word}{i}" for i in range(number % 6)]
            if role == "lines":
                return "\n\n".join(items)
            return json.dumps(items if number % 11 else [1])
        case "json":
            good = (json.dumps({"k": [number % 4, None]}), f"So:\n```json\n[{number % 3}]\n```")
            return good[number % 2] if number % 11 else "{"
        case "bool" | "verdict":
            return ("ACCEPT", "Accepted: fine", "REJECT because", "**reject**", word, "")[
                number % 6
            ]
        case "number":
            return (f"{number % 4}", f"Number 00{number % 3}!", "9 or 2", "none")[number % 4]
        case "planner":
            return _plan_text(prompt, Random(number))
        case "joiner":
            said = [
                "Thought: so\nAction: Finish({a (b)})", "Finish($1)", "Action: Finish(c)\n",
                "Action: Replan(more\nof it)", "Action: Replan(other)", "Finish: d", "no idea",
            ]  # fmt: skip
            if "No other plan can follow" in prompt and number % 11:
                return said[number % 3]
            return said[number % 7]
        case "data" | "table":
            return json.dumps(made({"data": DATA, "table": TABLE}[role], number))
        case _:
            return f"{word}{number % 3}"


def _plan_text(prompt: str, random: Random) -> str:
    """A plan of the tools that a prompt shows, right and wrong in many ways."""
    tools = re.findall(r"(\w+)\(a: any", prompt) or ["nothing"]
    found = re.search(r"The next task is number (\d+)", prompt)
    first = 1 if found is None else int(found[1])
    lines = []
    for number in range(first, first + random.randint(0, 4)):
        before = random.randint(1, number)
        argument = random.choice(
            [
                '"x"',
                f"${before}",
                f'"so ${{{before}}}"',
                f"${before}.k",
                "[1, {'a': $1}]",
                "bare $1",
            ]
        )
        more = random.choice(["", "", ', b="y"', ", c=1", ", 2"])
        tool = random.choice([*tools, *tools, "nothing", f"{tools[0]}s"])
        lines.append(f"{number}. {tool}({argument}{more}{random.choice(')))) ')}")
        lines += ["Thought: on"] * random.randint(0, 1)
    ends = [
        f"{first + 9}. join()<END_OF_PLAN>",
        "join()",
        "<END_OF_PLAN>",
        "",
        "9. join()\nand more",
    ]
    return "\n".join([*lines, random.choice(ends)])


def made(kind: str, number: int) -> Any:
    """What a tool gives."""
    match kind:
        case "checker":
            return (True, False, (True, "good"), (False, "{bad}"), "REJECT: words")[number % 5]
        case "planned":
            return ({"k": number % 3}, [number % 2], "text", None)[number % 4]
        case "key":
            return f"k{number % 2} "
        case "!flow.label":
            return (*LABELS, "other")[number % 5]
        case "!flow.bool":
            return number % 2 == 0
        case "!flow.json":
            return {"number": number % 4}
        case "!flow.list<!flow.text>":
            return [f"{{{i}}}" for i in range(number % 6)]
        case "!flow.list<!flow.json>":
            return [{"i": i} for i in range(number % 3)]
        case "!flow.list<!flow.list<!flow.text>>":
            return [[f"{i}{j}" for j in range(number % 3)] for i in range(number % 4)]
        case _:
            return f"{{text {number % 3}}}"
