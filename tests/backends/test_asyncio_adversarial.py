"""What models and users write is data: never code, never a format string, never a name."""

from __future__ import annotations

import ast
import asyncio
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.backends.asyncio.emit import emit
from flowir.dialects import flow
from tests.backends.running import load, values_for
from tests.strategies_ir import entry, module_text, parse

SAMPLE = Path(__file__).parent / "code_repair.mlir"

AWKWARD = st.lists(
    st.one_of(
        st.sampled_from(
            ["{", "}", "{0}", "{x}", "{{", "%s", "%(x)s", "$x", "\\", "\n", '"', "{x!r}"]
        ),
        st.text(max_size=3),
    ),
    max_size=8,
).map("".join)  # fmt: skip

CHAIN = """
flow.agent @first prompt "{x}" space <models = ["m"]>
flow.agent @second system "{{braces}} {y}" prompt "{x}{{{y}}}" space <models = ["m"]>
flow.tool @turn impl "a:b" -> !flow.text
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %y = flow.call @first(%x) : (!flow.text) -> !flow.text
  %z = flow.call @turn(%y) : (!flow.text) -> !flow.text
  %r = flow.call @second(%y, %z) : (!flow.text, !flow.text) -> !flow.text
  flow.return %r : !flow.text
}
"""


def _files() -> dict[str, str]:
    """Emitted files over every construct."""
    found = {"sample": emit(parse(SAMPLE.read_text()))}
    for number in range(12):
        module = parse(module_text(random.Random(number).randint))
        found[f"random_{number}"] = emit(module, entry(module).sym_name.data)
    return found


@given(AWKWARD, AWKWARD, AWKWARD)
def test_texts_pass_from_answers_to_prompts_and_tools_untouched(x: str, y: str, z: str) -> None:
    file = load(emit(parse(CHAIN)), "emitted_chain")
    asked: list[str] = []

    async def llm(node: str, messages: Any, **params: Any) -> Any:
        asked.extend(message["content"] for message in messages)
        return file.Completion(y, file.Usage(), "m")

    async def turn(text: str) -> str:
        asked.append(text)
        return z

    result = asyncio.run(file.run({"x": x}, llm=llm, tools={"turn": turn}))
    assert asked == [x, y, f"{{braces}} {y}", f"{z}{{{y}}}"]
    assert result.value == y


def test_no_hostile_answer_makes_a_run_do_anything_but_call(tmp_path: Path) -> None:
    """Python's own audit events tell: nothing is compiled, imported, opened or started."""
    assert _events(tmp_path, 12, lambda text: text) == []
    assert not (tmp_path / "pwned").exists()


def test_the_audit_would_tell(tmp_path: Path) -> None:
    """A file that does evaluate answers is found out."""
    place = "    text: str = answer.text\n"
    evaluated = "    with contextlib.suppress(Exception):\n        eval(answer.text)\n"
    events = _events(tmp_path, 3, lambda text: text.replace(place, evaluated + place))
    assert {event.partition(" ")[0] for event in events} >= {"compile", "exec", "os.system"}


def _events(folder: Path, count: int, change: Callable[[str], str]) -> list[str]:
    """What the audit hook saw when files of random workflows ran on hostile answers."""
    paths = []
    for number in range(count):
        module = parse(module_text(random.Random(number).randint))
        workflow = entry(module)
        file = folder / f"w{number}.py"
        text = emit(module, workflow.sym_name.data)
        file.write_text(change(text), encoding="utf-8")
        inputs = dict(zip(load(text).INPUTS, values_for(workflow), strict=True))
        kinds = {op.sym_name.data: str(op.output) for op in module.ops
                 if isinstance(op, flow.ToolOp)}  # fmt: skip
        (folder / f"w{number}.py.json").write_text(json.dumps([inputs, kinds]))
        paths.append(str(file))
    script = Path(__file__).with_name("adversary.py")
    done = subprocess.run(
        [sys.executable, script, *paths], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


FORBIDDEN = ("eval", "exec", "compile", "__import__", "format_map", "Template")
"""What makes code, or text by a template, of text: Python's own, not a file's class."""


@pytest.mark.parametrize("text", _files().values(), ids=_files().keys())
def test_only_constants_are_formatted_and_only_constants_name_tools(text: str) -> None:
    """By the syntax of emitted files, so for all answers there can be."""
    tree = ast.parse(text)
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    prompts = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if ast.unparse(node.func) != "re.compile":
            assert name in own or name not in FORBIDDEN
        if name == "format":
            assert isinstance(node.func, ast.Attribute)
            assert isinstance(node.func.value, ast.Name)
            assert node.func.value.id in prompts
        if name in ("use_tool", "ask_checker", "checker_accepts", "keys_of"):
            what = node.args[1]
            # Within the library itself, the name is handed on.
            assert isinstance(what, ast.Constant) or ast.unparse(what) == "tool"
        if name == "import_module":
            assert ast.unparse(node.args[0]) in ("module", "'openai'")
        if name == "getattr" and not isinstance(node.args[1], ast.Constant):
            assert re.match(r"getattr\((importlib\.import_module|args)", ast.unparse(node))


def test_a_tool_that_is_nowhere_says_where_it_was_looked_for_and_what_to_do() -> None:
    file = load(emit(parse(CHAIN.replace("a:b", "no_such_module.x:turn"))), "emitted_nowhere")

    async def llm(node: str, messages: Any, **params: Any) -> Any:
        return file.Completion("y", file.Usage(), "m")

    with pytest.raises(file.ToolError) as caught:
        asyncio.run(file.run({"x": "x"}, llm=llm))
    assert str(caught.value) == (
        "tool turn: no_such_module.x:turn cannot be imported (No module named 'no_such_module'); "
        "put its folder on the path, or pass the function to run, as tools={'turn': …}"
    )
