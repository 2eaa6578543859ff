"""Running an emitted file: retries, limits, tools, usage, its command line and its adapter."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
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


@settings(max_examples=30)
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


def test_every_call_is_a_span_where_the_program_traces(
    file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[dict[str, Any]] = []

    class Span(dict[str, Any]):
        set_attributes = dict.update

    @contextmanager
    def start(name: str, attributes: dict[str, Any]) -> Any:
        spans.append(Span(attributes, name=name))
        yield spans[-1]

    trace = SimpleNamespace(get_tracer=lambda name: SimpleNamespace(start_as_current_span=start))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)  # type: ignore[arg-type]
    _run(file, Model(Http(503)), "a")
    assert spans == [
        {
            "name": "chat small",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "small",
            "gen_ai.request.reasoning.level": "low",
            "flowir.node.id": "try",
            "gen_ai.response.model": "small",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
        }
    ]


@settings(max_examples=15)
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


# The command line


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a front, next to a stand-in for the openai package."""
    folder = tmp_path_factory.mktemp("script")
    module = parse((Path(__file__).parent / "code_repair.mlir").read_text())
    with_front(module, random.Random(2).randint, points=4)
    path = folder / "repair.py"
    path.write_text(emit(module), encoding="utf-8")
    (folder / "openai.py").write_text(FAKE_OPENAI)
    (folder / "code_repair").mkdir()
    (folder / "code_repair" / "__init__.py").write_text("")
    (folder / "code_repair" / "tools.py").write_text("def visible_tests(task, value): return True")
    return path


FAKE_OPENAI = '''
from types import SimpleNamespace as S

class OpenAIError(Exception): ...
class APIConnectionError(OpenAIError): ...

class AsyncOpenAI:
    """Repeats what it is asked with."""

    def __init__(self, *, base_url, api_key, max_retries):
        if api_key is None:
            raise OpenAIError("no key")
        assert max_retries == 0
        self.failed = base_url != "flaky"
        self.chat = S(completions=self)

    async def create(self, **request):
        if not self.failed:
            self.failed = True
            raise APIConnectionError("down")
        text = repr(sorted((k, v) for k, v in request.items() if k != "messages"))
        message = S(content=f"easy {text}")
        usage = S(prompt_tokens=3, completion_tokens=2)
        return S(choices=[S(message=message)], usage=usage, model=request["model"])
'''


def _shell(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True, text=True, check=False, env=environment, input='{"task": "stdin"}',
    )  # fmt: skip


def test_the_command_line_explains_itself(script: Path) -> None:
    done = _shell(script, "--help")
    assert done.returncode == 0
    for word in ("--task", "--max-latency", "code_repair(task: text) -> text", "retry"):
        assert word in done.stdout


def test_the_command_line_prints_the_result_as_json(script: Path) -> None:
    for arguments in (("--task", "x"), ("--inputs", '{"task": "x"}'), ("--inputs", "-")):
        done = _shell(script, *arguments, "--point", "1", "--base-url", "flaky", KEY="k",
                      OPENAI_API_KEY="k")  # fmt: skip
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["point"] == 1
        assert result["usage"]["calls"] == 2
        assert "failed, again in" in done.stderr
        assert "kind: a, 3 + 2 tokens" in done.stderr


def test_the_adapter_words_budgets_as_endpoints_do(script: Path) -> None:
    spec = importlib_load(script)
    openai = load(FAKE_OPENAI, "openai")
    try:
        llm = spec.openai_llm("url", "key")
        ask = [{"role": "user", "content": "x"}]
        answers = [
            asyncio.run(llm("n", ask, model="m", **params)).text
            for params in ({"budget": "low"}, {"budget": 20, "temperature": 1}, {})
        ]
    finally:
        del sys.modules["openai"]
    assert openai is not None
    assert answers == [
        "easy [('model', 'm'), ('reasoning_effort', 'low')]",
        "easy [('extra_body', {'thinking': {'type': 'enabled', 'budget_tokens': 20}}), "
        "('model', 'm'), ('temperature', 1)]",
        "easy [('model', 'm')]",
    ]


def importlib_load(script: Path) -> ModuleType:
    return load(script.read_text(encoding="utf-8"), "repair")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "x", "--max-latency", "0.1"], "no point has latency 0.1 or better; closest: "
         "latency 1 (point 0)"),
        (["--task", "x", "--max-cost", "1"], "nothing is known of the cost of any point"),
        (["--inputs", "{"], "the inputs are not JSON"),
        (["--inputs", "[]"], "must be a JSON object"),
        ([], "the workflow takes task, and was given nothing"),
        (["--task", "x", "--point", "0", "--max-cost", "1"], "give limits or a point"),
        (["--task", "x", "--point", "9"], "there is no point 9; they are 0 to 3"),
        (["--task", "x", "--api-key-env", "NONE"], "no key"),
    ],
)  # fmt: skip
def test_mistakes_on_the_command_line_are_one_line(
    script: Path, arguments: list[str], message: str
) -> None:
    done = _shell(script, *arguments, OPENAI_API_KEY="k")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_front_can_be_selected_from_the_shell(script: Path) -> None:
    done = _shell(script, "--task", "x", "--max-latency", "2.5", "--quiet", OPENAI_API_KEY="k")
    assert json.loads(done.stdout)["point"] == 1
    assert done.stderr == ""


def test_inputs_with_the_names_of_options_come_as_json(script: Path) -> None:
    """Their keys stay as they are; only words of Python's own are altered."""
    text = """
    flow.tool @pair impl "pairs:pair" -> !flow.json
    flow.workflow @run(%help: !flow.text, %point: !flow.json, %class: !flow.text) -> !flow.json {
      %input = flow.call @pair(%help, %point, %class)
        : (!flow.text, !flow.json, !flow.text) -> !flow.json
      flow.return %input : !flow.json
    }"""
    path = script.parent / "clash.py"
    path.write_text(emit(parse(text)), encoding="utf-8")
    (script.parent / "pairs.py").write_text("def pair(*values): return list(values)")
    done = _shell(
        path, "--inputs", '{"help": "h", "point": [1]}', "--class_", "c", OPENAI_API_KEY="k"
    )
    assert json.loads(done.stdout)["value"] == ["h", [1], "c"]
    assert _shell(path, "--help").returncode == 0


def test_importing_a_file_loads_nothing_heavy(script: Path) -> None:
    code = (
        "import sys, asyncio, argparse, json, dataclasses\n"
        "before = set(sys.modules)\n"
        "import repair\n"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=script.parent, capture_output=True, text=True, check=True
    )
    light = {"_bisect", "_random", "_sha512", "_hashlib", "_sha2", "bisect", "hashlib", "random"}
    light |= {"math", "typing", "repair", "_blake2"}
    assert set(done.stdout.split()) <= light


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
