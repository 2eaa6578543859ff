"""Candidates that end in the very same instant: the earliest operand wins, in every back end.

That is so however many steps of the event loop lie between an answer and its race: a candidate that
comes out of three regions is as much there as one that a call gives.
"""

from __future__ import annotations

import asyncio
from functools import cache
from itertools import product
from types import ModuleType
from typing import Any

import pytest
from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, Usage
from flowir.sim import clock
from tests.backends.running import load
from tests.strategies_ir import entry, parse

HEAD = """
flow.agent @a prompt "{x}" space <models = ["m"]>
flow.agent @label prompt "{x}" -> !flow.label space <models = ["m"]>
flow.agent @lines prompt "{x}" -> !flow.list<T> space <models = ["m"]>
flow.agent @judge prompt "{x}" space <models = ["m"]>
flow.tool @tests impl "m:f" -> !flow.bool effect reads
flow.tool @key impl "m:f" -> T effect pure
"""

CALL = '%{n} = flow.call @a(%x) at "{n}" : (T) -> T\n'
BRANCH = """
%{n} = flow.branch %kind : !flow.label -> T
  else {{
    %{n}in = flow.call @a(%x) at "{n}" : (T) -> T
    flow.yield %{n}in : T
  }}
"""
NESTED = """
%{n} = flow.branch %kind : !flow.label -> T
  else {{
    %{n}o = flow.branch %kind : !flow.label -> T
      else {{
        %{n}i = flow.call @a(%x) at "{n}" : (T) -> T
        flow.yield %{n}i : T
      }}
    flow.yield %{n}o : T
  }}
"""
FALLBACK = """
%{n} = flow.fallback until @tests -> T {{
  %{n}in = flow.call @a(%x) at "{n}" : (T) -> T
  flow.yield %{n}in : T
}}
"""
RACE = """
%{n}1 = flow.call @a(%x) at "{n}" : (T) -> T
%{n}2 = flow.call @a(%x) at "late {n}" : (T) -> T
%{n} = flow.join first(%{n}1, %{n}2) : (T, T) -> T
"""
MAKERS = {
    "call": CALL,
    "branch": BRANCH,
    "nested branch": NESTED,
    "fallback": FALLBACK,
    "race": RACE,
}

JOINS = {
    "first": "first(%p, %q, %r)",
    "first accepted by a tool": "first(%p, %q, %r) until @tests",
    "first accepted by an agent": "first(%p, %q, %r) until @judge",
    "quorum": "vote(%p, %q, %r) quorum",
    "quorum by a key": "vote(%p, %q, %r) quorum key @key",
}

WHERE = {
    "outside": """
  {body}
  flow.return %j : T""",
    "in a branch": """
  %out = flow.branch %kind : !flow.label -> T
    else {{
      {body}
      flow.yield %j : T
    }}
  flow.return %out : T""",
    "in a map": """
  %items = flow.call @lines(%x) at "items" : (T) -> !flow.list<T>
  %out = flow.map(%item) in %items : !flow.list<T> max 3 -> !flow.list<T> {{
    {body}
    flow.yield %j : T
  }}
  %text = flow.call @a(%out) at "end" : (!flow.list<T>) -> T
  flow.return %text : T""",
}


def text_of(makers: tuple[str, ...], join: str, where: str) -> str:
    made = "".join(MAKERS[maker].format(n=n) for maker, n in zip(makers, "pqr", strict=True))
    body = made + f"%j = flow.join {JOINS[join]} : (T, T, T) -> T"
    head = f"{HEAD}\nflow.workflow @w(%x: T) -> T {{\n"
    kind = '%kind = flow.call @label(%x) at "kind" : (T) -> !flow.label\n'
    return (head + kind + WHERE[where].format(body=body) + "\n}\n").replace("T", "!flow.text")


@cache
def programs(makers: tuple[str, ...], join: str, where: str) -> tuple[ModuleOp, list[ModuleType]]:
    module = parse(text_of(makers, join, where))
    return module, [load(emit(module)), load(emit_graph(module), "instant_graph")]


class Model:
    """Answers with the name of the site after the same time everywhere; no time takes no step."""

    def __init__(self, seconds: float, votes: str = "pqr", accepts: str = "pqr") -> None:
        self.seconds = seconds
        self.votes = dict(zip("pqr", votes, strict=True))
        self.accepts = accepts

    async def llm(self, node: str, messages: Any, *, model: str) -> Completion:
        shown = messages[-1]["content"]
        if self.seconds:
            await asyncio.sleep(50 if node.startswith("late") else self.seconds)
        elif node.startswith("late"):
            await asyncio.sleep(50)
        text = self.votes.get(node, shown if node == "end" else "one\ntwo")
        if node.endswith(".check"):
            text = "ACCEPT" if shown in self.accepts else "REJECT"
        return Completion(text, Usage(1, 1), None, model)

    @property
    def tools(self) -> dict[str, Any]:
        async def tests(value: str) -> bool:
            return value in self.accepts

        async def key(value: str) -> str:
            return value

        return {"tests": tests, "key": key}


def answers(makers: tuple[str, ...], join: str, where: str, **options: Any) -> list[Any]:
    """Of the interpreter, the asyncio file and the LangGraph file."""
    module, files = programs(makers, join, where)
    found = []
    for file in (None, *files):
        model = Model(**options)
        if file is None:
            run = interpret(entry(module), ["the task"], model.llm, model.tools)
        else:
            run = file.run({"x": "the task"}, llm=model.llm, tools=model.tools)
        found.append(clock.run(run).value)
    return found


def expected(where: str, winner: str) -> str:
    return f"1. {winner}\n2. {winner}" if where == "in a map" else winner


MIXED = [
    ("call", "call", "call"),
    ("nested branch", "branch", "call"),
    ("call", "nested branch", "branch"),
    ("race", "fallback", "call"),
]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("makers", MIXED, ids=",".join)
@pytest.mark.parametrize("join", [join for join in JOINS if join.startswith("first")])
def test_the_earliest_operand_that_is_accepted_wins(
    makers: tuple[str, ...], join: str, where: str
) -> None:
    for seconds, accepts in product((0.0, 1.0), ("pqr", "qr", "r", "pr")):
        winner = "p" if join == "first" else accepts[0]
        found = answers(makers, join, where, seconds=seconds, accepts=accepts)
        assert found == [expected(where, winner)] * 3, (seconds, accepts)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("makers", MIXED, ids=",".join)
@pytest.mark.parametrize("join", [join for join in JOINS if join.startswith("quorum")])
def test_the_most_votes_win_and_the_earliest_among_equals(
    makers: tuple[str, ...], join: str, where: str
) -> None:
    for seconds, (votes, winner) in product(
        (0.0, 1.0), [("aaa", "a"), ("abc", "a"), ("abb", "b"), ("bab", "b"), ("cba", "c")]
    ):
        found = answers(makers, join, where, seconds=seconds, votes=votes)
        assert found == [expected(where, winner)] * 3, (seconds, votes)
