"""Random StateGraphs: a description of what stands in them, and the module that builds them.

Blocks begin and end with one node. Every node writes one key of its own, so that what ways beside
each other do never depends on which is faster; nodes read what is there when they run, and by
`.get` with a default what may not be.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

START, END = "__start__", "__end__"
BOUND = 4
"""Turns that are allowed to loops which a model ends."""

_HEAD = """
import operator
from typing import Annotated, Literal, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Item(TypedDict):
    item: str
"""


@dataclass
class Description:
    """What a person would say of a graph; names of nodes are paths."""

    nodes: dict[str, bool] = field(default_factory=dict)
    """Whether each calls a model."""
    edges: set[tuple[str, str]] = field(default_factory=set)
    joins: set[tuple[str, ...]] = field(default_factory=set)
    branches: set[tuple[str, ...]] = field(default_factory=set)
    loops: set[tuple[int | None, frozenset[str]]] = field(default_factory=set)
    bounds: dict[str, int] = field(default_factory=dict)
    """To be told to the importer: headers of loops that nothing counts, and workers of maps."""
    source: str = ""


Known = tuple[tuple[str, bool], ...]
"""Keys that may be read, and whether each is surely there."""


@dataclass
class Scope:
    """One graph: its keys with their types, the keys it writes, and how it is built."""

    prefix: str
    keys: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)


class Generator:
    """Draws one graph."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.found = Description()
        self.functions: list[str] = []
        self.numbers = count(1)

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def graph(self) -> Description:
        scope = Scope("", {"text": "str"})
        first, last, _ = self.sequence(scope, (("text", True),), 3)
        self.link(scope, START, first)
        if self.choose(True, False):
            self.link(scope, last, END)
        built = self.build(scope, "builder", "State", "")
        self.found.source = "\n\n".join(
            [_HEAD, *self.functions, built, "graph = builder.compile()"]
        )
        return self.found

    def build(self, scope: Scope, builder: str, state: str, more: str) -> str:
        keys = "".join(f"    {key}: {kind}\n" for key, kind in scope.keys.items())
        lines = "\n".join(line.replace("builder", builder, 1) for line in scope.lines)
        return (
            f"class {state}(TypedDict):\n{keys}\n\n{builder} = StateGraph({state}{more})\n{lines}"
        )

    def path(self, scope: Scope, name: str) -> str:
        return f"{scope.prefix}/{name}" if scope.prefix else name

    def link(self, scope: Scope, source: str, target: str) -> None:
        """A plain edge."""
        a, b = (
            f'"{n}"' if n not in (START, END) else n.strip("_").upper() for n in (source, target)
        )
        scope.lines.append(f"builder.add_edge({a}, {b})")
        self.found.edges.add((self.path(scope, source), self.path(scope, target)))

    def node(
        self,
        scope: Scope,
        known: Known,
        *,
        model: bool | None = None,
        more: str = "",
        returns: str = "{{{updates}}}",
    ) -> str:
        """A node that reads some of what is known and writes its own key."""
        name = f"n{next(self.numbers)}"
        model = self.choose(True, True, False) if model is None else model
        reads = self.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        shown = " ".join(f"{{{_read(key, sure)}}}" for key, sure in reads)
        waits = model and self.choose(True, False)
        asked = f'(f"{name} {shown}")'
        call = f"(await llm.ainvoke{asked})" if waits else f"llm.invoke{asked}"
        value = f"{call}.content" if model else f'f"{name} {shown}".upper()'
        self.write(scope, f"k_{name}", "str")
        body = returns.format(updates=f'"k_{name}": value{more}')
        self.functions.append(
            f"{'async ' if waits else ''}def {name}(state):\n    value = {value}\n    return {body}"
        )
        scope.lines.append(f'builder.add_node("{name}", {name})')
        self.found.nodes[self.path(scope, name)] = model
        return name

    def write(self, scope: Scope, key: str, kind: str) -> None:
        scope.keys[key] = kind
        scope.written.add(key)

    def sequence(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        first, last, known = self.block(scope, known, depth)
        for _ in range(self.choose(0, 1, 1, 2) if depth > 1 else self.choose(0, 1)):
            start, end, known = self.block(scope, known, depth)
            self.link(scope, last, start)
            last = end
        return first, last, known

    def block(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        """First node, last node, and what is known after it."""
        leaf = depth == 0
        kinds = (
            ["leaf"] if leaf else ["leaf", "parallel", "router", "command", "loop", "map", "sub"]
        )
        return getattr(self, f"_{self.choose(*kinds)}")(scope, known, depth - 1)  # type: ignore[no-any-return]

    def _leaf(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        name = self.node(scope, known)
        return name, name, (*known, (f"k_{name}", True))

    def _parallel(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        first = self.node(scope, known)
        before = (*known, (f"k_{first}", True))
        after, ends = before, []
        for _ in range(self.choose(2, 2, 3)):
            start, end, inside = self.sequence(scope, before, depth)
            self.link(scope, first, start)
            ends.append(end)
            after = (*after, *inside[len(before) :])
        last = self.node(scope, after)
        scope.lines.append(f"builder.add_edge({ends!r}, {last!r})")
        self.found.edges |= {(self.path(scope, end), self.path(scope, last)) for end in ends}
        join = (self.path(scope, last), *sorted(self.path(scope, end) for end in ends))
        self.found.joins.add(join)
        return first, last, (*after, (f"k_{last}", True))

    def _cases(self, scope: Scope, known: Known, depth: int) -> tuple[list[str], list[str], Known]:
        """First and last nodes of ways of which one is taken, and what may be known after it."""
        starts, ends, after = [], [], known
        for _ in range(self.choose(1, 2, 2)):
            start, end, inside = self.sequence(scope, known, depth)
            starts.append(start)
            ends.append(end)
            after = (*after, *((key, False) for key, _ in inside[len(known) :]))
        return starts, ends, after

    def _router(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        first = self.node(scope, known, model=True)
        starts, ends, after = self._cases(scope, (*known, (f"k_{first}", True)), depth)
        last = self.node(scope, after)
        targets = [*starts, last] if len(starts) == 1 or self.choose(True, False) else starts
        with_map = self.choose(True, False)
        answers = [f"case {i}" if with_map else target for i, target in enumerate(targets)]
        body = "".join(
            f'    if len(state["k_{first}"]) % {len(targets)} == {i}:\n        return {answer!r}\n'
            for i, answer in enumerate(answers[:-1])
        )
        self.functions.append(f"def route_{first}(state):\n{body}    return {answers[-1]!r}")
        ways = f", {dict(zip(answers, targets, strict=True))!r}" if with_map else ""
        scope.lines.append(f'builder.add_conditional_edges("{first}", route_{first}{ways})')
        for end in ends:
            self.link(scope, end, last)
        self._branch(scope, first, targets)
        return first, last, (*after, (f"k_{last}", True))

    def _branch(self, scope: Scope, source: str, targets: list[str]) -> None:
        paths = sorted({self.path(scope, target) for target in targets})
        self.found.branches.add((self.path(scope, source), *paths))
        self.found.edges |= {(self.path(scope, source), path) for path in paths}

    def _command(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        starts, ends, after = self._cases(scope, known, depth)
        last = self.node(scope, after)
        goto = f"{starts[0]!r} if len(value) % 2 else {(*starts, last)[1]!r}"
        returns = f"Command(goto={goto}, update={{{{{{updates}}}}}})"
        first = self.node(scope, known, returns=returns)
        for target in {starts[0], (*starts, last)[1]}:
            self.found.edges.add((self.path(scope, first), self.path(scope, target)))
        for end in ends:
            self.link(scope, end, last)
        return first, last, (*after, (f"k_{first}", True), (f"k_{last}", True))

    def _loop(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        counts = self.choose(True, False)
        before = set(self.found.nodes)
        key = f"t{next(self.numbers)}"
        scope.keys[key] = "str"  # what a turn hears of the one before it
        first = self.node(scope, (*known, (key, False)), model=True)
        start, end, after = self.sequence(scope, (*known, (f"k_{first}", True)), depth)
        self.link(scope, first, start)
        more = f', "{key}": value'
        if counts:
            more += f', "c_{key}": state.get("c_{key}", 0) + 1'
            self.write(scope, f"c_{key}", "int")
        last = self.node(scope, after, model=True, more=more)
        self.write(scope, key, "str")
        self.link(scope, end, last)
        done = self.node(scope, (*after, (f"k_{last}", True)))
        turns = self.choose(1, 2, 3)
        test = f'state["c_{key}"] >= {turns}' if counts else f'len(state["k_{last}"]) % 2'
        self.functions.append(
            f"def again_{last}(state):\n    return {done!r} if {test} else {first!r}"
        )
        scope.lines.append(f'builder.add_conditional_edges("{last}", again_{last})')
        self._branch(scope, last, [first, done])
        members = set(self.found.nodes) - before - {self.path(scope, done)}
        prefix = f"{scope.prefix}/" if scope.prefix else ""
        members = {m for m in members if "/" not in m.removeprefix(prefix)}
        self.found.loops.add((turns if counts else None, frozenset(members)))
        if not counts:
            self.found.bounds[self.path(scope, first)] = BOUND
        return first, done, (*after, (f"k_{last}", True), (f"k_{done}", True))

    def _map(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        first = self.node(scope, known, model=True)
        worker = f"w_{first}"
        self.write(scope, f"all_{first}", "Annotated[list[str], operator.add]")
        self.functions.append(
            f"def {worker}(state: Item):\n    value = llm.invoke(f\"{worker} {{state['item']}}\")"
            f'\n    return {{"all_{first}": [value.content]}}'
        )
        self.functions.append(
            f"def send_{first}(state):\n    items = range(len(state['k_{first}']) % 3 + 1)\n"
            f"    return [Send({worker!r}, {{'item': f\"{{state['k_{first}']}} {{i}}\"}}) "
            "for i in items]"
        )
        scope.lines.append(f'builder.add_node("{worker}", {worker})')
        scope.lines.append(f'builder.add_conditional_edges("{first}", send_{first}, ["{worker}"])')
        self.found.nodes[self.path(scope, worker)] = True
        self.found.bounds[self.path(scope, worker)] = 3
        self._branch(scope, first, [worker])
        last = self.node(scope, (*known, (f"all_{first}", True)))
        self.link(scope, worker, last)
        return first, last, (*known, (f"k_{first}", True), (f"k_{last}", True))

    def _sub(self, scope: Scope, known: Known, depth: int) -> tuple[str, str, Known]:
        name = f"s{next(self.numbers)}"
        inner = Scope(self.path(scope, name), {key: "str" for key, _ in known})
        first, last, after = self.sequence(inner, known, depth)
        self.link(inner, START, first)
        self.link(inner, last, END)
        shared = {
            key: kind
            for key, kind in inner.keys.items()
            if key in inner.written and "operator" not in kind
        }
        gives = "".join(f"    {key}: {kind}\n" for key, kind in shared.items())
        self.functions.append(f"class Gives_{name}(TypedDict):\n{gives}")
        self.functions.append(
            self.build(inner, f"b_{name}", f"State_{name}", f", output_schema=Gives_{name}")
        )
        scope.keys.update(shared)
        scope.written |= set(shared)
        scope.lines.append(f'builder.add_node("{name}", b_{name}.compile())')
        self.found.nodes[self.path(scope, name)] = False
        return name, name, after


def _read(key: str, sure: bool) -> str:
    return f"state['{key}']" if sure else f"state.get('{key}', 'none')"


@st.composite
def descriptions(draw: Callable[[Any], Any]) -> Description:
    """Descriptions of random graphs, with their source."""
    return Generator(draw).graph()


def load_source(source: str, folder: Path) -> ModuleType:
    """The module of a source, from a file, so that its functions have source."""
    name = f"random_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
