"""Plans as IR: nothing is lost on the way there and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser

from flowir.dialects.plan import PlanDialect, PlanOp, TaskOp
from flowir.passes.plan_dedupe import PlanDedupe
from flowir.plan.events import Task
from flowir.plan.ir import plan_events, plan_module
from flowir.plan.reader import read_plan
from tests.plan.plans import PLANS, TOOLS


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, PlanDialect):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def _plan(module: ModuleOp) -> PlanOp:
    return next(op for op in module.ops if isinstance(op, PlanOp))


@pytest.mark.parametrize("number", range(len(PLANS)))
def test_tasks_come_back_from_ir_and_from_its_text(number: int) -> None:
    tasks = [e for e in read_plan(PLANS[number], TOOLS, repair=True) if isinstance(e, Task)]
    tasks.sort(key=lambda task: task.number)
    module = plan_module([(tasks, "")], TOOLS)
    module.verify()
    for found in (module, parse(str(module))):
        (events,) = plan_events(_plan(found))
        assert [e for e in events if isinstance(e, Task)] == [replace(t, line=0) for t in tasks]


def test_rounds_come_back() -> None:
    first = read_plan('1. search("a")\n2. join()', TOOLS)
    second = read_plan('2. math("$1")\n3. join()', TOOLS, first=2, known=[1])
    module = plan_module([(first, "why"), (second, "")], TOOLS)
    module.verify()
    assert [len(events) for events in plan_events(_plan(parse(str(module))))] == [2, 2]
    assert 'plan.replan "why"' in str(module)


def test_deduping_what_is_deduped_changes_nothing() -> None:
    text = (
        "".join(f'{i}. search("{i % 3}")\n' for i in range(1, 9))
        + '9. math("$8 $7 $2")\n10. join()'
    )
    module = plan_module([(read_plan(text, TOOLS), "")], TOOLS)
    PlanDedupe().apply(None, module)  # type: ignore[arg-type]
    module.verify()
    tasks = [op for op in _plan(module).body.block.ops if isinstance(op, TaskOp)]
    assert [op.number.data for op in tasks] == [1, 2, 3, 9]
    assert [r.op.number.data for r in tasks[-1].needs] == [2, 1]  # type: ignore[union-attr]
    before = str(module)
    PlanDedupe().apply(None, module)  # type: ignore[arg-type]
    assert str(module) == before
