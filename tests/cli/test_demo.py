"""What the demo leaves behind is what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowir.cli.demo import run
from flowir.cli.opt import main


def test_its_files_can_be_worked_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The IR is read by flowir-opt, and emits to the Python that was written beside it."""
    run(str(tmp_path), 2, 0)
    capsys.readouterr()
    assert main([str(tmp_path / "code_repair.mlir"), "-t", "asyncio"]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "code_repair.py").read_text(encoding="utf-8")
    assert '"gpt-4-0613": (30.0, 60.0)' in text
