"""What stood in for labels is said wherever accuracy is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowir.cli.main import cli
from flowir.cli.opt import main as flowir_opt
from tests.profiler.commands import WORKFLOW

SENTENCE = "60 of 60 calls have no label: what is right was taken from a proxy, agreement of 3 X"


@pytest.fixture
def profiled(tmp_path: Path) -> Path:
    rows = ["sub_agent,model,query_id,correct,latency_s,proxy"] + [
        f"x,{model},q{n},{int(n % 3 > 0)},{1 + n / 10},agreement of 3 X"
        for model in ("m1", "m2")
        for n in range(30)
    ]
    (tmp_path / "w.mlir").write_text(WORKFLOW)
    (tmp_path / "p.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_a_fit_says_so(profiled: Path) -> None:
    result = CliRunner().invoke(cli, ["fit", str(profiled / "p.csv")])
    assert SENTENCE in result.output


@pytest.mark.parametrize("target", ["mlir", "pareto-json"])
def test_a_front_says_so(profiled: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(profiled / "w.mlir"), "--profile", str(profiled / "p.csv")]
    assert flowir_opt([*files, "--dse=objectives=accuracy,latency", "-t", target]) == 0
    written = capsys.readouterr()
    assert SENTENCE in written.out
    assert SENTENCE in written.err
    if target == "pareto-json":
        assert any(SENTENCE in said for said in json.loads(written.out)["warnings"])
