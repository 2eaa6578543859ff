"""plan-fuse: the same results, in fewer calls, none later than before."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.plan import TaskOp, ToolOp
from flowir.passes.plan_fuse import BATCH, PlanFuse
from flowir.plan.events import Event, Task
from flowir.plan.ir import plan_module
from flowir.plan.signatures import Parameter, Signature
from flowir.plan.values import Reference, Template, Value, shown
from tests.plan.executing import fetched_results, reference_results, the_plan
from tests.plan.test_ir import parse

ONE = Signature("one", (Parameter("x", "text"),), pure=True)
TWO = Signature("two", (Parameter("a"), Parameter("b", "any", False)), pure=True)
NUMBER = Signature("number", (Parameter("n", "number"),), pure=True)
ALL = {name: Signature(f"{name}_all", (Parameter("items", "list"),), pure=True)
       for name in ("one", "two", "number")}  # fmt: skip


def _one(x: str) -> Any:
    return {"of": x, "length": len(x)}


def _two(a: Any, b: Any = None) -> Any:
    return [shown(a), shown(b)]


def _number(n: float) -> float:
    return n * 2


TOOLS: dict[str, Any] = {
    "one": _one,
    "two": _two,
    "number": _number,
    "one_all": lambda items: [_one(item) for item in items],
    "two_all": lambda items: [_two(**item) for item in items],
    "number_all": lambda items: [_number(item) for item in items],
}


def _random_rounds(draw: random.Random) -> list[tuple[list[Event], str]]:
    """Plans of a few rounds whose references lead somewhere."""
    paths: dict[str, list[Any]] = {
        "one": [(), ("of",), ("length",)], "two": [(), (0,), (1,)], "number": [()],
    }  # fmt: skip
    made: list[str] = []

    def reference(numeric: bool = False) -> Reference | None:
        able = [i for i, tool in enumerate(made) if not numeric or tool != "two"]
        if not able:
            return None
        i = draw.choice(able)
        path = ("length",) if numeric and made[i] == "one" else draw.choice(paths[made[i]])
        return Reference(i + 1, path)

    def value() -> Value:
        found = reference() if draw.random() < 0.4 else None
        if found is None:
            return draw.choice("abc")
        return found if draw.random() < 0.5 else Template(("of ", found))

    rounds: list[tuple[list[Event], str]] = [([], "")]
    for number in range(1, draw.randint(1, 12) + 1):
        if draw.random() < 0.1:
            rounds.append(([], ""))
        tool = draw.choice(["one", "one", "two", "number"])
        arguments: list[tuple[str, Value]]
        if tool == "one":
            arguments = [("x", value())]
        elif tool == "two":
            arguments = [("a", value())] + ([("b", (value(), 1))] if draw.random() < 0.5 else [])
        else:
            found = reference(numeric=True) if draw.random() < 0.5 else None
            arguments = [("n", draw.randint(0, 9) if found is None else found)]
        made.append(tool)
        rounds[-1][0].append(Task(number, tool, tuple(arguments), 0))
    return rounds


@given(st.randoms(use_true_random=False))
def test_every_result_is_still_there(draw: random.Random) -> None:
    module = plan_module(_random_rounds(draw), [ONE, TWO, NUMBER, *ALL.values()])
    before = reference_results(module, TOOLS)
    for op in module.ops:
        if isinstance(op, ToolOp) and op.sym_name.data in ALL:
            op.attributes[BATCH] = SymbolRefAttr(f"{op.sym_name.data}_all")
    tasks = {task.number.data: task for task in the_plan(module).tasks}
    needs = {number: set(op.task.needs) for number, op in tasks.items()}
    PlanFuse(most=draw.choice([2, 3, 32])).apply(None, module)  # type: ignore[arg-type]
    module.verify()
    module = parse(str(module))
    after = reference_results(module, TOOLS)
    assert fetched_results(module, TOOLS) == after
    # Each task's result stands in the list of its batch, in order; batches only grow by tasks that
    # needed the same.
    gone = [number for number in before if number not in after]
    seen: list[Any] = []
    for op in the_plan(module).tasks:
        result = after[op.number.data]
        seen += result if op.tool.root_reference.data.endswith("_all") else [result]
    assert sorted(map(shown, seen)) == sorted(map(shown, before.values()))
    for op in the_plan(module).tasks:
        if op.tool.root_reference.data.endswith("_all"):
            first = op.number.data
            assert after[first][0] == before[first]
            assert any(needs[number] == needs[first] for number in gone)


def test_what_would_be_slower_or_converted_stays() -> None:
    text = """
    plan.tool @search(query: text) pure latency 1.0 attributes {plan.batch = @search_all}
    plan.tool @search_all(queries: list) pure latency 1.5
    plan.plan @p {
      %t1 = plan.task 1 @search {query = "\\"a\\""}
      %t2 = plan.task 2 @search {query = "\\"b\\""}
      plan.join
    }
    """
    for slower, left in ((1.0, 2), (1.5, 1)):
        module = parse(text)
        PlanFuse(slower=slower).apply(None, module)  # type: ignore[arg-type]
        assert len([op for op in the_plan(module).body.block.ops if isinstance(op, TaskOp)]) == left


@pytest.mark.parametrize(
    ("search", "batch", "said"),
    [
        ("(query: text) pure", "(queries: list)", "must both be pure"),
        ("(query: text)", "(queries: list) pure", "must both be pure"),
        (
            "(query: text) pure",
            "(queries: list, how: text) pure",
            "must take one parameter, a list",
        ),
        ("() pure", "(queries: list) pure", "takes nothing, so there is nothing to batch"),
    ],
)
def test_a_batch_that_is_none_is_said(search: str, batch: str, said: str) -> None:
    module = parse(
        f"plan.tool @search{search} attributes {{plan.batch = @all}}\nplan.tool @all{batch}\n"
    )
    with pytest.raises(VerifyException, match=said):
        PlanFuse().apply(None, module)  # type: ignore[arg-type]
