"""The command line of an emitted file, run as a user runs it, against a real server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flowir.backends.asyncio.emit import emit
from tests.openai_server import Fault, Proxy, echoed
from tests.strategies_ir import parse, with_front

SAMPLE = Path(__file__).parent / "code_repair.mlir"


def _with_efforts(text: str) -> str:
    """The sample with a router whose budgets a provider knows."""
    return text.replace(
        'models = ["a"], budgets = [10, 20]', 'models = ["gpt-5-mini"], budgets = ["low", "high"]'
    )


def _script(folder: Path, text: str) -> Path:
    """The file of a workflow with a front, next to the tools it names."""
    module = parse(text)
    with_front(module, random.Random(2).randint, points=4)
    path = folder / "repair.py"
    path.write_text(emit(module), encoding="utf-8")
    (folder / "code_repair").mkdir()
    (folder / "code_repair" / "__init__.py").write_text("")
    (folder / "code_repair" / "tools.py").write_text("def visible_tests(task, value): return True")
    return path


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _script(tmp_path_factory.mktemp("script"), _with_efforts(SAMPLE.read_text()))


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as it is: with budgets of a model that nobody knows."""
    return _script(tmp_path_factory.mktemp("unknown"), SAMPLE.read_text())


def _shell(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True, text=True, check=False, env=environment, input='{"task": "stdin"}',
    )  # fmt: skip


def test_it_explains_itself(script: Path) -> None:
    done = _shell(script, "--help")
    assert done.returncode == 0
    for word in ("--task", "--max-latency", "code_repair(task: text) -> text", "retry"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        (("--task", "x"), "x"),
        (("--inputs", '{"task": "{x}"}'), "{x}"),
        (("--inputs", "-", "--stream"), "stdin"),
    ],
)
def test_the_result_is_json_and_the_rest_is_told_on_stderr(
    script: Path, proxy: Proxy, arguments: tuple[str, ...], task: str
) -> None:
    """The first request of each kind fails; the router's word makes the coder run again."""
    proxy.reset(lambda key, before: "rate limit" if before == 0 else None)
    done = _shell(
        script, *arguments, "--point", "1", "--base-url", proxy.address, "--provider", "openai",
        "--api-key-env", "KEY", KEY="k",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["point"] == 1
    assert result["value"] == echoed([{"content": f"Complete this function. {task}"}])
    assert result["usage"]["calls"] == sum(s["calls"] for s in result["sites"].values()) == 3
    assert result["sites"]["kind"]["input_tokens"] == len("Reply with one word.") // 4 + (
        len(task) // 4
    )
    assert "failed, again in" in done.stderr
    assert "kind: gpt-5-mini, " in done.stderr
    efforts = {b.get("reasoning_effort") for b in proxy.bodies if b["model"] == "gpt-5-mini"}
    assert efforts <= {"low", "high"}
    assert len(efforts) == 1


@pytest.mark.parametrize("provider", [(), ("--provider", "openai")])
def test_budgets_that_nobody_knows_how_to_ask_for_stop_the_run(
    unknown: Path, proxy: Proxy, provider: tuple[str, ...]
) -> None:
    done = _shell(unknown, "--task", "x", "--base-url", proxy.address, *provider, "--quiet")
    assert done.returncode == 1
    # Nothing was answered; what ran beside the call that was refused was cut short.
    assert all(site["calls"] == 0 for site in json.loads(done.stdout)["sites"].values())
    assert done.stderr.startswith("error: how ")
    assert "takes the reasoning budget 10 for a is not known; known is: nothing" in done.stderr
    assert done.stderr.count("\n") == 1
    assert all(body["model"] != "a" for body in proxy.bodies)


def test_it_names_the_provider_by_the_address(unknown: Path) -> None:
    """Of an endpoint nobody asks: the refusal comes first."""
    address = "https://api.groq.com:1/openai/v1"
    done = _shell(unknown, "--task", "x", "--base-url", address, "--retries", "0")
    assert done.returncode == 1
    assert "how groq takes" in done.stderr


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
        (["--task", "x", "--max-concurrency", "0"], "max_concurrency must be 1 or more"),
        (["--task", "x", "--api-key-env", "NONE"], "api_key"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(script: Path, arguments: list[str], message: str) -> None:
    environment = {} if "NONE" in arguments else {"OPENAI_API_KEY": "k"}
    done = _shell(script, *arguments, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_point_is_selected_by_limits(script: Path, proxy: Proxy) -> None:
    done = _shell(
        script, "--task", "x", "--max-latency", "2.5", "--quiet", "--base-url", proxy.address,
        "--provider", "openai",
    )  # fmt: skip
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


def test_a_run_that_failed_prints_what_it_used(script: Path, proxy: Proxy) -> None:
    """As JSON like that of a result, so that a bill can be made up of all runs.

    One call at a time: of calls side by side the one that fails may cut the other short.
    """
    asked: list[str] = []

    def refuse_the_last(key: str, before: int) -> Fault | None:
        asked.append(key)
        return "500" if len(asked) > 1 else None

    proxy.reset(refuse_the_last)
    options = ("--base-url", proxy.address, "--provider", "openai", "--retries", "0", "--quiet")
    alone = ("--max-concurrency", "1")
    done = _shell(script, "--task", "x", *options, *alone, OPENAI_API_KEY="k")
    assert done.returncode == 1
    failed = json.loads(done.stdout)
    assert failed["error"] == "CallError"
    assert done.stderr == f"error: {failed['message']}\n"
    assert failed["usage"]["calls"] == sum(s["calls"] for s in failed["sites"].values()) == 1
    assert failed["usage"]["input_tokens"] > 0


def test_without_the_openai_package_it_says_how_to_get_it(script: Path) -> None:
    code = (
        "import sys; sys.modules['openai'] = None; sys.path.insert(0, '.')\n"
        "import repair; sys.exit(repair.main(['--task', 'x']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=script.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the openai package is missing: pip install openai\n"
