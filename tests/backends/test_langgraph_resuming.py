"""With a checkpointer, a run that failed goes on where it stopped, and asks nobody twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from flowir.backends.langgraph.emit import emit
from flowir.sim import clock
from tests.backends.running import load
from tests.backends.test_langgraph_running import Http
from tests.backends.test_langgraph_timing import ITEMS, Constructs, seconds
from tests.budget import some
from tests.strategies_ir import parse

CONFIG: Any = {"configurable": {"thread_id": "1"}}
CHAINS = """
flow.agent @solve prompt "{i}" space <models = ["small"]>
flow.workflow @w(%t: !flow.text) -> !flow.text {
  %a = flow.call @solve(%t) : (!flow.text) -> !flow.text
  %b = flow.call @solve(%a) : (!flow.text) -> !flow.text
  %c = flow.call @solve(%b) : (!flow.text) -> !flow.text
  %d = flow.call @solve(%t) : (!flow.text) -> !flow.text
  %e = flow.join concat(%c, %d) : (!flow.text, !flow.text) -> !flow.text
  flow.return %e : !flow.text
}
"""


class Failing:
    """Answers with a digest of what it is asked; one call of all fails, and is never answered."""

    def __init__(self, fails: int | None = None) -> None:
        self.fails = fails
        self.begun = 0
        self.answered: Counter[tuple[str, str]] = Counter()

    async def __call__(self, node: str, messages: Any, *, model: str, **params: Any) -> Any:
        number, self.begun = self.begun, self.begun + 1
        # No two calls end at once: who ends with the one that fails may be lost with it.
        await asyncio.sleep(seconds(model) + 1e-4 * number)
        if number == self.fails:
            raise Http(401)
        asked = messages[-1]["content"]
        self.answered[node, asked] += 1
        usage = SimpleNamespace(input_tokens=1, output_tokens=1)
        return SimpleNamespace(text=f"<{len(asked)} {asked[:9]}>", usage=usage, model=model)


async def never(*values: Any) -> bool:
    return False


def resumed(file: ModuleType, inputs: Any, fails: int) -> tuple[Any, Counter[Any], int]:
    """The answer of a run whose call of that number fails and that then goes on; what was asked."""

    async def main() -> tuple[Any, Counter[Any], int]:
        graph = file.build(InMemorySaver())
        broken, whole = Failing(fails), Failing()
        context = file.new_context(llm=broken, tools={"never": never})
        with pytest.raises(file.CallError):
            await graph.ainvoke(inputs, CONFIG, context=context)
        context = file.new_context(llm=whole, tools={"never": never})
        answer = await graph.ainvoke(None, CONFIG, context=context)
        return answer["result"], broken.answered + whole.answered, whole.begun

    return clock.run(main())


@settings(max_examples=some(30), deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_no_answer_is_asked_for_twice(seed: int, data: st.DataObject) -> None:
    """Where every call is a node: all that was answered is kept, in loops and maps too."""
    file = load(emit(Constructs(seed).module(), fuse=False), "resumed")
    given = {"t": "task", "l": "p", "i": ITEMS}
    inputs = {name: given[name] for name in file.INPUTS}
    model = Failing()
    result = clock.run(file.run(inputs, llm=model, tools={"never": never}))
    fails = data.draw(st.integers(0, model.begun - 1))
    value, answered, _ = resumed(file, inputs, fails)
    assert value == result.value
    assert answered == model.answered


def test_a_fused_chain_begins_anew_and_what_ended_beside_it_is_kept() -> None:
    """What fusing costs: the steps of a chain that is one node are kept or lost together."""
    file = load(emit(parse(CHAINS)), "resumed")
    _, answered, again = resumed(file, {"t": "x"}, 3)
    assert again == 3
    assert sorted(answered.values()) == [1, 1, 2, 2]
    apart = load(emit(parse(CHAINS), fuse=False), "resumed")
    _, answered, again = resumed(apart, {"t": "x"}, 3)
    assert again == 1
    assert set(answered.values()) == {1}
