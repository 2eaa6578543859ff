"""The text of emitted LangGraph files: format, types, and the file a person gets to read."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flowir.backends.langgraph.emit import emit
from flowir.profile.prices import Price, Prices
from tests.budget import some
from tests.strategies_ir import entry, module_text, parse, with_front

HERE = Path(__file__).parent
EXAMPLES = sorted(
    path
    for path in (HERE.parent.parent / "examples").glob("*/*.mlir")
    if path.parent.name != "teola"
)
GOLDEN = HERE / "code_repair.langgraph.golden"


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
        text = emit(module, entry(module).sym_name.data, fuse=number % 3 > 0)
        (folder / f"random_{number}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--isolated", "--line-length", "100", "--diff"),
        ("ruff", "check", "--isolated", "--line-length", "100", "--target-version", "py311"),
        pytest.param(("mypy", "--strict", "--config-file", "mypy.ini"), marks=pytest.mark.slow),
    ],
)
def test_files_are_formatted_and_typed(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "mypy.ini").write_text("[mypy]\n")
    environment = {**os.environ, "MYPY_CACHE_DIR": str(folder / "cache"), "RUFF_NO_CACHE": "true"}
    done = subprocess.run(
        [sys.executable, "-m", *command, "."],
        cwd=folder, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_file_of_the_sample_is_as_it_was_reviewed() -> None:
    """`python -m tests.backends.test_langgraph_text` writes it anew, for the next review."""
    assert _golden() == GOLDEN.read_text(encoding="utf-8")


def _golden() -> str:
    """The sample workflow with a made-up front."""
    module = parse((HERE / "code_repair.mlir").read_text())
    with_front(module, random.Random(2).randint, points=4)
    return emit(module, prices=Prices({"gpt-4-0613": Price(30.0, 60.0)}))


def test_emission_is_deterministic_and_leaves_the_module_alone() -> None:
    module = parse(module_text(random.Random(5).randint))
    before, workflow = str(module), entry(module).sym_name.data
    assert emit(module, workflow) == emit(module, workflow)
    assert str(module) == before


if __name__ == "__main__":
    GOLDEN.write_text(_golden(), encoding="utf-8")
