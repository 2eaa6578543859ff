"""What a workflow's Python means when it simply runs: stand-ins for the constructs, one by one.

A value is what a run has, with its type hint, since prompts show a text and JSON differently.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from types import SimpleNamespace
from typing import Any, get_args

from flowir.runtime.llm import Completion, Message, Usage
from flowir.runtime.values import pick, verdict
from tests.strategies_ir import made, reply


class PlainError(Exception):
    """A run that cannot go on."""


@dataclass(frozen=True)
class Value:
    """A value of a run; `hint` is `str`, `Label`, `dict`, `bool` or `list[…]`."""

    it: Any
    hint: str

    @property
    def element(self) -> str:
        return self.hint.removeprefix("list[").removesuffix("]")

    def shown(self) -> str:
        if self.hint in ("str", "Label"):
            return str(self.it)
        if self.hint.startswith("list"):
            items = [Value(item, self.element).shown() for item in self.it]
            return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
        return json.dumps(self.it, ensure_ascii=False)


class Script:
    """Answers of models and tools that depend on what is asked and on nothing else."""

    def __init__(self, seed: int, tools: Mapping[str, str]) -> None:
        self.seed = seed
        self.kinds = tools
        self.asked: Counter[tuple[str, ...]] = Counter()

    def number(self, *about: object) -> int:
        digest = hashlib.sha256(repr((self.seed, about)).encode()).digest()
        return int.from_bytes(digest[:8], "big")

    def ask(self, *contents: str) -> str:
        self.asked[contents] += 1
        return reply(contents[-1], self.number(contents))

    def use(self, name: str, values: Sequence[Any]) -> Any:
        return made(self.kinds[name], self.number(name, json.dumps(values, default=str)))

    async def llm(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        return Completion(self.ask(*(m["content"] for m in messages)), Usage(1, 1), None, model)

    def tools(self) -> dict[str, Callable[..., Any]]:
        return {name: lambda *values, name=name: self.use(name, values) for name in self.kinds}


@dataclass(frozen=True)
class PlainAgent:
    """Fills its prompt, asks, and reads the answer."""

    script: Script
    name: str
    parameters: tuple[str, ...]
    templates: tuple[str, ...]
    hint: str
    reading: Callable[[str, str], Any]

    def __call__(self, *args: Value, **kwargs: Value) -> Value:
        return Value(self.reading(self.name, self.text(*args, **kwargs)), self.hint)

    def text(self, *args: Value, **kwargs: Value) -> str:
        given = dict(zip(self.parameters, args, strict=False)) | kwargs
        assert given.keys() == set(self.parameters)
        shown = {name: value.shown() for name, value in given.items()}
        return self.script.ask(*(template.format(**shown) for template in self.templates))

    def judge(self, *args: Value) -> Any:
        return self.text(*args)

    def grouped(self, group: str) -> PlainAgent:
        return self

    def within(self, *args: Any, **kwargs: Any) -> PlainAgent:
        return self


@dataclass(frozen=True)
class PlainTool:
    """Calls its function with what values hold."""

    function: Callable[..., Any]

    def __call__(self, *args: Value, **kwargs: Value) -> Value:
        result = self.function.__annotations__["return"]
        return Value(self.judge(*args, **kwargs), result)

    def judge(self, *args: Value, **kwargs: Value) -> Any:
        return self.function(*(a.it for a in args), **{k: v.it for k, v in kwargs.items()})


def _flat(values: Sequence[Any]) -> list[Value]:
    return list(values[0]) if isinstance(values[0], list) else list(values)


def _many(given: Value | Sequence[Value]) -> list[Value]:
    return [given] if isinstance(given, Value) else list(given)


def all_of(*values: Any) -> Value:
    items = _flat(values)
    return Value([item.it for item in items], f"list[{items[0].hint}]")


def concat(*values: Any) -> Value:
    return Value("\n\n".join(item.it for item in _flat(values)), "str")


def vote(*values: Any, key: PlainTool | None = None) -> Value:
    items = _flat(values)
    ballots = [item.it if key is None else key.judge(item) for item in items]
    words = [b.strip() if isinstance(b, str) else json.dumps(b, sort_keys=True) for b in ballots]
    return items[words.index(Counter(words).most_common(1)[0][0])]


def select(*values: Any, by: PlainAgent, given: Any = ()) -> Value:
    items = _flat(values)
    if len(items) == 1:
        return items[0]
    return pick(by.text(*_many(given), all_of(items)), items)


def branch(on: Value, cases: Any, *, otherwise: Any = None, weights: Any = None) -> Value:
    return cases.get(on.it, otherwise)()


def alternatives(name: str, cases: Mapping[str, Callable[[], Value]]) -> Value:
    return next(iter(cases.values()))()


def fallback(*tiers: Callable[[], Value], until: Any, given: Any = (), max: int = 1) -> Value:
    *checked, last = [tiers[0]] * max + list(tiers[1:])
    for tier in checked:
        value = tier()
        if verdict(until.judge(*_many(given), value))[0]:
            return value
    return last()


def refine(value: Value, body: Any, *, until: Any, max: int, given: Any = ()) -> Value:
    for _ in range(max):
        accepted, feedback = verdict(until.judge(*_many(given), value))
        if accepted:
            return value
        value = body(value, Value(feedback, "str"))
    return value


def map_(body: Any, items: Value, *, max: int, width: int | None = None) -> Value:
    if len(items.it) > max:
        raise PlainError(f"{len(items.it)} items")
    found = [body(Value(item, items.element)) for item in items.it]
    return Value([value.it for value in found], f"list[{found[0].hint if found else ''}]")


def _variables(*templates: str) -> list[str]:
    fields = (field for template in templates for _, field, *_ in Formatter().parse(template))
    return [*dict.fromkeys(field for field in fields if field)]


def _name(hint: Any) -> str:
    return str(hint) if get_args(hint) else hint.__name__


def front_end(script: Script, reading: Callable[[str, str], Any]) -> SimpleNamespace:
    """What a program runs with instead of `flowir.workflow`.

    Args:
        reading: (agent, text) -> what the agent's answer gives.
    """

    def agent(of: Any = None, *, prompt: str = "", system: str | None = None, **rest: Any) -> Any:
        def made_of(name: str, template: str, parameters: Sequence[str], hint: str) -> PlainAgent:
            templates = (template,) if system is None else (system, template)
            return PlainAgent(script, name, tuple(parameters), templates, hint, reading)

        if isinstance(of, str):
            return made_of(of, prompt, _variables(system or "", prompt), _name(rest["output"]))

        def decorate(function: Any) -> PlainAgent:
            code, template = function.__code__, prompt or function.__doc__
            names = code.co_varnames[: code.co_argcount]
            hint = function.__annotations__["return"]
            return made_of(function.__name__, template, names, hint)

        return decorate

    def tool(function: Any, **_: Any) -> PlainTool:
        return PlainTool(function)

    return SimpleNamespace(
        agent=agent,
        all_of=all_of,
        alternatives=alternatives,
        any_of=all_of,
        branch=branch,
        concat=concat,
        fallback=fallback,
        map_=map_,
        optional=lambda value: value,
        refine=refine,
        select=select,
        tool=tool,
        vote=vote,
        workflow=lambda function: function,
    )
