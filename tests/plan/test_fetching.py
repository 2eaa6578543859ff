"""Plans that run: against a reference executor, on the virtual clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.plan.events import Event
from flowir.plan.reader import PlanReader
from flowir.plan.signatures import Parameter, Signature, signature_of
from flowir.runtime.fetching import Fetched, PlanTool, fetch
from flowir.sim.clock import run


async def _streamed(
    lines: list[tuple[float, str]], tools: dict[str, PlanTool]
) -> AsyncIterator[Event]:
    """A planner that takes some seconds for each line."""
    reader = PlanReader([tool.signature for tool in tools.values()])
    for seconds, line in lines:
        await asyncio.sleep(seconds)
        for event in reader.feed(line + "\n"):
            yield event
    for event in reader.close():
        yield event


def _fetch(lines: list[tuple[float, str]], tools: dict[str, PlanTool]) -> Fetched:
    return run(fetch(_streamed(lines, tools), tools))


def _slow(name: str, seconds: Callable[[Any], float], **options: Any) -> PlanTool:
    async def call(x: Any) -> Any:
        await asyncio.sleep(seconds(x))
        return f"{name} of {x}"

    pure = options.pop("pure", False)
    return PlanTool(Signature(name, (Parameter("x"),), pure=pure), call, **options)


@given(st.randoms(use_true_random=False))
def test_tasks_start_when_their_inputs_are_there_and_never_before(draw: random.Random) -> None:
    count = draw.randint(1, 9)
    durations = [draw.choice([0.5, 1.0, 2.0, 3.5]) for _ in range(count)]
    planned = [draw.choice([0.0, 0.25, 1.0]) for _ in range(count)]
    needs = [sorted(draw.sample(range(1, i + 1), draw.randint(0, min(i, 3)))) for i in range(count)]

    async def work(me: int, of: list[Any]) -> Any:
        await asyncio.sleep(durations[me - 1])
        return [me, of]

    tool = PlanTool(Signature("work", (Parameter("me", "integer"), Parameter("of", "list"))), work)
    lines = []
    for i in range(count):
        given_ = ", ".join(f"${n}" for n in needs[i])
        lines.append((planned[i], f"{i + 1}. work({i + 1}, [{given_}])"))
    fetched = _fetch([*lines, (0.0, f"{count + 1}. join()")], {"work": tool})
    # The reference: one after another, with times by hand.
    values: dict[int, Any] = {}
    ends: dict[int, float] = {}
    written = 0.0
    for i in range(count):
        written += planned[i]
        start = max([written, *(ends[n] for n in needs[i])])
        ends[i + 1] = start + durations[i]
        values[i + 1] = [i + 1, [values[n] for n in needs[i]]]
        seen = fetched.observations[i]
        assert (seen.value, seen.outcome) == (values[i + 1], "done")
        assert (seen.start_s, seen.end_s) == pytest.approx((start, ends[i + 1]))
    assert fetched.joined


def test_a_task_starts_while_the_planner_is_still_writing() -> None:
    # A line that comes at 1.1 s does not hold up a task that is ready at 0.3 s.
    tools = {"t": _slow("t", lambda x: 0.3 if x == "a" else 0.1)}
    fetched = _fetch(
        [(0, '1. t("a")'), (0, "2. t($1)"), (1.1, '3. t("c")'), (0, "4. join()")], tools
    )
    assert [o.start_s for o in fetched.observations] == pytest.approx([0, 0.3, 1.1])


def test_independent_tasks_take_the_longest_of_what_is_written_and_run() -> None:
    for seed in range(20):
        draw = random.Random(seed)
        plan = [draw.random() for _ in range(8)]
        takes = [draw.random() * 3 for _ in range(8)]
        tools = {"t": _slow("t", lambda x, takes=takes: takes[x])}
        lines = [(p, f"{i + 1}. t({i})") for i, p in enumerate(plan)]
        fetched = _fetch([*lines, (0, "9. join()")], tools)
        expected = max(sum(plan[: k + 1]) + takes[k] for k in range(8))
        assert max(o.end_s for o in fetched.observations) == pytest.approx(expected)


@given(st.integers(1, 4), st.integers(1, 12))
def test_caps_are_kept_and_used(cap: int, count: int) -> None:
    running, most = 0, 0

    async def call(x: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    tools = {"t": PlanTool(Signature("t", (Parameter("x"),)), call, concurrency=cap)}
    lines = [(0.0, f"{i + 1}. t({i})") for i in range(count)]
    fetched = _fetch([*lines, (0, f"{count + 1}. join()")], tools)
    assert most == min(cap, count)
    assert max(o.end_s for o in fetched.observations) == -(-count // cap)


def test_a_failure_is_a_value_that_others_do_not_wait_for() -> None:
    async def call(x: Any) -> Any:
        if x == "bad":
            raise RuntimeError("no such page")
        if x == "slow":
            await asyncio.sleep(100)
        return x

    tools = {"t": PlanTool(Signature("t", (Parameter("x"),)), call, timeout_s=2)}
    lines = [
        '1. t("bad")',
        '2. t("slow")',
        "3. t([$1, $2])",
        "4. t($3)",
        '5. t("fine")',
        "6. join()",
    ]
    fetched = _fetch([(0, line) for line in lines], tools)
    assert [(o.outcome, o.value) for o in fetched.observations] == [
        ("failed", "RuntimeError: no such page"),
        ("failed", "no answer within 2 s"),
        ("skipped", "not run: there is no result of task 1 and 2"),
        ("skipped", "not run: there is no result of task 3"),
        ("done", "fine"),
    ]
    assert max(o.end_s for o in fetched.observations) == 2


def test_results_go_on_as_what_they_are() -> None:
    seen: list[Any] = []

    def quote(name: str) -> dict[str, Any]:
        """A price."""
        return {"name": name, "price": [12.5, {"USD": 13}]}

    def ratio(a: float, b: float, why: str = "") -> float:
        seen.append((a, b, why))
        return a / b

    tools = {f.__name__: PlanTool(signature_of(f), f) for f in (quote, ratio)}
    assert str(tools["ratio"].signature) == "ratio(a: number, b: number, why?: text)"
    lines = [
        '1. quote("x")',
        "2. ratio($1.price[0], ${1.price[1].USD}, \"of $1['name'] or ${1.name}\")",
        "3. ratio($1.cost, 1)",
        "4. ratio($1.price[7], 1)",
        "5. ratio($1.name, 1)",
        "6. join()",
    ]
    fetched = _fetch([(0, line) for line in lines], tools)
    assert seen[0][:2] == (12.5, 13)
    assert seen[0][2].endswith("or x")
    assert [o.outcome for o in fetched.observations] == ["done", "done", *["failed"] * 3]
    said = [o.value for o in fetched.observations[2:]]
    assert said[0] == "a: $1 has no 'cost', only 'name', 'price'"
    assert said[1] == "a: $1.price has 2 items, so none at [7]"
    assert said[2] == "a: number is wanted, and 'x' is not that"


def test_identical_calls_of_pure_tools_are_made_once() -> None:
    calls: list[Any] = []

    async def call(x: Any) -> Any:
        calls.append(x)
        await asyncio.sleep(1)
        return x

    for pure in (True, False):
        calls.clear()
        tools = {"t": PlanTool(Signature("t", (Parameter("x"),), pure=pure), call)}
        lines = ['1. t("a")', '2. t(x="a")', "3. t($1)", '4. t("b")', "5. join()"]
        fetched = _fetch([(0, line) for line in lines], tools)
        assert [o.value for o in fetched.observations] == ["a", "a", "a", "b"]
        assert calls == (["a", "b"] if pure else ["a", "a", "b", "a"])
        assert [o.same_as for o in fetched.observations] == (
            [None, 1, 1, None] if pure else [None] * 4
        )


@pytest.mark.parametrize("breaks", [False, True])
def test_cancelling_and_a_broken_planner_end_every_call(breaks: bool) -> None:
    ended: list[str] = []

    async def call(x: str) -> None:
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            ended.append(x)
            raise

    tools = {"t": PlanTool(Signature("t", (Parameter("x"),)), call)}

    async def planner() -> AsyncIterator[Event]:
        lines = [(0.0, '1. t("a")'), (0.0, '2. t("b")'), (0.0, "3. t($1)")]
        async for event in _streamed(lines, tools):
            yield event
        await asyncio.sleep(1)
        if breaks:
            raise ConnectionError("the stream broke off")
        await asyncio.sleep(1000)

    async def main() -> None:
        async with asyncio.timeout(5):
            await fetch(planner(), tools)

    with pytest.raises(ConnectionError if breaks else TimeoutError):
        run(main())
    assert sorted(ended) == ["a", "b"]


@given(st.randoms(use_true_random=False))
def test_a_third_of_the_tools_failing_or_hanging_never_hangs_a_plan(draw: random.Random) -> None:
    fates = [draw.choice(["fine", "fine", "raise", "hang"]) for _ in range(10)]

    async def call(me: int, of: list[Any]) -> int:
        await asyncio.sleep(draw.random())
        if fates[me] == "raise":
            raise ValueError(me)
        if fates[me] == "hang":
            await asyncio.Event().wait()
        return me

    signature = Signature("t", (Parameter("me"), Parameter("of")), pure=draw.random() < 0.5)
    tools = {"t": PlanTool(signature, call, timeout_s=3, concurrency=draw.choice([None, 1, 3]))}
    needs = [draw.sample(range(i), draw.randint(0, min(i, 2))) for i in range(10)]
    lines = [
        (0.0, f"{i + 1}. t({i}, [{', '.join(f'${n + 1}' for n in needs[i])}])") for i in range(10)
    ]
    fetched = _fetch([*lines, (0.0, "11. join()")], tools)
    good: list[bool] = []
    for i, seen in enumerate(fetched.observations):
        reached = all(good[n] for n in needs[i])
        good.append(reached and fates[i] == "fine")
        wanted = "done" if good[i] else "failed" if reached else "skipped"
        assert seen.outcome == wanted


@given(st.randoms(use_true_random=False))
def test_capped_tools_are_never_idle_while_a_task_of_theirs_could_run(draw: random.Random) -> None:
    count = draw.randint(2, 12)
    caps = {"a": draw.randint(1, 3), "b": draw.randint(1, 2)}
    lasts = [draw.choice([0.5, 1.0, 2.0]) for _ in range(count)]
    planned = [draw.choice([0.0, 0.25, 1.0]) for _ in range(count)]
    needs = [sorted(draw.sample(range(1, i + 1), draw.randint(0, min(i, 2)))) for i in range(count)]
    used = [draw.choice("ab") for _ in range(count)]

    async def work(me: int, of: list[Any]) -> int:
        await asyncio.sleep(lasts[me - 1])
        return me

    parameters = (Parameter("me", "integer"), Parameter("of", "list"))
    tools = {name: PlanTool(Signature(name, parameters), work, cap) for name, cap in caps.items()}
    lines = [
        (planned[i], f"{i + 1}. {used[i]}({i + 1}, [{', '.join(f'${n}' for n in needs[i])}])")
        for i in range(count)
    ]
    seen = _fetch([*lines, (0.0, f"{count + 1}. join()")], tools).observations
    written = 0.0
    for i, task in enumerate(seen):
        written += planned[i]
        ready = max([written, *(seen[n - 1].end_s for n in needs[i])])
        assert task.start_s >= ready - 1e-9
        assert task.end_s == pytest.approx(task.start_s + lasts[i])
        others = [o for o in seen if o.task.tool == task.task.tool and o is not task]
        # At every moment that it waited, its tool was full; at every moment it ran, not over.
        moments = sorted({o.start_s for o in seen} | {o.end_s for o in seen} | {ready})
        for at in moments:
            running = sum(o.start_s <= at < o.end_s - 1e-9 for o in others)
            if ready <= at < task.start_s - 1e-9:
                assert running >= caps[task.task.tool]
            if task.start_s <= at < task.end_s - 1e-9:
                assert running < caps[task.task.tool]
