"""The text of emitted files: literals, names, format, and the file a person gets to read."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.backends.asyncio.emit import emit
from flowir.backends.asyncio.literals import assigned, docstring, escaped_lines, quoted
from flowir.backends.asyncio.names import FORBIDDEN, Names
from flowir.profile.prices import Price, Prices
from tests.backends.running import load
from tests.budget import some
from tests.strategies_ir import entry, module_text, parse, with_front

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLES = sorted(
    path for path in (ROOT / "examples").glob("*/*.mlir") if path.parent.name != "teola"
)

AWKWARD = st.lists(
    st.one_of(
        st.sampled_from(
            ['"', '"""', "'", "\\", "\n", " \n", "\t", "{", "}}", "word ", " ", "\r", "é", "\ud800",
             "\x00", "\u200b", "\\n", "x" * 30]
        ),
        st.text(max_size=3),
    ),
    max_size=30,
).map("".join)  # fmt: skip


@given(AWKWARD)
def test_literals_mean_the_text(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
    names: dict[str, str] = {}
    source = "\n".join(assigned("NAME", text))
    exec(source, names)
    assert names["NAME"] == text
    source.encode()
    assert all(line == line.rstrip() for line in source.split("\n"))


@given(AWKWARD, st.lists(AWKWARD, min_size=1))
def test_docstrings_are_docstrings(text: str, lines: list[str]) -> None:
    for source in (docstring(text), escaped_lines(["First.", *lines])):
        (statement,) = ast.parse("\n".join(source)).body
        assert isinstance(statement, ast.Expr)


@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["a", "__a", "class", "ﬁ", "fi"]))))
def test_names_are_valid_and_differ(names: list[str]) -> None:
    scope = Names(["taken"])
    found = [scope.new(name, "text") for name in names]
    assert all(name.isidentifier() and name not in FORBIDDEN for name in found)
    assert len({*found, "taken"}) == len(names) + 1
    values: dict[str, int] = {}
    exec("\n".join(f"{name} = {i}" for i, name in enumerate(found)), values)
    assert [values[name] for name in found] == list(range(len(found)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Emitted files: of the examples, and of random workflows with and without a front."""
    folder = tmp_path_factory.mktemp("emitted")
    for path in EXAMPLES:
        (folder / f"example_{path.stem}.py").write_text(emit(parse(path.read_text())))
    for number in range(some(24)):
        draw = random.Random(number).randint
        module = parse(module_text(draw, called=bool(number % 2)))
        if number % 2 == 0:
            with_front(module, draw)
        text = emit(module, entry(module).sym_name.data)
        (folder / f"random_{number}.py").write_text(text, encoding="utf-8")
    return folder


def _check(folder: Path, *command: str) -> str:
    environment = {**os.environ, "MYPY_CACHE_DIR": str(folder / "cache"), "RUFF_NO_CACHE": "true"}
    done = subprocess.run(
        [sys.executable, "-m", *command, "."],
        cwd=folder, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_files_are_formatted_as_ruff_would(folder: Path) -> None:
    _check(folder, "ruff", "format", "--isolated", "--line-length", "100", "--diff")


def test_files_pass_the_linter(folder: Path) -> None:
    _check(
        folder, "ruff", "check", "--isolated", "--line-length", "100", "--target-version", "py311"
    )


def test_files_pass_the_strictest_type_check(folder: Path) -> None:
    (folder / "mypy.ini").write_text("[mypy]\n")
    assert "no issues" in _check(folder, "mypy", "--strict", "--config-file", "mypy.ini")


def test_the_file_of_the_sample_is_as_it_was_reviewed() -> None:
    """`python -m tests.backends.test_asyncio_text` writes it anew, for the next review."""
    assert _golden() == (HERE / "code_repair.golden").read_text(encoding="utf-8")


def _golden() -> str:
    """The sample workflow with a made-up front."""
    module = parse((HERE / "code_repair.mlir").read_text())
    with_front(module, random.Random(2).randint, points=4)
    return emit(module, prices=Prices({"gpt-4-0613": Price(30.0, 60.0)}))


def test_emission_is_deterministic_and_leaves_the_module_alone() -> None:
    draw = random.Random(5).randint
    module = parse(module_text(draw))
    before = str(module)
    workflow = entry(module).sym_name.data
    assert emit(module, workflow) == emit(module, workflow)
    assert str(module) == before


@settings(max_examples=some(25))
@given(AWKWARD)
def test_prompts_reach_the_model_as_written(text: str) -> None:
    """Whatever a prompt holds, braces doubled, and whatever is filled in."""
    from xdsl.dialects.builtin import StringAttr

    module = parse(
        'flow.agent @a prompt "{t}" space <models = ["m"]>\n'
        "flow.workflow @w(%t: !flow.text) -> !flow.text {\n"
        "  %x = flow.call @a(%t) : (!flow.text) -> !flow.text\n"
        "  flow.return %x : !flow.text\n}\n"
    )
    agent = next(iter(module.ops))
    doubled = text.replace("{", "{{").replace("}", "}}")
    agent.properties["prompt"] = StringAttr(f"{doubled}{{t}}")
    agent.properties["system"] = StringAttr(doubled)
    file = load(emit(module))
    asked: list[str] = []

    async def llm(node: str, messages: list[dict[str, str]], **params: object) -> object:
        asked.extend(message["content"] for message in messages)
        return file.Completion("done", file.Usage(), "m")

    import asyncio

    asyncio.run(file.run({"t": text}, llm=llm))
    assert asked == [text, text + text]


if __name__ == "__main__":
    (HERE / "code_repair.golden").write_text(_golden(), encoding="utf-8")
