"""Running an emitted file: retries, limits, tools, usage, its command line and its adapter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from email.utils import formatdate
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.backends.asyncio.emit import emit
from flowir.errors import EmissionError, SearchError
from flowir.profile.prices import Price, Prices
from flowir.runtime.llm import CallError
from flowir.sim import clock
from tests.backends.running import emitted, load, values_for
from tests.budget import some
from tests.strategies_ir import ScriptedModel, entry, module_text, parse, with_front

TEXT = """
flow.agent @solve prompt "{i}" space <models = ["small", "large"], budgets = ["low", 200]>
flow.tool @check impl "tests.backends.running:checked" -> !flow.bool
flow.workflow @w(%items: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %out = flow.map(%i) in %items : !flow.list<!flow.text> max 9 -> !flow.list<!flow.text> {
    %kept = flow.fallback until @check(%i : !flow.text) max 2 -> !flow.text {
      %try = flow.call @solve(%i) : (!flow.text) -> !flow.text
      flow.yield %try : !flow.text
    }
    flow.yield %kept : !flow.text
  }
  flow.return %out : !flow.list<!flow.text>
}
"""


@pytest.fixture(scope="module")
def file() -> ModuleType:
    return load(emit(parse(TEXT), prices=Prices({"small": Price(1.0, 2.0)})), "emitted_w")


class Model:
    """Takes a second, fails as scripted, and counts how many calls are open at a time."""

    def __init__(self, *failures: Exception | float) -> None:
        self.failures = list(failures)
        self.starts: list[float] = []
        self.open = self.most = 0

    async def __call__(self, node: str, messages: Any, *, model: str, **params: Any) -> Any:
        self.starts.append(asyncio.get_running_loop().time())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            failure = self.failures.pop(0) if self.failures else 1.0
            if isinstance(failure, Exception):
                raise failure
            await asyncio.sleep(failure)
        finally:
            self.open -= 1
        usage = SimpleNamespace(input_tokens=100, output_tokens=10)
        return SimpleNamespace(
            text=f"answer to {messages[-1]['content']}", usage=usage, model=model
        )


async def _yes(*values: Any) -> bool:
    return True


def _run(file: ModuleType, llm: Any, *items: str, check: Any = _yes, **options: Any) -> Any:
    options = {"tools": {"check": check}, **options}
    return clock.run(file.run({"items": list(items)}, llm=llm, **options))


def test_results_tell_what_was_used_site_by_site(file: ModuleType) -> None:
    result = _run(file, Model(), "a", "{b}")
    assert result.value == ["answer to a", "answer to {b}"]
    assert result.seconds == 1.0
    assert result.point is file.POINTS[0]
    assert result.usage == file.Usage(2, 200, 20, pytest.approx(2 * 120e-6), 2.0)
    assert result.sites == {"try": result.usage}


def test_costs_are_unknown_where_a_price_is(file: ModuleType) -> None:
    point = file.Point(7, {"solve": file.Config("large")})
    assert _run(file, Model(), "a", point=point).usage.cost_usd is None
    assert _run(file, Model(), point=point).usage.cost_usd == 0.0


def test_budgets_and_parameters_reach_the_model(file: ModuleType) -> None:
    seen: list[dict[str, Any]] = []

    async def llm(node: str, messages: Any, **params: Any) -> Any:
        seen.append({"node": node, **params})
        return await Model()(node, messages, model="m")

    point = file.Point(7, {"solve": file.Config("m", 200, {"temperature": 0.5})})
    _run(file, llm, "a", point=point)
    assert seen == [{"node": "try", "model": "m", "budget": 200, "temperature": 0.5}]


class Http(Exception):
    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = SimpleNamespace(headers=headers)


@pytest.mark.parametrize(
    "failure",
    [Http(429), Http(503), TimeoutError(), ConnectionError(), CallError("busy", transient=True)],
)
def test_passing_failures_are_repeated_so_often_and_no_more(
    file: ModuleType, failure: Exception
) -> None:
    model = Model(failure, failure)
    assert _run(file, model, "a", retries=2).usage.calls == 1
    assert len(model.starts) == 3
    model = Model(failure, failure, failure)
    with pytest.raises(file.CallError, match=r"^try: small failed, 3×") as caught:
        _run(file, model, "a", retries=2)
    assert caught.value.__cause__ is failure
    assert len(model.starts) == 3


@pytest.mark.parametrize("failure", [Http(401), ValueError("no"), CallError("no", transient=False)])
def test_lasting_failures_are_not_repeated(file: ModuleType, failure: Exception) -> None:
    model = Model(failure)
    with pytest.raises(file.CallError):
        _run(file, model, "a")
    assert len(model.starts) == 1


def test_waits_grow_and_have_jitter(file: ModuleType) -> None:
    random.seed(0)
    model = Model(*[Http(500)] * 5)
    _run(file, model, "a", retries=5)
    waits = [b - a for a, b in zip(model.starts, model.starts[1:], strict=False)]
    assert all(0 <= wait <= 0.5 * 2**i for i, wait in enumerate(waits))
    assert len(set(waits)) == 5


def test_what_the_provider_asks_for_is_waited(file: ModuleType) -> None:
    plain = Exception("busy")
    plain.retry_after, plain.status = 7, 429  # type: ignore[attr-defined]
    for failure in (Http(429, **{"retry-after": "7"}), Http(429, **{"Retry-After": "7.0"}), plain):
        model = Model(failure)
        _run(file, model, "a")
        assert 7 <= model.starts[1] <= 7.5
    dated = file.retry_after(Http(429, **{"retry-after": formatdate(4e9, usegmt=True)}))
    assert dated == pytest.approx(4e9 - __import__("time").time(), abs=5)
    model = Model(Http(429, **{"retry-after": "3600"}))
    with pytest.raises(file.CallError):
        _run(file, model, "a")


@settings(max_examples=some(30))
@given(st.integers(0, 8), st.integers(1, 9))
def test_no_more_calls_than_allowed_are_open(file: ModuleType, items: int, most: int) -> None:
    model = Model()
    result = _run(file, model, *map(str, range(items)), max_concurrency=most)
    assert model.most == min(items, most)
    assert result.seconds == -(-items // most)


def test_a_slow_request_is_given_up_and_repeated(file: ModuleType) -> None:
    model = Model(50.0)
    assert _run(file, model, "a", call_timeout=3).seconds == pytest.approx(4.25, abs=0.25)
    with pytest.raises(file.CallError) as caught:
        _run(file, Model(*[50.0] * 4), "a", call_timeout=3)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_a_slow_run_is_given_up_and_leaves_nothing_open(file: ModuleType) -> None:
    model = Model(50.0, 50.0, 1.0)
    with pytest.raises(file.RunTimeoutError, match="no result after 4 s"):
        _run(file, model, "a", "b", "c", timeout=4)
    assert model.open == 0


def test_a_failure_cancels_what_runs_beside_it(file: ModuleType) -> None:
    model = Model(50.0, Http(401), 50.0)
    with pytest.raises(file.CallError, match="status 401"):
        _run(file, model, "a", "b", "c")
    assert model.open == 0


@pytest.mark.parametrize("slow", [False, True])
def test_tools_may_be_functions_coroutines_or_anything_callable(
    file: ModuleType, slow: bool
) -> None:
    class Check:
        async def __call__(self, item: str, value: str) -> bool:
            return True

    def plain(item: str, value: str) -> tuple[bool, str]:
        return value == f"answer to {item}", "no"

    for check in (plain, Check(), lambda item, value: "ACCEPT"):
        assert _run(file, Model(), "a", check=check).usage.calls == 1
    assert _run(file, Model(), "a", check=lambda item, value: False).usage.calls == 2
    assert _run(file, Model(), "a", tools={}).usage.calls == 2


def test_tools_that_fail_or_say_nothing_are_errors(file: ModuleType) -> None:
    def broken(*values: Any) -> bool:
        raise KeyError("x")

    with pytest.raises(file.ToolError, match="tool check: KeyError: 'x'") as caught:
        _run(file, Model(), "a", check=broken)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(file.AnswerError, match="checker check gave None"):
        _run(file, Model(), "a", check=lambda *values: None)
    absent = load(emit(parse(TEXT.replace(":checked", ":absent"))))
    with pytest.raises(absent.ToolError, match="absent"):
        _run(absent, Model(), "a", tools=None)


def test_inputs_and_points_are_checked_before_anything_runs(file: ModuleType) -> None:
    model = Model()
    for inputs in ({}, {"items": "a"}, {"items": [], "more": 1}):
        with pytest.raises(file.InputError):
            clock.run(file.run(inputs, llm=model))
    with pytest.raises(file.SelectionError, match="no point 1; they are 0 to 0"):
        _run(file, model, "a", point=1)
    with pytest.raises(file.AnswerError, match="out: 10 items, and at most 9"):
        _run(file, model, *"abcdefghij")
    assert not model.starts


@settings(max_examples=some(15))
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_failures_that_pass_change_nothing_but_time(draw: Any, seed: int) -> None:
    """Random workflows, 30 % of requests failing: the same answer, no request too often."""
    module = parse(module_text(draw.randint))
    workflow = entry(module)
    file, values = emitted(module, workflow), values_for(workflow)
    inputs = dict(zip(file.INPUTS, values, strict=True))

    def run(llm: Callable[[ScriptedModel], Any]) -> Any:
        model = ScriptedModel(seed)
        model.tools.of(module)

        async def main() -> Any:
            try:
                return (await file.run(inputs, llm=llm(model), tools=model.tools, retries=30)).value
            except file.WorkflowError as error:
                return type(error)

        return clock.run(main())

    def faulty(model: ScriptedModel) -> Any:
        faults = random.Random(seed)

        async def llm(node: str, messages: Any, **params: Any) -> Any:
            if faults.random() < 0.3:
                await asyncio.sleep(0.1)
                raise Http(500)
            return await model.llm(node, messages, **params)

        return llm

    assert run(faulty) == run(lambda model: model.llm)


# What cannot be emitted


def test_fronts_of_other_versions_are_refused() -> None:
    module = parse(TEXT)
    with_front(module, random.Random(0).randint)
    stale = parse(str(module).replace("max 9", "max 8"))
    with pytest.raises(SearchError, match="another version of the workflow"):
        emit(stale)


def test_parsers_must_give_the_output_type() -> None:
    text = TEXT.replace('prompt "{i}"', 'prompt "{i}" parser "lines"')
    with pytest.raises(EmissionError, match=r"parser \"lines\" does not give"):
        emit(parse(text))


def test_workflows_too_deep_for_python_are_refused() -> None:
    opening = "%k{i} = flow.fallback until @check(%i : !flow.text) max 2 -> !flow.text {{\n"
    body = "%try = flow.call @solve(%i) : (!flow.text) -> !flow.text\n"
    inner = "".join(opening.format(i=i) for i in range(30)) + body
    last = "%try"
    for i in reversed(range(30)):
        inner += f"flow.yield {last} : !flow.text\n}}\n"
        last = f"%k{i}"
    start, end = TEXT.index("    %kept"), TEXT.index("    flow.yield %kept")
    deep = TEXT[:start] + inner + TEXT[end:].replace("%kept", "%k0")
    with pytest.raises(EmissionError, match="nests too deeply for Python"):
        emit(parse(deep))
