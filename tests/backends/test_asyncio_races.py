"""Emitted races: what is started, what is cancelled, and what the account says of it."""

from __future__ import annotations

import asyncio
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from flowir.backends.asyncio.library import races
from flowir.runtime import racing
from flowir.runtime.values import plurality
from flowir.sim import clock
from tests.backends.running import emitted
from tests.strategies_ir import entry, parse

HEAD = """
flow.agent @a prompt "{x}" space <models = ["m"]>
flow.tool @tests impl "m:f" -> !flow.bool effect reads
flow.workflow @w(%x: !flow.text) -> !flow.text {
"""
TAIL = "\n  flow.return %j : !flow.text\n}\n"


def calls(*names: str) -> str:
    return "".join(
        f'  %{name} = flow.call @a(%x) at "{name}" : (!flow.text) -> !flow.text\n' for name in names
    )


class Model:
    """Answers after a given time, and says what was cancelled."""

    def __init__(self, **answers: tuple[float, str]) -> None:
        self.answers = answers
        self.started: list[str] = []
        self.cancelled: list[str] = []

    async def llm(self, node: str, messages: Any, *, model: str) -> Any:
        self.started.append(node)
        seconds, text = self.answers[node]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.append(node)
            raise
        usage = SimpleNamespace(input_tokens=1, output_tokens=1)
        return SimpleNamespace(text=text, model=model, usage=usage)


def run(body: str, model: Model, accepts: Any = None) -> Any:
    module = parse(HEAD + body + TAIL)
    file = emitted(module, entry(module))
    tools = {"tests": accepts} if accepts is not None else {}
    return clock.run(file.run({"x": "q"}, llm=model.llm, tools=tools))


VOTE = "  %j = flow.join vote(%p, %q, %r) quorum : (T, T, T) -> T".replace("T", "!flow.text")


def test_a_vote_ends_at_its_quorum_and_cancels_the_rest() -> None:
    model = Model(p=(1.0, "yes"), q=(9.0, "no"), r=(2.0, "yes"))
    result = run(calls("p", "q", "r") + VOTE, model)
    assert (result.value, result.seconds) == ("yes", 2.0)
    assert model.cancelled == ["q"]
    assert (result.usage.calls, result.usage.cancelled) == (2, 1)
    assert result.sites["q"].cancelled == 1


def test_a_vote_without_agreement_waits_for_all() -> None:
    model = Model(p=(1.0, "yes"), q=(9.0, "no"), r=(2.0, "maybe"))
    result = run(calls("p", "q", "r") + VOTE, model)
    assert (result.value, result.seconds, model.cancelled) == ("yes", 9.0, [])


def test_the_first_to_finish_wins_and_the_losers_end_before_the_result_is_there() -> None:
    model = Model(p=(3.0, "slow"), q=(1.0, "fast"))
    join = "  %j = flow.join first(%p, %q) : (!flow.text, !flow.text) -> !flow.text"
    result = run(calls("p", "q") + join, model)
    assert (result.value, result.seconds, model.cancelled) == ("fast", 1.0, ["p"])


def test_a_hedge_starts_late_or_never() -> None:
    join = (
        "  %j = flow.join first(%p, %q) after [0.0, 2.0] : (!flow.text, !flow.text) -> !flow.text"
    )
    quick = Model(p=(1.0, "first"), q=(1.0, "hedge"))
    assert run(calls("p", "q") + join, quick).value == "first"
    assert quick.started == ["p"]
    slow = Model(p=(9.0, "first"), q=(1.0, "hedge"))
    result = run(calls("p", "q") + join, slow)
    assert (result.value, result.seconds, slow.cancelled) == ("hedge", 3.0, ["p"])


@pytest.mark.parametrize(
    ("good", "value", "seconds"), [("slow", "slow", 3.0), ("fast", "fast", 1.0), ("", "slow", 3.0)]
)
def test_the_earliest_that_is_accepted_wins_else_the_last(
    good: str, value: str, seconds: float
) -> None:
    async def accepts(candidate: str) -> bool:
        return candidate == good

    model = Model(p=(3.0, "slow"), q=(1.0, "fast"))
    join = "  %j = flow.join first(%p, %q) until @tests : (!flow.text, !flow.text) -> !flow.text"
    result = run(calls("p", "q") + join, model, accepts)
    assert (result.value, result.seconds) == (value, seconds)


def test_what_others_read_is_not_cancelled() -> None:
    model = Model(p=(3.0, "slow"), q=(1.0, "fast"), s=(1.0, "s"))
    text = calls("p", "q") + (
        "  %k = flow.join first(%p, %q) : (!flow.text, !flow.text) -> !flow.text\n"
        "  %j = flow.join concat(%k, %p) : (!flow.text, !flow.text) -> !flow.text"
    )
    result = run(text, model)
    # It is in no lane, so the race begins, and is decided, when it is there.
    assert (result.value, result.seconds, model.cancelled) == ("slow\n\nslow", 3.0, ["q"])


def test_what_writes_is_not_cancelled() -> None:
    done: list[str] = []

    async def tool(value: str) -> str:
        await asyncio.sleep(2.0)
        done.append(value)
        return value

    module = parse(
        HEAD.replace("flow.workflow", 'flow.tool @post impl "m:f"\nflow.workflow')
        + calls("p", "q")
        + "  %r = flow.call @post(%q) : (!flow.text) -> !flow.text\n"
        + "  %j = flow.join first(%p, %r) : (!flow.text, !flow.text) -> !flow.text"
        + TAIL
    )
    file = emitted(module, entry(module))
    model = Model(p=(1.0, "p"), q=(1.0, "q"))
    result = clock.run(file.run({"x": "x"}, llm=model.llm, tools={"post": tool}))
    assert (done, result.value, model.cancelled) == (["q"], "q", ["p"])


def test_a_failure_before_the_decision_fails_the_run() -> None:
    class Failing(Model):
        async def llm(self, node: str, messages: Any, *, model: str) -> Any:
            if node == "q":
                raise ValueError("out of order")
            return await super().llm(node, messages, model=model)

    model = Failing(p=(1.0, "p"))
    join = "  %j = flow.join first(%p, %q) : (!flow.text, !flow.text) -> !flow.text"
    module = parse(HEAD + calls("p", "q") + join + TAIL)
    file = emitted(module, entry(module))
    with pytest.raises(file.CallError, match="q: m failed"):
        clock.run(file.run({"x": "x"}, llm=model.llm))
    assert model.cancelled == ["p"]


@pytest.mark.parametrize("settled", [racing.settled, races.settled])
def test_a_vote_is_settled_iff_no_completion_changes_its_winner(settled: Any) -> None:
    """Every partial vote of up to five, against every way to fill in what is missing."""
    for n in range(1, 6):
        known = ["a", "b", "c"][: max(2, n - 2)]
        for partial in product([None, *known], repeat=n):
            if set(partial) == {None}:
                continue
            missing = [place for place, label in enumerate(partial) if label is None]
            winners = set()
            for filled in product([*known, "new"], repeat=len(missing)):
                labels = list(partial)
                for place, label in zip(missing, filled, strict=True):
                    labels[place] = label
                winners.add(plurality(labels, labels))
            found = settled(list(partial))
            if len(winners) == 1:
                assert found == partial.index(winners.pop())
            else:
                assert found is None
